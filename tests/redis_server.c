#define _POSIX_C_SOURCE 200809L
#include "tests/redis_server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/child.h"
#include "runtime/base/clock.h"
#include "tests/limits.h"
#include "tests/support.h"

enum { PORT_BYTES = 12, ARGUMENTS_MAX = 48, TRIES = 500, OUTPUT_BYTES = 256, SCRIPT_BYTES = 256 };

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

static void wait_for(const redis_server *server)
{
    int tries = 0;
    while (!answers(server->port) && tries++ < TRIES) {
        cr_assert_eq(waitpid(server->pid, NULL, WNOHANG), 0, "redis-server cannot be started");
        ech_clock_sleep_ns(pause_ns);
    }
    cr_assert_lt(tries, TRIES, "redis-server does not answer");
}

/* `first` and `more` are ended by NULL; NULL: none. */
static void start(redis_server *server, const char *folder, const char *const *first,
                  const char *const *more)
{
    const char *arguments[ARGUMENTS_MAX] = {
        "redis-server", "--bind",    "127.0.0.1",    "--dir", folder, "--save", "",
        "--logfile",    "redis.log", "--appendonly", "no"};
    size_t count = 11;
    for (; *first != NULL; first++) {
        arguments[count++] = *first;
    }
    for (; more != NULL && *more != NULL; more++) {
        cr_assert_lt(count, ARGUMENTS_MAX - 1);
        arguments[count++] = *more;
    }
    server->pid = fork();
    cr_assert_geq(server->pid, 0);
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not stop it */
        execvp(arguments[0], (char *const *)arguments);
        _exit(EXIT_FAILURE);
    }
    wait_for(server);
}

static void choose_address(redis_server *server, bool tls, char port[PORT_BYTES])
{
    server->port = ech_test_free_port();
    server->tls = tls;
    snprintf(port, PORT_BYTES, "%d", server->port);
    snprintf(server->address, sizeof server->address, "%s127.0.0.1:%d", tls ? "rediss://" : "",
             server->port);
}

void redis_server_start(redis_server *server, const char *folder, const char *const *options)
{
    char port[PORT_BYTES];
    choose_address(server, false, port);
    start(server, folder, (const char *const[]){"--port", port, NULL}, options);
}

void redis_server_start_tls(redis_server *server, const char *folder, const char *const *options)
{
    char port[PORT_BYTES];
    choose_address(server, true, port);
    /* Files are relative to the folder that it changes to. */
    const char *const first[] = {"--port",
                                 "0",
                                 "--tls-port",
                                 port,
                                 "--tls-cert-file",
                                 "server.crt",
                                 "--tls-key-file",
                                 "server.key",
                                 "--tls-ca-cert-file",
                                 "ca.crt",
                                 "--tls-auth-clients",
                                 "no",
                                 NULL};
    start(server, folder, first, options);
}

static void end(redis_server *server, int signal)
{
    kill(server->pid, signal);
    waitpid(server->pid, NULL, 0);
}

void redis_server_stop(redis_server *server)
{
    end(server, SIGTERM);
}

void redis_server_kill(redis_server *server)
{
    end(server, SIGKILL);
}

pid_t redis_server_kill_once_used(const redis_server *server)
{
    char script[SCRIPT_BYTES];
    snprintf(script, sizeof script,
             "for try in $(seq 600); do [ \"$(redis-cli -p %d %s dbsize)\" -gt 0 ] && "
             "exec kill -9 %ld; sleep 0.1; done; exit 1",
             server->port, server->tls ? "--tls --insecure" : "", (long)server->pid);
    const pid_t killer = fork();
    cr_assert_geq(killer, 0);
    if (killer == 0) {
        execlp("sh", "sh", "-c", script, (char *)NULL);
        _exit(EXIT_FAILURE);
    }
    return killer;
}

void redis_server_wait_killed(redis_server *server, pid_t killer)
{
    int status = 0;
    waitpid(killer, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "nobody used the server");
    waitpid(server->pid, NULL, 0);
}

long redis_server_keys(const redis_server *server)
{
    char port[PORT_BYTES];
    snprintf(port, sizeof port, "%d", server->port);
    const char *const plain[] = {"redis-cli", "-p", port, "dbsize", NULL};
    const char *const tls[] = {"redis-cli", "--tls", "--insecure", "-p", port, "dbsize", NULL};
    const ech_child_options options = {.arguments = server->tls ? tls : plain,
                                       .timeout_ns = ech_test_limit_ns(LIMIT_SECONDS),
                                       .output_bytes_max = OUTPUT_BYTES};
    ech_child_result result;
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK);
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    const long keys = strtol(result.output, NULL, 10);
    ech_child_result_free(&result);
    return keys;
}
