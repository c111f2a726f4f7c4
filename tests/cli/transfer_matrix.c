#include "tests/cli/transfer_matrix.h"

#include <criterion/criterion.h>
#include <string.h>

const char transfer_config[] = "seed: 4\n"
                               "data:\n"
                               "  file: tiny.h5\n"
                               "  split: {kind: dirichlet}\n"
                               "model: {name: smallconv}\n"
                               "topology: {kind: balanced, workers: 9, height: 2}\n"
                               "rounds: 2\n"
                               "train: {epochs: 1, batch: 8, lr: 0.02}\n"
                               "transfer_retries: 1\n";

static const char two_hosts[] = "MPIR_CVAR_NUM_CLIQUES=2";

static void expect_hash(fit_run run, const char *const *sets, const char *expected)
{
    char hash[FIT_HASH_BYTES];
    size_t count = 0;
    while (run.sets[count] != NULL) {
        count++;
    }
    for (size_t i = 0; sets[i] != NULL; i++) {
        run.sets[count++] = sets[i];
    }
    fit_folder_hash(&run, hash);
    cr_expect_str_eq(hash, expected, "%s, %s: %u ranks gave another model", sets[0], run.sets[0],
                     run.ranks);
}

void transfer_expect_same_model(const char *const *sets)
{
    static const char *const rules[] = {"strategy.name=fedavg", "strategy.name=fedadam",
                                        "strategy.name=scaffold"};
    char expected[FIT_HASH_BYTES];
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const fit_run shared = {.ranks = 2, .sets = {rules[i]}};
        const fit_run runs[] = {
            {.ranks = 2, .sets = {rules[i]}},
            {.ranks = 4, .environment = two_hosts, .sets = {rules[i], "aggregators=materialised"}},
            {.ranks = 3, .environment = two_hosts, .sets = {rules[i]}},
        };
        fit_folder_hash(&shared, expected);
        for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
            expect_hash(runs[r], sets, expected);
        }
    }
}

void transfer_expect_failure(const fit_run *run, int code, const char *const *what)
{
    ech_child_result result = fit_folder_run(run);
    cr_expect_eq(result.exit_code, code, "%d: %s", result.exit_code, result.errors);
    for (size_t i = 0; what[i] != NULL; i++) {
        cr_expect_not_null(strstr(result.errors, what[i]), "no \"%s\" in: %s", what[i],
                           result.errors);
    }
    ech_child_result_free(&result);
}

void transfer_expect_death(const fit_run *run, const char *address)
{
    const char *const words[] = {"the server closed the connection",
                                 "attempts left: 1",
                                 "rank ",
                                 "cannot ",
                                 "in 2 attempts",
                                 address,
                                 "Connection refused",
                                 NULL};
    transfer_expect_failure(run, 1, words);
}
