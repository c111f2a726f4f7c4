#define _POSIX_C_SOURCE 200809L
#include "tests/cli/redis_server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/child.h"
#include "runtime/base/clock.h"
#include "tests/cli/program.h"
#include "tests/limits.h"

enum { PORT_BYTES = 12, TRIES = 500, OUTPUT_BYTES = 256 };

static const uint64_t pause_ns = UINT64_C(20000000);
enum { LIMIT_SECONDS = 10 };

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static bool answers(int port)
{
    const struct sockaddr_in address = loopback(port);
    const int probe = socket(AF_INET, SOCK_STREAM, 0);
    const bool connected =
        probe >= 0 && connect(probe, (const struct sockaddr *)&address, sizeof address) == 0;
    close(probe);
    return connected;
}

void redis_server_start(redis_server *server, const char *folder, const char *option,
                        const char *value)
{
    server->port = program_free_port();
    snprintf(server->address, sizeof server->address, "127.0.0.1:%d", server->port);
    char port[PORT_BYTES];
    snprintf(port, sizeof port, "%d", server->port);
    const char *const arguments[] = {
        "redis-server", "--bind", "127.0.0.1", "--port",    port,   "--dir", folder, "--save", "",
        "--appendonly", "no",     "--logfile", "redis.log", option, value,   NULL};
    server->pid = fork();
    cr_assert_geq(server->pid, 0);
    if (server->pid == 0) {
        execvp(arguments[0], (char *const *)arguments);
        _exit(EXIT_FAILURE);
    }
    int tries = 0;
    while (!answers(server->port) && tries++ < TRIES) {
        cr_assert_eq(waitpid(server->pid, NULL, WNOHANG), 0, "redis-server cannot be started");
        ech_clock_sleep_ns(pause_ns);
    }
    cr_assert_lt(tries, TRIES, "redis-server does not answer");
}

void redis_server_stop(redis_server *server)
{
    kill(server->pid, SIGTERM);
    waitpid(server->pid, NULL, 0);
}

long redis_server_keys(const redis_server *server)
{
    char port[PORT_BYTES];
    snprintf(port, sizeof port, "%d", server->port);
    const char *const arguments[] = {"redis-cli", "-p", port, "dbsize", NULL};
    const ech_child_options options = {.arguments = arguments,
                                       .timeout_ns = ech_test_limit_ns(LIMIT_SECONDS),
                                       .output_bytes_max = OUTPUT_BYTES};
    ech_child_result result;
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK);
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    const long keys = strtol(result.output, NULL, 10);
    ech_child_result_free(&result);
    return keys;
}
