/**
 * @file exact_kernels_rounding.h
 * `store` and `add` of exact_kernels.h for instruction sets that cannot round a double to int64 in
 * one step. Included once by each of their sources.
 */
#ifndef ECH_FED_EXACT_KERNELS_ROUNDING_H
#define ECH_FED_EXACT_KERNELS_ROUNDING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ROUNDER 0x1.8p52 /* x + ROUNDER rounds x, |x| < 2^51, to an integer */

/* The bits of x + ROUNDER less those of ROUNDER: the rounded x in two's complement. */
static inline uint64_t rounded_bits(double shifted)
{
    static const double rounder = ROUNDER;
    uint64_t bits = 0;
    uint64_t base = 0;
    memcpy(&bits, &shifted, sizeof bits);
    memcpy(&base, &rounder, sizeof base);
    return bits - base;
}

/*
 * llrint for |x| <= 2^62 in operations that every vector unit has: the upper half is rounded first,
 * what it leaves is exact (x is a scaled float32: 24 bits), and an even multiple of 2^32 does not
 * change how the rest is rounded.
 */
static inline uint64_t round_by_halves(double x)
{
    const double upper = x * 0x1p-32 + ROUNDER;
    const double rest = x - (upper - ROUNDER) * 0x1p32;
    return (rounded_bits(upper) << 32) + rounded_bits(rest + ROUNDER);
}

/* Products and sums are unsigned: they wrap like the int64 that they stand for, without undefined
 * intermediate steps. */
static void store(int64_t *restrict sums, const float *restrict values, size_t count, double scale,
                  int64_t weight)
{
    for (size_t i = 0; i < count; i++) {
        sums[i] = (int64_t)((uint64_t)weight * round_by_halves((double)values[i] * scale));
    }
}

static void add(int64_t *restrict sums, const float *restrict values, size_t count, double scale,
                int64_t weight)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t term = (uint64_t)weight * round_by_halves((double)values[i] * scale);
        sums[i] = (int64_t)((uint64_t)sums[i] + term);
    }
}

#endif
