/* Whole studies on this machine, through the scripts that a scheduler would run. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cli/program.h"
#include "tests/limits.h"
#include "tests/support.h"

enum { TEXT_BYTES = 1 << 16, PATH_BYTES = ECH_TEST_PATH_BYTES + 64 };

static char folder[ECH_TEST_PATH_BYTES];
static char study[ECH_TEST_PATH_BYTES];
static char out[PATH_BYTES];
static char text[TEXT_BYTES];

static void start(void)
{
    char base[ECH_TEST_PATH_BYTES];
    ech_test_make_directory(folder);
    ech_test_write_text(folder, "base.yaml",
                        "model: {name: tinynet}\n"
                        "topology: {kind: star, workers: 2}\n"
                        "rounds: 3\n"
                        "train: {epochs: 0}\n"
                        "evaluate: {every: 0}\n",
                        base);
    snprintf(out, sizeof out, "%s/out", folder);
}

static void stop(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(scale_local, .init = start, .fini = stop);

static const char *read_file(const char *name)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", out, name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s cannot be opened", path);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static ech_child_result run_study(const char *keys)
{
    ech_test_write_text(folder, "study.yaml", keys, study);
    return program_run((const char *[]){"scale", study, "--out", out, "--submit", NULL});
}

Test(scale_local, a_study_becomes_a_table_and_a_report)
{
    ech_child_result result = run_study("config: base.yaml\nvariants: [processes, pooled]\n"
                                        "workers: [2, 3]\nranks: [1]\nranks_per_host: 4\n");
    cr_assert_eq(result.exit_code, 0, "%s%s", result.output, result.errors);
    cr_expect_not_null(strstr(result.output, "4 of 4 runs are done"), "%s", result.output);
    cr_expect_not_null(
        strstr(result.output, "bits: runs of one model over the same workers agree"));
    ech_child_result_free(&result);
    const char *csv = read_file("results.csv");
    cr_expect_eq(program_count_lines(csv), 5);
    /* two values and no counter of float32 over 3 edges, 3 rounds */
    cr_expect_not_null(strstr(csv, ",72,72,"), "%s", csv);
    cr_expect_not_null(strstr(csv, "model-pooled-w3-r1-1,tinynet,pooled,shared,1,1,1,3,1,3,"));
    cr_expect_not_null(strstr(read_file("report/report.html"), "scaling-time"));
    const char *plan = read_file("runs/model-pooled-w3-r1-1/plan.json");
    cr_expect_not_null(strstr(plan, "\"ranks\": 1"), "%s", plan);
    cr_expect_not_null(strstr(read_file("results.csv"), ",predicted_round_seconds,"));
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/results.h5", out);
    result = program_run((const char *[]){"inspect", path, "--json", NULL});
    cr_expect_eq(result.exit_code, 0);
    cr_expect_not_null(strstr(result.output, "\"runs\": 4"), "%s", result.output);
    ech_child_result_free(&result);
}

Test(scale_local, a_study_that_is_done_is_not_run_again)
{
    static const char keys[] = "config: base.yaml\nworkers: [2]\nranks: [1]\n";
    ech_child_result result = run_study(keys);
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    ech_child_result_free(&result);
    char first[TEXT_BYTES];
    snprintf(first, sizeof first, "%s", read_file("results.csv"));
    result = run_study(keys);
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    ech_child_result_free(&result);
    cr_expect_str_eq(read_file("results.csv"), first, "its seconds would differ");
}

Test(scale_local, a_run_that_fails_is_named_and_the_others_are_kept)
{
    ech_child_result result =
        run_study("config: base.yaml\nworkers: [2]\nranks: [1, 2]\nset: [\"engine=blas\"]\n"
                  "models: [tinynet]\n");
    ech_child_result_free(&result);
    char path[2 * PATH_BYTES];
    char list[ECH_TEST_PATH_BYTES];
    snprintf(path, sizeof path, "%s/jobs", out);
    ech_test_write_text(path, "pooled-r2.runs",
                        "good --set topology.workers=2\n"
                        "bad --set topology.workers=none\n",
                        list);
    snprintf(path, sizeof path, "%s/jobs/pooled-r2.sh", out);
    const char *const arguments[] = {"bash", path, NULL};
    const ech_child_options options = {.arguments = arguments,
                                       .timeout_ns = ech_test_limit_ns(60),
                                       .output_bytes_max = TEXT_BYTES};
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK);
    cr_expect_eq(result.exit_code, 1);
    cr_expect_not_null(strstr(result.output, "good: done"), "%s", result.output);
    cr_expect_not_null(strstr(result.errors, "bad: failed with exit code 2"), "%s", result.errors);
    ech_child_result_free(&result);
    cr_expect_not_null(strstr(read_file("runs/bad/log"), "topology.workers"));
}

/* ---- the deadline ---- */

static char fit_base[PATH_BYTES];

static ech_child_result fit(const char *name, const char *start_option, const char *until)
{
    char path[2 * PATH_BYTES];
    snprintf(fit_base, sizeof fit_base, "%s/base.yaml", folder);
    snprintf(path, sizeof path, "%s-%s", out, name);
    return program_run_ranks(
        2, (const char *[]){"fit", fit_base, "--out", path, start_option, "--until", until, NULL});
}

static void copy_hash(const ech_child_result *result, char hash[64])
{
    const char *line = strstr(result->output, "model xxh128 ");
    cr_assert_not_null(line, "%s", result->output);
    snprintf(hash, 64, "%.45s", line);
}

Test(scale_local, a_round_that_cannot_end_in_time_is_not_begun)
{
    char unlimited[64];
    char resumed[64];
    ech_child_result result = fit("whole", "--overwrite", "0");
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    copy_hash(&result, unlimited);
    ech_child_result_free(&result);

    result = fit("parts", "--overwrite", "1000"); /* in 1970 */
    cr_expect_eq(result.exit_code, 75, "%s", result.errors);
    cr_expect_not_null(strstr(result.errors, "0.0 s are left until the deadline"), "%s",
                       result.errors);
    cr_expect_not_null(strstr(result.errors, "stopped after round 0 of 3"), "%s", result.errors);
    ech_child_result_free(&result);

    result = fit("parts", "--resume", "0");
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    copy_hash(&result, resumed);
    ech_child_result_free(&result);
    cr_expect_str_eq(resumed, unlimited);
}

Test(scale_local, nonsense_is_refused)
{
    ech_child_result result = fit("x", "--overwrite", "soon");
    cr_expect_neq(result.exit_code, 0);
    ech_child_result_free(&result);
    static const char *const wrong[][4] = {{"scale", "s.yaml"},
                                           {"scale", "--collect"},
                                           {"scale", "--out", "x"},
                                           {"scale", "s.yaml", "--scheduler", "lsf"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *const line[] = {wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3], NULL};
        result = program_run(line);
        cr_expect_eq(result.exit_code, 2, "line %zu: %d", i, result.exit_code);
        ech_child_result_free(&result);
    }
}
