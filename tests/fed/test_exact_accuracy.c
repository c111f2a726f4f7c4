/* The mean against one in extended precision: the bound of one unit in the last place of the
 * tensor's largest element, over magnitudes, numbers of updates and weights. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>

#include "runtime/base/memory.h"
#include "tests/fed/exact_support.h"
#include "tests/support.h"

TestSuite(exact_accuracy, .fini = ech_test_expect_no_leak);

typedef struct {
    double first; /* magnitude of the first update */
    double last;  /* of the last; geometric between */
    uint32_t updates;
    uint64_t weight_max;
} shape;

enum { ELEMENTS = 37 };

static double magnitude_of(const shape *s, uint32_t update)
{
    return s->updates == 1 ? s->first
                           : s->first * pow(s->last / s->first, (double)update / (s->updates - 1));
}

/* Add the updates of a shape; weighted sums in extended precision and the largest element. */
static uint64_t add_updates(const shape *s, ech_exact_sum *sum, long double *sums, double *largest)
{
    ech_random stream = ech_random_stream(5, ECH_RANDOM_TEST, s->updates, s->weight_max, 0);
    uint64_t total = 0;
    for (uint32_t k = 0; k < s->updates; k++) {
        float values[ELEMENTS];
        ech_test_fill_normal(values, ELEMENTS, magnitude_of(s, k), &stream);
        const uint64_t weight = 1 + ech_random_below(&stream, s->weight_max);
        cr_assert_eq(ech_exact_sum_add(sum, (ech_state_view){.values = values}, weight), ECH_OK);
        for (int i = 0; i < ELEMENTS; i++) {
            sums[i] += (long double)values[i] * weight;
            *largest = fmax(*largest, fabs((double)values[i]));
        }
        total += weight;
    }
    return total;
}

static void expect_accurate(const shape *s)
{
    ech_layout *layout = ech_test_layout_of(ELEMENTS);
    ech_exact_sum *sum = ech_test_sum(layout, s->updates * s->weight_max);
    long double sums[ELEMENTS] = {0};
    double largest = 0.0;
    const uint64_t total = add_updates(s, sum, sums, &largest);
    float mean[ELEMENTS];
    cr_assert_eq(ech_exact_sum_finish(sum, 0, ELEMENTS, mean), ECH_OK);
    for (int i = 0; i < ELEMENTS; i++) {
        const double difference = fabs((double)(mean[i] - sums[i] / total));
        cr_expect_leq(difference, ech_test_unit_in_last_place(largest),
                      "element %d of %u updates of %g to %g: off by %g", i, s->updates, s->first,
                      s->last, difference);
    }
    ech_exact_sum_destroy(&sum);
    ech_layout_destroy(&layout);
}

ParameterizedTestParameters(exact_accuracy, within_one_unit_in_the_last_place)
{
    static shape shapes[] = {
        {1e-6, 1e-6, 1, 1},      {1e-6, 1e-6, 10000, 60000}, {1e-3, 1e-3, 100, 60000},
        {1.0, 1.0, 1, 60000},    {1.0, 1.0, 17, 3},          {1.0, 1.0, 10000, 60000},
        {1e3, 1e3, 2, 60000},    {1e3, 1e3, 10000, 1},       {1e-6, 1e3, 1000, 60000},
        {1e-3, 1.0, 64, 60000},  {1.0, 1e3, 64, 60000}, /* a thousandfold growth in a round */
        {1e-44, 1e-44, 50, 100}, {1e-38, 1e-41, 50, 100},    {3e37, 3e37, 50, 60000},
    };
    return cr_make_param_array(shape, shapes, sizeof shapes / sizeof *shapes);
}

ParameterizedTest(shape *s, exact_accuracy, within_one_unit_in_the_last_place)
{
    expect_accurate(s);
}

Test(exact_accuracy, zeros_stay_zero_beside_a_tensor_in_use)
{
    ech_layout *layout = ech_test_layout();
    ech_random stream = ech_random_stream(1, ECH_RANDOM_TEST, 0, 0, 0);
    ech_state update = ech_test_state(layout, 1.0, &stream);
    const ech_tensor *bias = ech_layout_find(layout, "bias");
    for (uint64_t i = 0; i < bias->count; i++) {
        update.values[bias->offset + i] = i % 2 == 0 ? 0.0F : -0.0F;
    }
    ech_exact_sum *sum = ech_test_sum(layout, 8);
    cr_assert_eq(ech_exact_sum_add(sum, ech_test_view(update), 5), ECH_OK);
    float *mean = ech_alloc(layout->value_count * sizeof *mean);
    cr_assert_eq(ech_exact_sum_finish(sum, 0, layout->value_count, mean), ECH_OK);
    for (uint64_t i = 0; i < bias->count; i++) {
        cr_expect_eq(mean[bias->offset + i], 0.0F);
    }
    ech_free(mean);
    ech_test_state_free(&update);
    ech_exact_sum_destroy(&sum);
    ech_layout_destroy(&layout);
}

Test(exact_accuracy, the_mean_of_equal_updates_is_that_update_at_any_weight)
{
    ech_layout *layout = ech_test_layout();
    ech_random stream = ech_random_stream(2, ECH_RANDOM_TEST, 0, 0, 0);
    ech_state update = ech_test_state(layout, 1.0, &stream);
    ech_exact_sum *sum = ech_test_sum(layout, 60000);
    for (uint64_t weight = 1; weight < 200; weight += 7) {
        cr_assert_eq(ech_exact_sum_add(sum, ech_test_view(update), weight), ECH_OK);
    }
    float *mean = ech_alloc(layout->value_count * sizeof *mean);
    cr_assert_eq(ech_exact_sum_finish(sum, 0, layout->value_count, mean), ECH_OK);
    cr_expect_arr_eq(mean, update.values, layout->value_count * sizeof *mean);
    ech_free(mean);
    ech_test_state_free(&update);
    ech_exact_sum_destroy(&sum);
    ech_layout_destroy(&layout);
}

Test(exact_accuracy, counters_become_the_largest)
{
    ech_layout *layout = ech_test_layout();
    ech_random stream = ech_random_stream(3, ECH_RANDOM_TEST, 0, 0, 0);
    ech_state update = ech_test_state(layout, 1.0, &stream);
    ech_exact_sum *sum = ech_test_sum(layout, 3);
    const int64_t came[3][2] = {{7, -3}, {9, -5}, {8, -4}};
    for (int k = 0; k < 3; k++) {
        update.counters[0] = came[k][0];
        update.counters[1] = came[k][1];
        cr_assert_eq(ech_exact_sum_add(sum, ech_test_view(update), 1), ECH_OK);
    }
    int64_t counters[2];
    cr_assert_eq(ech_exact_sum_finish_counters(sum, counters), ECH_OK);
    cr_expect_eq(counters[0], 9);
    cr_expect_eq(counters[1], -3);
    ech_test_state_free(&update);
    ech_exact_sum_destroy(&sum);
    ech_layout_destroy(&layout);
}
