/* The asynchronous process: the virtual clock gives one model on any ranks and hosts, the log of
 * any run gives its model again, and both go on from a checkpoint to the same model. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

enum { PLACES = sizeof places / sizeof *places, SETS_MAX = 5, ROUNDS = 3 };

/* Settings that are each a federation of its own. */
static const char *const federations[][SETS_MAX] = {
    {"strategy.name=fedasync", "topology.height=1"},
    {"strategy.name=fedasync", "strategy.staleness=polynomial", "async.tiers=2"},
    {"strategy.name=fedasync", "strategy.staleness=hinge", "async.tiers=1"},
    {"strategy.name=fedbuff", "strategy.buffer=4", "async.tiers=2"},
    {"strategy.name=fedbuff", "strategy.buffer=2", "async.tiers=1"},
};

enum { FEDERATIONS = sizeof federations / sizeof *federations };

static fit_run run_of(const place *where, const char *const sets[SETS_MAX], const char *clock,
                      const char *more, const char *out)
{
    fit_run run = {.ranks = where->ranks, .environment = where->environment, .out = out};
    size_t count = 0;
    for (size_t i = 0; i < SETS_MAX && sets[i] != NULL; i++) {
        run.sets[count++] = sets[i];
    }
    run.sets[count++] = clock;
    run.sets[count] = more;
    return run;
}

static void fit(const place *where, const char *const sets[SETS_MAX], const char *clock,
                const char *more, const char *out, char hash[FIT_HASH_BYTES])
{
    const fit_run run = run_of(where, sets, clock, more, out);
    fit_folder_hash(&run, hash);
}

static void resume(const place *where, const char *const sets[SETS_MAX], const char *clock,
                   const char *out, char hash[FIT_HASH_BYTES])
{
    fit_run run = run_of(where, sets, clock, "checkpoint.keep=9", out);
    run.resume = true;
    fit_folder_hash(&run, hash);
}

/* As a kill leaves a folder: what came after a round's checkpoint is in the record alone. */
static void forget_rounds_after(const char *out, unsigned round)
{
    for (unsigned lost = round + 1; lost <= ROUNDS; lost++) {
        char path[FIT_PATH_BYTES + 32];
        snprintf(path, sizeof path, "%s/%s/checkpoint-%06u.h5", fit_folder(), out, lost);
        cr_assert_eq(unlink(path), 0, "no %s", path);
    }
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

/* Buffers, versions in use, trainings in flight and the clock last across a kill, on other ranks
 * and hosts; so does a log half followed. */
Test(fit_async, a_resumed_run_ends_like_one_that_never_stopped)
{
    char replay[FIT_PATH_BYTES];
    snprintf(replay, sizeof replay, "replay=%s/whole/run.h5", fit_folder());
    for (size_t f = 0; f < FEDERATIONS; f++) {
        char undisturbed[FIT_HASH_BYTES];
        char hash[FIT_HASH_BYTES];
        fit(&places[1], federations[f], "clock=virtual", "checkpoint.keep=9", "whole", undisturbed);
        fit(&places[1], federations[f], replay, "checkpoint.keep=9", "again", hash);
        cr_expect_str_eq(hash, undisturbed, "federation %zu replayed", f);
        for (unsigned round = 1; round < ROUNDS; round++) {
            const place *where = &places[2 + (f + round) % 3];
            forget_rounds_after("whole", round);
            forget_rounds_after("again", round);
            resume(where, federations[f], "clock=virtual", "whole", hash);
            cr_expect_str_eq(hash, undisturbed, "federation %zu after round %u", f, round);
            resume(where, federations[f], replay, "again", hash);
            cr_expect_str_eq(hash, undisturbed, "federation %zu replayed after %u", f, round);
        }
    }
}

/* On the real clock what was in training is lost, and every worker still trains in each round: the
 * log of the resumed run is whole. */
Test(fit_async, a_resumed_run_on_the_real_clock_has_a_whole_log)
{
    char replay[FIT_PATH_BYTES];
    char first[FIT_HASH_BYTES];
    char hash[FIT_HASH_BYTES];
    snprintf(replay, sizeof replay, "replay=%s/real/run.h5", fit_folder());
    fit(&places[2], federations[3], "clock=real", "checkpoint.keep=9", "real", hash);
    forget_rounds_after("real", 1);
    resume(&places[4], federations[3], "clock=real", "real", first);
    fit(&places[1], federations[3], replay, NULL, "again", hash);
    cr_expect_str_eq(hash, first);
}

Test(fit_async, a_resume_with_other_rounds_is_refused)
{
    char hash[FIT_HASH_BYTES];
    fit(&places[0], federations[0], "clock=virtual", NULL, "out", hash);
    fit_run longer = run_of(&places[1], federations[0], "clock=virtual", "rounds=4", "out");
    longer.resume = true;
    ech_child_result refused = fit_folder_run(&longer);
    cr_expect_eq(refused.exit_code, 2, "%d: %s", refused.exit_code, refused.errors);
    cr_expect_not_null(strstr(refused.errors, "cannot change: was 3, is 4"), "%s", refused.errors);
    ech_child_result_free(&refused);
}
