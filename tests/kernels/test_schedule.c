/* The learning rate over a run: against the formulas, written out with libm. */
#include <criterion/criterion.h>
#include <math.h>

#include "kernels/update.h"
#include "tests/support.h"

TestSuite(kernels_schedule, .fini = ech_test_expect_no_leak);

static const double pi = 3.14159265358979323846;

/* Each step of rounds 1 to `rounds`, `total` steps in each, against a function of the position. */
static void expect_follows(const ech_schedule *schedule, uint64_t rounds, uint64_t total,
                           double (*expected)(double position, double end))
{
    cr_assert_eq(ech_schedule_check(schedule), ECH_OK);
    for (uint64_t step = 0; step < rounds * total; step++) {
        const double position = (double)step / (double)total;
        cr_expect_float_eq(ech_schedule_factor(schedule, 1 + step / total, step % total, total),
                           expected(position, position + 1.0 / (double)total), 1e-12,
                           "position %g: %.15g, not %.15g", position,
                           ech_schedule_factor(schedule, 1 + step / total, step % total, total),
                           expected(position, position + 1.0 / (double)total));
    }
}

static double one(double position, double end)
{
    (void)position;
    (void)end;
    return 1.0;
}

Test(kernels_schedule, a_constant_stays)
{
    expect_follows(&(ech_schedule){.kind = ECH_SCHEDULE_CONSTANT}, 5, 7, one);
}

static double halved_every_two(double position, double end)
{
    (void)end;
    return pow(0.5, floor(position / 2.0));
}

Test(kernels_schedule, a_step_comes_after_every_so_many_rounds)
{
    expect_follows(&(ech_schedule){.kind = ECH_SCHEDULE_STEP, .every = 2.0, .factor = 0.5}, 9, 4,
                   halved_every_two);
}

static double tenth_every_quarter(double position, double end)
{
    (void)end;
    return pow(0.1, floor(4.0 * position));
}

Test(kernels_schedule, steps_fall_within_a_round_too)
{
    expect_follows(&(ech_schedule){.kind = ECH_SCHEDULE_STEP, .every = 0.25, .factor = 0.1}, 2, 16,
                   tenth_every_quarter);
}

static double cosine_of_eight(double position, double end)
{
    (void)end;
    const double t = fmin(position / 8.0, 1.0);
    return 0.25 + 0.75 * 0.5 * (1.0 + cos(pi * t));
}

Test(kernels_schedule, a_cosine_comes_down_and_stays)
{
    expect_follows(&(ech_schedule){.kind = ECH_SCHEDULE_COSINE, .rounds = 8.0, .end = 0.25}, 10, 5,
                   cosine_of_eight);
}

static double warm_cosine(double position, double end)
{
    if (position < 1.5) {
        return fmin(end / 1.5, 1.0);
    }
    return 0.5 * (1.0 + cos(pi * (position - 1.5) / 4.5));
}

Test(kernels_schedule, a_warm_up_grows_by_steps_and_comes_first)
{
    expect_follows(&(ech_schedule){.kind = ECH_SCHEDULE_COSINE, .rounds = 6.0, .warm_up = 1.5}, 6,
                   4, warm_cosine);
}

static double warm_step(double position, double end)
{
    return position < 1.0 ? end : pow(0.5, floor(position - 1.0));
}

Test(kernels_schedule, steps_are_counted_from_the_end_of_the_warm_up)
{
    expect_follows(
        &(ech_schedule){.kind = ECH_SCHEDULE_STEP, .every = 1.0, .factor = 0.5, .warm_up = 1.0}, 5,
        10, warm_step);
}

Test(kernels_schedule, spans_that_make_no_sense_are_refused)
{
    cr_expect_eq(ech_schedule_check(&(ech_schedule){.kind = ECH_SCHEDULE_STEP, .factor = 0.5}),
                 ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_schedule_check(
                     &(ech_schedule){.kind = ECH_SCHEDULE_COSINE, .rounds = 2.0, .warm_up = 2.0}),
                 ECH_ERR_ARGUMENT);
}
