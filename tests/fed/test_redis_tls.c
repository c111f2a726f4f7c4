/* A Redis by TLS: the same as without, and only with the right certificates on both sides. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/fed/redis_link.h"
#include "tests/certificates.h"
#include "tests/fed/redis_support.h"

enum { HOUR_S = 3600 };

static const char here[] = "IP:127.0.0.1,DNS:localhost";
static char ca[REDIS_PATH_BYTES];
static char other_ca[REDIS_PATH_BYTES];

static void make(const char *name, const char *signer, const char *hosts)
{
    certificate_make(
        redis_folder,
        &(test_certificate){
            .name = name, .signer = signer, .hosts = hosts, .begins_s = -HOUR_S, .ends_s = HOUR_S});
}

static void start(void)
{
    redis_support_start();
    make("ca", NULL, NULL);
    make("other", NULL, NULL);
    make("server", "ca", here);
    redis_path("ca.crt", ca);
    redis_path("other.crt", other_ca);
}

TestSuite(redis_tls, .init = start, .fini = redis_support_stop, .timeout = 60);

Test(redis_tls, values_of_several_pieces_come_back_by_each_version)
{
    static const char *const versions[] = {"TLSv1.2", "TLSv1.3"};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        redis_server server;
        char by_name[REDIS_PATH_BYTES];
        redis_server_start_tls(&server, redis_folder,
                               (const char *const[]){"--tls-protocols", versions[i], NULL});
        snprintf(by_name, sizeof by_name, "rediss://localhost:%d", server.port);
        redis_expect_works(
            &(ech_transfer_options){.redis_address = server.address, .redis_authorities = ca});
        redis_expect_works(
            &(ech_transfer_options){.redis_address = by_name, .redis_authorities = ca});
        redis_server_stop(&server);
    }
}

Test(redis_tls, a_password_works_as_without)
{
    redis_server server;
    redis_server_start_tls(&server, redis_folder,
                           (const char *const[]){"--requirepass", "open-sesame", NULL});
    ech_transfer_options options = {.redis_address = server.address, .redis_authorities = ca};
    redis_expect_refused(&options, (const char *const[]){"NOAUTH", NULL});
    options.redis_password = "close-sesame";
    redis_expect_refused(&options, (const char *const[]){"WRONGPASS", NULL});
    options.redis_password = "open-sesame";
    redis_expect_works(&options);
    redis_server_stop(&server);
}

/* ---- the server's certificate ---- */

Test(redis_tls, an_authority_that_did_not_sign_is_refused)
{
    redis_server server;
    redis_server_start_tls(&server, redis_folder, NULL);
    redis_expect_refused(
        &(ech_transfer_options){.redis_address = server.address, .redis_authorities = other_ca},
        (const char *const[]){"certificate is refused", "redis.ca", NULL});
    redis_server_stop(&server);
}

/* SSL_CERT_FILE is where OpenSSL is told of another store than the system's. */
Test(redis_tls, without_an_authority_the_systems_are_trusted)
{
    redis_server server;
    const ech_transfer_options options = {.redis_address = server.address};
    redis_server_start_tls(&server, redis_folder, NULL);
    redis_expect_refused(&options,
                         (const char *const[]){"certificate is refused", "redis.ca", NULL});
    setenv("SSL_CERT_FILE", ca, 1);
    redis_expect_works(&options);
    redis_server_stop(&server);
}

/* A server with this certificate is refused. */
static void expect_certificate_refused(const test_certificate *what, const char *const *said)
{
    redis_server server;
    certificate_make(redis_folder, what);
    redis_server_start_tls(&server, redis_folder, NULL);
    redis_expect_refused(
        &(ech_transfer_options){.redis_address = server.address, .redis_authorities = ca}, said);
    redis_server_stop(&server);
}

Test(redis_tls, a_certificate_for_another_host_is_refused)
{
    const test_certificate elsewhere = {.name = "server",
                                        .signer = "ca",
                                        .hosts = "DNS:elsewhere.example,IP:127.0.0.2",
                                        .begins_s = -HOUR_S,
                                        .ends_s = HOUR_S};
    expect_certificate_refused(&elsewhere,
                               (const char *const[]){"IP address mismatch", "redis.address", NULL});
    redis_server server;
    char by_name[REDIS_PATH_BYTES];
    redis_server_start_tls(&server, redis_folder, NULL);
    snprintf(by_name, sizeof by_name, "rediss://localhost:%d", server.port);
    redis_expect_refused(&(ech_transfer_options){.redis_address = by_name, .redis_authorities = ca},
                         (const char *const[]){"ostname mismatch", "redis.address", NULL});
    redis_server_stop(&server);
}

