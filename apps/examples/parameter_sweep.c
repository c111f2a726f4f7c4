/* A parameter sweep with retries: which step size brings gradient descent to the minimum of
 * f(x) = x^4 - 3 x^2 + x fastest? Each point of the sweep is a task; its first attempt fails on
 * purpose at every seventh point, and is repeated.
 *
 *     parameter_sweep [serial|threads|mpi]        mpiexec -n 4 parameter_sweep mpi
 */
#include <math.h>
#include <stdio.h>

#include "runtime/task/task.h"

enum { POINTS = 60, STEPS_MAX = 100000 };

typedef struct {
    int number;
    double step;
} point;

static ech_status descend(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                          void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments_bytes;
    (void)result_capacity;
    const point *what = arguments;
    if (what->number % 7 == 0 && ech_task_attempt(context) == 0) {
        return ech_fail(ECH_ERR_SYSTEM, "point %d: a lost licence, say", what->number);
    }
    int steps = 0;
    double x = 1.5;
    double slope = 4 * x * x * x - 6 * x + 1;
    for (; fabs(slope) > 1e-9 && fabs(x) < 10 && steps < STEPS_MAX; steps++) {
        x -= what->step * slope;
        slope = 4 * x * x * x - 6 * x + 1;
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
    for (int i = 0; i < POINTS && status == ECH_OK; i++) {
        const point what = {.number = i, .step = 0.004 * (i + 1)};
        status =
            ech_submit(executor, *(ech_app_id *)user, &what, sizeof what, &options, &futures[i]);
    }
    int best = 0;
    int least = STEPS_MAX;
    for (int i = 0; i < POINTS; i++) {
        status = status == ECH_OK ? ech_future_wait(futures[i]) : status;
        const int steps = status == ECH_OK ? *(const int *)ech_future_value(futures[i], NULL) : 0;
        best = steps < least ? i : best;
        least = steps < least ? steps : least;
        ech_future_release(&futures[i]);
    }
    if (status == ECH_OK) {
        printf("step %.3f is the best: %d iterations\n", 0.004 * (best + 1), least);
    }
    return status;
}

int main(int argc, char **argv)
{
    ech_app_registry *apps = NULL;
    ech_app_id app = 0;
    ech_executor_options options = {.kind = ECH_EXECUTOR_SERIAL};
    const ech_app what = {"descend", descend, NULL, sizeof(point), sizeof(int), 1};
    if ((argc > 1 && ech_executor_kind_parse(argv[1], &options.kind) != ECH_OK) ||
        ech_app_registry_create(&apps) != ECH_OK || ech_app_register(apps, &what, &app) != ECH_OK) {
        fprintf(stderr, "parameter_sweep: %s\n", ech_status_message());
        return 2;
    }
    const int code = ech_executor_main(apps, &options, sweep, &app);
    ech_app_registry_destroy(&apps);
    return code;
}
