/* However models and updates travel, the model is the same; what was put is gone at the end, and a
 * store that fails is told with what was moved, whose, how much and where. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/cli/transfer_matrix.h"
#include "tests/limits.h"
#include "tests/redis_server.h"
#include "tests/support.h"

enum { OUTPUT_BYTES = 1 << 16 };

enum { CHILD_SECONDS = 60 };

static char parcels[FIT_PATH_BYTES];

static void start(void)
{
    fit_folder_start(transfer_config);
    snprintf(parcels, sizeof parcels, "%s/parcels", fit_folder());
    cr_assert_eq(mkdir(parcels, S_IRWXU), 0);
}

TestSuite(fit_transfer, .init = start, .fini = fit_folder_stop, .timeout = 300);

static int count_files(const char *folder)
{
    DIR *directory = opendir(folder);
    cr_assert_not_null(directory);
    int count = 0;
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}

Test(fit_transfer, a_copy_a_rank_gives_the_same_model)
{
    transfer_expect_same_model((const char *const[]){"transfer=rma", NULL});
}

Test(fit_transfer, files_give_the_same_model_and_are_removed)
{
    char folder[FIT_PATH_BYTES + 32];
    snprintf(folder, sizeof folder, "transfer_folder=%s", parcels);
    transfer_expect_same_model((const char *const[]){"transfer=file", folder, NULL});
    cr_expect_eq(count_files(parcels), 0);
}

Test(fit_transfer, redis_gives_the_same_model_and_is_empty_afterwards)
{
    redis_server server;
    char address[FIT_PATH_BYTES];
    redis_server_start(&server, fit_folder(), NULL);
    snprintf(address, sizeof address, "redis.address=%s", server.address);
    transfer_expect_same_model((const char *const[]){"transfer=redis", address, NULL});
    cr_expect_eq(redis_server_keys(&server), 0);
    redis_server_stop(&server);
}

Test(fit_transfer, a_redis_that_is_full_is_tried_again_and_told)
{
    redis_server server;
    char address[FIT_PATH_BYTES];
    redis_server_start(&server, fit_folder(), (const char *const[]){"--maxmemory", "600kb", NULL});
    snprintf(address, sizeof address, "redis.address=%s", server.address);
    const fit_run run = {.ranks = 2, .sets = {"transfer=redis", address}};
    transfer_expect_failure(&run, 1,
                            (const char *const[]){"cannot put the model of round 0",
                                                  "in 2 attempts", "rank 0", server.address, "OOM",
                                                  NULL});
    redis_server_stop(&server);
}

Test(fit_transfer, a_redis_with_a_password_takes_no_other)
{
    redis_server server;
    char address[FIT_PATH_BYTES];
    char hash[FIT_HASH_BYTES];
    redis_server_start(&server, fit_folder(),
                       (const char *const[]){"--requirepass", "open-sesame", NULL});
    snprintf(address, sizeof address, "redis.address=%s", server.address);
    const fit_run right = {.environment = "ECH_REDIS_PASSWORD=open-sesame",
                           .sets = {"transfer=redis", address}};
    fit_folder_hash(&right, hash);
    const fit_run wrong = {.environment = "ECH_REDIS_PASSWORD=other",
                           .sets = {"transfer=redis", address}};
    transfer_expect_failure(&wrong, 1, (const char *const[]){server.address, "WRONGPASS", NULL});
    redis_server_stop(&server);
}

/* Once the model is there, another process ends the server. */
Test(fit_transfer, a_redis_that_dies_is_tried_again_and_told)
{
    redis_server server;
    char address[FIT_PATH_BYTES];
    redis_server_start(&server, fit_folder(), NULL);
    snprintf(address, sizeof address, "redis.address=%s", server.address);
    const pid_t killer = redis_server_kill_once_used(&server);
    const fit_run run = {.ranks = 2, .sets = {"transfer=redis", address, "rounds=1000000"}};
    transfer_expect_death(&run, server.address);
    redis_server_wait_killed(&server, killer);
}

Test(fit_transfer, a_password_in_an_address_is_refused_and_not_repeated)
{
    const fit_run run = {.sets = {"transfer=redis", "redis.address=rediss://:sesame@here:1"}};
    ech_child_result result = fit_folder_run(&run);
    cr_expect_eq(result.exit_code, 2);
    cr_expect_not_null(strstr(result.errors, "redis.address: a password belongs into the variable"),
                       "%s", result.errors);
    cr_expect_null(strstr(result.errors, "sesame"), "%s", result.errors);
    ech_child_result_free(&result);
}

