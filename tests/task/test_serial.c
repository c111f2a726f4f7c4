#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "tests/support.h"
#include "tests/task/nothing.h"
#include "tests/task/scenarios.h"

TestSuite(serial, .fini = ech_test_expect_no_leak);

/* Numbers, not pointers: each test runs in a process of its own, loaded elsewhere. */
static size_t numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};

ParameterizedTestParameters(serial, scenario)
{
    cr_assert_eq(sizeof numbers / sizeof numbers[0], scenario_count);
    return cr_make_param_array(size_t, numbers, sizeof numbers / sizeof numbers[0]);
}

ParameterizedTest(size_t *number, serial, scenario, .fini = ech_test_expect_no_leak)
{
    const ech_executor_options options = {.kind = ECH_EXECUTOR_SERIAL};
    const scenario *what = &scenarios[*number];
    cr_expect_eq(scenario_run(what, &options), ECH_OK, "%s: %s", what->name, ech_status_message());
}

Test(serial, apps_need_a_name_of_their_own)
{
    ech_app_registry *apps = NULL;
    ech_app_id app = 0;
    cr_assert_eq(ech_app_registry_create(&apps), ECH_OK);
    cr_expect_eq(ech_app_register(apps, &(ech_app){.name = "a", .run = nothing}, &app), ECH_OK);
    cr_expect_eq(ech_app_register(apps, &(ech_app){.name = "a", .run = nothing}, &app),
                 ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_app_register(apps, &(ech_app){.name = "", .run = nothing}, &app),
                 ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_app_register(apps, &(ech_app){.name = "b"}, &app), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_app_find(apps, "c", &app), ECH_ERR_NOT_FOUND);
    ech_app_registry_destroy(&apps);
}
