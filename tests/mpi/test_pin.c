#include <criterion/criterion.h>
#include <hwloc.h>
#include <stdbool.h>

#include "runtime/mpi/pin_plan.h"
#include "tests/support.h"

/* Two sockets of 64 cores, each in four NUMA domains of 16 cores with caches of four (an Expanse
 * node set to NPS4); and one socket of 64 cores in four domains, caches of eight, with two threads
 * each, where the system numbers all first threads before all second ones (a Frontier node). */
static const char expanse[] = "package:2 numa:4 l3:4 core:4 pu:1";
static const char frontier[] = "package:1 numa:4 l3:2 core:8 pu:2(indexes=2*64:1*2)";

TestSuite(mpi_pin, .fini = ech_test_expect_no_leak);

static ech_pin_plan make_plan(const char *synthetic, const char *allowed, uint32_t ranks,
                              uint32_t threads)
{
    ech_pin_plan plan;
    const ech_pin_source source = {.synthetic = synthetic, .allowed = allowed};
    cr_assert_eq(ech_pin_plan_make(&source, ranks, threads, &plan), ECH_OK, "%s",
                 ech_status_message());
    return plan;
}

static void expect_cpus(const ech_pin_plan *plan, uint32_t rank, const uint32_t *cpus,
                        uint32_t count)
{
    cr_assert_eq(plan->outcome, ECH_PIN_DONE);
    const uint32_t first = plan->first[rank];
    cr_assert_eq(plan->first[rank + 1] - first, count, "rank %u has %u cpus", rank,
                 plan->first[rank + 1] - first);
    for (uint32_t i = 0; i < count; i++) {
        cr_expect_eq(plan->cpus[first + i], cpus[i], "rank %u, cpu %u is %u", rank, i,
                     plan->cpus[first + i]);
    }
}

static void expect_disjoint(const ech_pin_plan *plan)
{
    bool taken[1024] = {false};
    cr_assert_eq(plan->outcome, ECH_PIN_DONE);
    for (uint32_t i = 0; i < plan->first[plan->rank_count]; i++) {
        cr_assert_lt(plan->cpus[i], 1024);
        cr_expect_not(taken[plan->cpus[i]], "cpu %u is given twice", plan->cpus[i]);
        taken[plan->cpus[i]] = true;
    }
}

Test(mpi_pin, few_ranks_lie_in_domains_of_their_own)
{
    ech_pin_plan plan = make_plan(expanse, NULL, 8, 1);
    for (uint32_t rank = 0; rank < 8; rank++) {
        expect_cpus(&plan, rank, (uint32_t[]){16 * rank}, 1);
    }
    ech_pin_plan_free(&plan);
}

Test(mpi_pin, threads_get_neighbouring_cores_of_one_cache)
{
    ech_pin_plan plan = make_plan(expanse, NULL, 32, 4);
    for (uint32_t rank = 0; rank < 32; rank++) {
        const uint32_t first = 4 * rank;
        expect_cpus(&plan, rank, (uint32_t[]){first, first + 1, first + 2, first + 3}, 4);
    }
    ech_pin_plan_free(&plan);
}

Test(mpi_pin, ranks_of_a_domain_are_spread_over_its_caches)
{
    ech_pin_plan plan = make_plan(expanse, NULL, 16, 2);
    expect_cpus(&plan, 0, (uint32_t[]){0, 1}, 2);
    expect_cpus(&plan, 1, (uint32_t[]){8, 9}, 2);
    expect_cpus(&plan, 2, (uint32_t[]){16, 17}, 2);
    ech_pin_plan_free(&plan);
}

Test(mpi_pin, a_rank_a_core_fills_the_node)
{
    ech_pin_plan plan = make_plan(expanse, NULL, 128, 1);
    expect_disjoint(&plan);
    for (uint32_t rank = 0; rank < 128; rank++) {
        expect_cpus(&plan, rank, (uint32_t[]){rank}, 1);
    }
    ech_pin_plan_free(&plan);
}

Test(mpi_pin, hardware_threads_of_a_core_stay_together)
{
    ech_pin_plan plan = make_plan(frontier, NULL, 8, 1);
    expect_disjoint(&plan);
    for (uint32_t rank = 0; rank < 8; rank++) {
        expect_cpus(&plan, rank, (uint32_t[]){8 * rank, 8 * rank + 64}, 2);
    }
    ech_pin_plan_free(&plan);
}

/* Frontier keeps the first core of each cache for the system. */
Test(mpi_pin, only_allowed_processors_are_given)
{
    ech_pin_plan plan = make_plan(frontier,
                                  "1-7,9-15,17-23,25-31,33-39,41-47,49-55,57-63,"
                                  "65-71,73-79,81-87,89-95,97-103,105-111,113-119,121-127",
                                  8, 7);
    cr_expect_eq(plan.cores, 56);
    expect_disjoint(&plan);
    for (uint32_t rank = 0; rank < 8; rank++) {
        uint32_t cpus[14];
        for (uint32_t i = 0; i < 7; i++) {
            cpus[2 * i] = 8 * rank + 1 + i;
            cpus[2 * i + 1] = 8 * rank + 65 + i;
        }
        expect_cpus(&plan, rank, cpus, 14);
    }
    ech_pin_plan_free(&plan);
}

