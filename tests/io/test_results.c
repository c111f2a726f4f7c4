#include <criterion/criterion.h>
#include <stddef.h>
#include <string.h>

#include "io/results.h"
#include "runtime/base/child.h"
#include "tests/io/fixture.h"
#include "tests/limits.h"

typedef struct {
    char name[16];
    uint64_t count;
    double seconds;
} row;

static const ech_result_column columns[] = {
    {"name", ECH_RESULT_TEXT, offsetof(row, name), sizeof(((row *)0)->name)},
    {"count", ECH_RESULT_U64, offsetof(row, count), sizeof(uint64_t)},
    {"seconds", ECH_RESULT_REAL, offsetof(row, seconds), sizeof(double)},
};

TestSuite(results, .init = fixture_start, .fini = fixture_stop);

static const char *write(void)
{
    static const row rows[] = {{"one", 1, 0.25}, {"two", UINT64_MAX, 1e9}};
    const ech_results results = {"kind: weak\n", columns, 3, rows, sizeof *rows, 2};
    const char *path = fixture_path("results.h5");
    cr_assert_eq(ech_results_write(fixture_io, path, &results), ECH_OK, "%s", ech_status_message());
    return path;
}

Test(results, what_was_written_is_read)
{
    ech_results_info info;
    cr_assert_eq(ech_results_read_info(fixture_io, write(), &info), ECH_OK);
    cr_expect_eq(info.row_count, 2);
    cr_expect_eq(info.column_count, 3);
}

/* Another reader than ours: HDF5's own tool. */
Test(results, other_programs_read_the_rows)
{
    const char *const arguments[] = {"h5dump", "-d", "/runs", write(), NULL};
    const ech_child_options options = {
        .arguments = arguments, .timeout_ns = ech_test_limit_ns(30), .output_bytes_max = 1 << 16};
    ech_child_result result;
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK, "%s", ech_status_message());
    cr_expect_eq(result.exit_code, 0, "%s", result.errors);
    cr_expect_not_null(strstr(result.output, "\"one"), "%s", result.output);
    cr_expect_not_null(strstr(result.output, "18446744073709551615"), "%s", result.output);
    cr_expect_not_null(strstr(result.output, "0.25"), "%s", result.output);
    ech_child_result_free(&result);
}

Test(results, another_kind_of_file_is_refused)
{
    ech_results_info info;
    cr_expect_eq(ech_results_read_info(fixture_io, fixture_path("none.h5"), &info), ECH_ERR_FILE);
}
