/* Idle is free: while one rank works for ten seconds, all the others, the leader ranks of both
 * hosts and the submitter among them, sleep. Measured in processor time, so a loaded machine
 * changes nothing. */
#include <stdio.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/mpi/machine.h"
#include "runtime/task/task.h"
#include "tests/mpi_case.h"

enum { BUSY_RANK = 3, ALLOWED_MS = 200 };

static const uint64_t work_ns = UINT64_C(10000000000);

/* User and system time of this process, from /proc/PID/stat (fields 14 and 15, in clock ticks). */
static double processor_seconds(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)getpid());
    FILE *file = fopen(path, "r");
    unsigned long user = 0;
    unsigned long system = 0;
    int read = 0;
    if (file != NULL) {
        read = fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                      &user, &system);
        fclose(file);
    }
    mpi_expect(read == 2, "%s cannot be read", path);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static ech_status work(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments;
    (void)arguments_bytes;
    (void)result;
    (void)result_capacity;
    (void)result_bytes;
    mpi_expect(ech_task_rank(context) == BUSY_RANK, "ran on rank %d", ech_task_rank(context));
    ech_clock_sleep_ns(work_ns);
    return ECH_OK;
}

static ech_status program(ech_executor *executor, void *user)
{
    const ech_app_id *app = user;
    const ech_task_options options = {
        .affinity = ECH_AFFINITY_RANK, .affinity_value = BUSY_RANK, .strict = true};
    ech_future *future = NULL;
    ech_status status = ech_submit(executor, *app, NULL, 0, &options, &future);
    if (status == ECH_OK) {
        status = ech_future_wait(future);
        ech_future_release(&future);
    }
    return status;
}

static void waiting_ranks_sleep(void)
{
    ech_machine *machine = NULL;
    ech_app_registry *apps = NULL;
    ech_executor *executor = NULL;
    ech_app_id id = 0;
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    mpi_expect_ok(ech_app_registry_create(&apps));
    mpi_expect_ok(ech_app_register(apps, &(ech_app){.name = "work", .run = work}, &id));
    const ech_executor_options options = {.kind = ECH_EXECUTOR_MPI, .machine = machine};
    if (mpi_expect_ok(ech_executor_create(apps, &options, &executor))) {
        const double before = processor_seconds();
        mpi_expect_ok(ech_executor_run(executor, program, &id));
        const double used_ms = (processor_seconds() - before) * 1e3;
        printf("rank %d of host %d used %.0f ms of processor time\n", ech_machine_rank(machine),
               ech_machine_host(machine), used_ms);
        mpi_expect(used_ms < ALLOWED_MS, "used %.0f ms of processor time in 10 s", used_ms);
    }
    ech_executor_destroy(&executor);
    ech_app_registry_destroy(&apps);
    ech_machine_destroy(&machine);
}

static const mpi_case idle_cases[] = {
    {"idle_ranks_of_one_host", .ranks = 4, .seconds = 60, .run = waiting_ranks_sleep},
    {"idle_ranks_of_two_hosts", .ranks = 4, .cliques = 2, .seconds = 60,
     .run = waiting_ranks_sleep},
};
MPI_CASES(fed, idle_cases)
