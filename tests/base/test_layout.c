#include <criterion/criterion.h>

#include "runtime/base/layout.h"
#include "tests/support.h"

static ech_layout *layout;

static void make_layout(void)
{
    cr_assert_eq(ech_layout_create(&layout), ECH_OK);
    const uint64_t weight[] = {6, 1, 5, 5};
    const uint64_t bias[] = {6};
    cr_assert_eq(ech_layout_add(layout, "bn.weight", ECH_TENSOR_PARAMETER, 4, weight), ECH_OK);
    cr_assert_eq(ech_layout_add(layout, "bn.running_mean", ECH_TENSOR_STATISTIC, 1, bias), ECH_OK);
    cr_assert_eq(ech_layout_add(layout, "bn.num_batches_tracked", ECH_TENSOR_COUNTER, 0, NULL),
                 ECH_OK);
    cr_assert_eq(ech_layout_add(layout, "fc.bias", ECH_TENSOR_PARAMETER, 1, bias), ECH_OK);
}

static void free_layout(void)
{
    ech_layout_destroy(&layout);
    ech_test_expect_no_leak();
}

TestSuite(layout, .init = make_layout, .fini = free_layout);

Test(layout, values_lie_in_order_without_gaps_and_counters_apart)
{
    cr_expect_eq(layout->value_count, 162);
    cr_expect_eq(layout->parameter_count, 156);
    cr_expect_eq(layout->counter_count, 1);
    cr_expect_eq(ech_layout_find(layout, "fc.bias")->offset, 156);
    cr_expect_eq(ech_layout_find(layout, "bn.num_batches_tracked")->offset, 0);
    cr_expect_eq(ech_layout_state_bytes(layout), 162 * 4 + 8);
    cr_expect_null(ech_layout_find(layout, "fc.weight"));
}

Test(layout, a_name_that_is_taken_or_a_shape_that_overflows_changes_nothing)
{
    const uint64_t huge[] = {UINT64_MAX, 3};
    const uint64_t empty[] = {0};
    cr_expect_eq(ech_layout_add(layout, "fc.bias", ECH_TENSOR_PARAMETER, 0, NULL),
                 ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_layout_add(layout, "huge", ECH_TENSOR_PARAMETER, 2, huge), ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_layout_add(layout, "empty", ECH_TENSOR_PARAMETER, 1, empty), ECH_ERR_ARGUMENT);
    cr_expect_eq(layout->tensor_count, 4);
    cr_expect_eq(layout->value_count, 162);
}

Test(layout, the_fingerprint_sees_every_bit)
{
    float values[162] = {0};
    const ech_hash128 zeros = ech_layout_hash_values(layout, values);
    values[161] = -0.0F;
    cr_expect_not(ech_hash_equal(zeros, ech_layout_hash_values(layout, values)));
    values[161] = 0.0F;
    cr_expect(ech_hash_equal(zeros, ech_layout_hash_values(layout, values)));
}
