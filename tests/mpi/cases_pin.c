#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/mpi/hardware.h"
#include "runtime/mpi/pin.h"
#include "tests/mpi_case.h"

enum { RANKS_MAX = 4, CROWD_OF_THREADS = 100000, PAGES = 64 };

static void gather_sets(ech_machine *machine, cpu_set_t *all)
{
    cpu_set_t mine;
    CPU_ZERO(&mine);
    mpi_expect(sched_getaffinity(0, sizeof mine, &mine) == 0, "the affinity cannot be read");
    mpi_expect_ok(ech_comm_all_gather(ech_machine_comm(machine), &mine, sizeof mine, all));
}

static void pinned_ranks_share_no_core(void)
{
    cpu_set_t all[RANKS_MAX];
    ech_machine *machine = NULL;
    ech_pin_result result;
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    mpi_expect_ok(ech_pin_ranks(machine, 1, &result));
    mpi_expect_ok(ech_pin_log(machine, &result));
    mpi_expect(result.cores > 0 && result.cpus[0] != '\0', "%u cores, cpus '%s'", result.cores,
               result.cpus);
    gather_sets(machine, all);
    for (int i = 0; i < ech_machine_rank_count(machine); i++) {
        for (int j = 0; j < i; j++) {
            cpu_set_t both;
            CPU_AND(&both, &all[i], &all[j]);
            /* Where the ranks outnumber the cores they keep what they had: all of them. */
            mpi_expect(result.outcome != ECH_PIN_DONE || CPU_COUNT(&both) == 0,
                       "ranks %d and %d share cores", i, j);
        }
    }
    ech_machine_destroy(&machine);
}

static void expect_processors(const cpu_set_t *expected, const char *when)
{
    cpu_set_t mine;
    CPU_ZERO(&mine);
    (void)sched_getaffinity(0, sizeof mine, &mine);
    mpi_expect(CPU_EQUAL(&mine, expected), "%s: other processors", when);
}

/* What a library makes beside the ranks need not share a rank's core. */
static void a_pin_is_lifted_for_a_while(void)
{
    cpu_set_t before;
    cpu_set_t pinned;
    ech_machine *machine = NULL;
    ech_pin_result result;
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    CPU_ZERO(&before);
    CPU_ZERO(&pinned);
    (void)sched_getaffinity(0, sizeof before, &before);
    mpi_expect_ok(ech_pin_ranks(machine, 1, &result));
    (void)sched_getaffinity(0, sizeof pinned, &pinned);
    ech_pin_lift(&result);
    expect_processors(&before, "lifted");
    ech_pin_restore(&result);
    expect_processors(&pinned, "restored");
    ech_machine_destroy(&machine);
}

/* Pages come from the domain of whoever touches them first: a rank's own, once it is pinned. */
static void memory_comes_from_the_domain_of_its_rank(void)
{
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    ech_machine *machine = NULL;
    ech_pin_result result;
    void *pages[PAGES];
    int nodes[PAGES];
    unsigned cpu = 0;
    unsigned node = 0;
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    mpi_expect_ok(ech_pin_ranks(machine, 1, &result));
    char *block = ech_alloc(PAGES * page_bytes);
    mpi_expect(block != NULL, "no memory");
    ech_memory_populate(block, PAGES * page_bytes);
    for (size_t i = 0; i < PAGES; i++) {
        pages[i] = block + i * page_bytes;
    }
    mpi_expect(getcpu(&cpu, &node) == 0, "the domain is not told");
    const long asked = syscall(SYS_move_pages, 0, PAGES, pages, NULL, nodes, 0);
    const bool may_ask = asked == 0 || (errno != EPERM && errno != ENOSYS);
    mpi_expect(asked == 0 || !may_ask, "move_pages fails with %d", errno);
    for (int i = 0; asked == 0 && result.outcome == ECH_PIN_DONE && i < PAGES; i++) {
        mpi_expect(nodes[i] == (int)node, "page %d lies in domain %d, cpu %u in %u", i, nodes[i],
                   cpu, node);
    }
    ech_free(block);
    ech_machine_destroy(&machine);
}

