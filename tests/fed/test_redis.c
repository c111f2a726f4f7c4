/* A Redis without TLS, as a store of values: one that fails is told with its address and cause. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/fed/redis_link.h"
#include "tests/fed/redis_support.h"

TestSuite(redis, .init = redis_support_start, .fini = redis_support_stop, .timeout = 60);

Test(redis, values_of_several_pieces_come_back)
{
    redis_server server;
    redis_server_start(&server, redis_folder, NULL);
    redis_expect_works(&(ech_transfer_options){.redis_address = server.address});
    cr_expect_eq(redis_server_keys(&server), 0);
    char by_name[REDIS_PATH_BYTES];
    snprintf(by_name, sizeof by_name, "redis://localhost:%d", server.port);
    redis_expect_works(&(ech_transfer_options){.redis_address = by_name});
    redis_server_stop(&server);
}

Test(redis, a_password_is_needed_right_and_never_told)
{
    redis_server server;
    ech_transfer_options options = {.redis_address = server.address};
    redis_server_start(&server, redis_folder,
                       (const char *const[]){"--requirepass", "open-sesame", NULL});
    redis_expect_refused(&options, (const char *const[]){"NOAUTH", "ECH_REDIS_PASSWORD", NULL});
    options.redis_password = "close-sesame";
    redis_expect_refused(&options, (const char *const[]){"WRONGPASS", "ECH_REDIS_PASSWORD", NULL});
    redis_expect_message("sesame", false);
    options.redis_password = "open-sesame";
    redis_expect_works(&options);
    redis_server_stop(&server);
}

/* It answers with what it did not understand. */
Test(redis, a_server_without_passwords_does_not_make_one_known)
{
    redis_server server;
    redis_server_start(&server, redis_folder,
                       (const char *const[]){"--rename-command", "AUTH", "", NULL});
    redis_expect_refused(
        &(ech_transfer_options){.redis_address = server.address, .redis_password = "open-sesame"},
        (const char *const[]){"AUTH with ECH_REDIS_PASSWORD: ERR", NULL});
    redis_expect_message("sesame", false);
    redis_server_stop(&server);
}

Test(redis, one_that_dies_closes_the_connection)
{
    redis_server server;
    redis_server_start(&server, redis_folder, NULL);
    const ech_transfer_options options = {.redis_address = server.address};
    cr_expect_eq(redis_put_after_kill(&server, &options), ECH_ERR_SYSTEM);
    redis_expect_message(server.address, true);
    redis_expect_message("the server closed the connection", true);
    redis_expect_refused(&options, (const char *const[]){"Connection refused", NULL});
}

Test(redis, one_that_cannot_be_found_is_told)
{
    redis_expect_refused(&(ech_transfer_options){.redis_address = "nowhere.invalid:6379"},
                         (const char *const[]){"nowhere.invalid", NULL});
}

/* ---- servers that are none ---- */

static const uint64_t short_limit_ns = UINT64_C(100000000);

Test(redis, one_that_is_silent_or_does_not_read_is_not_waited_for)
{
    static char bytes[1 << 20];
    ech_redis_address address;
    ech_redis_link *link = NULL;
    const int listener = redis_listen(&address);
    const ech_redis_link_options options = {.address = &address, .limit_ns = short_limit_ns};
    cr_assert_eq(ech_redis_link_open(&options, &link), ECH_OK, "%s", ech_status_message());
    size_t received = 0;
    cr_expect_eq(ech_redis_link_receive(link, bytes, sizeof bytes, &received), ECH_ERR_TIMEOUT);
    redis_expect_message("no answer in time", true);
    ech_status status = ECH_OK;
    while (status == ECH_OK) {
        status = ech_redis_link_send(link, bytes, sizeof bytes);
    }
    cr_expect_eq(status, ECH_ERR_TIMEOUT, "%s", ech_status_message());
    ech_redis_link_close(&link);
    cr_expect_null(link);
    close(listener);
}

Test(redis, a_connection_is_not_inherited)
{
    ech_redis_address address;
    ech_redis_link *link = NULL;
    const int listener = redis_listen(&address);
    const ech_redis_link_options options = {.address = &address, .limit_ns = short_limit_ns};
    cr_assert_eq(ech_redis_link_open(&options, &link), ECH_OK, "%s", ech_status_message());
    for (int other = 3; other < 64; other++) {
        struct sockaddr_in peer = {.sin_family = AF_UNSPEC};
        socklen_t size = sizeof peer;
        if (getpeername(other, (struct sockaddr *)&peer, &size) == 0) {
            cr_expect(peer.sin_family != AF_INET || (fcntl(other, F_GETFD) & FD_CLOEXEC) != 0,
                      "descriptor %d", other);
        }
    }
    ech_redis_link_close(&link);
    close(listener);
}

Test(redis, one_that_talks_otherwise_is_told)
{
    ech_redis_address address;
    char text[REDIS_PATH_BYTES];
    const int listener = redis_listen(&address);
    snprintf(text, sizeof text, "127.0.0.1:%s", address.port);
    const pid_t other = redis_answer(listener, "HTTP/1.1 400 Bad Request\r\n");
    redis_expect_refused(&(ech_transfer_options){.redis_address = text},
                         (const char *const[]){"no answer of a Redis", "rediss://", NULL});
    redis_server_stop(&(redis_server){.pid = other});
    close(listener);
}
