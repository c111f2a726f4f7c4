/* However models and updates travel, the model is the same; what was put is gone at the end, and a
 * store that fails is told with what was moved, whose, how much and where. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/cli/fit_folder.h"
#include "tests/cli/program.h"
#include "tests/cli/redis_server.h"
#include "tests/limits.h"

static const char config_text[] = "seed: 4\n"
                                  "data:\n"
                                  "  file: tiny.h5\n"
                                  "  split: {kind: dirichlet}\n"
                                  "model: {name: smallconv}\n"
                                  "topology: {kind: balanced, workers: 9, height: 2}\n"
                                  "rounds: 2\n"
                                  "train: {epochs: 1, batch: 8, lr: 0.02}\n"
                                  "transfer_retries: 1\n";

enum { OUTPUT_BYTES = 1 << 16 };

enum { CHILD_SECONDS = 60 };

static char parcels[FIT_PATH_BYTES];

static void start(void)
{
    fit_folder_start(config_text);
    snprintf(parcels, sizeof parcels, "%s/parcels", fit_folder());
    cr_assert_eq(mkdir(parcels, S_IRWXU), 0);
}

TestSuite(fit_transfer, .init = start, .fini = fit_folder_stop, .timeout = 300);

static const char two_hosts[] = "MPIR_CVAR_NUM_CLIQUES=2";

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

/* Rules that send states, differences, and vectors beside them; fused and along the tree. */
static void expect_same_model(const char *transfer, const char *further)
{
    static const char *const rules[] = {"strategy.name=fedavg", "strategy.name=fedadam",
                                        "strategy.name=scaffold"};
    char expected[FIT_HASH_BYTES];
    char hash[FIT_HASH_BYTES];
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const fit_run shared = {.ranks = 2, .sets = {rules[i]}};
        const fit_run runs[] = {
            {.ranks = 2, .sets = {rules[i], transfer, further}},
            {.ranks = 4,
             .environment = two_hosts,
             .sets = {rules[i], transfer, "aggregators=materialised", further}},
            {.ranks = 3, .environment = two_hosts, .sets = {rules[i], transfer, further}},
        };
        fit_folder_hash(&shared, expected);
        for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
            fit_folder_hash(&runs[r], hash);
            cr_expect_str_eq(hash, expected, "%s, %s, run %zu gave another model", transfer,
                             rules[i], r);
        }
    }
}

Test(fit_transfer, a_copy_a_rank_gives_the_same_model)
{
    expect_same_model("transfer=rma", NULL);
}

Test(fit_transfer, files_give_the_same_model_and_are_removed)
{
    char folder[FIT_PATH_BYTES + 32];
    snprintf(folder, sizeof folder, "transfer_folder=%s", parcels);
    expect_same_model("transfer=file", folder);
    cr_expect_eq(count_files(parcels), 0);
}

Test(fit_transfer, redis_gives_the_same_model_and_is_empty_afterwards)
{
    redis_server server;
    char address[FIT_PATH_BYTES];
    redis_server_start(&server, fit_folder(), NULL, NULL);
    snprintf(address, sizeof address, "redis.address=%s", server.address);
    expect_same_model("transfer=redis", address);
    cr_expect_eq(redis_server_keys(&server), 0);
    redis_server_stop(&server);
}

/* The run ends with exit code `code` and says `what`. */
static void expect_failure(const fit_run *run, int code, const char *const *what)
{
    ech_child_result result = fit_folder_run(run);
    cr_expect_eq(result.exit_code, code, "%d: %s", result.exit_code, result.errors);
    for (size_t i = 0; what[i] != NULL; i++) {
        cr_expect_not_null(strstr(result.errors, what[i]), "no \"%s\" in: %s", what[i],
                           result.errors);
    }
    ech_child_result_free(&result);
}

Test(fit_transfer, a_redis_that_is_full_is_tried_again_and_told)
{
    redis_server server;
    char address[FIT_PATH_BYTES];
    redis_server_start(&server, fit_folder(), "--maxmemory", "600kb");
    snprintf(address, sizeof address, "redis.address=%s", server.address);
    const fit_run run = {.ranks = 2, .sets = {"transfer=redis", address}};
    expect_failure(&run, 1,
                   (const char *const[]){"cannot put the model of round 0", "in 2 attempts",
                                         "rank 0", server.address, "OOM", NULL});
    redis_server_stop(&server);
}

Test(fit_transfer, a_redis_with_a_password_takes_no_other)
{
    redis_server server;
    char address[FIT_PATH_BYTES];
    char hash[FIT_HASH_BYTES];
    redis_server_start(&server, fit_folder(), "--requirepass", "open-sesame");
    snprintf(address, sizeof address, "redis.address=%s", server.address);
    const fit_run right = {.environment = "ECH_REDIS_PASSWORD=open-sesame",
                           .sets = {"transfer=redis", address}};
    fit_folder_hash(&right, hash);
    const fit_run wrong = {.environment = "ECH_REDIS_PASSWORD=other",
                           .sets = {"transfer=redis", address}};
    expect_failure(&wrong, 1, (const char *const[]){server.address, "WRONGPASS", NULL});
    redis_server_stop(&server);
}

/* jobs/redis.sh gives a command a Redis with a password, and ends it. */
Test(fit_transfer, a_command_beside_a_redis_of_its_own)
{
    char expected[FIT_HASH_BYTES];
    char hash[FIT_HASH_BYTES];
    char address[FIT_PATH_BYTES];
    char port[FIT_PATH_BYTES];
    char out[FIT_PATH_BYTES];
    const int number = program_free_port();
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
    expect_failure(&after, 1, (const char *const[]){"Connection refused", NULL});
}

Test(fit_transfer, a_redis_or_folder_that_is_not_there_is_told_at_once)
{
    char address[FIT_PATH_BYTES];
    snprintf(address, sizeof address, "redis.address=127.0.0.1:%d", program_free_port());
    const fit_run nobody = {.sets = {"transfer=redis", address}};
    expect_failure(&nobody, 1, (const char *const[]){"Connection refused", NULL});
    const fit_run nowhere = {.sets = {"transfer=file", "transfer_folder=nowhere"}};
    expect_failure(&nowhere, 2, (const char *const[]){"nowhere", "expected a folder", NULL});
}

Test(fit_transfer, async_runs_share)
{
    const fit_run run = {.sets = {"transfer=rma", "process=async", "strategy.name=fedasync"}};
    expect_failure(&run, 2, (const char *const[]){"expected shared where process is async", NULL});
}
