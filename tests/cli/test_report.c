#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/child.h"
#include "tests/limits.h"
#include "tests/support.h"

static const char *const program = ECH_BUILD_DIR "/bin/echelon";

TestSuite(cli_report, .fini = ech_test_expect_no_leak);

static void expect_refused(const char *const *more, size_t count, const char *message)
{
    const char *arguments[8] = {program, "report"};
    for (size_t i = 0; i < count; i++) {
        arguments[2 + i] = more[i];
    }
    const ech_child_options options = {
        .arguments = arguments, .timeout_ns = ech_test_limit_ns(30), .output_bytes_max = 1 << 16};
    ech_child_result result;
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK);
    cr_expect_eq(result.exit_code, 2, "%d", result.exit_code);
    cr_expect_not_null(strstr(result.errors, message), "%s", result.errors);
    cr_expect_str_eq(result.output, "");
    ech_child_result_free(&result);
}

Test(cli_report, what_is_missing_is_named)
{
    static const char *const no_records[] = {"--out", "somewhere"};
    static const char *const no_directory[] = {"run.h5"};
    static const char *const no_file[] = {"/nowhere/run.h5", "--out", "somewhere"};
    expect_refused(no_records, 2, "no run record given");
    expect_refused(no_directory, 1, "--out DIR is missing");
    expect_refused(no_file, 3, "/nowhere/run.h5");
}

Test(cli_report, files_that_are_no_records_are_refused)
{
    char directory[ECH_TEST_PATH_BYTES];
    char path[ECH_TEST_PATH_BYTES];
    char output[2 * ECH_TEST_PATH_BYTES];
    ech_test_make_directory(directory);
    ech_test_write_text(directory, "run.h5", "no record at all", path);
    snprintf(output, sizeof output, "%s/out", directory);
    const char *const arguments[] = {path, "--out", output};
    expect_refused(arguments, 3, path);
    cr_expect_eq(ech_test_count_entries(directory), 1);
    ech_test_remove_directory(directory);
}
