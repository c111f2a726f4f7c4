/**
 * @file redis_server.h
 * A Redis of a test's own: on loopback, on a free port, with a folder of its own, no disk writes.
 */
#ifndef ECH_TESTS_CLI_REDIS_SERVER_H
#define ECH_TESTS_CLI_REDIS_SERVER_H

#include <sys/types.h>

typedef struct {
    pid_t pid;
    int port;
    char address[32]; /* HOST:PORT */
} redis_server;

/** Start it in a folder, with one more option and its value (NULL: none), and wait until it
 * answers. Ends the test on failure. */
void redis_server_start(redis_server *server, const char *folder, const char *option,
                        const char *value);
void redis_server_stop(redis_server *server);

/** Number of its keys. */
long redis_server_keys(const redis_server *server);

#endif
