/* `echelon fit` reaches what the kernels can do: each key of local training is read, means what it
 * says, and lasts across a resume. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/cli/fit_folder.h"
#include "tests/cli/program.h"

enum { RUNS_MAX = 32 };

static const char config_text[] = "data: {file: tiny.h5}\n"
                                  "topology: {kind: star, workers: 4}\n"
                                  "rounds: 2\n"
                                  "train: {epochs: 1, batch: 16, lr: 0.02}\n";

static const char model_text[] = "name: mine\n"
                                 "layers:\n"
                                 "  - conv: {name: conv1, filters: 4, kernel: 5, stride: 2}\n"
                                 "  - relu\n"
                                 "  - linear: {name: fc}\n";

static void start(void)
{
    char path[ECH_TEST_PATH_BYTES];
    fit_folder_start(config_text);
    ech_test_write_text(fit_folder(), "mine.yaml", model_text, path);
}

TestSuite(fit_training, .init = start, .fini = fit_folder_stop, .timeout = 300);

/* A run of smallconv, unless its first setting names another model. */
static fit_run with_model(const fit_run *how)
{
    fit_run run = *how;
    size_t count = 0;
    while (run.sets[count] != NULL) {
        count++;
    }
    if (count == 0 || strncmp(run.sets[0], "model", strlen("model")) != 0) {
        run.sets[count] = "model.name=smallconv";
    }
    return run;
}

static ech_child_result fit(const fit_run *how)
{
    const fit_run run = with_model(how);
    return fit_folder_run(&run);
}

static void fit_hash(const fit_run *how, char hash[FIT_HASH_BYTES])
{
    const fit_run run = with_model(how);
    fit_folder_hash(&run, hash);
}

/* Each run ends with a model of its own: a key that nobody read would not change it. */
static void expect_all_differ(const fit_run *runs, size_t count)
{
    char hashes[RUNS_MAX][FIT_HASH_BYTES];
    for (size_t i = 0; i < count; i++) {
        fit_hash(&runs[i], hashes[i]);
        for (size_t j = 0; j < i; j++) {
            cr_expect_str_neq(hashes[i], hashes[j], "runs %zu and %zu end alike", i, j);
        }
    }
}

static void expect_all_alike(const fit_run *runs, size_t count)
{
    char first[FIT_HASH_BYTES], other[FIT_HASH_BYTES];
    fit_hash(&runs[0], first);
    for (size_t i = 1; i < count; i++) {
        fit_hash(&runs[i], other);
        cr_expect_str_eq(other, first, "run %zu ends differently", i);
    }
}

#define EXPECT(what, runs) expect_all_##what(runs, sizeof runs / sizeof runs[0])

Test(fit_training, optimizers_and_their_parameters)
{
    static const fit_run runs[] = {
        {.sets = {NULL}},
        {.sets = {"train.momentum=0.5"}},
        {.sets = {"train.momentum=0.5", "train.nesterov=true"}},
        {.sets = {"train.weight_decay=0.1"}},
        {.sets = {"train.clip_norm=0.01"}},
        {.sets = {"train.optimizer=adam"}},
        {.sets = {"train.optimizer=adam", "train.beta1=0.5"}},
        {.sets = {"train.optimizer=adam", "train.beta2=0.9"}},
        {.sets = {"train.optimizer=adam", "train.epsilon=0.01"}},
        {.sets = {"train.optimizer=adam", "train.weight_decay=0.1"}},
    };
    EXPECT(differ, runs);
}

Test(fit_training, schedules_change_the_learning_rate)
{
    static const fit_run runs[] = {
        {.sets = {NULL}},
        {.sets = {"train.schedule.warm_up=1"}},
        {.sets = {"train.schedule.warm_up=0.5"}},
        {.sets = {"train.schedule.kind=step"}},
        {.sets = {"train.schedule.kind=step", "train.schedule.factor=0.5"}},
        {.sets = {"train.schedule.kind=step", "train.schedule.every=0.5"}},
        {.sets = {"train.schedule={kind: cosine, rounds: 2}"}},
        {.sets = {"train.schedule={kind: cosine, rounds: 3}"}},
        {.sets = {"train.schedule={kind: cosine, rounds: 2, end: 0.5}"}},
    };
    EXPECT(differ, runs);
}

/* The position is the run's, not the round's: a step after round 2 is not met in two rounds. */
Test(fit_training, schedules_that_never_move_change_nothing)
{
    static const fit_run runs[] = {
        {.sets = {NULL}},
        {.sets = {"train.schedule={kind: step, every: 2, factor: 0.5}"}},
        {.sets = {"train.schedule={kind: step, every: 0.5, factor: 1}"}},
        {.sets = {"train.schedule={kind: cosine, rounds: 1, end: 1}"}},
        {.sets = {"train.clip_norm=1e6"}},
    };
    EXPECT(alike, runs);
}

