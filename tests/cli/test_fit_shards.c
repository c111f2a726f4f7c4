/* A data set laid out by worker gives the model of the data set itself: on any ranks and hosts,
 * from any number of files, kept in memory or read worker by worker. What is wrong with its files
 * is met by one line. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/yaml.h"
#include "tests/cli/fit_folder.h"
#include "tests/cli/program.h"

enum { SETTING_BYTES = FIT_PATH_BYTES + 32, LINE_BYTES = 128, SETS = 3 };

static const char config_text[] = "seed: 3\n"
                                  "data: {normalize: {mean: [0.5], std: [0.5]}}\n"
                                  "model: {name: smallconv}\n"
                                  "topology: {kind: balanced, workers: 16, height: 2}\n"
                                  "strategy: {name: fedavg, participation: 0.5}\n"
                                  "rounds: 2\n"
                                  "train: {epochs: 1, batch: 4, lr: 0.02, momentum: 0.9}\n";

static const char two_hosts[] = "MPIR_CVAR_NUM_CLIQUES=2";
static const char three_hosts[] = "MPIR_CVAR_NUM_CLIQUES=3";

/* Below what the samples of one host take (0.2 MB), enough for three ranks' largest worker. */
static const char little_memory[] = "data.memory=150000";

/* Below what a rank's largest worker takes, more than its batches of four. */
static const char least_memory[] = "data.memory=20000";

static char data_set[SETTING_BYTES];         /* data.file=... */
static char shard_sets[SETS][SETTING_BYTES]; /* data.shards=...: of 1, 2, 3 files */

static void path_of(const char *name, char path[FIT_PATH_BYTES])
{
    snprintf(path, FIT_PATH_BYTES, "%s/%s", fit_folder(), name);
}

static void run_data(const char *const *arguments)
{
    ech_child_result result = program_run(arguments);
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    ech_child_result_free(&result);
}

static void start(void)
{
    char file[FIT_PATH_BYTES];
    char split[FIT_PATH_BYTES];
    fit_folder_start(config_text);
    path_of("tiny.h5", file);
    path_of("split.h5", split);
    snprintf(data_set, sizeof data_set, "data.file=%s", file);
    run_data((const char *[]){"data", "split", file, "--workers", "16", "--kind", "dirichlet",
                              "--seed", "3", "--out", split, NULL});
    for (int i = 0; i < SETS; i++) {
        char folder[FIT_PATH_BYTES];
        char name[16];
        const char hosts[] = {(char)('1' + i), '\0'};
        snprintf(name, sizeof name, "set-%s", hosts);
        path_of(name, folder);
        snprintf(shard_sets[i], sizeof shard_sets[i], "data.shards=%s", folder);
        run_data((const char *[]){"data", "shard", file, "--split", split, "--hosts", hosts,
                                  "--out", folder, NULL});
    }
}

TestSuite(fit_shards, .init = start, .fini = fit_folder_stop, .timeout = 300);

/* ---- the same bits ---- */

/* The hash, and the line of the test accuracy and loss. */
typedef struct {
    char hash[FIT_HASH_BYTES];
    char accuracy[LINE_BYTES];
} ending;

static ending run_to_end(const fit_run *run)
{
    ending end = {.accuracy = ""};
    ech_child_result result = fit_folder_run(run);
    fit_read_hash(&result, end.hash);
    const char *line = strstr(result.output, "test accuracy");
    cr_assert_not_null(line, "%s", result.output);
    snprintf(end.accuracy, sizeof end.accuracy, "%.*s", (int)strcspn(line, "\n"), line);
    ech_child_result_free(&result);
    return end;
}

static void expect_all_alike(const fit_run *runs, size_t count)
{
    const ending first = run_to_end(
        &(fit_run){.ranks = 1, .sets = {data_set, "data.split.kind=dirichlet", runs[0].sets[2]}});
    for (size_t i = 0; i < count; i++) {
        const ending end = run_to_end(&runs[i]);
        cr_expect_str_eq(end.hash, first.hash, "run %zu (%s): another model", i, runs[i].sets[0]);
        cr_expect_str_eq(end.accuracy, first.accuracy, "run %zu (%s)", i, runs[i].sets[0]);
    }
}

