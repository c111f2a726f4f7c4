/**
 * @file exact_kernels.h
 * The loops of the exact sum, in variants by instruction set that give the same bits. Private to
 * the exact sum; tests run all variants against the plain one.
 *
 * They assume the default floating-point environment (round to nearest, denormals kept).
 */
#ifndef ECH_FED_EXACT_KERNELS_H
#define ECH_FED_EXACT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *name;
    /** Largest magnitude as float32 bits without the sign; 0x7f800000 and above: not all finite. */
    uint32_t (*max_magnitude)(const float *values, size_t count);
    /** sums[i] = weight * llrint(values[i] * scale); |values[i] * scale| <= 2^62. */
    void (*store)(int64_t *sums, const float *values, size_t count, double scale, int64_t weight);
    /** The same, added to what is there. */
    void (*add)(int64_t *sums, const float *values, size_t count, double scale, int64_t weight);
    /** sums[i] += more[i]. */
    void (*merge)(int64_t *sums, const int64_t *more, size_t count);
    /** totals[i] += sums[i] * unit, the integer rounded to double first. */
    void (*accumulate)(double *totals, const int64_t *sums, size_t count, double unit);
    /** values[i] = totals[i] / weight, rounded to float32. */
    void (*divide)(float *values, const double *totals, size_t count, double weight);
} ech_exact_kernels;

extern const ech_exact_kernels ech_exact_kernels_plain; /* the definition, word by word */
extern const ech_exact_kernels ech_exact_kernels_portable;
extern const ech_exact_kernels ech_exact_kernels_avx2;   /* x86-64 builds only */
extern const ech_exact_kernels ech_exact_kernels_avx512; /* x86-64 builds only */

/** The variants that this machine can run, fastest last. NULL past the end. */
const ech_exact_kernels *ech_exact_kernels_at(size_t index);

/** The last of them. */
const ech_exact_kernels *ech_exact_kernels_best(void);

#endif
