/* Addresses of a Redis: what is read, what is refused, and that no message repeats a password. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/fed/redis_address.h"

static void expect_read(const char *text, const char *host, const char *port, bool tls)
{
    ech_redis_address address;
    cr_assert_eq(ech_redis_address_read(text, &address), ECH_OK, "%s: %s", text,
                 ech_status_message());
    cr_expect_str_eq(address.host, host);
    cr_expect_str_eq(address.port, port);
    cr_expect_eq(address.tls, tls);
}

static void expect_refused(const char *text, const char *said)
{
    ech_redis_address address;
    cr_assert_eq(ech_redis_address_read(text, &address), ECH_ERR_CONFIG, "%s is read", text);
    cr_expect_not_null(strstr(ech_status_message(), said), "%s: %s", text, ech_status_message());
    cr_expect_null(strstr(ech_status_message(), "sesame"), "%s", ech_status_message());
}

Test(redis_address, names_and_addresses_with_and_without_a_scheme_are_read)
{
    expect_read("127.0.0.1:6379", "127.0.0.1", "6379", false);
    expect_read("redis://node-7:1", "node-7", "1", false);
    expect_read("rediss://redis.example.org:65535", "redis.example.org", "65535", true);
    expect_read("[::1]:6379", "::1", "6379", false);
    expect_read("rediss://[fe80::1%eth0]:06380", "fe80::1%eth0", "6380", true);
}

Test(redis_address, what_is_no_address_is_refused)
{
    static const char *const texts[] = {"",
                                        "host",
                                        ":6379",
                                        "host:",
                                        "host:0",
                                        "host:65536",
                                        "host:6379/0",
                                        "::1:6379",
                                        "[]:6379",
                                        "[::1]",
                                        "a b:6379",
                                        "host:6379?ssl=1",
                                        "rediss://",
                                        "rediss://host/:6379"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        expect_refused(texts[i], "expected HOST:PORT, or rediss://HOST:PORT for TLS");
    }
    expect_refused("https://host:6379", "expected redis:// or rediss://");
    expect_refused("REDISS://host:6379", "expected redis:// or rediss://");
    char longest[400];
    memset(longest, 'h', sizeof longest);
    memcpy(&longest[sizeof longest - 6], ":6379", 6);
    expect_refused(longest, "expected HOST:PORT");
}

Test(redis_address, a_password_in_it_is_refused_and_not_repeated)
{
    expect_refused("rediss://:open-sesame@host:6379", "ECH_REDIS_PASSWORD");
    expect_refused("open-sesame@host:6379", "ECH_REDIS_PASSWORD");
    expect_refused("http://user:sesame@host:6379", "ECH_REDIS_PASSWORD");
}
