/* The asynchronous process: the virtual clock gives one model on any ranks and hosts, the log of
 * any run gives its model again, and both go on from a checkpoint to the same model. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/cli/program.h"
#include "tests/cli/tiny_data.h"
#include "tests/support.h"

enum { ROUNDS = 3, HASH_DIGITS = 32, PATH_BYTES = ECH_TEST_PATH_BYTES + 64 };

static char folder[ECH_TEST_PATH_BYTES];
static char config_path[ECH_TEST_PATH_BYTES];

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
    ech_test_make_directory(folder);
    ech_test_write_text(folder, "fit.yaml", config_text, config_path);
    char data_path[ECH_TEST_PATH_BYTES];
    tiny_data_make(folder, data_path);
}

static void stop(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(fit_async, .init = start, .fini = stop, .timeout = 300);

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

static ech_child_result run(const place *where, const char *const sets[SETS_MAX],
                            const char *const more[2], const char *out, const char *option)
{
    char out_path[PATH_BYTES];
    snprintf(out_path, sizeof out_path, "%s/%s", folder, out);
    const char *arguments[PROGRAM_ARGUMENTS_MAX] = {"fit", config_path, "--out", out_path, option};
    size_t count = 5;
    for (size_t i = 0; i < SETS_MAX && sets[i] != NULL; i++) {
        arguments[count++] = "--set";
        arguments[count++] = sets[i];
    }
    for (size_t i = 0; i < 2 && more[i] != NULL; i++) {
        arguments[count++] = "--set";
        arguments[count++] = more[i];
    }
    const char *environment[] = {where->environment, NULL};
    return program_run_job(where->ranks, environment, arguments);
}

static void read_hash(const ech_child_result *result, char hash[HASH_DIGITS + 1])
{
    static const char label[] = "model xxh128 ";
    cr_assert_eq(result->exit_code, 0, "%s", result->errors);
    const char *line = strstr(result->output, label);
    cr_assert_not_null(line, "%s", result->output);
    memcpy(hash, line + strlen(label), HASH_DIGITS);
    hash[HASH_DIGITS] = '\0';
}

static void fit(const place *where, const char *const sets[SETS_MAX], const char *clock,
                const char *replay, const char *out, char hash[HASH_DIGITS + 1])
{
    ech_child_result result =
        run(where, sets, (const char *const[2]){clock, replay}, out, "--overwrite");
    read_hash(&result, hash);
    ech_child_result_free(&result);
}

/* As a kill leaves a folder: what came after a round's checkpoint is in the record alone. */
static void forget_rounds_after(const char *out, unsigned round)
{
    for (unsigned lost = round + 1; lost <= ROUNDS; lost++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s/checkpoint-%06u.h5", folder, out, lost);
        cr_assert_eq(unlink(path), 0, "no %s", path);
    }
}

Test(fit_async, the_virtual_clock_gives_one_model_on_any_ranks_and_hosts)
{
    for (size_t f = 0; f < FEDERATIONS; f++) {
        char first[HASH_DIGITS + 1] = "";
        for (size_t p = 0; p < PLACES; p++) {
            char hash[HASH_DIGITS + 1];
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
    char replay[PATH_BYTES];
    snprintf(replay, sizeof replay, "replay=%s/real/run.h5", folder);
    for (size_t f = 0; f < FEDERATIONS; f++) {
        char first[HASH_DIGITS + 1];
        fit(&places[f], federations[f], "clock=real", NULL, "real", first);
        for (size_t p = 0; p < PLACES; p++) {
            char hash[HASH_DIGITS + 1];
            fit(&places[p], federations[f], replay, NULL, "again", hash);
            cr_expect_str_eq(hash, first, "federation %zu, place %zu", f, p);
        }
    }
}

Test(fit_async, rounds_in_step_have_the_same_model_on_either_clock)
{
    static const char *const sets[SETS_MAX] = {"process=sync", "strategy.name=fedavg"};
    char real[HASH_DIGITS + 1];
    char simulated[HASH_DIGITS + 1];
    fit(&places[1], sets, "clock=real", NULL, "real", real);
    fit(&places[3], sets, "clock=virtual", "pace.jitter=0.1", "virtual", simulated);
    cr_expect_str_eq(simulated, real);
}

/* Buffers, versions in use, trainings in flight and the clock last across a kill, on other ranks
 * and hosts; so does a log half followed. */
Test(fit_async, a_resumed_run_ends_like_one_that_never_stopped)
{
    char replay[PATH_BYTES];
    snprintf(replay, sizeof replay, "replay=%s/whole/run.h5", folder);
    for (size_t f = 0; f < FEDERATIONS; f++) {
        char undisturbed[HASH_DIGITS + 1];
        char hash[HASH_DIGITS + 1];
        fit(&places[1], federations[f], "clock=virtual", "checkpoint.keep=9", "whole", undisturbed);
        fit(&places[1], federations[f], replay, "checkpoint.keep=9", "again", hash);
        cr_expect_str_eq(hash, undisturbed, "federation %zu replayed", f);
        for (unsigned round = 1; round < ROUNDS; round++) {
            forget_rounds_after("whole", round);
            forget_rounds_after("again", round);
            const place *where = &places[2 + (f + round) % 3];
            const char *const virtual_sets[2] = {"clock=virtual", "checkpoint.keep=9"};
            const char *const replay_sets[2] = {replay, "checkpoint.keep=9"};
            ech_child_result resumed =
                run(where, federations[f], virtual_sets, "whole", "--resume");
            read_hash(&resumed, hash);
            cr_expect_str_eq(hash, undisturbed, "federation %zu after round %u", f, round);
            ech_child_result_free(&resumed);
            resumed = run(where, federations[f], replay_sets, "again", "--resume");
            read_hash(&resumed, hash);
            cr_expect_str_eq(hash, undisturbed, "federation %zu replayed after %u", f, round);
            ech_child_result_free(&resumed);
        }
    }
}

/* On the real clock what was in training is lost, and every worker still trains in each round: the
 * log of the resumed run is whole. */
Test(fit_async, a_resumed_run_on_the_real_clock_has_a_whole_log)
{
    char replay[PATH_BYTES];
    char first[HASH_DIGITS + 1];
    char hash[HASH_DIGITS + 1];
    snprintf(replay, sizeof replay, "replay=%s/real/run.h5", folder);
    fit(&places[2], federations[3], "clock=real", "checkpoint.keep=9", "real", hash);
    forget_rounds_after("real", 1);
    ech_child_result resumed =
        run(&places[4], federations[3], (const char *const[2]){"clock=real", "checkpoint.keep=9"},
            "real", "--resume");
    read_hash(&resumed, first);
    ech_child_result_free(&resumed);
    fit(&places[1], federations[3], replay, NULL, "again", hash);
    cr_expect_str_eq(hash, first);
}

Test(fit_async, a_resume_with_other_rounds_is_refused)
{
    const char *const whole[2] = {"clock=virtual", NULL};
    const char *const longer[2] = {"clock=virtual", "rounds=4"};
    char hash[HASH_DIGITS + 1];
    fit(&places[0], federations[0], whole[0], NULL, "out", hash);
    ech_child_result refused = run(&places[1], federations[0], longer, "out", "--resume");
    cr_expect_eq(refused.exit_code, 2, "%d: %s", refused.exit_code, refused.errors);
    cr_expect_not_null(strstr(refused.errors, "cannot change: was 3, is 4"), "%s", refused.errors);
    ech_child_result_free(&refused);
}
