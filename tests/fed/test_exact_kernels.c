/* Every variant against the plain one, bit by bit. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "runtime/fed/exact_kernels.h"
#include "tests/fed/exact_support.h"
#include "tests/support.h"

enum { COUNT = 1031 };

TestSuite(exact_kernels, .fini = ech_test_expect_no_leak);

/* Values whose scaled form meets each case of rounding: ties, both signs, 2^62, next to nothing. */
static void fill_values(float *values, ech_random *stream)
{
    static const float special[] = {
        0.5F,    -0.5F,      1.5F,           2.5F,    -2.5F,          0x1p62F,        -0x1p62F,
        0x1p31F, -0x1.8p31F, 0x1.000002p30F, 0x1p-1F, 0x1.8p32F,      0x1p-60F,       -0x1p-149F,
        0.0F,    -0.0F,      0x1.fffffep61F, 0x1p52F, 0x1.000002p22F, -0x1.000006p22F};
    enum { SPECIAL_COUNT = sizeof special / sizeof *special };
    for (int i = 0; i < COUNT; i++) {
        values[i] = i < SPECIAL_COUNT ? special[i]
                                      : (float)ldexp(ech_random_uniform(stream) - 0.5,
                                                     (int)ech_random_below(stream, 70) - 8);
    }
}

static void expect_same_sums(const ech_exact_kernels *variant, const float *values, double scale,
                             int64_t weight)
{
    static int64_t expected[COUNT];
    static int64_t sums[COUNT];
    ech_exact_kernels_plain.store(expected, values, COUNT, scale, weight);
    variant->store(sums, values, COUNT, scale, weight);
    cr_expect_arr_eq(sums, expected, sizeof sums, "%s store", variant->name);
    ech_exact_kernels_plain.add(expected, values, COUNT - 5, scale, -weight);
    variant->add(sums, values, COUNT - 5, scale, -weight);
    cr_expect_arr_eq(sums, expected, sizeof sums, "%s add", variant->name);
}

Test(exact_kernels, sums)
{
    static float values[COUNT];
    ech_random stream = ech_random_stream(31, ECH_RANDOM_TEST, 0, 0, 0);
    fill_values(values, &stream);
    for (size_t v = 0; ech_exact_kernels_at(v) != NULL; v++) {
        expect_same_sums(ech_exact_kernels_at(v), values, 1.0, 1);
        expect_same_sums(ech_exact_kernels_at(v), values, 0x1p-20, 60000);
        expect_same_sums(ech_exact_kernels_at(v), values, 0x1p-33, 0x1fffff);
    }
}

Test(exact_kernels, rounding_is_that_of_llrint)
{
    static float values[COUNT];
    int64_t sums[COUNT];
    ech_random stream = ech_random_stream(32, ECH_RANDOM_TEST, 0, 0, 0);
    fill_values(values, &stream);
    for (size_t v = 0; ech_exact_kernels_at(v) != NULL; v++) {
        ech_exact_kernels_at(v)->store(sums, values, COUNT, 1.0, 1);
        for (int i = 0; i < COUNT; i++) {
            cr_expect_eq(sums[i], llrint((double)values[i]), "%s of %a",
                         ech_exact_kernels_at(v)->name, (double)values[i]);
        }
    }
}

Test(exact_kernels, largest_magnitude)
{
    static float values[COUNT];
    ech_random stream = ech_random_stream(33, ECH_RANDOM_TEST, 0, 0, 0);
    for (size_t v = 0; ech_exact_kernels_at(v) != NULL; v++) {
        const ech_exact_kernels *variant = ech_exact_kernels_at(v);
        fill_values(values, &stream);
        cr_expect_eq(variant->max_magnitude(values, COUNT), 0x5e800000U, "%s", variant->name);
        cr_expect_eq(variant->max_magnitude(values, 0), 0U);
        cr_expect_eq(variant->max_magnitude(&values[13], 3), 1U, "denormal, zero, negative zero");
        const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
        for (int i = 0; i < 4; i++) {
            values[COUNT - 1 - i] = bad[i];
            cr_expect_geq(variant->max_magnitude(values, COUNT), 0x7f800000U);
            values[COUNT - 1 - i] = 0.0F;
        }
    }
}

Test(exact_kernels, merge_and_finish)
{
    static int64_t sums[COUNT];
    ech_random stream = ech_random_stream(34, ECH_RANDOM_TEST, 0, 0, 0);
    for (int i = 0; i < COUNT; i++) {
        sums[i] = (int64_t)(ech_random_u64(&stream) >> 2) - (INT64_C(1) << 61);
    }
    double expected[COUNT] = {0.0};
    float expected_values[COUNT];
    ech_exact_kernels_plain.accumulate(expected, sums, COUNT, 0x1p-40);
    ech_exact_kernels_plain.divide(expected_values, expected, COUNT, 12345.0);
    for (size_t v = 0; ech_exact_kernels_at(v) != NULL; v++) {
        const ech_exact_kernels *variant = ech_exact_kernels_at(v);
        int64_t merged[COUNT];
        double totals[COUNT] = {0.0};
        float values[COUNT];
        memset(merged, 0, sizeof merged);
        variant->merge(merged, sums, COUNT);
        variant->accumulate(totals, merged, COUNT, 0x1p-40);
        variant->divide(values, totals, COUNT, 12345.0);
        cr_expect_arr_eq(merged, sums, sizeof sums, "%s", variant->name);
        cr_expect_arr_eq(totals, expected, sizeof totals, "%s", variant->name);
        cr_expect_arr_eq(values, expected_values, sizeof values, "%s", variant->name);
    }
}
