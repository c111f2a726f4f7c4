#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "tests/support.h"
#include "tests/task/scenarios.h"

TestSuite(threads, .fini = ech_test_expect_no_leak);

/* Numbers, not pointers: each test runs in a process of its own, loaded elsewhere. */
static size_t numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};

ParameterizedTestParameters(threads, scenario)
{
    cr_assert_eq(sizeof numbers / sizeof numbers[0], scenario_count);
    return cr_make_param_array(size_t, numbers, sizeof numbers / sizeof numbers[0]);
}

ParameterizedTest(size_t *number, threads, scenario, .fini = ech_test_expect_no_leak)
{
    const ech_executor_options options = {.kind = ECH_EXECUTOR_THREADS, .ranks = 3};
    const scenario *what = &scenarios[*number];
    cr_expect_eq(scenario_run(what, &options), ECH_OK, "%s: %s", what->name, ech_status_message());
}
