/* Who takes part in a round, and whose update comes in time, in closed form: a star of four workers
 * that take 1, 2, 3 and 10 seconds. */
#include <criterion/criterion.h>

#include "runtime/fed/roster.h"
#include "tests/fed/exact_support.h"
#include "tests/support.h"

enum { WORKERS = 4 };

static const uint64_t samples[WORKERS] = {1, 2, 3, 10};
static const uint64_t second = 1000000000;

static char folder[ECH_TEST_PATH_BYTES];
static ech_topology *topology;
static ech_population *population;
static ech_availability *trace;
static ech_pace *pace;
static ech_layout *layout;
static ech_strategy *strategy;

static void make_pace(const char *trace_text)
{
    if (trace_text != NULL) {
        char path[ECH_TEST_PATH_BYTES];
        ech_test_write_text(folder, "trace", trace_text, path);
        cr_assert_eq(ech_availability_load(path, WORKERS, &trace), ECH_OK);
    }
    const ech_pace_options options = {.sample_seconds = 1.0, .straggler_slowdown = 1.0};
    const ech_pace_work work = {.seed = 1,
                                .topology = topology,
                                .population = population,
                                .availability = trace,
                                .epochs = 1};
    cr_assert_eq(ech_pace_create(&options, &work, &pace), ECH_OK);
}

static void start(void)
{
    ech_test_make_directory(folder);
    layout = ech_test_layout_of(1);
    const ech_strategy_options options = ech_strategy_defaults("fedavg");
    cr_assert_eq(ech_strategy_create("fedavg", &options, layout, &strategy), ECH_OK);
    cr_assert_eq(ech_topology_balanced(WORKERS, 1, &topology), ECH_OK);
    cr_assert_eq(ech_population_create(samples, WORKERS, &population), ECH_OK);
}

static void stop(void)
{
    ech_pace_destroy(&pace);
    ech_availability_destroy(&trace);
    ech_population_destroy(&population);
    ech_topology_destroy(&topology);
    ech_strategy_destroy(&strategy);
    ech_layout_destroy(&layout);
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(roster, .init = start, .fini = stop);

static ech_roster_options options_of(ech_cutoff cutoff)
{
    return (ech_roster_options){
        .strategy = strategy, .population = population, .pace = pace, .cutoff = cutoff, .seed = 1};
}

static void expect(const ech_roster *roster, uint32_t in_time, uint32_t kept, uint32_t dropped,
                   uint64_t end_seconds)
{
    cr_expect_eq(roster->count, in_time, "%u in time", roster->count);
    cr_expect_eq(roster->kept_count, kept, "%u kept", roster->kept_count);
    cr_expect_eq(roster->dropped_count, dropped, "%u dropped", roster->dropped_count);
    cr_expect_eq(roster->end_ns, end_seconds * second, "ended at %g s",
                 (double)roster->end_ns * 1e-9);
}

Test(roster, a_round_waits_for_all_without_a_cut_off)
{
    make_pace(NULL);
    ech_roster roster = {0};
    const ech_roster_options options = options_of((ech_cutoff){0});
    cr_assert_eq(ech_roster_call(&roster, &options, 1, 5 * second), ECH_OK);
    expect(&roster, 4, 0, 0, 15);
    ech_roster_clear(&roster);
}

Test(roster, a_deadline_or_a_quorum_ends_a_round_and_the_late_are_dropped)
{
    make_pace(NULL);
    ech_roster roster = {0};
    ech_roster_options options = options_of((ech_cutoff){.deadline = 2.5});
    cr_assert_eq(ech_roster_call(&roster, &options, 1, 0), ECH_OK);
    cr_expect_eq(roster.count, 2);
    cr_expect_eq(roster.end_ns, 5 * second / 2);
    options = options_of((ech_cutoff){.quorum = 3});
    cr_assert_eq(ech_roster_call(&roster, &options, 1, 0), ECH_OK);
    expect(&roster, 3, 0, 1, 3);
    options = options_of((ech_cutoff){.quorum = 3, .deadline = 2.0});
    cr_assert_eq(ech_roster_call(&roster, &options, 1, 0), ECH_OK);
    expect(&roster, 2, 0, 2, 2);
    ech_roster_clear(&roster);
}

Test(roster, a_kept_update_holds_up_the_next_round_and_its_worker)
{
    make_pace(NULL);
    ech_roster roster = {0};
    const ech_roster_options options = options_of((ech_cutoff){.quorum = 3, .late = ECH_LATE_KEEP});
    cr_assert_eq(ech_roster_call(&roster, &options, 1, 0), ECH_OK);
    expect(&roster, 3, 1, 0, 3);
    cr_expect_eq(roster.participants[3].worker, 3);
    cr_expect_eq(roster.participants[3].staleness, 1);
    /* The fourth is busy until 10 s: the others come by 6 s, the round ends when it has come. */
    cr_assert_eq(ech_roster_call(&roster, &options, 2, 3 * second), ECH_OK);
    expect(&roster, 3, 1, 0, 10);
    cr_expect_eq(roster.participants[3].arrival_ns, 20 * second);
    ech_roster_clear(&roster);
}

Test(roster, what_takes_two_deadlines_is_never_kept)
{
    make_pace(NULL);
    ech_roster roster = {0};
    const ech_roster_options options =
        options_of((ech_cutoff){.deadline = 2.0, .late = ECH_LATE_KEEP});
    cr_assert_eq(ech_roster_call(&roster, &options, 1, 0), ECH_OK);
    expect(&roster, 2, 1, 1, 2);
    cr_expect_eq(roster.participants[2].worker, 2);
    ech_roster_clear(&roster);
}

Test(roster, only_workers_that_are_on_are_selected_and_a_round_waits_for_one)
{
    make_pace("0 8 100\n1 9 100\n2 20 100\n3 8 12\n");
    ech_roster roster = {0};
    const ech_roster_options options = options_of((ech_cutoff){0});
    cr_assert_eq(ech_roster_call(&roster, &options, 1, 0), ECH_OK);
    cr_expect_eq(roster.start_ns, 8 * second);
    cr_expect_eq(roster.selected_count, 2);
    expect(&roster, 1, 0, 1, 9); /* the fourth goes off for good before it has done */
    cr_assert_eq(ech_roster_call(&roster, &options, 2, 9 * second), ECH_OK);
    cr_expect_eq(roster.selected_count, 3);
    ech_roster_clear(&roster);
}

Test(roster, more_are_selected_than_are_needed)
{
    make_pace(NULL);
    strategy->options.selection = (ech_select_rule){.share = 1.0, .count = 2, .more = 0.5};
    ech_roster roster = {0};
    const ech_roster_options options = options_of((ech_cutoff){0});
    cr_assert_eq(ech_roster_call(&roster, &options, 1, 0), ECH_OK);
    cr_expect_eq(roster.selected_count, 3);
    cr_expect_eq(roster.count, 2);
    cr_expect_eq(roster.dropped_count, 1);
    ech_roster_clear(&roster);
}