Test(redis_tls, a_certificate_out_of_its_time_is_refused)
{
    test_certificate when = {.name = "server",
                             .signer = "ca",
                             .hosts = here,
                             .begins_s = -2 * HOUR_S,
                             .ends_s = -HOUR_S};
    expect_certificate_refused(&when, (const char *const[]){"expired", "renewed", NULL});
    when.begins_s = HOUR_S;
    when.ends_s = 2 * HOUR_S;
    expect_certificate_refused(&when, (const char *const[]){"not yet valid", "clock", NULL});
}

Test(redis_tls, a_certificate_that_signed_itself_is_refused)
{
    const test_certificate own = {
        .name = "server", .hosts = here, .begins_s = -HOUR_S, .ends_s = HOUR_S};
    expect_certificate_refused(&own, (const char *const[]){"self-signed", "redis.ca", NULL});
}

/* ---- this side's certificate ---- */

static const char *const asks[] = {"--tls-auth-clients", "yes", NULL};

Test(redis_tls, a_server_that_asks_for_a_certificate_gets_one_or_says_so)
{
    static const char *const versions[] = {"TLSv1.2", "TLSv1.3"};
    char paths[4][REDIS_PATH_BYTES];
    make("client", "ca", NULL);
    make("stranger", "other", NULL);
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        redis_server server;
        redis_server_start_tls(&server, redis_folder,
                               (const char *const[]){"--tls-auth-clients", "yes", "--tls-protocols",
                                                     versions[i], NULL});
        ech_transfer_options options = {.redis_address = server.address, .redis_authorities = ca};
        redis_expect_refused(&options, (const char *const[]){"refuses the connection", "alert",
                                                             "it may want a certificate", NULL});
        options.redis_certificate = redis_path("stranger.crt", paths[0]);
        options.redis_key = redis_path("stranger.key", paths[1]);
        redis_expect_refused(&options,
                             (const char *const[]){"refuses the connection", "unknown ca",
                                                   "have to be ones that it accepts", NULL});
        options.redis_certificate = redis_path("client.crt", paths[2]);
        options.redis_key = redis_path("client.key", paths[3]);
        redis_expect_works(&options);
        redis_server_stop(&server);
    }
}

Test(redis_tls, files_that_do_not_serve_are_told)
{
    redis_server server;
    char missing[REDIS_PATH_BYTES];
    char text[REDIS_PATH_BYTES];
    char certificate[REDIS_PATH_BYTES];
    char key[REDIS_PATH_BYTES];
    char wrong_key[REDIS_PATH_BYTES];
    make("client", "ca", NULL);
    ech_test_write_text(redis_folder, "text", "no certificate\n", text);
    redis_path("missing", missing);
    redis_path("client.crt", certificate);
    redis_path("client.key", key);
    redis_path("other.key", wrong_key);
    redis_server_start_tls(&server, redis_folder, asks);
    ech_transfer_options options = {.redis_address = server.address, .redis_authorities = missing};
    redis_expect_refused(&options,
                         (const char *const[]){"redis.ca", missing, "No such file", NULL});
    options.redis_authorities = text;
    redis_expect_refused(&options, (const char *const[]){"redis.ca", text, "no certificate", NULL});
    options.redis_authorities = ca;
    options.redis_certificate = missing;
    options.redis_key = key;
    redis_expect_refused(&options, (const char *const[]){"redis.certificate", missing, NULL});
    options.redis_certificate = certificate;
    options.redis_key = missing;
    redis_expect_refused(&options, (const char *const[]){"redis.key", missing, NULL});
    options.redis_key = wrong_key;
    redis_expect_refused(&options,
                         (const char *const[]){"redis.key", wrong_key, "not that of", NULL});
    chmod(key, S_IRUSR | S_IWUSR | S_IRGRP);
    options.redis_key = key;
    redis_expect_refused(&options, (const char *const[]){"redis.key", key, "chmod 600", NULL});
    redis_server_stop(&server);
}

