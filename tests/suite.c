/* Linked to every suite: limits that grow with the build's slowness, and failures of `.fini`, which
 * Criterion prints but does not count. */
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <criterion/internal/ordered-set.h>
#include <stdio.h>

#include "tests/limits.h"

static size_t late_failures;

static void lengthen(struct criterion_test_extra_data *data)
{
    if (data != NULL) {
        data->timeout *= ech_test_slowness();
    }
}

static void lengthen_tests(const struct criterion_ordered_set *tests)
{
    FOREACH_SET(const struct criterion_test *test, tests)
    {
        lengthen(test->data);
    }
}

ReportHook(PRE_ALL)(struct criterion_test_set *all)
{
    FOREACH_SET(const struct criterion_suite_set *one, all->suites)
    {
        lengthen(one->suite.data);
        lengthen_tests(one->tests);
    }
}

/* Whether a test passed is decided when it ends; then comes its `.fini`. */
ReportHook(POST_FINI)(struct criterion_test_stats *test)
{
    if (test->test_status == CR_STATUS_PASSED && test->failed_asserts > 0) {
        fprintf(stderr, "[FAIL] %s::%s: at its end\n", test->test->category, test->test->name);
        test->test_status = CR_STATUS_FAILED;
        late_failures++;
    }
}

ReportHook(POST_ALL)(struct criterion_global_stats *all)
{
    all->tests_passed -= late_failures;
    all->tests_failed += late_failures;
}
