/* Memoized results in an HDF5 file: a program that is started again skips what it has done, and a
 * task that dies takes nothing of that along. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apps/memo_store.h"
#include "runtime/task/task.h"
#include "tests/support.h"

enum { TASKS = 40, DEADLY = 25 };

static char folder[ECH_TEST_PATH_BYTES];

static void make_folder(void)
{
    ech_test_make_directory(folder);
}

static void remove_folder(void)
{
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(memo, .init = make_folder, .fini = remove_folder);

static int run_count;
static bool is_deadly;

static ech_status square(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                         void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)context;
    (void)arguments_bytes;
    (void)result_capacity;
    const int number = *(const int *)arguments;
    if (is_deadly && number == DEADLY) {
        raise(SIGKILL);
    }
    run_count++;
    *(int *)result = number * number;
    *result_bytes = sizeof(int);
    return ECH_OK;
}

static ech_status square_all(ech_executor *executor, void *user)
{
    const ech_task_options options = {.memoize = true};
    ech_status status = ECH_OK;
    for (int i = 0; i < TASKS && status == ECH_OK; i++) {
        ech_future *future = NULL;
        status = ech_submit(executor, *(ech_app_id *)user, &i, sizeof i, &options, &future);
        if (status == ECH_OK) {
            status = ech_future_wait(future);
        }
        if (status == ECH_OK && *(const int *)ech_future_value(future, NULL) != i * i) {
            status = ech_fail(ECH_ERR_NUMERIC, "the square of %d is wrong", i);
        }
        ech_future_release(&future);
    }
    return status;
}

/* Returns how many tasks were run. */
static int run(uint32_t version, ech_executor_kind kind)
{
    char path[2 * ECH_TEST_PATH_BYTES];
    ech_app_registry *apps = NULL;
    ech_memo_store *memo = NULL;
    ech_app_id id = 0;
    const ech_app app = {"square", square, NULL, sizeof(int), sizeof(int), version};
    snprintf(path, sizeof path, "%s/memo.h5", folder);
    cr_assert_eq(ech_app_registry_create(&apps), ECH_OK);
    cr_assert_eq(ech_app_register(apps, &app, &id), ECH_OK);
    cr_assert_eq(ech_memo_store_create(path, &memo), ECH_OK);
    const ech_executor_options options = {
        .kind = kind, .ranks = 1, .store = ech_memo_store_interface(memo)};
    run_count = 0;
    cr_expect_eq(ech_executor_main(apps, &options, square_all, &id), 0);
    ech_memo_store_destroy(&memo);
    ech_app_registry_destroy(&apps);
    return run_count;
}

Test(memo, a_second_run_skips_what_is_done)
{
    cr_expect_eq(run(1, ECH_EXECUTOR_SERIAL), TASKS);
    cr_expect_eq(run(1, ECH_EXECUTOR_SERIAL), 0);
    cr_expect_eq(run(1, ECH_EXECUTOR_THREADS), 0);
}

Test(memo, another_version_of_the_app_is_run_again)
{
    cr_expect_eq(run(1, ECH_EXECUTOR_SERIAL), TASKS);
    cr_expect_eq(run(2, ECH_EXECUTOR_SERIAL), TASKS);
    cr_expect_eq(run(1, ECH_EXECUTOR_SERIAL), 0);
}

Test(memo, a_task_that_dies_leaves_what_was_done)
{
    const pid_t child = fork();
    if (child == 0) {
        is_deadly = true;
        run(1, ECH_EXECUTOR_SERIAL);
        _exit(0);
    }
    int how = 0;
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    cr_expect_eq(run(1, ECH_EXECUTOR_SERIAL), TASKS - DEADLY);
    cr_expect_eq(run(1, ECH_EXECUTOR_SERIAL), 0);
}
