/* Bad input to `echelon fit` is met by one line and exit code 2, and nothing is written. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "tests/cli/program.h"
#include "tests/cli/tiny_data.h"

enum { RANKS = 2, CONFIG_BYTES = 2048, EXPECTED_MAX = 4 };

static char directory[ECH_TEST_PATH_BYTES];
static char data[ECH_TEST_PATH_BYTES];
static char config[ECH_TEST_PATH_BYTES];
static char out[ECH_TEST_PATH_BYTES + 8];

static void begin_test(void)
{
    ech_test_make_directory(directory);
    tiny_data_make(directory, data);
    snprintf(out, sizeof out, "%s/results", directory);
}

static void end_test(void)
{
    ech_test_remove_directory(directory);
    ech_test_expect_no_leak();
}

TestSuite(bad_input, .init = begin_test, .fini = end_test);

/* What one bad input is, and what the one line must say. */
typedef struct {
    const char *data;     /* lines of the configuration; NULL: good ones */
    const char *topology; /* likewise */
    const char *more;     /* further lines */
    const char *set;      /* a --set */
    const char *expected[EXPECTED_MAX];
} bad_case;

static const char *or_else(const char *text, const char *other)
{
    return text != NULL ? text : other;
}

static ech_child_result fit(const bad_case *bad, const char *folder)
{
    char text[CONFIG_BYTES];
    snprintf(text, sizeof text, "%s%s%s%s", or_else(bad->data, "data: {file: tiny.h5}\n"),
             or_else(bad->topology, "topology: {kind: star, workers: 4}\n"),
             "model: {name: smallconv}\nrounds: 1\n", or_else(bad->more, ""));
    ech_test_write_text(directory, "fit.yaml", text, config);
    if (bad->set != NULL) {
        return program_run_ranks(
            RANKS, (const char *[]){"fit", config, "--out", folder, "--set", bad->set, NULL});
    }
    return program_run_ranks(RANKS, (const char *[]){"fit", config, "--out", folder, NULL});
}

static void expect_one_line(const ech_child_result *result, const char *const *expected)
{
    cr_expect_eq(result->exit_code, 2, "exit code %d: %s", result->exit_code, result->errors);
    cr_expect_str_eq(result->output, "");
    cr_expect_eq(program_count_lines(result->errors), 1, "expected one line, got: %s",
                 result->errors);
    for (int i = 0; i < EXPECTED_MAX && expected[i] != NULL; i++) {
        cr_expect_not_null(strstr(result->errors, expected[i]), "expected '%s' in: %s", expected[i],
                           result->errors);
    }
}

static void expect_refused(const bad_case *bad)
{
    ech_child_result result = fit(bad, out);
    expect_one_line(&result, bad->expected);
    cr_expect_neq(access(out, F_OK), 0, "%s was made", out);
    ech_child_result_free(&result);
}

static void expect_all_refused(const bad_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect_refused(&cases[i]);
    }
}

#define EXPECT_ALL_REFUSED(cases) expect_all_refused(cases, sizeof cases / sizeof *cases)

Test(bad_input, configurations)
{
    static const bad_case cases[] = {
        {.more = "round: 3\n", .expected = {"fit.yaml:5: ", "'round'", "'rounds'"}},
        {.more = "train:\n  learning_rate: 3\n",
         .expected = {"fit.yaml:6: ", "'train.learning_rate'", "epochs, batch, optimizer, lr"}},
        {.more = "seed: many\n",
         .expected = {"fit.yaml:5: ", "seed: ", "expected a whole number", "'many'"}},
        {.more = "train: {lr: 0.1abc}\n",
         .expected = {"fit.yaml:5: ", "train.lr: ", "expected a number above 0", "'0.1abc'"}},
        {.more = "train: {lr: nan}\n", .expected = {"fit.yaml:5: ", "train.lr: ", "'nan'"}},
        {.more = "strategy: {participation: 1.5}\n",
         .expected = {"fit.yaml:5: ", "strategy.participation: ",
                      "expected a number above 0 and at most 1", "'1.5'"}},
        {.more = "strategy: {name: fedagv}\n",
         .expected = {"fit.yaml:5: ", "strategy.name: ", "'fedagv'", "'fedavg'"}},
        {.more = "process: asnyc\n", .expected = {"fit.yaml:5: ", "process: ", "'asnyc'"}},
        {.more = "seed: 1\nseed: 2\n", .expected = {"fit.yaml:6: ", "'seed'", "twice"}},
        {.more = "seed: [1\n", .expected = {"fit.yaml:", "not valid YAML"}},
        {.set = "train.lrr=1", .expected = {"--set train.lrr=1: ", "'train.lr'"}},
        {.set = "train.batch=0",
         .expected = {"--set train.batch=0: ", "train.batch: ", "from 1 to 65536", "'0'"}},
        {.set = "model.name=smalconv",
         .expected = {"--set model.name=smalconv: ", "'smalconv'", "'smallconv'"}},
    };
    EXPECT_ALL_REFUSED(cases);
}

