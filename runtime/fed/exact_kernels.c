#include "runtime/fed/exact_kernels.h"

#include <math.h>

static uint32_t max_magnitude(const float *values, size_t count)
{
    union {
        float value;
        uint32_t bits;
    } largest = {.value = 0.0F};
    for (size_t i = 0; i < count; i++) {
        if (isnan(values[i])) {
            return 0x7fc00000U;
        }
        largest.value = fmaxf(largest.value, fabsf(values[i]));
    }
    return largest.bits;
}

static void store(int64_t *sums, const float *values, size_t count, double scale, int64_t weight)
{
    for (size_t i = 0; i < count; i++) {
        sums[i] = weight * (int64_t)llrint((double)values[i] * scale);
    }
}

static void add(int64_t *sums, const float *values, size_t count, double scale, int64_t weight)
{
    for (size_t i = 0; i < count; i++) {
        sums[i] += weight * (int64_t)llrint((double)values[i] * scale);
    }
}

static void merge(int64_t *sums, const int64_t *more, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sums[i] += more[i];
    }
}

static void accumulate(double *totals, const int64_t *sums, size_t count, double unit)
{
    for (size_t i = 0; i < count; i++) {
        totals[i] += (double)sums[i] * unit;
    }
}

static void divide(float *values, const double *totals, size_t count, double weight)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = (float)(totals[i] / weight);
    }
}

const ech_exact_kernels ech_exact_kernels_plain = {
    .name = "plain",
    .max_magnitude = max_magnitude,
    .store = store,
    .add = add,
    .merge = merge,
    .accumulate = accumulate,
    .divide = divide,
};

const ech_exact_kernels *ech_exact_kernels_at(size_t index)
{
    const ech_exact_kernels *variants[4] = {&ech_exact_kernels_plain, &ech_exact_kernels_portable};
#if defined(__x86_64__)
    size_t count = 2;
    if (__builtin_cpu_supports("avx2")) {
        variants[count++] = &ech_exact_kernels_avx2;
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
        variants[count] = &ech_exact_kernels_avx512;
    }
#endif
    return index < sizeof variants / sizeof *variants ? variants[index] : NULL;
}

const ech_exact_kernels *ech_exact_kernels_best(void)
{
    const ech_exact_kernels *best = NULL;
    for (size_t i = 0; ech_exact_kernels_at(i) != NULL; i++) {
        best = ech_exact_kernels_at(i);
    }
    return best;
}
