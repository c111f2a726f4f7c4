#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "runtime/base/random.h"

static ech_random named(uint64_t round, uint64_t worker)
{
    return ech_random_stream(42, ECH_RANDOM_TEST, round, worker, 0);
}

/* Random123's published known answer for philox4x64-10 with counter and key of zeros. */
Test(random, the_generator_gives_the_published_answer)
{
    ech_random zero = ech_random_stream(0, (ech_random_purpose)0, 0, 0, 0);
    cr_expect_eq(ech_random_u64(&zero), 0x16554d9eca36314cU);
    cr_expect_eq(ech_random_u64(&zero), 0xdb20fe9d672d0fdcU);
    cr_expect_eq(ech_random_u64(&zero), 0xd7e772cee186176bU);
    cr_expect_eq(ech_random_u64(&zero), 0x7e68b68aec7ba23bU);
}

Test(random, a_stream_depends_on_each_part_of_its_name)
{
    ech_random streams[] = {
        ech_random_stream(1, ECH_RANDOM_TEST, 2, 3, 4),
        ech_random_stream(9, ECH_RANDOM_TEST, 2, 3, 4),
        ech_random_stream(1, ECH_RANDOM_SPLIT, 2, 3, 4),
        ech_random_stream(1, ECH_RANDOM_TEST, 9, 3, 4),
        ech_random_stream(1, ECH_RANDOM_TEST, 2, 9, 4),
        ech_random_stream(1, ECH_RANDOM_TEST, 2, 3, 9),
    };
    enum { COUNT = sizeof streams / sizeof streams[0] };
    uint64_t first[COUNT];
    for (int i = 0; i < COUNT; i++) {
        first[i] = ech_random_u64(&streams[i]);
        for (int j = 0; j < i; j++) {
            cr_expect_neq(first[i], first[j], "streams %d and %d begin alike", i, j);
        }
    }
}

Test(random, below_is_unbiased_for_a_bound_that_does_not_divide)
{
    enum { BOUND = 7, DRAWS = 70000 };
    ech_random stream = named(1, 1);
    int counts[BOUND] = {0};
    for (int i = 0; i < DRAWS; i++) {
        counts[ech_random_below(&stream, BOUND)]++;
    }
    for (int i = 0; i < BOUND; i++) {
        cr_expect_lt(abs(counts[i] - DRAWS / BOUND), 500, "%d drawn %d times", i, counts[i]);
    }
}

/* Half of all 64-bit numbers is the bound at which a draw without rejection is most biased: the
 * lower half of the results would come twice as often as the upper. */
Test(random, below_rejects_where_the_bound_is_large)
{
    const uint64_t bound = (uint64_t)3 << 62;
    ech_random stream = named(1, 3);
    int low = 0;
    for (int i = 0; i < 30000; i++) {
        const uint64_t drawn = ech_random_below(&stream, bound);
        cr_assert_lt(drawn, bound);
        low += drawn < bound / 3;
    }
    cr_expect_lt(abs(low - 10000), 420, "%d of 30000 in the lowest third", low);
}

Test(random, below_one_is_zero)
{
    ech_random stream = named(1, 2);
    cr_expect_eq(ech_random_below(&stream, 1), 0);
}

typedef struct {
    double mean;
    double variance;
} moments;

static moments moments_of(double (*draw)(ech_random *), int count)
{
    ech_random stream = named(3, 0);
    double sum = 0.0;
    double squares = 0.0;
    for (int i = 0; i < count; i++) {
        const double x = draw(&stream);
        sum += x;
        squares += x * x;
    }
    const double mean = sum / count;
    return (moments){.mean = mean, .variance = squares / count - mean * mean};
}

static double draw_small_gamma(ech_random *stream)
{
    return ech_random_gamma(stream, 0.3);
}

static double draw_gamma(ech_random *stream)
{
    return ech_random_gamma(stream, 3.0);
}

/* Bounds here are five standard errors of the estimates for 200,000 draws. */
Test(random, normal_has_mean_0_and_variance_1)
{
    const moments found = moments_of(ech_random_normal, 200000);
    cr_expect_lt(fabs(found.mean), 0.012);
    cr_expect_lt(fabs(found.variance - 1.0), 0.016);
}

Test(random, gamma_has_mean_and_variance_alpha)
{
    const moments small = moments_of(draw_small_gamma, 200000);
    cr_expect_lt(fabs(small.mean - 0.3), 0.007);
    cr_expect_lt(fabs(small.variance - 0.3), 0.018);
    const moments large = moments_of(draw_gamma, 200000);
    cr_expect_lt(fabs(large.mean - 3.0), 0.02);
    cr_expect_lt(fabs(large.variance - 3.0), 0.067);
}

Test(random, uniform_float_is_below_one_and_a_multiple_of_2_to_minus_24)
{
    ech_random stream = named(4, 0);
    for (int i = 0; i < 100000; i++) {
        const float u = ech_random_uniform_float(&stream);
        cr_assert(u >= 0.0F && u < 1.0F);
        cr_assert_eq(u * 0x1p24F, floorf(u * 0x1p24F));
    }
}

Test(random, shuffle_keeps_every_item)
{
    enum { COUNT = 1000 };
    uint32_t items[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        items[i] = i;
    }
    ech_random stream = named(5, 0);
    ech_random_shuffle_u32(&stream, items, COUNT);
    int seen[COUNT] = {0};
    int moved = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        seen[items[i]]++;
        moved += items[i] != i;
    }
    for (int i = 0; i < COUNT; i++) {
        cr_assert_eq(seen[i], 1);
    }
    cr_expect_gt(moved, 900);
}