Test(fit_shards, kept_in_memory_they_give_the_data_sets_model)
{
    const fit_run runs[] = {
        {.ranks = 1, .sets = {shard_sets[1]}},
        {.ranks = 2, .sets = {shard_sets[0]}},
        {.ranks = 3, .sets = {shard_sets[2]}},
        {.ranks = 4, .environment = two_hosts, .sets = {shard_sets[1]}},
        {.ranks = 2, .environment = two_hosts, .sets = {shard_sets[2]}},
        {.ranks = 3, .environment = three_hosts, .sets = {shard_sets[0]}},
    };
    expect_all_alike(runs, sizeof runs / sizeof *runs);
}

Test(fit_shards, read_worker_by_worker_they_give_the_data_sets_model)
{
    const fit_run runs[] = {
        {.ranks = 1, .sets = {shard_sets[1], little_memory}},
        {.ranks = 2, .sets = {shard_sets[0], little_memory}},
        {.ranks = 3, .sets = {shard_sets[2], little_memory}},
        {.ranks = 4, .environment = two_hosts, .sets = {shard_sets[1], little_memory}},
        {.ranks = 3, .environment = two_hosts, .sets = {shard_sets[0], little_memory}},
        {.ranks = 2, .sets = {shard_sets[1], little_memory, "aggregators=materialised"}},
        {.ranks = 1, .sets = {shard_sets[1], least_memory}},
        {.ranks = 2, .sets = {shard_sets[2], least_memory}},
        {.ranks = 4, .environment = two_hosts, .sets = {shard_sets[2], least_memory}},
    };
    expect_all_alike(runs, sizeof runs / sizeof *runs);
}

/* Every rank's own workers only: no update is made where the samples are not. */
Test(fit_shards, a_worker_may_be_kept_to_its_rank_or_taken_by_another_host)
{
    const fit_run runs[] = {
        {.ranks = 3, .environment = two_hosts, .sets = {shard_sets[1], "workers_on=rank"}},
        {.ranks = 3, .environment = two_hosts, .sets = {shard_sets[1], "workers_on=any"}},
    };
    expect_all_alike(runs, sizeof runs / sizeof *runs);
}

Test(fit_shards, a_resume_may_keep_them_otherwise)
{
    char hash[FIT_HASH_BYTES];
    const ending whole = run_to_end(&(fit_run){.out = "whole", .sets = {shard_sets[1]}});
    fit_folder_hash(&(fit_run){.sets = {shard_sets[1], "rounds=1"}}, hash);
    fit_folder_hash(&(fit_run){.ranks = 3, .resume = true, .sets = {shard_sets[1], little_memory}},
                    hash);
    cr_expect_str_eq(hash, whole.hash);
}

/* ---- what is refused ---- */

static void expect_refused(const fit_run *run, const char *first, const char *second)
{
    ech_child_result result = fit_folder_run(run);
    cr_expect_eq(result.exit_code, 2, "%s", result.errors);
    cr_expect_eq(program_count_lines(result.errors), 1, "%s", result.errors);
    cr_expect_not_null(strstr(result.errors, first), "message is: %s", result.errors);
    cr_expect_not_null(strstr(result.errors, second), "message is: %s", result.errors);
    ech_child_result_free(&result);
}

/* Samples are stored in the middle of a file of 0.1 MB and more. */
static void flip_at(const char *name, off_t place)
{
    char path[FIT_PATH_BYTES];
    unsigned char byte = 0;
    path_of(name, path);
    const int descriptor = open(path, O_RDWR);
    cr_assert_geq(descriptor, 0);
    cr_assert_eq(pread(descriptor, &byte, 1, place), 1);
    byte ^= 1U;
    cr_assert_eq(pwrite(descriptor, &byte, 1, place), 1);
    cr_assert_eq(close(descriptor), 0);
}

Test(fit_shards, a_damaged_shard_stops_the_start_on_the_host_that_needs_it_alone)
{
    flip_at("set-2/shard-00001.h5", 50000);
    expect_refused(&(fit_run){.ranks = 1, .sets = {shard_sets[1]}},
                   "set-2/shard-00001.h5: damaged: sample ", "does not have its checksum");
    /* Rank 1 leads the other host: had rank 0 read the file too, it would be the one to tell. */
    expect_refused(&(fit_run){.ranks = 2, .environment = two_hosts, .sets = {shard_sets[1]}},
                   "rank 1: ", "set-2/shard-00001.h5: damaged: sample ");
}

