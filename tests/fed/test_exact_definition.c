/* The sum against its definition, word by word: bins, scale, integers, ascending addition, one
 * division. Equal bits, not nearly equal numbers. */
#include <criterion/criterion.h>
#include <math.h>

#include "tests/fed/exact_support.h"
#include "tests/support.h"

enum { ELEMENTS = 29, UPDATES = 60, BIN_LOWEST = -38, BINS = 70 };

TestSuite(exact_definition, .fini = ech_test_expect_no_leak);

/* 2^(e-1) <= max < 2^e; b = floor((e - 1) / 4). False for zeros. */
static bool bin_of(const float *values, int *bin)
{
    double largest = 0.0;
    for (int i = 0; i < ELEMENTS; i++) {
        largest = fmax(largest, fabs((double)values[i]));
    }
    int exponent = 0;
    frexp(largest, &exponent);
    *bin = (int)floor((exponent - 1) / 4.0);
    return largest > 0.0;
}

/* The mean of updates by the definition; bound N. */
static void define_mean(float (*updates)[ELEMENTS], const uint64_t *weights, uint64_t bound,
                        float *mean)
{
    int64_t sums[BINS][ELEMENTS] = {{0}};
    uint64_t total = 0;
    const int bits = (int)ceil(log2((double)bound));
    for (int k = 0; k < UPDATES; k++) {
        int bin = 0;
        total += weights[k];
        if (!bin_of(updates[k], &bin)) {
            continue;
        }
        const int scale = 62 - bits - 4 * (bin + 1);
        for (int i = 0; i < ELEMENTS; i++) {
            sums[bin - BIN_LOWEST][i] +=
                (int64_t)weights[k] * llrint(ldexp((double)updates[k][i], scale));
        }
    }
    for (int i = 0; i < ELEMENTS; i++) {
        double value = 0.0;
        for (int b = 0; b < BINS; b++) {
            value += ldexp((double)sums[b][i], -(62 - bits - 4 * (b + BIN_LOWEST + 1)));
        }
        mean[i] = (float)(value / (double)total);
    }
}

/* Magnitudes over all of float32, denormals included, each update with its own. */
static void expect_definition(ech_random *stream, int exponent_least, int exponent_most,
                              uint64_t bound)
{
    static float updates[UPDATES][ELEMENTS];
    uint64_t weights[UPDATES];
    ech_layout *layout = ech_test_layout_of(ELEMENTS);
    ech_exact_sum *sum = ech_test_sum(layout, bound);
    for (int k = 0; k < UPDATES; k++) {
        const uint64_t range = (uint64_t)(exponent_most - exponent_least);
        const int exponent = exponent_least + (int)ech_random_below(stream, range);
        for (int i = 0; i < ELEMENTS; i++) {
            updates[k][i] =
                (float)ldexp(2.0 * ech_random_uniform(stream) - 1.0, k % 9 == 0 ? -160 : exponent);
        }
        weights[k] = 1 + ech_random_below(stream, bound / UPDATES);
        const ech_state_view view = {.values = updates[k]};
        cr_assert_eq(ech_exact_sum_add(sum, view, weights[k]), ECH_OK);
    }
    float expected[ELEMENTS];
    float mean[ELEMENTS];
    define_mean(updates, weights, bound, expected);
    cr_assert_eq(ech_exact_sum_finish(sum, 0, ELEMENTS, mean), ECH_OK);
    cr_expect_arr_eq(mean, expected, sizeof mean, "2^%d to 2^%d, N = %llu", exponent_least,
                     exponent_most, (unsigned long long)bound);
    ech_exact_sum_destroy(&sum);
    ech_layout_destroy(&layout);
}

Test(exact_definition, all_magnitudes_and_bounds)
{
    static const uint64_t bounds[] = {60, 64, 65, 60000, 600000001, UINT64_C(1) << 35};
    ech_random stream = ech_random_stream(71, ECH_RANDOM_TEST, 0, 0, 0);
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        expect_definition(&stream, -3, 3, bounds[i]);
        expect_definition(&stream, -149, -120, bounds[i]);
        expect_definition(&stream, 110, 128, bounds[i]);
        expect_definition(&stream, -20, 10, bounds[i]);
    }
}

/* Each power of two alone, and the largest and the smallest float32: the edges of bins. */
Test(exact_definition, every_power_of_two_comes_back)
{
    ech_layout *layout = ech_test_layout_of(1);
    ech_exact_sum *sum = ech_test_sum(layout, 12345);
    for (int exponent = -149; exponent <= 128; exponent++) {
        const float value = exponent == 128 ? 0x1.fffffep127F : (float)ldexp(1.0, exponent);
        const float values[] = {value, nextafterf(value, 0.0F), -value};
        for (int i = 0; i < 3; i++) {
            float mean = 0.0F;
            cr_assert_eq(ech_exact_sum_begin(sum, 12345), ECH_OK);
            cr_assert_eq(ech_exact_sum_add(sum, (ech_state_view){.values = &values[i]}, 12345),
                         ECH_OK);
            cr_assert_eq(ech_exact_sum_finish(sum, 0, 1, &mean), ECH_OK);
            cr_expect_eq(mean, values[i], "2^%d", exponent);
        }
    }
    ech_exact_sum_destroy(&sum);
    ech_layout_destroy(&layout);
}
