/* Rounds that are measured while the memory's speed changes. */
#include <criterion/criterion.h>
#include <math.h>

#include "apps/plan/memory_speed.h"
#include "apps/plan/round_samples.h"
#include "runtime/base/memory.h"
#include "tests/support.h"

enum { ROUNDS = 5 };

static const double slow = 6.8e10, fast = 1.12e11;
static ech_round_samples *samples;
static ech_calibration_rounds found[ECH_SAMPLE_SPEEDS_MAX];

static void start(void)
{
    samples = ech_calloc(1, sizeof *samples);
    cr_assert_not_null(samples);
    samples->point_count = 2;
    samples->points[0].values = 100;
    samples->points[0].workers = 4;
    samples->points[1].values = 200;
    samples->points[1].workers = 8;
}

static void stop(void)
{
    ech_free(samples);
    ech_test_expect_no_leak();
}

TestSuite(plan_samples, .init = start, .fini = stop);

/* A run whose first round takes so long, and the later ones a tenth of that. */
static void add(uint32_t point, double before, double after, double seconds)
{
    ech_round_cost rounds[ROUNDS] = {{{0.0}}};
    for (int i = 0; i < ROUNDS; i++) {
        rounds[i].seconds[ECH_PHASE_TRAIN] = i == 0 ? seconds : seconds / 10.0;
    }
    const ech_round_sample sample = {.before = before,
                                     .after = after,
                                     .rounds = rounds,
                                     .round_count = ROUNDS,
                                     .start_seconds = 2.0 * seconds};
    ech_round_samples_add(samples, point, &sample);
}

static void expect_point(const ech_calibration_point *point, double seconds)
{
    cr_expect_float_eq(ech_round_cost_total(&point->first), seconds, 1e-12);
    cr_expect_float_eq(ech_round_cost_total(&point->later), seconds / 10.0, 1e-12);
}

Test(plan_samples, each_speed_has_its_own_rounds)
{
    for (int repeat = 0; repeat < 3; repeat++) {
        for (uint32_t point = 0; point < 2; point++) {
            add(point, slow, 1.05 * slow, 1.0 + point + 0.1 * repeat);
            add(point, fast, fast, 3.0 + point + 0.1 * repeat);
            add(point, slow, fast, 100.0); /* it changed meanwhile */
        }
    }
    cr_assert(ech_round_samples_cover(samples, 3));
    cr_assert_eq(ech_round_samples_conclude(samples, 3, found), 2);
    cr_expect_float_eq(found[0].bytes_per_second, 1.025 * slow, 1.0);
    cr_expect_float_eq(found[1].bytes_per_second, fast, 1.0);
    for (uint32_t point = 0; point < 2; point++) {
        expect_point(&found[0].points[point], 1.1 + point);
        expect_point(&found[1].points[point], 3.1 + point);
        cr_expect_float_eq(found[0].points[point].start_seconds, 2.0 * (1.1 + point), 1e-12);
    }
    cr_expect_eq(found[1].points[1].values, 200);
    cr_expect_eq(found[1].points[1].workers, 8);
    cr_expect_eq(found[1].point_count, 2);
}

Test(plan_samples, a_speed_that_did_not_last_is_left_out)
{
    for (uint32_t point = 0; point < 2; point++) {
        add(point, slow, slow, 1.0);
    }
    add(0, fast, fast, 3.0);
    cr_expect(ech_round_samples_cover(samples, 1));
    cr_expect_not(ech_round_samples_cover(samples, 2));
    cr_assert_eq(ech_round_samples_conclude(samples, 1, found), 1);
    expect_point(&found[0].points[0], 1.0);
}

Test(plan_samples, where_no_speed_lasts_all_rounds_count)
{
    add(0, slow, slow, 1.0);
    add(1, fast, fast, 3.0);
    add(1, slow, fast, 5.0);
    add(1, slow, fast, 4.0);
    cr_expect_not(ech_round_samples_cover(samples, 1));
    cr_assert_eq(ech_round_samples_conclude(samples, 1, found), 1);
    expect_point(&found[0].points[0], 1.0);
    expect_point(&found[0].points[1], 4.0);
    cr_expect_float_eq(found[0].bytes_per_second, (slow + fast + slow + fast) / 4.0, 1e9);
}

Test(plan_samples, more_speeds_than_there_is_room_for_count_among_all)
{
    double speed = slow;
    for (int i = 0; i < ECH_SAMPLE_SPEEDS_MAX + 2; i++) {
        add(0, speed, speed, 1.0);
        add(1, speed, speed, 2.0);
        speed *= 2.0;
    }
    cr_expect_eq(ech_round_samples_conclude(samples, 1, found), ECH_SAMPLE_SPEEDS_MAX);
    cr_expect_eq(samples->all.points[0].repeats, ECH_SAMPLE_SPEEDS_MAX + 2);
}

Test(plan_samples, short_rounds_are_measured_more_often)
{
    for (int repeat = 0; repeat < ECH_SAMPLE_REPEATS; repeat++) {
        cr_expect(ech_round_samples_lack(samples, 0) && ech_round_samples_lack(samples, 1));
        add(0, slow, slow, 0.001);
        add(1, slow, slow, 1.0);
        add(1, fast, slow, 1.0);
    }
    cr_expect(ech_round_samples_lack(samples, 0));
    cr_expect_not(ech_round_samples_lack(samples, 1));
    for (int repeat = 0; repeat < 2 * ECH_SAMPLE_REPEATS_MAX; repeat++) {
        add(0, slow, slow, 0.001 + 0.001 * repeat);
    }
    cr_expect_not(ech_round_samples_lack(samples, 0));
    cr_expect_eq(samples->speeds[0].points[0].repeats, ECH_SAMPLE_REPEATS_MAX);
}

Test(plan_samples, of_many_rounds_a_shorter_one_counts)
{
    for (int repeat = 0; repeat < ECH_SAMPLE_REPEATS_MAX; repeat++) {
        add(0, slow, slow, 9.0 - repeat);
        add(1, slow, slow, 1.0);
    }
    cr_assert_eq(ech_round_samples_conclude(samples, 3, found), 1);
    cr_expect_float_eq(ech_round_cost_total(&found[0].points[0].first), 4.0, 1e-12,
                       "third of nine");
}

Test(plan_samples, the_memory_of_a_host_moves_something)
{
    const ech_round_manner manner = {.hosts = 1, .ranks = 3};
    for (uint32_t cores = 1; cores <= 4; cores++) {
        double bytes_per_second = 0.0;
        cr_assert_eq(ech_memory_speed_steady(&manner, cores, &bytes_per_second), ECH_OK);
        cr_expect(isfinite(bytes_per_second) && bytes_per_second > 0.0, "%g", bytes_per_second);
    }
}
