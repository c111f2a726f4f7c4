/* The asynchronous process: the virtual clock gives one model on any ranks and hosts, and the log
 * of any run gives its model again. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/cli/fit_folder.h"

static const char config_text[] =
    "seed: 3\n"
    "process: async\n"
    "data:\n"
    "  file: tiny.h5\n"
    "  split: {kind: dirichlet, samples_alpha: 3.0, labels_alpha: 1.0}\n"
    "model: {name: smallconv}\n"
    "topology: {kind: balanced, workers: 9, height: 2}\n"
    "rounds: 3\n"
    "train: {epochs: 1, batch: 8, lr: 0.02}\n";

static void start(void)
{
    fit_folder_start(config_text);
}

TestSuite(fit_async, .init = start, .fini = fit_folder_stop, .timeout = 300);

typedef struct {
    unsigned ranks;
    const char *environment; /* NULL: none */
} place;

static const place places[] = {
    {1, NULL}, {2, NULL}, {3, NULL}, {4, "MPIR_CVAR_NUM_CLIQUES=2"}, {2, "MPIR_CVAR_NUM_CLIQUES=2"},
};

enum { PLACES = sizeof places / sizeof *places, SETS_MAX = 5 };

/* Settings that are each a federation of its own. */
static const char *const federations[][SETS_MAX] = {
    {"strategy.name=fedasync", "topology.height=1"},
    {"strategy.name=fedasync", "strategy.staleness=polynomial", "async.tiers=2"},
    {"strategy.name=fedasync", "strategy.staleness=hinge", "async.tiers=1"},
    {"strategy.name=fedbuff", "strategy.buffer=4", "async.tiers=2"},
    {"strategy.name=fedbuff", "strategy.buffer=2", "async.tiers=1"},
};

enum { FEDERATIONS = sizeof federations / sizeof *federations };

static void fit(const place *where, const char *const sets[SETS_MAX], const char *clock,
                const char *replay, const char *out, char hash[FIT_HASH_BYTES])
{
    fit_run run = {.ranks = where->ranks, .environment = where->environment, .out = out};
    size_t count = 0;
    for (size_t i = 0; i < SETS_MAX && sets[i] != NULL; i++) {
        run.sets[count++] = sets[i];
    }
    run.sets[count++] = clock;
    run.sets[count] = replay;
    fit_folder_hash(&run, hash);
}

Test(fit_async, the_virtual_clock_gives_one_model_on_any_ranks_and_hosts)
{
    for (size_t f = 0; f < FEDERATIONS; f++) {
        char first[FIT_HASH_BYTES] = "";
        for (size_t p = 0; p < PLACES; p++) {
            char hash[FIT_HASH_BYTES];
            fit(&places[p], federations[f], "clock=virtual", NULL, "out", p == 0 ? first : hash);
            if (p > 0) {
                cr_expect_str_eq(hash, first, "federation %zu, place %zu", f, p);
            }
        }
    }
}

/* A log is refused unless each worker is in it exactly `rounds` times, in order. */
Test(fit_async, the_log_of_a_real_run_gives_its_model_again_anywhere)
{
    char replay[FIT_PATH_BYTES];
    snprintf(replay, sizeof replay, "replay=%s/real/run.h5", fit_folder());
    for (size_t f = 0; f < FEDERATIONS; f++) {
        char first[FIT_HASH_BYTES];
        fit(&places[f], federations[f], "clock=real", NULL, "real", first);
        for (size_t p = 0; p < PLACES; p++) {
            char hash[FIT_HASH_BYTES];
            fit(&places[p], federations[f], replay, NULL, "again", hash);
            cr_expect_str_eq(hash, first, "federation %zu, place %zu", f, p);
        }
    }
}

Test(fit_async, rounds_in_step_have_the_same_model_on_either_clock)
{
    static const char *const sets[SETS_MAX] = {"process=sync", "strategy.name=fedavg"};
    char real[FIT_HASH_BYTES];
    char simulated[FIT_HASH_BYTES];
    fit(&places[1], sets, "clock=real", NULL, "real", real);
    fit(&places[3], sets, "clock=virtual", "pace.jitter=0.1", "virtual", simulated);
    cr_expect_str_eq(simulated, real);
}
