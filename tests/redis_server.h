/**
 * @file redis_server.h
 * A Redis of a test's own: on loopback, on a free port, with a folder of its own, no disk writes.
 */
#ifndef ECH_TESTS_REDIS_SERVER_H
#define ECH_TESTS_REDIS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct {
    pid_t pid;
    int port;
    bool tls;
    char address[40]; /* as redis.address has it */
} redis_server;

/** Start it in a folder, with further options and their values (ended by NULL; NULL: none), and
 *  wait until it answers. Ends the test on failure. */
void redis_server_start(redis_server *server, const char *folder, const char *const *options);

/** The same by TLS alone, with server.crt and server.key of the folder; clients' certificates are
 *  those that ca.crt signed, and needed if the options say so. */
void redis_server_start_tls(redis_server *server, const char *folder, const char *const *options);

void redis_server_stop(redis_server *server);

/** As if its host had died. */
void redis_server_kill(redis_server *server);

/** Another process kills it as soon as it holds keys; wait for that. */
pid_t redis_server_kill_once_used(const redis_server *server);
void redis_server_wait_killed(redis_server *server, pid_t killer);

/** Number of its keys; it asks nobody for a certificate or a password. */
long redis_server_keys(const redis_server *server);

#endif