Test(fit_training, images_are_varied_and_normalised)
{
    static const fit_run runs[] = {
        {.sets = {NULL}},
        {.sets = {"data.augment.crop=2"}},
        {.sets = {"data.augment.flip=true"}},
        {.sets = {"data.augment={crop: 2, flip: true}"}},
        {.sets = {"data.normalize={mean: [0.5], std: [0.5]}"}},
    };
    EXPECT(differ, runs);
}

Test(fit_training, a_resume_keeps_adams_and_the_schedules_bits)
{
    static const char *const settings[] = {"train.optimizer=adam",
                                           "train.schedule={kind: cosine, rounds: 2, warm_up: 0.5}",
                                           "data.augment={crop: 2, flip: true}"};
    fit_run whole = {.out = "whole"}, part = {.out = "part"};
    for (int i = 0; i < 3; i++) {
        whole.sets[i] = part.sets[i] = settings[i];
    }
    char undisturbed[FIT_HASH_BYTES], resumed[FIT_HASH_BYTES];
    fit_hash(&whole, undisturbed);
    part.sets[3] = "rounds=1";
    fit_hash(&part, resumed);
    cr_expect_str_neq(resumed, undisturbed);
    part.sets[3] = "rounds=2";
    part.resume = true;
    fit_hash(&part, resumed);
    cr_expect_str_eq(resumed, undisturbed);
}

Test(fit_training, engines_are_taken_by_name_or_refused)
{
    static const fit_run runs[] = {
        {.sets = {"engine=lanes"}}, {.sets = {"engine=blas"}}, {.sets = {"engine=reference"}}};
    EXPECT(differ, runs);
    static const fit_run same[] = {{.sets = {"engine=auto"}}, {.sets = {"engine=lanes"}}};
    EXPECT(alike, same);
    ech_child_result refused = fit(&(fit_run){.sets = {"model.name=resnet18", "engine=lanes"}});
    cr_expect_eq(refused.exit_code, 2);
    cr_expect_not_null(strstr(refused.errors, "engine: "), "%s", refused.errors);
    cr_expect_not_null(strstr(refused.errors, "lanes"), "%s", refused.errors);
    ech_child_result_free(&refused);
}

Test(fit_training, a_model_of_ones_own_trains_from_its_file)
{
    static const char set[] = "model.file=";
    char file[FIT_PATH_BYTES], path[ECH_TEST_PATH_BYTES], hash[FIT_HASH_BYTES];
    snprintf(file, sizeof file, "%s%s/mine.yaml", set, fit_folder());
    fit_hash(&(fit_run){.sets = {file, "rounds=1"}}, hash);

    /* Changed behind the checkpoint's back, it keeps its shapes and computes something else. */
    ech_test_write_text(fit_folder(), "mine.yaml",
                        "layers:\n"
                        "  - conv: {name: conv1, filters: 4, kernel: 5, stride: 2}\n"
                        "  - linear: {name: fc}\n",
                        path);
    ech_child_result refused = fit(&(fit_run){.sets = {file}, .resume = true});
    cr_expect_eq(refused.exit_code, 2);
    cr_expect_not_null(strstr(refused.errors, "was made by other kernels"), "%s", refused.errors);
    ech_child_result_free(&refused);

    ech_test_write_text(fit_folder(), "mine.yaml", "layers:\n  - convolution: {name: conv1}\n",
                        path);
    refused = fit(&(fit_run){.sets = {file}});
    cr_expect_eq(refused.exit_code, 2);
    cr_expect_not_null(strstr(refused.errors, "mine.yaml:2: "), "%s", refused.errors);
    cr_expect_eq(program_count_lines(refused.errors), 1, "%s", refused.errors);
    ech_child_result_free(&refused);
}

/* The strategy sees failed workers, and the job goes on, even where no update is left. */
Test(fit_training, a_loss_that_is_not_finite_leaves_its_worker_out_by_name)
{
    ech_child_result result = fit(&(fit_run){.sets = {"train.lr=1e30"}});
    cr_expect_eq(result.exit_code, 0, "%s", result.errors);
    for (int round = 1; round <= 2; round++) {
        for (int worker = 0; worker < 4; worker++) {
            char expected[128];
            snprintf(expected, sizeof expected,
                     "(number %d) is left out: round %d, worker %d, epoch 0, batch 1: the loss is "
                     "not finite",
                     worker, round, worker);
            cr_expect_not_null(strstr(result.errors, expected), "no '%s' in: %s", expected,
                               result.errors);
        }
    }
    cr_expect_not_null(strstr(result.errors, "round 2: no update came"), "%s", result.errors);
    cr_expect_not_null(strstr(result.output, "8 updates"), "%s", result.output);
    ech_child_result_free(&result);
}
