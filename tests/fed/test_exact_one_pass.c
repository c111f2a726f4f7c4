/* An update goes to the bins of the update before it and, where those are not its own, moves: the
 * result is as if every update had come through a handle that had seen none before. */
#include <criterion/criterion.h>
#include <math.h>

#include "tests/fed/exact_support.h"
#include "tests/support.h"

enum { UPDATES = 24, WEIGHT_BOUND = 1 << 20, PIECE_BYTES = 1 << 20 };

static ech_layout *layout;
static ech_state updates[UPDATES];

/* Magnitudes that climb, fall, stay and vanish, tensor by tensor in another order. */
static void make_updates(void)
{
    static const double magnitudes[] = {1.0, 1.0, 300.0, 1e-6, 0.0, 1e20, 1e-40, 17.0};
    layout = ech_test_layout();
    ech_random stream = ech_random_stream(5, ECH_RANDOM_TEST, 0, 0, 0);
    for (size_t u = 0; u < UPDATES; u++) {
        updates[u] = ech_test_state(layout, 1.0, &stream);
        for (size_t t = 0; t < layout->tensor_count; t++) {
            const ech_tensor *tensor = &layout->tensors[t];
            const double magnitude = magnitudes[(u * (t + 1) + u / 8) % 8];
            for (uint64_t i = 0; tensor->kind != ECH_TENSOR_COUNTER && i < tensor->count; i++) {
                float *value = &updates[u].values[tensor->offset + i];
                *value = (float)(*value * magnitude);
            }
        }
    }
}

static void free_updates(void)
{
    for (size_t u = 0; u < UPDATES; u++) {
        ech_test_state_free(&updates[u]);
    }
    ech_layout_destroy(&layout);
    ech_test_expect_no_leak();
}

TestSuite(exact_one_pass, .init = make_updates, .fini = free_updates);

/* Each update alone in a sum of its own, all merged. */
static ech_hash128 hash_of_singles(void)
{
    ech_exact_sum *all = ech_test_sum(layout, WEIGHT_BOUND);
    for (size_t u = 0; u < UPDATES; u++) {
        ech_exact_sum *single = ech_test_sum(layout, WEIGHT_BOUND);
        cr_assert_eq(ech_exact_sum_add(single, ech_test_view(updates[u]), u + 1), ECH_OK);
        cr_assert_eq(ech_exact_sum_merge(all, single), ECH_OK);
        ech_exact_sum_destroy(&single);
    }
    const ech_hash128 hash = ech_test_sum_hash(all, layout);
    ech_exact_sum_destroy(&all);
    return hash;
}

Test(exact_one_pass, bins_that_change_from_update_to_update)
{
    ech_exact_sum *sum = ech_test_sum(layout, WEIGHT_BOUND);
    for (size_t u = 0; u < UPDATES; u++) {
        cr_assert_eq(ech_exact_sum_add(sum, ech_test_view(updates[u]), u + 1), ECH_OK);
    }
    cr_expect(ech_hash_equal(ech_test_sum_hash(sum, layout), hash_of_singles()));
    ech_exact_sum_destroy(&sum);
}

Test(exact_one_pass, a_refused_update_between_others_leaves_nothing)
{
    ech_exact_sum *sum = ech_test_sum(layout, WEIGHT_BOUND);
    for (size_t u = 0; u < UPDATES; u++) {
        ech_state_view view = ech_test_view(updates[u]);
        float *last = &updates[u].values[layout->value_count - 1];
        const float kept = *last;
        *last = u % 2 == 0 ? NAN : INFINITY;
        cr_assert_eq(ech_exact_sum_add(sum, view, 3), ECH_ERR_NUMERIC);
        *last = kept;
        cr_assert_eq(ech_exact_sum_add(sum, view, u + 1), ECH_OK);
    }
    cr_expect_eq(ech_exact_sum_update_count(sum), UPDATES);
    cr_expect(ech_hash_equal(ech_test_sum_hash(sum, layout), hash_of_singles()));
    ech_exact_sum_destroy(&sum);
}

Test(exact_one_pass, pages_made_before_the_first_round_change_nothing)
{
    ech_exact_sum *sum = ech_test_sum(layout, WEIGHT_BOUND);
    cr_assert_eq(ech_exact_sum_populate(sum), ECH_OK);
    for (size_t u = UPDATES; u-- > 0;) {
        cr_assert_eq(ech_exact_sum_add(sum, ech_test_view(updates[u]), u + 1), ECH_OK);
    }
    cr_expect(ech_hash_equal(ech_test_sum_hash(sum, layout), hash_of_singles()));
    ech_exact_sum_destroy(&sum);
}