Test(mpi_pin, one_allowed_thread_of_a_core_is_a_core)
{
    ech_pin_plan plan = make_plan(frontier, "0,65,2", 3, 1);
    cr_expect_eq(plan.cores, 3);
    expect_cpus(&plan, 0, (uint32_t[]){0}, 1);
    expect_cpus(&plan, 1, (uint32_t[]){65}, 1);
    expect_cpus(&plan, 2, (uint32_t[]){2}, 1);
    ech_pin_plan_free(&plan);
}

/* A machine as lstopo would save it. */
static void write_xml(const char *synthetic, const char *path)
{
    hwloc_topology_t topology = NULL;
    cr_assert_eq(hwloc_topology_init(&topology), 0);
    cr_assert_eq(hwloc_topology_set_synthetic(topology, synthetic), 0);
    cr_assert_eq(hwloc_topology_load(topology), 0);
    cr_assert_eq(hwloc_topology_export_xml(topology, path, 0), 0);
    hwloc_topology_destroy(topology);
}

static void expect_same_plan_from_xml(const char *synthetic, uint32_t ranks, uint32_t threads)
{
    char directory[ECH_TEST_PATH_BYTES];
    char path[ECH_TEST_PATH_BYTES];
    ech_pin_plan saved;
    ech_test_make_directory(directory);
    ech_test_write_text(directory, "machine.xml", "", path);
    write_xml(synthetic, path);
    const ech_pin_source source = {.xml_path = path};
    cr_assert_eq(ech_pin_plan_make(&source, ranks, threads, &saved), ECH_OK, "%s",
                 ech_status_message());
    ech_test_remove_directory(directory);
    ech_pin_plan plan = make_plan(synthetic, NULL, ranks, threads);
    cr_assert_eq(saved.outcome, ECH_PIN_DONE);
    cr_assert_eq(saved.first[ranks], plan.first[ranks]);
    cr_expect_arr_eq(saved.first, plan.first, (ranks + 1) * sizeof *plan.first);
    cr_expect_arr_eq(saved.cpus, plan.cpus, plan.first[ranks] * sizeof *plan.cpus);
    ech_pin_plan_free(&saved);
    ech_pin_plan_free(&plan);
}

Test(mpi_pin, a_saved_machine_gives_the_same_plan)
{
    expect_same_plan_from_xml(expanse, 16, 8);
    expect_same_plan_from_xml(frontier, 8, 7);
}

Test(mpi_pin, uneven_domains_get_what_fits)
{
    ech_pin_plan plan = make_plan("numa:2 core:4 pu:1", "0-3,4", 4, 1);
    expect_cpus(&plan, 0, (uint32_t[]){0}, 1);
    expect_cpus(&plan, 1, (uint32_t[]){1}, 1);
    expect_cpus(&plan, 2, (uint32_t[]){2}, 1);
    expect_cpus(&plan, 3, (uint32_t[]){4}, 1);
    ech_pin_plan_free(&plan);
}

Test(mpi_pin, threads_that_do_not_divide_a_domain_still_fit)
{
    ech_pin_plan plan = make_plan("numa:2 core:3 pu:1", NULL, 3, 2);
    expect_disjoint(&plan);
    expect_cpus(&plan, 1, (uint32_t[]){2, 3}, 2);
    ech_pin_plan_free(&plan);
}

Test(mpi_pin, more_threads_than_cores_are_left_alone)
{
    ech_pin_plan plan = make_plan("core:4 pu:2", NULL, 5, 1);
    cr_expect_eq(plan.outcome, ECH_PIN_CROWDED);
    cr_expect_eq(plan.cores, 4);
    cr_expect_null(plan.cpus);
    ech_pin_plan_free(&plan);
    plan = make_plan("core:4 pu:2", NULL, 2, 3);
    cr_expect_eq(plan.outcome, ECH_PIN_CROWDED);
    ech_pin_plan_free(&plan);
    plan = make_plan("core:4 pu:2", NULL, UINT32_MAX, UINT32_MAX);
    cr_expect_eq(plan.outcome, ECH_PIN_CROWDED);
    ech_pin_plan_free(&plan);
}

Test(mpi_pin, no_allowed_core_is_told)
{
    ech_pin_plan plan = make_plan("core:4 pu:2", "64", 1, 1);
    cr_expect_eq(plan.outcome, ECH_PIN_IMPOSSIBLE);
    ech_pin_plan_free(&plan);
}

Test(mpi_pin, nonsense_is_refused)
{
    ech_pin_plan plan;
    const ech_pin_source good = {.synthetic = "core:4 pu:2"};
    const ech_pin_source bad = {.synthetic = "cauliflower:4"};
    const ech_pin_source file = {.xml_path = "/no/such/machine.xml"};
    const ech_pin_source list = {.synthetic = "core:4 pu:2", .allowed = "one-two"};
    cr_expect_eq(ech_pin_plan_make(&good, 0, 1, &plan), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_pin_plan_make(&good, 1, 0, &plan), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_pin_plan_make(&bad, 1, 1, &plan), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_pin_plan_make(&file, 1, 1, &plan), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_pin_plan_make(&list, 1, 1, &plan), ECH_ERR_ARGUMENT);
}
