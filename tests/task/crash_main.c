/* A program of memoized tasks, one of which may die: `task_crash FILE.h5 [die]` prints how many
 * tasks it ran. For test_crash.c. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "apps/memo_store.h"
#include "runtime/task/task.h"

enum { TASKS = 40, DEADLY = 25 };

typedef struct {
    bool dies;
    int runs;
    ech_app_id app;
} setting;

static ech_status step(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments_bytes;
    (void)result_capacity;
    const setting *what = ech_task_user(context);
    const int number = *(const int *)arguments;
    if (what->dies && number == DEADLY) {
        raise(SIGSEGV);
    }
    *(int *)result = number;
    *result_bytes = sizeof(int);
    return ECH_OK;
}

/* One after the other, all on the last rank. */
static ech_status program(ech_executor *executor, void *user)
{
    const setting *what = user;
    const ech_task_options options = {.memoize = true,
                                      .affinity = ECH_AFFINITY_RANK,
                                      .affinity_value =
                                          (uint64_t)ech_executor_rank_count(executor) - 1};
    ech_status status = ECH_OK;
    for (int i = 0; i < TASKS && status == ECH_OK; i++) {
        ech_future *future = NULL;
        status = ech_submit(executor, what->app, &i, sizeof i, &options, &future);
        status = status == ECH_OK ? ech_future_wait(future) : status;
        ech_future_release(&future);
    }
    return status;
}

static void count_runs(void *self, const ech_task_record *records, size_t count)
{
    setting *what = self;
    for (size_t i = 0; i < count; i++) {
        what->runs += (records[i].flags & ECH_RECORD_MEMO) == 0 ? 1 : 0;
    }
}

int main(int argc, char **argv)
{
    ech_app_registry *apps = NULL;
    ech_memo_store *memo = NULL;
    setting what = {.dies = argc > 2};
    const ech_app app = {"fragile", step, &what, sizeof(int), sizeof(int), 1};
    if (argc < 2 || ech_memo_store_create(argv[1], &memo) != ECH_OK ||
        ech_app_registry_create(&apps) != ECH_OK ||
        ech_app_register(apps, &app, &what.app) != ECH_OK) {
        return 2;
    }
    const ech_task_record_sink sink = {&what, count_runs};
    const ech_executor_options options = {
        .kind = ECH_EXECUTOR_MPI, .sink = &sink, .store = ech_memo_store_interface(memo)};
    const int code = ech_executor_main(apps, &options, program, &what);
    if (what.runs > 0) {
        printf("%d tasks run\n", what.runs);
    }
    ech_memo_store_destroy(&memo);
    ech_app_registry_destroy(&apps);
    return code;
}
