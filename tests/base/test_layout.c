#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/layout.h"
#include "tests/support.h"

static ech_layout *layout;

static void make_layout(void)
{
    cr_assert_eq(ech_layout_create(&layout), ECH_OK);
}

static void free_layout(void)
{
    ech_layout_destroy(&layout);
    ech_layout_destroy(&layout);
    ech_test_expect_no_leak();
}

TestSuite(layout, .init = make_layout, .fini = free_layout);

static ech_status add(const char *name, ech_tensor_kind kind, uint32_t dimensions, uint64_t a,
                      uint64_t b)
{
    const uint64_t shape[] = {a, b};
    return ech_layout_add(layout, name, kind, dimensions, shape);
}

Test(layout, values_and_counters_lie_in_arrays_of_their_own)
{
    cr_assert_eq(add("conv.weight", ECH_TENSOR_PARAMETER, 2, 3, 5), ECH_OK);
    cr_assert_eq(add("bn.running_mean", ECH_TENSOR_STATISTIC, 1, 4, 0), ECH_OK);
    cr_assert_eq(add("bn.num_batches_tracked", ECH_TENSOR_COUNTER, 0, 0, 0), ECH_OK);
    cr_assert_eq(add("fc.bias", ECH_TENSOR_PARAMETER, 1, 2, 0), ECH_OK);
    cr_expect_eq(layout->value_count, 21);
    cr_expect_eq(layout->parameter_count, 17);
    cr_expect_eq(layout->counter_count, 1);
    cr_expect_eq(ech_layout_find(layout, "bn.running_mean")->offset, 15);
    cr_expect_eq(ech_layout_find(layout, "bn.num_batches_tracked")->offset, 0);
    cr_expect_eq(ech_layout_find(layout, "bn.num_batches_tracked")->count, 1);
    cr_expect_eq(ech_layout_find(layout, "fc.bias")->offset, 19);
    cr_expect_eq(ech_layout_state_bytes(layout), 21 * 4 + 8);
    cr_expect_null(ech_layout_find(layout, "fc"));
}

Test(layout, bad_tensors_are_refused_and_change_nothing)
{
    char name[ECH_LAYOUT_NAME_BYTES + 1];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    cr_assert_eq(add("a", ECH_TENSOR_PARAMETER, 1, 4, 0), ECH_OK);
    cr_expect_eq(add("a", ECH_TENSOR_PARAMETER, 1, 4, 0), ECH_ERR_ARGUMENT);
    cr_expect_eq(add("b", ECH_TENSOR_PARAMETER, 2, 4, 0), ECH_ERR_ARGUMENT);
    cr_expect_eq(add("c", ECH_TENSOR_PARAMETER, 2, UINT64_MAX, 2), ECH_ERR_ARGUMENT);
    cr_expect_eq(add("d", ECH_TENSOR_PARAMETER, ECH_LAYOUT_DIMENSIONS_MAX + 1, 1, 1),
                 ECH_ERR_ARGUMENT);
    cr_expect_eq(add(name, ECH_TENSOR_PARAMETER, 1, 4, 0), ECH_ERR_ARGUMENT);
    cr_expect_eq(layout->tensor_count, 1);
    cr_expect_eq(layout->value_count, 4);
}

Test(layout, many_tensors_keep_their_order)
{
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        cr_assert_eq(add(name, ECH_TENSOR_PARAMETER, 1, 1, 0), ECH_OK);
    }
    cr_expect_eq(layout->tensor_count, 100);
    cr_expect_str_eq(layout->tensors[99].name, "t99");
    cr_expect_eq(layout->tensors[99].offset, 99);
}

Test(layout, the_fingerprint_is_of_values_alone)
{
    static const float values[] = {1.0F, -2.5F, 0.0F};
    cr_assert_eq(add("w", ECH_TENSOR_PARAMETER, 1, 3, 0), ECH_OK);
    cr_assert_eq(add("n", ECH_TENSOR_COUNTER, 0, 0, 0), ECH_OK);
    cr_expect(ech_hash_equal(ech_layout_hash_values(layout, values),
                             ech_hash_bytes(values, sizeof values)));
    static const float negative_zero[] = {1.0F, -2.5F, -0.0F};
    cr_expect_not(ech_hash_equal(ech_layout_hash_values(layout, values),
                                 ech_layout_hash_values(layout, negative_zero)));
}
