#define _GNU_SOURCE
#include "tests/fed/redis_support.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/memory.h"

/* Several pieces, the last a part of one. */
enum { VALUE_BYTES = (9 << 20) + 12345 };

char redis_folder[ECH_TEST_PATH_BYTES];
static size_t descriptors;

static size_t count_descriptors(void)
{
    return ech_test_count_entries("/proc/self/fd");
}

void redis_support_start(void)
{
    ech_test_make_directory(redis_folder);
    descriptors = count_descriptors();
}

void redis_support_stop(void)
{
    cr_expect_eq(count_descriptors(), descriptors, "a descriptor is left");
    ech_test_remove_directory(redis_folder);
    ech_test_expect_no_leak();
}

const char *redis_path(const char *name, char path[REDIS_PATH_BYTES])
{
    snprintf(path, REDIS_PATH_BYTES, "%s/%s", redis_folder, name);
    return path;
}

static char *make_value(void)
{
    char *value = ech_alloc(VALUE_BYTES);
    cr_assert_not_null(value);
    for (size_t i = 0; i < VALUE_BYTES; i++) {
        value[i] = (char)(i * 31 + i / 4099);
    }
    return value;
}

static void expect_ok(ech_status status)
{
    cr_assert_eq(status, ECH_OK, "%s", ech_status_message());
}

void redis_expect_works(const ech_transfer_options *options)
{
    static const char key[] = "echelon:test:v";
    void *store = NULL;
    char *value = make_value();
    char *got = ech_calloc(1, VALUE_BYTES);
    cr_assert_not_null(got);
    expect_ok(ech_transfer_redis.open(options, &store));
    expect_ok(ech_transfer_redis.put(store, key, value, VALUE_BYTES));
    expect_ok(ech_transfer_redis.get(store, key, got, VALUE_BYTES));
    cr_expect_arr_eq(got, value, VALUE_BYTES);
    cr_expect_eq(ech_transfer_redis.get(store, key, got, VALUE_BYTES + 1), ECH_ERR_FORMAT);
    redis_expect_message("bytes", true);
    ech_transfer_redis.close(&store);
    expect_ok(ech_transfer_redis.open(options, &store));
    expect_ok(ech_transfer_redis.drop(store, key, VALUE_BYTES));
    cr_expect_eq(ech_transfer_redis.get(store, key, got, VALUE_BYTES), ECH_ERR_NOT_FOUND);
    ech_transfer_redis.close(&store);
    cr_expect_null(store);
    ech_free(value);
    ech_free(got);
}

void redis_expect_message(const char *text, bool there)
{
    cr_expect_eq(strstr(ech_status_message(), text) != NULL, there, "\"%s\": %s", text,
                 ech_status_message());
}

void redis_expect_refused(const ech_transfer_options *options, const char *const *said)
{
    void *store = NULL;
    cr_assert_neq(ech_transfer_redis.open(options, &store), ECH_OK, "%s is reached",
                  options->redis_address);
    cr_expect_null(store);
    redis_expect_message(options->redis_address, true);
    for (; *said != NULL; said++) {
        redis_expect_message(*said, true);
    }
}

ech_status redis_put_after_kill(redis_server *server, const ech_transfer_options *options)
{
    void *store = NULL;
    char *value = make_value();
    expect_ok(ech_transfer_redis.open(options, &store));
    expect_ok(ech_transfer_redis.put(store, "a", value, VALUE_BYTES));
    redis_server_kill(server);
    const ech_status status = ech_transfer_redis.put(store, "b", value, VALUE_BYTES);
    ech_transfer_redis.close(&store);
    ech_free(value);
    return status;
}

int redis_listen(ech_redis_address *address)
{
    const int port = ech_test_free_port();
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(listener, 0);
    cr_assert_eq(bind(listener, (const struct sockaddr *)&at, sizeof at), 0);
    cr_assert_eq(listen(listener, 4), 0);
    *address = (ech_redis_address){.host = "127.0.0.1"};
    snprintf(address->port, sizeof address->port, "%d", port);
    return listener;
}

pid_t redis_answer(int listener, const char *text)
{
    const pid_t other = fork();
    cr_assert_geq(other, 0);
    if (other == 0) {
        const int accepted = accept(listener, NULL, NULL);
        const bool sent = send(accepted, text, strlen(text), MSG_NOSIGNAL) > 0;
        pause();
        _exit(sent ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    return other;
}
