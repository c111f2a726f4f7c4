/* Models and updates through a Redis by TLS: the model of every other transfer, and failures are
 * told as without TLS. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/certificates.h"
#include "tests/cli/transfer_matrix.h"
#include "tests/redis_server.h"

enum { HOUR_S = 3600 };

static void make(const char *name, const char *signer, const char *hosts)
{
    certificate_make(
        fit_folder(),
        &(test_certificate){
            .name = name, .signer = signer, .hosts = hosts, .begins_s = -HOUR_S, .ends_s = HOUR_S});
}

static void start(void)
{
    fit_folder_start(transfer_config);
    make("ca", NULL, NULL);
    make("server", "ca", "IP:127.0.0.1");
}

TestSuite(fit_tls, .init = start, .fini = fit_folder_stop, .timeout = 300);

/* A key of the configuration with a file of the folder. */
static const char *set_file(const char *key, const char *name, char set[FIT_PATH_BYTES])
{
    snprintf(set, FIT_PATH_BYTES, "%s=%s/%s", key, fit_folder(), name);
    return set;
}

static const char *set_address(const redis_server *server, char set[FIT_PATH_BYTES])
{
    snprintf(set, FIT_PATH_BYTES, "redis.address=%s", server->address);
    return set;
}

Test(fit_tls, redis_gives_the_same_model_and_is_empty_afterwards)
{
    redis_server server;
    char address[FIT_PATH_BYTES];
    char ca[FIT_PATH_BYTES];
    redis_server_start_tls(&server, fit_folder(), NULL);
    transfer_expect_same_model((const char *const[]){
        "transfer=redis", set_address(&server, address), set_file("redis.ca", "ca.crt", ca), NULL});
    cr_expect_eq(redis_server_keys(&server), 0);
    redis_server_stop(&server);
}

Test(fit_tls, a_certificate_and_a_password_are_shown)
{
    redis_server server;
    char address[FIT_PATH_BYTES];
    char ca[FIT_PATH_BYTES];
    char certificate[FIT_PATH_BYTES];
    char key[FIT_PATH_BYTES];
    char expected[FIT_HASH_BYTES];
    char hash[FIT_HASH_BYTES];
    make("client", "ca", NULL);
    redis_server_start_tls(
        &server, fit_folder(),
        (const char *const[]){"--tls-auth-clients", "yes", "--requirepass", "open-sesame", NULL});
    fit_run run = {.environment = "ECH_REDIS_PASSWORD=open-sesame",
                   .sets = {"transfer=redis", set_address(&server, address),
                            set_file("redis.ca", "ca.crt", ca)}};
    transfer_expect_failure(
        &run, 1, (const char *const[]){server.address, "it may want a certificate", NULL});
    run.sets[3] = set_file("redis.certificate", "client.crt", certificate);
    run.sets[4] = set_file("redis.key", "client.key", key);
    fit_folder_hash(&(fit_run){.ranks = 2}, expected);
    fit_folder_hash(&run, hash);
    cr_expect_str_eq(hash, expected);
    redis_server_stop(&server);
}

Test(fit_tls, a_server_that_is_not_trusted_is_told_at_once)
{
    redis_server server;
    char address[FIT_PATH_BYTES];
    char ca[FIT_PATH_BYTES];
    make("other", NULL, NULL);
    redis_server_start_tls(&server, fit_folder(), NULL);
    const fit_run run = {.sets = {"transfer=redis", set_address(&server, address),
                                  set_file("redis.ca", "other.crt", ca)}};
    transfer_expect_failure(
        &run, 1, (const char *const[]){server.address, "certificate is refused", "redis.ca", NULL});
    redis_server_stop(&server);
}

/* As in test_fit_transfer.c, without TLS. */
Test(fit_tls, a_redis_that_dies_is_tried_again_and_told)
{
    redis_server server;
    char address[FIT_PATH_BYTES];
    char ca[FIT_PATH_BYTES];
    redis_server_start_tls(&server, fit_folder(), NULL);
    const pid_t killer = redis_server_kill_once_used(&server);
    const fit_run run = {.ranks = 2,
                         .sets = {"transfer=redis", set_address(&server, address),
                                  set_file("redis.ca", "ca.crt", ca), "rounds=1000000"}};
    transfer_expect_death(&run, server.address);
    redis_server_wait_killed(&server, killer);
}