/* Nobody is asked for its passphrase. */
Test(redis_tls, a_key_with_a_passphrase_is_refused)
{
    static const char encrypted[] =
        "-----BEGIN EC PRIVATE KEY-----\n"
        "Proc-Type: 4,ENCRYPTED\n"
        "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
        "-----END EC PRIVATE KEY-----\n";
    redis_server server;
    char certificate[REDIS_PATH_BYTES];
    char key[REDIS_PATH_BYTES];
    make("client", "ca", NULL);
    ech_test_write_text(redis_folder, "encrypted", encrypted, key);
    chmod(key, S_IRUSR);
    redis_server_start_tls(&server, redis_folder, asks);
    redis_expect_refused(
        &(ech_transfer_options){.redis_address = server.address,
                                .redis_authorities = ca,
                                .redis_certificate = redis_path("client.crt", certificate),
                                .redis_key = key},
        (const char *const[]){"redis.key", "without a passphrase", NULL});
    redis_server_stop(&server);
}

/* ---- servers of another kind, and ones that die ---- */

/* The time that a handshake may take is a part of this. */
static const uint64_t short_limit_ns = UINT64_C(1000000000);

/* A Redis is silent: to it, a handshake begins like a long command. */
Test(redis_tls, one_without_tls_is_told)
{
    redis_server server;
    redis_server_start(&server, redis_folder, NULL);
    ech_redis_address address = {.host = "127.0.0.1", .tls = true};
    snprintf(address.port, sizeof address.port, "%d", server.port);
    const ech_redis_link_options options = {
        .address = &address, .authorities = ca, .limit_ns = short_limit_ns};
    ech_redis_link *link = NULL;
    cr_expect_eq(ech_redis_link_open(&options, &link), ECH_ERR_TIMEOUT);
    redis_expect_message("TLS handshake: no answer in time, as of a Redis without TLS; "
                         "redis.address needs its port for TLS",
                         true);
    cr_expect_null(link);
    redis_server_stop(&server);
}

/* Others are not, such as a Redis that does not let everybody in. */
Test(redis_tls, one_that_talks_without_tls_is_told)
{
    ech_redis_address address;
    char text[REDIS_PATH_BYTES];
    const int listener = redis_listen(&address);
    const pid_t other = redis_answer(listener, "-DENIED Redis is running in protected mode\r\n");
    snprintf(text, sizeof text, "rediss://127.0.0.1:%s", address.port);
    redis_expect_refused(&(ech_transfer_options){.redis_address = text, .redis_authorities = ca},
                         (const char *const[]){"does not speak TLS", "port for TLS", NULL});
    redis_server_stop(&(redis_server){.pid = other});
    close(listener);
}

Test(redis_tls, one_by_tls_that_is_asked_without_is_told)
{
    redis_server server;
    char address[REDIS_PATH_BYTES];
    redis_server_start_tls(&server, redis_folder, NULL);
    snprintf(address, sizeof address, "127.0.0.1:%d", server.port);
    redis_expect_refused(&(ech_transfer_options){.redis_address = address},
                         (const char *const[]){"rediss://HOST:PORT", NULL});
    redis_server_stop(&server);
}

Test(redis_tls, one_of_an_old_version_is_told)
{
    redis_server server;
    redis_server_start_tls(&server, redis_folder,
                           (const char *const[]){"--tls-protocols", "TLSv1.1", "--tls-ciphers",
                                                 "ALL:@SECLEVEL=0", NULL});
    redis_expect_refused(
        &(ech_transfer_options){.redis_address = server.address, .redis_authorities = ca},
        (const char *const[]){"TLS handshake", "version", NULL});
    redis_server_stop(&server);
}

Test(redis_tls, one_that_dies_closes_the_connection_as_without)
{
    redis_server server;
    redis_server_start_tls(&server, redis_folder, NULL);
    const ech_transfer_options options = {.redis_address = server.address, .redis_authorities = ca};
    cr_expect_eq(redis_put_after_kill(&server, &options), ECH_ERR_SYSTEM);
    redis_expect_message(server.address, true);
    redis_expect_message("the server closed the connection", true);
    redis_expect_refused(&options, (const char *const[]){"Connection refused", NULL});
}
