/* How well tasks of unequal length are balanced: TASKS of them, log-normal (mean 1 ms, sigma 1),
 * all submitted to host 0, where leaders run tasks too. A task burns its length in processor time
 * of its thread, so the ideal is the sum of all lengths over the processors.
 *
 *     MPIR_CVAR_NUM_CLIQUES=2 mpiexec -n 4 build/release/tests/task_imbalance
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/mpi/hardware.h"
#include "runtime/task/task.h"

enum { TASKS = 10000 };

static uint64_t thread_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * UINT64_C(1000000000) + (uint64_t)used.tv_nsec;
}

static ech_status burn(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)context;
    (void)arguments_bytes;
    (void)result;
    (void)result_capacity;
    (void)result_bytes;
    const uint64_t until = thread_ns() + *(const uint64_t *)arguments;
    while (thread_ns() < until) {
    }
    return ECH_OK;
}

/* A log-normal variable of sigma 1 has the mean exp(1/2) times its median. */
static uint64_t draw_length(ech_random *random)
{
    static const double median_ns = 606530.66; /* of the mean 1 ms */
    return (uint64_t)(median_ns * exp(ech_random_normal(random)));
}

/* What the ranks were running tasks for, in wall time: says how balanced they were also where other
 * programs share the processors. */
static uint64_t running_ns;
static double taken_ns;

static void add_up(void *self, const ech_task_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *(uint64_t *)self += records[i].ended_ns - records[i].started_ns;
    }
}

static ech_status program(ech_executor *executor, void *user)
{
    ech_hardware hardware;
    ech_status status = ech_hardware_query(&hardware);
    ech_random random = ech_random_stream(1, ECH_RANDOM_TEST, 0, 0, 0);
    static ech_future *futures[TASKS];
    uint64_t sum_ns = 0;
    const uint64_t begin = ech_clock_ns();
    for (int i = 0; i < TASKS && status == ECH_OK; i++) {
        const uint64_t length = draw_length(&random);
        sum_ns += length;
        status =
            ech_submit(executor, *(ech_app_id *)user, &length, sizeof length, NULL, &futures[i]);
    }
    const ech_status waited = status == ECH_OK ? ech_future_wait_all(futures, TASKS) : status;
    taken_ns = (double)(ech_clock_ns() - begin);
    for (int i = 0; i < TASKS; i++) {
        ech_future_release(&futures[i]);
    }
    const uint32_t ranks = (uint32_t)ech_executor_rank_count(executor);
    const uint32_t processors = ranks < hardware.core_count ? ranks : hardware.core_count;
    const double ideal_ns = (double)sum_ns / processors;
    printf("%u ranks on %d hosts, %u processors: %.3f s, ideal %.3f s, ratio %.3f\n", ranks,
           ech_executor_host_count(executor), processors, taken_ns * 1e-9, ideal_ns * 1e-9,
           taken_ns / ideal_ns);
    return waited;
}

int main(void)
{
    ech_app_registry *apps = NULL;
    ech_app_id app = 0;
    const ech_task_record_sink sink = {&running_ns, add_up};
    const ech_executor_options options = {.kind = ECH_EXECUTOR_MPI, .sink = &sink};
    const ech_app what = {.name = "burn", .run = burn, .arguments_bytes_max = sizeof(uint64_t)};
    if (ech_app_registry_create(&apps) != ECH_OK || ech_app_register(apps, &what, &app) != ECH_OK) {
        return 1;
    }
    const int code = ech_executor_main(apps, &options, program, &app);
    if (running_ns > 0) { /* rank 0 */
        printf("ranks ran tasks for %.2f of the time, summed over them\n",
               (double)running_ns / taken_ns);
    }
    ech_app_registry_destroy(&apps);
    return code;
}
