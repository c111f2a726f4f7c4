#define _GNU_SOURCE
/* `echelon run`: starts the ranks, starts them again when one dies, and stops early when asked to.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/cli/fit_folder.h"
#include "tests/cli/program.h"
#include "tests/limits.h"

enum { MARK_BYTES = 64 };

static const uint64_t look_every_ns = 5000000;
enum { LOOK_FOR_SECONDS = 30 };

static const char *config_path;
static char out_path[FIT_PATH_BYTES];

static const char config_text[] = "data: {file: tiny.h5}\n"
                                  "model: {name: smallconv}\n"
                                  "topology: {kind: star, workers: 4}\n"
                                  "rounds: 8\n"
                                  "checkpoint: {every: 1, keep: 2}\n"
                                  "evaluate: {every: 0}\n";

static void start(void)
{
    fit_folder_start(config_text);
    config_path = fit_folder_config();
    snprintf(out_path, sizeof out_path, "%s/out", fit_folder());
}

TestSuite(run, .init = start, .fini = fit_folder_stop);

static void find_checkpoint(bool *found)
{
    DIR *directory = opendir(out_path);
    const struct dirent *entry = NULL;
    while (directory != NULL && !*found && (entry = readdir(directory)) != NULL) {
        *found = strncmp(entry->d_name, "checkpoint-", strlen("checkpoint-")) == 0;
    }
    if (directory != NULL) {
        closedir(directory);
    }
}

static void await_checkpoint(void)
{
    const uint64_t until_ns = ech_clock_ns() + ech_test_limit_ns(LOOK_FOR_SECONDS);
    bool found = false;
    while (!found && ech_clock_ns() < until_ns) {
        find_checkpoint(&found);
        ech_clock_sleep_ns(look_every_ns);
    }
}

/* A process of its own, which kills a rank of the job that is marked once there is a checkpoint. */
static pid_t start_killer(const char *mark)
{
    const pid_t killer = fork();
    cr_assert_geq(killer, 0);
    if (killer > 0) {
        return killer;
    }
    await_checkpoint();
    static const char program[] = ECH_BUILD_DIR "/tests/kill_rank";
    const char *arguments[] = {program, mark, out_path, "train", "1", "0", NULL};
    const ech_child_options options = {.arguments = arguments,
                                       .timeout_ns = ech_test_limit_ns(LOOK_FOR_SECONDS),
                                       .output_bytes_max = FIT_PATH_BYTES};
    ech_child_result result;
    _exit(ech_child_run(&options, &result) == ECH_OK ? result.exit_code : 1);
}

static ech_child_result run_and_kill(const char *relaunches)
{
    char mark[MARK_BYTES];
    snprintf(mark, sizeof mark, "ECH_TEST_RUN=%d", (int)getpid());
    const pid_t killer = start_killer(mark);
    ech_child_result result = program_run_environment(
        (const char *[]){mark, NULL}, (const char *[]){"run", "-n", "2", config_path, "--out",
                                                       out_path, "--relaunches", relaunches, NULL});
    int state = 0;
    waitpid(killer, &state, 0);
    cr_expect(WIFEXITED(state) && WEXITSTATUS(state) == 0, "the kill failed: %s", result.errors);
    return result;
}

Test(run, a_job_whose_rank_dies_goes_on_to_the_same_bits)
{
    char expected[FIT_HASH_BYTES];
    char hash[FIT_HASH_BYTES];
    fit_folder_hash(&(fit_run){.out = "reference"}, expected);
    ech_child_result result = run_and_kill("3");
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    fit_read_hash(&result, hash);
    cr_expect_str_eq(hash, expected);
    const char *told = strstr(result.errors, "relaunch 1 of 3");
    cr_assert_not_null(told, "%s", result.errors);
    cr_expect_not_null(strstr(told, " on host "), "%s", told);
    cr_expect_not_null(strstr(told, "killed by signal 9 (Killed), in task"), "%s", told);
    ech_child_result_free(&result);
}

Test(run, no_more_relaunches_than_were_allowed)
{
    ech_child_result result = run_and_kill("0");
    cr_expect_eq(result.exit_code, 1);
    cr_expect_not_null(strstr(result.errors, "no relaunch is left"), "%s", result.errors);
    cr_expect_not_null(strstr(result.errors, "go on with --resume"), "%s", result.errors);
    ech_child_result_free(&result);
}

