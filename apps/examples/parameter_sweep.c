/* A parameter sweep with retries and a memory: which step size brings gradient descent to the
 * minimum of x^4 - 3 x^2 + x fastest? Every seventh point fails at first, on purpose. Given a
 * file, results are kept there: started again, also after a crash, it runs what is missing.
 *
 *     parameter_sweep [serial|threads|mpi [FILE.h5]]      mpiexec -n 4 parameter_sweep mpi
 */
#include <math.h>
#include <stdio.h>

#include "apps/memo_store.h"
#include "runtime/task/task.h"

enum { POINTS = 60, STEPS_MAX = 100000 };

static ech_status descend(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                          void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments_bytes, (void)result_capacity;
    const int point = *(const int *)arguments;
    if (point % 7 == 0 && ech_task_attempt(context) == 0) {
        return ech_fail(ECH_ERR_SYSTEM, "point %d: a lost licence, say", point);
    }
    int steps = 0;
    double slope = 1;
    for (double x = 1.5; fabs(slope) > 1e-9 && fabs(x) < 10 && steps < STEPS_MAX; steps++) {
        slope = 4 * x * x * x - 6 * x + 1;
        x -= 0.004 * point * slope;
    }
    *(int *)result = fabs(slope) > 1e-9 ? STEPS_MAX : steps; /* it may diverge */
    *result_bytes = sizeof(int);
    return ECH_OK;
}

static ech_status sweep(ech_executor *executor, void *user)
{
    ech_future *futures[POINTS] = {NULL};
    const ech_task_options options = {.attempts = 3, .retry_elsewhere = true, .memoize = true};
    ech_status status = ECH_OK;
    for (int i = 1; i <= POINTS && status == ECH_OK; i++) {
        status = ech_submit(executor, *(ech_app_id *)user, &i, sizeof i, &options, &futures[i - 1]);
    }
    int best = 0;
    int least = STEPS_MAX;
    for (int i = 1; i <= POINTS; i++) {
        status = status == ECH_OK ? ech_future_wait(futures[i - 1]) : status;
        const int *steps = ech_future_value(futures[i - 1], NULL);
        best = steps != NULL && *steps < least ? i : best;
        least = best == i ? *steps : least;
        ech_future_release(&futures[i - 1]);
    }
    printf("step %.3f is the best: %d iterations\n", 0.004 * best, least);
    return status;
}

int main(int argc, char **argv)
{
    ech_app_registry *apps = NULL;
    ech_memo_store *memo = NULL;
    ech_app_id app;
    ech_executor_options options = {.kind = ECH_EXECUTOR_SERIAL};
    const ech_app what = {"descend", descend, NULL, sizeof(int), sizeof(int), 1};
    if ((argc > 1 && ech_executor_kind_parse(argv[1], &options.kind) != ECH_OK) ||
        ech_app_registry_create(&apps) != ECH_OK || ech_app_register(apps, &what, &app) != ECH_OK ||
        (argc > 2 && ech_memo_store_create(argv[2], &memo) != ECH_OK)) {
        fprintf(stderr, "parameter_sweep: %s\n", ech_status_message());
        return 2;
    }
    options.store = memo == NULL ? NULL : ech_memo_store_interface(memo);
    const int code = ech_executor_main(apps, &options, sweep, &app);
    ech_memo_store_destroy(&memo);
    ech_app_registry_destroy(&apps);
    return code;
}
