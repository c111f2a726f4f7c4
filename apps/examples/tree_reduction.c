/* A tree reduction with dependencies: leaves sum up pieces of 1/1 + 1/4 + 1/9 + ..., and each inner
 * task adds the values of two others. Nobody waits but for the root; the same order of additions,
 * and so the same bits, on any executor.
 *
 *     tree_reduction [serial|threads|mpi]        mpiexec -n 4 tree_reduction mpi
 */
#include <stdio.h>

#include "runtime/task/task.h"

enum { LEAVES = 256, TERMS = 4096 };

static double sum_piece(int number)
{
    double sum = 0;
    for (int k = TERMS; k >= 1; k--) {
        const double n = (double)number * TERMS + k;
        sum += 1 / (n * n);
    }
    return sum;
}

/* With inputs it is an inner node, else a leaf. */
static ech_status sum(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                      void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments_bytes;
    (void)result_capacity;
    double value = 0;
    for (uint32_t i = 0; i < ech_task_input_count(context); i++) {
        value += *(const double *)ech_task_input(context, i, NULL);
    }
    *(double *)result =
        ech_task_input_count(context) > 0 ? value : sum_piece(*(const int *)arguments);
    *result_bytes = sizeof(double);
    return ECH_OK;
}

static ech_status reduce(ech_executor *executor, void *user)
{
    ech_future *nodes[2 * LEAVES] = {NULL}; /* as in a heap: the root is 1, the leaves come last */
    ech_status status = ECH_OK;
    for (int i = 2 * LEAVES - 1; i >= 1 && status == ECH_OK; i--) {
        const int number = i - LEAVES;
        const ech_task_options options = {.inputs = &nodes[2 * (i % LEAVES)],
                                          .input_count = i < LEAVES ? 2 : 0};
        status =
            ech_submit(executor, *(ech_app_id *)user, &number, sizeof number, &options, &nodes[i]);
    }
    status = status == ECH_OK ? ech_future_wait(nodes[1]) : status;
    if (status == ECH_OK) {
        printf("%.15f\n", *(const double *)ech_future_value(nodes[1], NULL));
    }
    for (int i = 1; i < 2 * LEAVES; i++) {
        ech_future_release(&nodes[i]);
    }
    return status;
}

int main(int argc, char **argv)
{
    ech_app_registry *apps = NULL;
    ech_app_id app = 0;
    ech_executor_options options = {.kind = ECH_EXECUTOR_SERIAL};
    const ech_app what = {"sum", sum, NULL, sizeof(int), sizeof(double), 1};
    if ((argc > 1 && ech_executor_kind_parse(argv[1], &options.kind) != ECH_OK) ||
        ech_app_registry_create(&apps) != ECH_OK || ech_app_register(apps, &what, &app) != ECH_OK) {
        fprintf(stderr, "tree_reduction: %s\n", ech_status_message());
        return 2;
    }
    const int code = ech_executor_main(apps, &options, reduce, &app);
    ech_app_registry_destroy(&apps);
    return code;
}