Test(run, bad_input_is_not_tried_again)
{
    ech_child_result result = program_run((const char *[]){"run", "-n", "2", config_path, "--out",
                                                           out_path, "--set", "rounds=none", NULL});
    cr_expect_eq(result.exit_code, 2);
    cr_expect_null(strstr(result.errors, "relaunch"), "%s", result.errors);
    ech_child_result_free(&result);
    result = program_run((const char *[]){"run", config_path, NULL});
    cr_expect_eq(result.exit_code, 2);
    cr_expect_not_null(strstr(result.errors, "expected -n N"), "%s", result.errors);
    ech_child_result_free(&result);
}

/* The test's other child: the supervisor. */
static pid_t find_sibling(void)
{
    char path[MARK_BYTES];
    int pid = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)getppid(), (int)getppid());
    FILE *file = fopen(path, "re");
    while (file != NULL && fscanf(file, "%d", &pid) == 1 && pid == getpid()) {
        pid = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return pid;
}

/* A process of its own, which sends the supervisor a signal once there is a checkpoint. */
static pid_t start_stopper(int signal_number)
{
    const pid_t stopper = fork();
    cr_assert_geq(stopper, 0);
    if (stopper > 0) {
        return stopper;
    }
    await_checkpoint();
    const pid_t supervisor = find_sibling();
    _exit(supervisor > 0 && kill(supervisor, signal_number) == 0 ? 0 : 1);
}

/* `echelon run` with `rounds=ROUNDS` set, in a folder; the fingerprint of what it made. */
static void run_rounds(const char *rounds, const char *out, const char *more,
                       char hash[FIT_HASH_BYTES])
{
    ech_child_result result = program_run(
        (const char *[]){"run", "-n", "1", config_path, "--out", out, "--set", rounds, more, NULL});
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    fit_read_hash(&result, hash);
    ech_child_result_free(&result);
}

/* A command that would run for long is stopped; what it left goes on to the same bits. */
static void expect_stop(int signal_number, const char *const *command)
{
    char reference[FIT_PATH_BYTES];
    char rounds[MARK_BYTES];
    char expected[FIT_HASH_BYTES];
    char hash[FIT_HASH_BYTES];
    unsigned done = 0;
    const pid_t stopper = start_stopper(signal_number);
    ech_child_result result = program_run(command);
    waitpid(stopper, NULL, 0);
    cr_assert_eq(result.exit_code, 75, "%d: %s", result.exit_code, result.errors);
    const char *told = strstr(result.errors, "stopped after round ");
    cr_assert(told != NULL && sscanf(told, "stopped after round %u", &done) == 1, "%s",
              result.errors);
    ech_child_result_free(&result);
    snprintf(rounds, sizeof rounds, "rounds=%u", done + 1);
    snprintf(reference, sizeof reference, "%s/reference", fit_folder());
    run_rounds(rounds, reference, NULL, expected);
    run_rounds(rounds, out_path, "--resume", hash);
    cr_expect_str_eq(hash, expected);
}

Test(run, a_signal_stops_it_early_with_a_checkpoint)
{
    expect_stop(SIGUSR1, (const char *[]){"run", "-n", "2", config_path, "--out", out_path, "--set",
                                          "rounds=100000", NULL});
}

/* MPICH asks its launcher at SIGUSR1, and waits for one that is not there. */
Test(run, a_signal_stops_a_rank_without_a_launcher_too)
{
    expect_stop(SIGUSR1, (const char *[]){"fit", config_path, "--out", out_path, "--set",
                                          "rounds=100000", NULL});
}

/* A rank may die before the job has made its folder. */
Test(run, a_resume_where_nothing_was_written_begins_anew)
{
    char expected[FIT_HASH_BYTES];
    char hash[FIT_HASH_BYTES];
    fit_folder_hash(&(fit_run){.out = "reference"}, expected);
    fit_folder_hash(&(fit_run){.out = "never-made", .resume = true}, hash);
    cr_expect_str_eq(hash, expected);
}

Test(run, checkpoints_are_apart_by_the_seconds_that_are_asked_for)
{
    char hash[FIT_HASH_BYTES];
    unsigned count = 0;
    fit_folder_hash(&(fit_run){.sets = {"checkpoint.seconds=3600", "checkpoint.keep=100"}}, hash);
    DIR *directory = opendir(out_path);
    cr_assert_not_null(directory);
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        if (strncmp(entry->d_name, "checkpoint-", strlen("checkpoint-")) == 0) {
            count++;
        }
    }
    closedir(directory);
    cr_expect_eq(count, 1, "%u checkpoints, only that of the end was expected", count);
}