Test(bad_input, topologies)
{
    static const char *const trees[] = {
        "a: {kind: leader, children: [w]}\nb: {kind: leader, children: [w]}\nw: {kind: worker}\n",
        ("a: {kind: leader, children: [b]}\nb: {kind: aggregator, children: [c]}\n"
         "c: {kind: aggregator, children: [b, w]}\nw: {kind: worker}\n"),
        "a: {kind: leader, children: [w]}\nw: {kind: worker, children: [v]}\nv: {kind: worker}\n",
        "a: {kind: leader,\n children: [w, v]}\nw: {kind: worker}\n",
        "a: {kind: leader, children: [w]}\nw: {kind: walker}\n",
        "a: {kind: leader, children: []}\n",
        "- a\n",
    };
    static const bad_case cases[] = {
        {.expected = {"tree.yaml:2: ", "'b'", "leader", "'a'"}},
        {.expected = {"tree.yaml:", "'b'"}},
        {.expected = {"tree.yaml:2: ", "'w'", "worker", "children"}},
        {.expected = {"tree.yaml:", "'v'"}},
        {.expected = {"tree.yaml:2: ", "'w'", "walker"}},
        {.expected = {"tree.yaml:1: "}},
        {.expected = {"tree.yaml:1: "}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char tree[ECH_TEST_PATH_BYTES];
        ech_test_write_text(directory, "tree.yaml", trees[i], tree);
        bad_case bad = cases[i];
        bad.topology = "topology: {file: tree.yaml}\n";
        expect_refused(&bad);
    }
    static const bad_case missing = {.topology = "topology: {file: no.yaml}\n",
                                     .expected = {"no.yaml", "No such file"}};
    expect_refused(&missing);
}

/* A copy of the data file, cut to a share of its bytes or with one bit of them turned. */
static void write_damaged(const char *name, double kept, double turned)
{
    struct stat facts;
    cr_assert_eq(stat(data, &facts), 0);
    const size_t bytes = (size_t)facts.st_size;
    unsigned char *content = ech_alloc(bytes);
    FILE *file = fopen(data, "rb");
    cr_assert(content != NULL && file != NULL);
    cr_assert_eq(fread(content, 1, bytes, file), bytes);
    fclose(file);
    if (turned >= 0) {
        content[(size_t)((double)bytes * turned)] ^= 4;
    }
    char path[ECH_TEST_PATH_BYTES];
    ech_test_write_bytes(directory, name, content, (size_t)((double)bytes * kept), path);
    ech_free(content);
}

Test(bad_input, data_files)
{
    static const bad_case cases[] = {
        {.data = "data: {file: no.h5}\n", .expected = {"no.h5", "No such file"}},
        {.data = "data: {file: cut.h5}\n", .expected = {"cut.h5"}},
        {.data = "data: {file: empty.h5}\n", .expected = {"empty.h5"}},
        {.data = "data: {file: turned.h5}\n", .expected = {"turned.h5"}},
        {.data = "data: {file: turned-early.h5}\n", .expected = {"turned-early.h5"}},
        {.data = "data: {file: fit.yaml}\n", .expected = {"fit.yaml"}},
        {.data = "name: n\n", .expected = {"fit.yaml: data.file: ", "missing"}},
        {.data = "data: {file: tiny.h5, split: {kind: file, file: no.h5, dataset: owner}}\n",
         .expected = {"no.h5", "No such file"}},
        {.data = "data: {file: tiny.h5, split: {kind: file, file: tiny.h5, dataset: owner}}\n",
         .expected = {"tiny.h5", "owner"}},
        {.topology = "topology: {kind: star, workers: 241}\n",
         .expected = {"topology", "241", "240"}},
    };
    write_damaged("cut.h5", 0.5, -1);
    write_damaged("empty.h5", 0, -1);
    write_damaged("turned.h5", 1, 0.5);
    write_damaged("turned-early.h5", 1, 0.005);
    EXPECT_ALL_REFUSED(cases);
}

Test(bad_input, an_output_folder_that_cannot_be_made)
{
    static const bad_case good = {.expected = {NULL}};
    char folder[ECH_TEST_PATH_BYTES + 8];
    snprintf(folder, sizeof folder, "%s/below", data);
    ech_child_result result = fit(&good, folder);
    expect_one_line(&result, (const char *[]){folder, "Not a directory", NULL, NULL});
    ech_child_result_free(&result);
}

Test(bad_input, a_configuration_that_is_not_there)
{
    ech_child_result result =
        program_run_ranks(RANKS, (const char *[]){"fit", "/no/such.yaml", "--out", out, NULL});
    expect_one_line(&result,
                    (const char *[]){"/no/such.yaml: cannot be read", "No such file", NULL, NULL});
    ech_child_result_free(&result);
}

/* Where nothing is trained no data is needed, however many workers there are. */
Test(bad_input, many_workers_are_fine_where_nothing_is_trained)
{
    static const bad_case fine = {.data = "name: n\n",
                                  .topology = "topology: {kind: star, workers: 1000}\n",
                                  .more = "train: {epochs: 0}\nstrategy: {participation: 0.01}\n"};
    ech_child_result result = fit(&fine, out);
    cr_expect_eq(result.exit_code, 0, "%s", result.errors);
    ech_child_result_free(&result);
}

Test(bad_input, of_a_folder_that_everybody_may_write_into)
{
    const bad_case good = {0};
    cr_assert_eq(mkdir(out, 0700), 0);
    cr_assert_eq(chmod(out, 0777), 0);
    ech_child_result result = fit(&good, out);
    expect_one_line(&result, (const char *const[EXPECTED_MAX]){"--out", "everybody may write"});
    cr_expect_eq(ech_test_count_entries(out), 0);
    ech_child_result_free(&result);
}

Test(bad_input, of_a_file_where_the_folder_should_be)
{
    const bad_case good = {0};
    char file[ECH_TEST_PATH_BYTES];
    ech_test_write_text(directory, "taken", "", file);
    ech_child_result result = fit(&good, file);
    expect_one_line(&result, (const char *const[EXPECTED_MAX]){"taken: expected a folder"});
    ech_child_result_free(&result);
}
