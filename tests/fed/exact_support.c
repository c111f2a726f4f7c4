#include "tests/fed/exact_support.h"

#include <criterion/criterion.h>
#include <math.h>

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"

static void add_tensor(ech_layout *layout, const char *name, ech_tensor_kind kind, uint64_t count)
{
    const uint32_t dimensions = kind == ECH_TENSOR_COUNTER ? 0 : 1;
    cr_assert_eq(ech_layout_add(layout, name, kind, dimensions, &count), ECH_OK);
}

ech_layout *ech_test_layout(void)
{
    ech_layout *layout = NULL;
    cr_assert_eq(ech_layout_create(&layout), ECH_OK);
    add_tensor(layout, "weight", ECH_TENSOR_PARAMETER, 20001);
    add_tensor(layout, "bias", ECH_TENSOR_PARAMETER, 13);
    add_tensor(layout, "running_mean", ECH_TENSOR_STATISTIC, 33);
    add_tensor(layout, "batches", ECH_TENSOR_COUNTER, 1);
    add_tensor(layout, "stripe", ECH_TENSOR_PARAMETER, 8192);
    add_tensor(layout, "batches.again", ECH_TENSOR_COUNTER, 1);
    add_tensor(layout, "scalar", ECH_TENSOR_PARAMETER, 1);
    return layout;
}

ech_layout *ech_test_layout_of(uint64_t count)
{
    ech_layout *layout = NULL;
    cr_assert_eq(ech_layout_create(&layout), ECH_OK);
    add_tensor(layout, "weight", ECH_TENSOR_PARAMETER, count);
    return layout;
}

void ech_test_fill_normal(float *values, uint64_t count, double magnitude, ech_random *stream)
{
    for (uint64_t i = 0; i < count; i++) {
        values[i] = (float)(ech_random_normal(stream) * magnitude);
    }
}

ech_state ech_test_state(const ech_layout *layout, double magnitude, ech_random *stream)
{
    ech_state state = {
        .values = ech_alloc(layout->value_count * sizeof(float)),
        .counters = ech_alloc(layout->counter_count * sizeof(int64_t)),
    };
    cr_assert(state.values != NULL && state.counters != NULL);
    ech_test_fill_normal(state.values, layout->value_count, magnitude, stream);
    for (uint64_t i = 0; i < layout->counter_count; i++) {
        state.counters[i] = (int64_t)ech_random_below(stream, 100000);
    }
    return state;
}

void ech_test_state_free(ech_state *state)
{
    ech_free(state->values);
    ech_free(state->counters);
    *state = (ech_state){0};
}

ech_exact_sum *ech_test_sum(const ech_layout *layout, uint64_t weight_bound)
{
    ech_exact_sum *sum = NULL;
    cr_assert_eq(ech_exact_sum_create(layout, &sum), ECH_OK);
    cr_assert_eq(ech_exact_sum_begin(sum, weight_bound), ECH_OK);
    return sum;
}

ech_hash128 ech_test_sum_hash(ech_exact_sum *sum, const ech_layout *layout)
{
    ech_hasher *hasher = NULL;
    cr_assert_eq(ech_hasher_create(&hasher), ECH_OK);
    float *values = ech_calloc(layout->value_count, sizeof *values);
    int64_t *counters = ech_calloc(layout->counter_count, sizeof *counters);
    cr_assert_eq(ech_exact_sum_finish(sum, 0, layout->value_count, values), ECH_OK);
    cr_assert_eq(ech_exact_sum_finish_counters(sum, counters), ECH_OK);
    ech_hasher_add(hasher, values, layout->value_count * sizeof *values);
    ech_hasher_add(hasher, counters, layout->counter_count * sizeof *counters);
    const ech_hash128 hash = ech_hasher_digest(hasher);
    ech_free(values);
    ech_free(counters);
    ech_hasher_destroy(&hasher);
    return hash;
}

double ech_test_unit_in_last_place(double value)
{
    int exponent = 0;
    frexp(value, &exponent);
    return fmax(ldexp(1.0, exponent - 24), 0x1p-149);
}