Test(fit_shards, a_damaged_shard_stops_a_run_that_reads_worker_by_worker)
{
    static const char *const memories[] = {little_memory, least_memory};
    flip_at("set-1/shard-00000.h5", 50000);
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++) {
        const fit_run run = {.ranks = 1,
                             .sets = {shard_sets[0], memories[i], "strategy.participation=1.0"}};
        ech_child_result result = fit_folder_run(&run);
        cr_expect_eq(result.exit_code, 2, "%s", result.errors);
        cr_expect_not_null(strstr(result.errors, "set-1/shard-00000.h5: damaged: sample "), "%s",
                           result.errors);
        ech_child_result_free(&result);
    }
}

Test(fit_shards, a_missing_or_foreign_shard_is_named)
{
    char from[FIT_PATH_BYTES];
    char to[FIT_PATH_BYTES];
    path_of("set-3/shard-00001.h5", from);
    path_of("set-3/shard-00000.h5", to);
    cr_assert_eq(rename(from, to), 0);
    expect_refused(&(fit_run){.sets = {shard_sets[2]}}, "set-3/shard-00000.h5: ", " expected");
    cr_assert_eq(unlink(to), 0);
    expect_refused(&(fit_run){.sets = {shard_sets[2]}},
                   "set-3/shard-00000.h5: cannot open: No such file", "");
    path_of("set-3/shards.h5", to);
    cr_assert_eq(unlink(to), 0);
    expect_refused(&(fit_run){.sets = {shard_sets[2]}},
                   "set-3/shards.h5: cannot open: No such file", "");
    flip_at("set-1/shards.h5", 3000);
    expect_refused(&(fit_run){.sets = {shard_sets[0]}}, "set-1/shards.h5: damaged", "");
}

Test(fit_shards, keys_that_do_not_go_together_are_refused)
{
    expect_refused(&(fit_run){.sets = {shard_sets[0], "topology.workers=15"}},
                   "topology.workers: expected 16 workers, as ", "set-1/shards.h5 has, got 15");
    expect_refused(&(fit_run){.sets = {shard_sets[0], data_set}}, "data.file is not read where ",
                   "data.shards is '");
    expect_refused(&(fit_run){.sets = {shard_sets[0], "data.split.kind=iid"}},
                   "data.split.kind is not read where data.shards is '", "");
    expect_refused(&(fit_run){.sets = {data_set, little_memory}},
                   "data.memory: expected data.shards with it", "");
    expect_refused(&(fit_run){.sets = {shard_sets[0], "data.memory=1000"}},
                   "data.memory: expected at least 6280 bytes", "2 ranks holds a batch of 4");
    expect_refused(&(fit_run){.sets = {"data.shards=/nowhere"}},
                   "/nowhere: cannot open: No such file", "");
}

/* ---- the command ---- */

static void expect_shard_refused(const char *hosts, const char *out, const char *message)
{
    char file[FIT_PATH_BYTES];
    char split[FIT_PATH_BYTES];
    path_of("tiny.h5", file);
    path_of("split.h5", split);
    ech_child_result result = program_run((const char *[]){"data", "shard", file, "--split", split,
                                                           "--hosts", hosts, "--out", out, NULL});
    cr_expect_eq(result.exit_code, 2, "%s", result.errors);
    cr_expect_not_null(strstr(result.errors, message), "message is: %s", result.errors);
    ech_child_result_free(&result);
}

Test(fit_shards, the_command_tells_what_it_refuses_and_what_it_wrote)
{
    char folder[FIT_PATH_BYTES];
    char set[FIT_PATH_BYTES];
    path_of("set-1", folder);
    expect_shard_refused("2", folder, "set-1: expected a new or empty folder");
    path_of("new", folder);
    expect_shard_refused("17", folder, "expected 1 to 16 files, as the split has workers, got 17");
    expect_shard_refused("0", folder, "--hosts 0: expected a number from 1");
    path_of("set-3/shards.h5", set);
    ech_child_result result = program_run((const char *[]){"inspect", set, "--json", NULL});
    ech_yaml *json = NULL;
    cr_assert_eq(ech_yaml_load_text(result.output, strlen(result.output), "json", &json), ECH_OK);
    int64_t workers = 0;
    const ech_yaml_node *root = ech_yaml_root(json);
    cr_expect_eq(ech_yaml_read_integer(ech_yaml_find(root, "workers"), "workers", &workers),
                 ECH_OK);
    cr_expect_eq(workers, 16);
    cr_expect_eq(ech_yaml_count(ech_yaml_find(root, "files")), 3);
    ech_yaml_destroy(&json);
    ech_child_result_free(&result);
}
