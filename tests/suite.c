/* Linked to every suite: the limits that Criterion sets its tests are as long as the others. */
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <criterion/internal/ordered-set.h>

#include "tests/limits.h"

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