static void a_crowd_is_left_alone(void)
{
    cpu_set_t before;
    cpu_set_t after;
    ech_machine *machine = NULL;
    ech_pin_result result;
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    CPU_ZERO(&before);
    CPU_ZERO(&after);
    (void)sched_getaffinity(0, sizeof before, &before);
    mpi_expect_ok(ech_pin_ranks(machine, CROWD_OF_THREADS, &result));
    (void)sched_getaffinity(0, sizeof after, &after);
    mpi_expect(result.outcome == ECH_PIN_CROWDED, "outcome %d", (int)result.outcome);
    mpi_expect(CPU_EQUAL(&before, &after), "the affinity changed");
    mpi_expect_ok(ech_pin_log(machine, &result));
    ech_machine_destroy(&machine);
}

/* The case plays the launcher: rank 0 comes with one processor, the others with what they had. */
static void what_the_launcher_bound_stays(void)
{
    cpu_set_t before[RANKS_MAX];
    cpu_set_t after[RANKS_MAX];
    cpu_set_t mine;
    ech_machine *machine = NULL;
    ech_pin_result result;
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    CPU_ZERO(&mine);
    (void)sched_getaffinity(0, sizeof mine, &mine);
    const int had = CPU_COUNT(&mine);
    for (int cpu = CPU_SETSIZE - 1; ech_machine_rank(machine) == 0 && CPU_COUNT(&mine) > 1; cpu--) {
        CPU_CLR((size_t)cpu, &mine);
    }
    (void)sched_setaffinity(0, sizeof mine, &mine);
    gather_sets(machine, before);
    mpi_expect_ok(ech_pin_ranks(machine, 1, &result));
    gather_sets(machine, after);
    mpi_expect(had == 1 || result.outcome == ECH_PIN_LAUNCHER, "outcome %d", (int)result.outcome);
    for (int i = 0; had > 1 && i < ech_machine_rank_count(machine); i++) {
        mpi_expect(CPU_EQUAL(&before[i], &after[i]), "rank %d was moved", i);
    }
    ech_machine_destroy(&machine);
}

static void the_hardware_is_described(void)
{
    ech_hardware hardware;
    mpi_expect_ok(ech_hardware_query(&hardware));
    mpi_expect(hardware.cpu_count >= hardware.core_count && hardware.core_count > 0,
               "%u cores, %u cpus", hardware.core_count, hardware.cpu_count);
    mpi_expect(hardware.allowed_cpu_count > 0 && hardware.allowed_cpu_count <= hardware.cpu_count,
               "%u allowed", hardware.allowed_cpu_count);
    mpi_expect(hardware.memory_bytes > 1 << 20, "memory");
    mpi_expect(hardware.host[0] != '\0' && hardware.mpi_version[0] != '\0', "names");
}

static const mpi_case pin_cases[] = {
    {"pin_pinned_ranks_share_no_core", 2, .seconds = 20, .run = pinned_ranks_share_no_core},
    {"pin_more_ranks_than_many_a_machine_has", 4, .seconds = 20, .run = pinned_ranks_share_no_core},
    {"pin_memory_comes_from_the_domain_of_its_rank", 2, .seconds = 20,
     .run = memory_comes_from_the_domain_of_its_rank},
    {"pin_a_crowd_is_left_alone", 2, .seconds = 20, .run = a_crowd_is_left_alone},
    {"pin_a_pin_is_lifted_for_a_while", 2, .seconds = 20, .run = a_pin_is_lifted_for_a_while},
    {"pin_what_the_launcher_bound_stays", 3, .seconds = 20, .run = what_the_launcher_bound_stays},
    {"hardware_is_described", 1, .seconds = 20, .run = the_hardware_is_described},
};
MPI_CASES(mpi, pin_cases)
