#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "tests/support.h"
#include "tests/task/scenarios.h"

TestSuite(serial, .fini = ech_test_expect_no_leak);

/* Numbers, not pointers: each test runs in a process of its own, loaded elsewhere. */
static size_t numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};

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

/* Tasks run in the order of priority, then of submission. */

static int64_t order[6];
static size_t order_count;

static ech_status note(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)context;
    (void)arguments_bytes;
    (void)result;
    (void)result_capacity;
    (void)result_bytes;
    order[order_count++] = *(const int64_t *)arguments;
    return ECH_OK;
}

static ech_status six_tasks(ech_executor *executor, void *user)
{
    for (int64_t i = 0; i < 6; i++) {
        const ech_task_options options = {.priority = (int32_t)(i % 3) - 1};
        const ech_status status =
            ech_submit(executor, *(ech_app_id *)user, &i, sizeof i, &options, NULL);
        if (status != ECH_OK) {
            return status;
        }
    }
    return ECH_OK;
}

Test(serial, larger_priorities_run_first_and_equal_ones_in_order)
{
    ech_app_registry *apps = NULL;
    ech_executor *executor = NULL;
    ech_app_id app = 0;
    const ech_executor_options options = {.kind = ECH_EXECUTOR_SERIAL};
    const ech_app what = {.name = "note", .run = note, .arguments_bytes_max = sizeof(int64_t)};
    cr_assert_eq(ech_app_registry_create(&apps), ECH_OK);
    cr_assert_eq(ech_app_register(apps, &what, &app), ECH_OK);
    cr_assert_eq(ech_executor_create(apps, &options, &executor), ECH_OK);
    cr_assert_eq(ech_executor_run(executor, six_tasks, &app), ECH_OK);
    ech_executor_destroy(&executor);
    ech_app_registry_destroy(&apps);

    const int64_t expected[6] = {2, 5, 1, 4, 0, 3};
    cr_assert_eq(order_count, 6);
    for (size_t i = 0; i < 6; i++) {
        cr_expect_eq(order[i], expected[i]);
    }
}

Test(serial, apps_need_a_name_of_their_own)
{
    ech_app_registry *apps = NULL;
    ech_app_id app = 0;
    cr_assert_eq(ech_app_registry_create(&apps), ECH_OK);
    cr_expect_eq(ech_app_register(apps, &(ech_app){.name = "a", .run = note}, &app), ECH_OK);
    cr_expect_eq(ech_app_register(apps, &(ech_app){.name = "a", .run = note}, &app),
                 ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_app_register(apps, &(ech_app){.name = "", .run = note}, &app),
                 ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_app_register(apps, &(ech_app){.name = "b"}, &app), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_app_find(apps, "c", &app), ECH_ERR_NOT_FOUND);
    ech_app_registry_destroy(&apps);
}
