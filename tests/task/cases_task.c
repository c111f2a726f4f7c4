/* The scenarios on ranks of an MPI job, on one host and on fake hosts. */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>

#include "runtime/base/clock.h"
#include "runtime/mpi/machine.h"
#include "runtime/task/task.h"
#include "tests/mpi_case.h"
#include "tests/task/scenarios.h"
#include "tests/task/stress.h"

static void run_all(ech_leader_mode mode)
{
    ech_machine *machine = NULL;
    if (!mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine))) {
        return;
    }
    ech_machine_set_leader_mode(machine, mode);
    const ech_executor_options options = {.kind = ECH_EXECUTOR_MPI, .machine = machine};
    for (size_t i = 0; i < scenario_count; i++) {
        const ech_status status = scenario_run(&scenarios[i], &options);
        mpi_expect(status == ECH_OK, "%s: %s", scenarios[i].name, ech_status_message());
    }
    ech_machine_destroy(&machine);
}

static void leaders_train(void)
{
    run_all(ECH_LEADER_TRAINS);
}

static void leaders_are_dedicated(void)
{
    run_all(ECH_LEADER_DEDICATED);
}

/* One rank sleeps in a task; the others wait for it, rank 0 among them, and must not use their
 * processors meanwhile. */

enum { IDLE_SECONDS = 10 };
static const double idle_cpu_seconds = 0.2;

static ech_status rest(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                       void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)context;
    (void)arguments;
    (void)arguments_bytes;
    (void)result;
    (void)result_capacity;
    (void)result_bytes;
    ech_clock_sleep_ns(IDLE_SECONDS * UINT64_C(1000000000));
    return ECH_OK;
}

static ech_status submit_rest(ech_executor *executor, void *user)
{
    ech_future *future = NULL;
    const ech_task_options options = {.affinity = ECH_AFFINITY_RANK,
                                      .affinity_value =
                                          (uint64_t)ech_executor_rank_count(executor) - 1};
    ech_status status = ech_submit(executor, *(ech_app_id *)user, NULL, 0, &options, &future);
    if (status == ECH_OK) {
        status = ech_future_wait(future);
    }
    ech_future_release(&future);
    return status;
}

static double process_cpu_seconds(void)
{
    struct timespec used = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

static void idle_is_free(void)
{
    ech_machine *machine = NULL;
    ech_app_registry *apps = NULL;
    ech_executor *executor = NULL;
    ech_app_id app = 0;
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    ech_machine_set_leader_mode(machine, ECH_LEADER_TRAINS);
    mpi_expect_ok(ech_app_registry_create(&apps));
    mpi_expect_ok(ech_app_register(apps, &(ech_app){.name = "rest", .run = rest}, &app));
    const ech_executor_options options = {.kind = ECH_EXECUTOR_MPI, .machine = machine};
    mpi_expect_ok(ech_executor_create(apps, &options, &executor));
    const double before = process_cpu_seconds();
    mpi_expect_ok(ech_executor_run(executor, submit_rest, &app));
    const double used = process_cpu_seconds() - before;
    mpi_expect(used < idle_cpu_seconds, "%.3f s of processor time in %d s of waiting", used,
               IDLE_SECONDS);
    ech_executor_destroy(&executor);
    ech_app_registry_destroy(&apps);
    ech_machine_destroy(&machine);
}

static void stress_like_serial(void)
{
    enum { SEEDS = 3, TASKS = 3000, TEAM_RANKS = 2 };
    ech_machine *machine = NULL;
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    ech_machine_set_leader_mode(machine, ECH_LEADER_TRAINS);
    const ech_executor_options serial = {.kind = ECH_EXECUTOR_SERIAL};
    const ech_executor_options options = {.kind = ECH_EXECUTOR_MPI, .machine = machine};
    const uint32_t seeds = stress_setting("ECH_STRESS_SEEDS", SEEDS);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        stress here = {.seed = seed,
                       .tasks = stress_setting("ECH_STRESS_TASKS", TASKS),
                       .team_ranks = TEAM_RANKS};
        stress there = here;
        mpi_expect_ok(stress_run(&here, &options));
        if (ech_machine_rank(machine) == 0) {
            mpi_expect_ok(stress_run(&there, &serial));
            mpi_expect(here.digest == there.digest, "seed %d differs from serial", (int)seed);
        }
    }
    ech_machine_destroy(&machine);
}

/* Rank 1 registers other apps than the others: all of them are told which one it is. */

typedef struct {
    ech_app here, there; /* rank 1's is `there`; without a name: none */
    const char *named;
} differing_apps;

static void expect_refused(ech_machine *machine, const differing_apps *pair)
{
    ech_app_registry *apps = NULL;
    ech_executor *executor = NULL;
    ech_app_id app = 0;
    const ech_app *mine = ech_machine_rank(machine) == 1 ? &pair->there : &pair->here;
    const ech_executor_options options = {.kind = ECH_EXECUTOR_MPI, .machine = machine};
    mpi_expect_ok(ech_app_registry_create(&apps));
    if (mine->name != NULL) {
        mpi_expect_ok(ech_app_register(apps, mine, &app));
    }
    mpi_expect(ech_executor_create(apps, &options, &executor) == ECH_ERR_ARGUMENT,
               "an executor of different apps was made");
    mpi_expect(executor == NULL, "an executor that failed is there");
    mpi_expect(strstr(ech_status_message(), pair->named) != NULL, "no '%s' in: %s", pair->named,
               ech_status_message());
    ech_app_registry_destroy(&apps);
}

static void apps_differ(void)
{
    const differing_apps pairs[] = {
        {{.name = "even", .run = rest}, {.name = "odd", .run = rest}, "odd"},
        {{.name = "even", .run = rest}, {0}, "even"},
        {{0}, {.name = "odd", .run = rest}, "odd"},
        {{.name = "even", .run = rest}, {.name = "even", .run = rest, .version = 2}, "even"},
        {{.name = "even", .run = rest},
         {.name = "even", .run = rest, .result_bytes_max = 8},
         "even"},
    };
    ech_machine *machine = NULL;
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        expect_refused(machine, &pairs[i]);
    }
    ech_machine_destroy(&machine);
}

static const mpi_case task_cases[] = {
    {"apps_differ", .ranks = 3, .seconds = 30, .run = apps_differ},
    {"scenarios_1", .ranks = 1, .seconds = 60, .run = leaders_train},
    {"scenarios_3", .ranks = 3, .seconds = 60, .run = leaders_train},
    {"scenarios_3_dedicated", .ranks = 3, .seconds = 60, .run = leaders_are_dedicated},
    {"scenarios_2_hosts", .ranks = 4, .cliques = 2, .seconds = 60, .run = leaders_train},
    {"scenarios_2_hosts_alone", .ranks = 2, .cliques = 2, .seconds = 60, .run = leaders_train},
    {"scenarios_3_hosts", .ranks = 5, .cliques = 3, .seconds = 60, .run = leaders_train},
    {"scenarios_2_hosts_dedicated", .ranks = 6, .cliques = 2, .seconds = 60,
     .run = leaders_are_dedicated},
    {"stress_3", .ranks = 3, .seconds = 90, .run = stress_like_serial},
    {"stress_2_hosts", .ranks = 4, .cliques = 2, .seconds = 90, .run = stress_like_serial},
    {"stress_3_hosts", .ranks = 5, .cliques = 3, .seconds = 90, .run = stress_like_serial},
    {"idle_is_free", .ranks = 4, .cliques = 2, .seconds = 60, .run = idle_is_free},
};
MPI_CASES(task, task_cases)
