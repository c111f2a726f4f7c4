/**
 * @file exact_support.h
 * Models and updates for the suites of the exact sum.
 */
#ifndef ECH_TESTS_FED_EXACT_SUPPORT_H
#define ECH_TESTS_FED_EXACT_SUPPORT_H

#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/random.h"
#include "runtime/fed/exact_sum.h"

/** Tensors of odd sizes, one of several stripes, a statistic, two counters. The caller destroys it.
 */
ech_layout *ech_test_layout(void);

/** A layout of one parameter of `count` elements. */
ech_layout *ech_test_layout_of(uint64_t count);

/** Normal numbers times `magnitude`. */
void ech_test_fill_normal(float *values, uint64_t count, double magnitude, ech_random *stream);

/** One state of a layout, of normal numbers and random counters; ech_test_state_free. */
ech_state ech_test_state(const ech_layout *layout, double magnitude, ech_random *stream);
void ech_test_state_free(ech_state *state);

static inline ech_state_view ech_test_view(ech_state state)
{
    return (ech_state_view){.values = state.values, .counters = state.counters};
}

/** A private sum, begun. */
ech_exact_sum *ech_test_sum(const ech_layout *layout, uint64_t weight_bound);

/** XXH128 of a sum's mean and counters. */
ech_hash128 ech_test_sum_hash(ech_exact_sum *sum, const ech_layout *layout);

/** The distance from `value`'s magnitude to the next float32. */
double ech_test_unit_in_last_place(double value);

#endif
