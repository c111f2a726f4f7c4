/* What the pools of several hosts, and their ranks, owe each other. */

#include "runtime/mpi/machine.h"
#include "runtime/task/task_mpi.h"
#include "tests/mpi_case.h"
#include "tests/task/records.h"
#include "tests/task/signals.h"

/* All ranks run tasks. */
static ech_executor_options options_on(ech_machine **machine)
{
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, machine));
    ech_machine_set_leader_mode(*machine, ECH_LEADER_TRAINS);
    return (ech_executor_options){.kind = ECH_EXECUTOR_MPI, .machine = *machine};
}

static void busy_leaders_lose_no_record(void)
{
    ech_machine *machine = NULL;
    const ech_executor_options options = options_on(&machine);
    uint64_t missing = 0;
    mpi_expect_ok(records_of_busy_leaders(&options, &missing));
    mpi_expect(missing == 0, "%llu records are missing", (unsigned long long)missing);
    ech_machine_destroy(&machine);
}

static void attempts_are_recorded(void)
{
    ech_machine *machine = NULL;
    const ech_executor_options options = options_on(&machine);
    mpi_expect_ok(records_of_attempts(&options));
    ech_machine_destroy(&machine);
}

/* Run one app, under this name, by a program that is given its number. */
static void run_one_app(const ech_app *app, ech_program program)
{
    ech_machine *machine = NULL;
    ech_app_registry *apps = NULL;
    ech_executor *executor = NULL;
    ech_app_id id = 0;
    const ech_executor_options options = options_on(&machine);
    mpi_expect_ok(ech_app_registry_create(&apps));
    mpi_expect_ok(ech_app_register(apps, app, &id));
    mpi_expect_ok(ech_executor_create(apps, &options, &executor));
    mpi_expect_ok(ech_executor_run(executor, program, &id));
    ech_executor_destroy(&executor);
    ech_app_registry_destroy(&apps);
    ech_machine_destroy(&machine);
}

/* A task that lasts until one has begun on each host; all of them are submitted to one host. */

static ech_status meet(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments_bytes;
    (void)result;
    (void)result_capacity;
    (void)result_bytes;
    const int hosts = ech_executor_host_count(ech_task_executor(context));
    signals_say(arguments, "host", ech_task_host(context));
    return signals_wait(arguments, "host", 0, hosts, context);
}

static ech_status submit_meetings(ech_executor *executor, void *user)
{
    enum { MEETINGS = 12 };
    ech_future *futures[MEETINGS] = {NULL};
    char folder[SIGNALS_PATH_BYTES] = "";
    ech_status status = signals_create(folder);
    for (int i = 0; i < MEETINGS && status == ECH_OK; i++) {
        status =
            ech_submit(executor, *(ech_app_id *)user, folder, sizeof folder, NULL, &futures[i]);
    }
    status = status == ECH_OK ? ech_future_wait_all(futures, MEETINGS) : status;
    for (int i = 0; i < MEETINGS; i++) {
        ech_future_release(&futures[i]);
    }
    signals_destroy(folder);
    return status;
}

static void idle_hosts_steal(void)
{
    run_one_app(&(ech_app){.name = "meet", .run = meet, .arguments_bytes_max = SIGNALS_PATH_BYTES},
                submit_meetings);
}

/* The members' own communicator. */

static ech_status reduce(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                         void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)arguments;
    (void)arguments_bytes;
    (void)result_capacity;
    const MPI_Comm comm = ech_task_communicator(context);
    int rank = -1;
    int size = 0;
    int total = 0;
    if (comm == MPI_COMM_NULL) {
        return ech_fail(ECH_ERR_TASK, "a multi-rank task has no communicator");
    }
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    if (rank != (int)ech_task_member(context) || size != (int)ech_task_member_count(context)) {
        return ech_fail(ECH_ERR_TASK, "member %u is rank %d of %d", ech_task_member(context), rank,
                        size);
    }
    const int mine = rank + 1;
    MPI_Allreduce(&mine, &total, 1, MPI_INT, MPI_SUM, comm);
    *(int *)result = total;
    *result_bytes = sizeof total;
    return ECH_OK;
}

static ech_status submit_reductions(ech_executor *executor, void *user)
{
    enum { REDUCTIONS = 5 };
    const int ranks = ech_executor_rank_count(executor);
    const ech_task_options all = {.ranks = (uint32_t)ranks};
    ech_status status = ECH_OK;
    for (int i = 0; i < REDUCTIONS && status == ECH_OK; i++) {
        ech_future *future = NULL;
        status = ech_submit(executor, *(ech_app_id *)user, NULL, 0, &all, &future);
        status = status == ECH_OK ? ech_future_wait(future) : status;
        if (status == ECH_OK &&
            *(const int *)ech_future_value(future, NULL) != ranks * (ranks + 1) / 2) {
            status = ech_fail(ECH_ERR_TASK, "the members' sum is wrong");
        }
        ech_future_release(&future);
    }
    return status;
}

static void members_have_a_communicator(void)
{
    run_one_app(&(ech_app){.name = "reduce", .run = reduce, .result_bytes_max = sizeof(int)},
                submit_reductions);
}

static const mpi_case pool_cases[] = {
    {"records_of_a_busy_leader", .ranks = 3, .seconds = 60, .run = busy_leaders_lose_no_record},
    {"records_of_busy_leaders_2_hosts", .ranks = 4, .cliques = 2, .seconds = 60,
     .run = busy_leaders_lose_no_record},
    {"attempts_are_recorded", .ranks = 3, .seconds = 30, .run = attempts_are_recorded},
    {"attempts_are_recorded_2_hosts", .ranks = 4, .cliques = 2, .seconds = 30,
     .run = attempts_are_recorded},
    {"idle_hosts_steal", .ranks = 4, .cliques = 2, .seconds = 60, .run = idle_hosts_steal},
    {"members_have_a_communicator", .ranks = 4, .cliques = 2, .seconds = 30,
     .run = members_have_a_communicator},
};
MPI_CASES(task, pool_cases)
