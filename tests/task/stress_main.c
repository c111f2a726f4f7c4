/* Random graphs of tasks on one executor, compared with the serial one:
 *
 *     task_stress threads FIRST LAST TASKS        three kinds of pools, scenarios, records
 *     mpiexec -n N task_stress mpi FIRST LAST TASKS
 *
 * A plain program, since ThreadSanitizer does not go along with Criterion. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/mpi/guard.h"
#include "runtime/mpi/machine.h"
#include "tests/task/records.h"
#include "tests/task/scenarios.h"
#include "tests/task/stress.h"

enum { TEAM_RANKS = 2, ARGUMENTS = 5, DECIMAL = 10 };

typedef struct {
    uint64_t first, last; /* seeds */
    uint32_t tasks;
} amount;

static uint64_t digest_on(uint64_t seed, uint32_t tasks, const ech_executor_options *options)
{
    stress graph = {.seed = seed, .tasks = tasks, .team_ranks = TEAM_RANKS};
    if (stress_run(&graph, options) != ECH_OK) {
        fprintf(stderr, "seed %" PRIu64 ": %s\n", seed, ech_status_message());
    }
    return graph.digest;
}

static uint64_t digest_on_serial(uint64_t seed, uint32_t tasks)
{
    return digest_on(seed, tasks, &(ech_executor_options){.kind = ECH_EXECUTOR_SERIAL});
}

static bool is_same(uint64_t seed, uint64_t digest, uint64_t expected)
{
    if (digest != expected || expected == 0) {
        fprintf(stderr, "seed %" PRIu64 " differs from serial\n", seed);
        return false;
    }
    return true;
}

static bool run_scenarios(const ech_executor_options *options)
{
    bool good = true;
    for (size_t i = 0; i < scenario_count; i++) {
        if (scenario_run(&scenarios[i], options) != ECH_OK) {
            fprintf(stderr, "%s: %s\n", scenarios[i].name, ech_status_message());
            good = false;
        }
    }
    uint64_t missing = 0;
    if (records_of_busy_leaders(options, &missing) != ECH_OK || missing > 0) {
        fprintf(stderr, "records: %" PRIu64 " are missing: %s\n", missing, ech_status_message());
        good = false;
    }
    return good;
}

static bool on_threads(const amount *how_much)
{
    const ech_executor_options pools[] = {
        {.kind = ECH_EXECUTOR_THREADS, .ranks = 2},
        {.kind = ECH_EXECUTOR_THREADS, .ranks = 4},
        {.kind = ECH_EXECUTOR_THREADS, .ranks = 3, .released_max = 64, .arena_bytes = 1 << 16},
    };
    bool good = run_scenarios(&pools[1]);
    for (uint64_t seed = how_much->first; seed <= how_much->last; seed++) {
        const uint64_t expected = digest_on_serial(seed, how_much->tasks);
        for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
            good = is_same(seed, digest_on(seed, how_much->tasks, &pools[i]), expected) && good;
        }
    }
    return good;
}

static bool on_machine(const amount *how_much)
{
    ech_machine *machine = NULL;
    bool good = ech_guard_start() == ECH_OK && ech_mpi_start() == ECH_OK &&
                ech_machine_create(MPI_COMM_WORLD, &machine) == ECH_OK;
    if (!good) {
        ech_abort(ECH_ERR_MPI);
    }
    ech_machine_set_leader_mode(machine, ECH_LEADER_TRAINS);
    const ech_executor_options options = {.kind = ECH_EXECUTOR_MPI, .machine = machine};
    for (uint64_t seed = how_much->first; seed <= how_much->last; seed++) {
        const uint64_t digest = digest_on(seed, how_much->tasks, &options);
        if (ech_machine_rank(machine) == 0) { /* the others only take part */
            good = is_same(seed, digest, digest_on_serial(seed, how_much->tasks)) && good;
        }
    }
    ech_machine_destroy(&machine);
    ech_guard_box()->reported = 1;
    return ech_mpi_finish() == ECH_OK && good;
}

int main(int argc, char **argv)
{
    if (argc != ARGUMENTS) {
        fprintf(stderr, "task_stress threads|mpi FIRST LAST TASKS\n");
        return 2;
    }
    const amount how_much = {.first = strtoull(argv[2], NULL, DECIMAL),
                             .last = strtoull(argv[3], NULL, DECIMAL),
                             .tasks = (uint32_t)strtoul(argv[4], NULL, DECIMAL)};
    const bool good = strcmp(argv[1], "mpi") == 0 ? on_machine(&how_much) : on_threads(&how_much);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