Test(fit_transfer, settings_of_a_redis_that_contradict_are_refused)
{
    static const struct {
        const char *sets[3];
        const char *said;
    } cases[] = {
        {{"redis.address=here"}, "redis.address: expected HOST:PORT, or rediss://HOST:PORT"},
        {{"redis.address=http://here:1"}, "redis.address: expected redis:// or rediss://"},
        {{"redis.address=here:1", "redis.ca=ca.pem"}, "redis.ca: is of TLS"},
        {{"redis.address=redis://here:1", "redis.certificate=a.pem", "redis.key=a.key"},
         "redis.certificate: is of TLS"},
        {{"redis.address=rediss://here:1", "redis.key=a.key"}, "redis.key: redis.certificate and"},
        {{"redis.address=rediss://here:1", "redis.certificate=a.pem"}, "go together"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const fit_run run = {
            .sets = {"transfer=redis", cases[i].sets[0], cases[i].sets[1], cases[i].sets[2]}};
        transfer_expect_failure(&run, 2, (const char *const[]){cases[i].said, NULL});
    }
    const fit_run other = {.sets = {"redis.ca=ca.pem"}};
    transfer_expect_failure(&other, 2, (const char *const[]){"redis.ca", "transfer", NULL});
}

/* jobs/redis.sh gives a command a Redis with a password, and ends it. */
Test(fit_transfer, a_command_beside_a_redis_of_its_own)
{
    char expected[FIT_HASH_BYTES];
    char hash[FIT_HASH_BYTES];
    char address[FIT_PATH_BYTES];
    char port[FIT_PATH_BYTES];
    char out[FIT_PATH_BYTES];
    const int number = ech_test_free_port();
    snprintf(address, sizeof address, "redis.address=127.0.0.1:%d", number);
    snprintf(port, sizeof port, "REDIS_PORT=%d", number);
    snprintf(out, sizeof out, "%s/beside", fit_folder());
    fit_folder_hash(&(fit_run){.ranks = 2}, expected);
    static const char beside_redis[] = ECH_SOURCE_DIR "/jobs/redis.sh";
    static const char echelon[] = ECH_BUILD_DIR "/bin/echelon";
    const char *const arguments[] = {beside_redis,
                                     "mpiexec",
                                     "-n",
                                     "2",
                                     echelon,
                                     "fit",
                                     fit_folder_config(),
                                     "--out",
                                     out,
                                     "--set",
                                     "transfer=redis",
                                     "--set",
                                     address,
                                     NULL};
    const char *const environment[] = {port, NULL};
    const ech_child_options options = {.arguments = arguments,
                                       .environment = environment,
                                       .timeout_ns = ech_test_limit_ns(CHILD_SECONDS),
                                       .output_bytes_max = OUTPUT_BYTES};
    ech_child_result result;
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK, "%s", ech_status_message());
    fit_read_hash(&result, hash);
    ech_child_result_free(&result);
    cr_expect_str_eq(hash, expected);
    const fit_run after = {.sets = {"transfer=redis", address}};
    transfer_expect_failure(&after, 1, (const char *const[]){"Connection refused", NULL});
}

Test(fit_transfer, a_redis_or_folder_that_is_not_there_is_told_at_once)
{
    char address[FIT_PATH_BYTES];
    snprintf(address, sizeof address, "redis.address=127.0.0.1:%d", ech_test_free_port());
    const fit_run nobody = {.sets = {"transfer=redis", address}};
    transfer_expect_failure(&nobody, 1, (const char *const[]){"Connection refused", NULL});
    const fit_run nowhere = {.sets = {"transfer=file", "transfer_folder=nowhere"}};
    transfer_expect_failure(&nowhere, 2,
                            (const char *const[]){"nowhere", "expected a folder", NULL});
}

Test(fit_transfer, async_runs_share)
{
    const fit_run run = {.sets = {"transfer=rma", "process=async", "strategy.name=fedasync"}};
    transfer_expect_failure(&run, 2,
                            (const char *const[]){"expected shared where process is async", NULL});
}
