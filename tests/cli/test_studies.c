/* The studies' scripts in short forms on the published data: what they compare agrees, each row of
 * their tables is there, and they fail where they must. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/child.h"
#include "tests/cli/program.h"
#include "tests/limits.h"
#include "tests/support.h"

enum { PATH_BYTES = ECH_TEST_PATH_BYTES + 64, SETTINGS_MAX = 8, ARGUMENTS_MAX = 20 };

enum { STUDY_SECONDS = 240 };
static const char published[] = "/usr/share/datasets/fashion-mnist";

static char folder[ECH_TEST_PATH_BYTES];
static char data_set[PATH_BYTES]; /* as --set takes it */
static char out_set[PATH_BYTES];  /* as the environment takes it */

static void start(void)
{
    ech_test_make_directory(folder);
    snprintf(data_set, sizeof data_set, "data.file=%s/fashion.h5", folder);
    snprintf(out_set, sizeof out_set, "ECHELON_OUT=%s/out", folder);
}

static void stop(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(studies, .init = start, .fini = stop, .timeout = 300);

/* @return whether the published data are on this machine. */
static bool import_data(void)
{
    if (access(published, R_OK) != 0) {
        cr_log_warn("%s is missing: nothing to study", published);
        return false;
    }
    const char *file = strchr(data_set, '=') + 1;
    ech_child_result result =
        program_run((const char *[]){"data", "import", "idx", published, "--out", file, NULL});
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    ech_child_result_free(&result);
    return true;
}

typedef struct {
    const char *script;
    const char *settings[SETTINGS_MAX]; /* of the environment; ended by NULL */
    const char *sets[SETTINGS_MAX];     /* for --set; ended by NULL */
} study;

static ech_child_result run_study(const study *what)
{
    char script[PATH_BYTES];
    snprintf(script, sizeof script, ECH_SOURCE_DIR "/jobs/studies/%s", what->script);
    const char *arguments[ARGUMENTS_MAX] = {script};
    for (size_t i = 0, count = 1; what->sets[i] != NULL; i++) {
        arguments[count++] = "--set";
        arguments[count++] = what->sets[i];
    }
    const char *environment[SETTINGS_MAX + 4] = {"ECHELON=" ECH_BUILD_DIR "/bin/echelon", out_set,
                                                 "ECHELON_RANKS=2"};
    for (size_t i = 0; what->settings[i] != NULL; i++) {
        environment[3 + i] = what->settings[i];
    }
    const ech_child_options options = {.arguments = arguments,
                                       .environment = environment,
                                       .timeout_ns = ech_test_limit_ns(STUDY_SECONDS),
                                       .output_bytes_max = 1 << 20};
    ech_child_result result;
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK, "%s", ech_status_message());
    return result;
}

/* The study ends well, and its output holds these. */
static void expect_output(const study *what, const char *const *expected)
{
    ech_child_result result = run_study(what);
    cr_assert_eq(result.exit_code, 0, "%s: %s%s", what->script, result.output, result.errors);
    for (size_t i = 0; expected[i] != NULL; i++) {
        cr_expect_not_null(strstr(result.output, expected[i]), "%s: no '%s' in: %s", what->script,
                           expected[i], result.output);
    }
    ech_child_result_free(&result);
}

Test(studies, heights_of_the_hierarchy_agree)
{
    const study what = {
        .script = "hierarchy.sh",
        .settings = {"ECHELON_SEEDS=1", "ECHELON_STRATEGIES=fedavg fedsgd", "ECHELON_HEIGHTS=1 8"},
        .sets = {data_set, "rounds=2", "train.epochs=1"},
    };
    if (import_data()) {
        expect_output(&what, (const char *[]){"fedavg         8     1", "77.3 79.3",
                                              "fedsgd         1     1",
                                              "bits: the heights of each strategy and seed agree",
                                              "/out/page/report.html", NULL});
    }
}

/* Published: 60.1 % saved by a tree of height 8. */
Test(studies, bytes_of_the_hierarchy_are_the_formulas)
{
    const study what = {
        .script = "hierarchy-bytes.sh",
        .settings = {"ECHELON_MODELS=tinynet smallconv", "ECHELON_HEIGHTS=1 8"},
        .sets = {"rounds=1"},
    };
    expect_output(&what,
                  (const char *[]){"tinynet", "smallconv", "60.13 %", "0.00 %",
                                   "bytes: the algorithm sends what the formula says", NULL});
}

/* Two rounds are not one round of the formula. */
Test(studies, bytes_that_are_not_the_formulas_fail)
{
    const study what = {
        .script = "hierarchy-bytes.sh",
        .settings = {"ECHELON_MODELS=tinynet", "ECHELON_HEIGHTS=2", "ECHELON_WORKERS=16"},
        .sets = {"rounds=2"},
    };
    ech_child_result result = run_study(&what);
    cr_expect_eq(result.exit_code, 1);
    cr_expect_not_null(strstr(result.output, "NOT THE FORMULA"), "%s", result.output);
    ech_child_result_free(&result);
}

Test(studies, the_async_run_replays_and_idles_as_it_must)
{
    const study what = {
        .script = "async.sh",
        .settings = {"ECHELON_SEEDS=1 2"},
        .sets = {data_set, "rounds=2", "train.epochs=1"},
    };
    if (import_data()) {
        expect_output(
            &what, (const char *[]){"sync            2", "async-half      2",
                                    "from its closed form at most",
                                    "bits: the run on the real clock and its replay agree", NULL});
    }
}

Test(studies, robust_rules_in_their_short_form)
{
    const study what = {
        .script = "robust.sh",
        .settings = {"ECHELON_SEEDS=1", "ECHELON_RULES=fedavg median", "ECHELON_ATTACKS=noise",
                     "ECHELON_SPLITS=iid"},
        .sets = {data_set, "rounds=3"},
    };
    if (import_data()) {
        expect_output(&what, (const char *[]){"fedavg            noise    iid            1",
                                              "median            noise    iid            1",
                                              "at least 80", NULL});
    }
}

Test(studies, a_row_of_the_niid_table)
{
    const study what = {
        .script = "niid.sh",
        .settings = {"ECHELON_SEEDS=1", "ECHELON_ROWS=iid"},
        .sets = {data_set, "rounds=1", "train.epochs=1"},
    };
    if (import_data()) {
        expect_output(&what, (const char *[]){"iid         fedavg        1", "89.23 (0.45)", NULL});
    }
}

/* Nothing is held of those that are not selected but their place in the tree and their samples. */
Test(studies, a_million_workers_take_little_memory)
{
    enum { SELECTED = 1000, GIB = 1 << 30 };
    static const char config[] = ECH_SOURCE_DIR "/jobs/studies/overhead.yaml";
    char out[PATH_BYTES];
    snprintf(out, sizeof out, "%s/out", folder);
    ech_child_result result = program_run_ranks(
        2, (const char *[]){"fit", config, "--out", out, "--json", "--set",
                            "topology.workers=1000000", "--set", "strategy.workers=1000", NULL});
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    cr_expect_lt(program_number(result.output, "peak_rss_bytes"), GIB);
    cr_expect_eq(program_number(result.output, "logical.up"), SELECTED * 2 * sizeof(float));
    ech_child_result_free(&result);
}
