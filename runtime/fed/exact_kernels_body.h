/**
 * @file exact_kernels_body.h
 * The loops of exact_kernels.h, written so that a compiler vectorises them for any target. Each
 * variant's source includes this file once and is compiled for its instruction set. What scales
 * and rounds is in exact_kernels_rounding.h, or the variant's own.
 */
#ifndef ECH_FED_EXACT_KERNELS_BODY_H
#define ECH_FED_EXACT_KERNELS_BODY_H

#include <string.h>

#include "runtime/fed/exact_kernels.h"

static uint32_t max_magnitude(const float *values, size_t count)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = 0;
        memcpy(&bits, &values[i], sizeof bits);
        bits &= 0x7fffffffU;
        largest = bits > largest ? bits : largest;
    }
    return largest;
}

static void merge(int64_t *restrict sums, const int64_t *restrict more, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sums[i] += more[i];
    }
}

static void accumulate(double *restrict totals, const int64_t *restrict sums, size_t count,
                       double unit)
{
    for (size_t i = 0; i < count; i++) {
        totals[i] += (double)sums[i] * unit;
    }
}

static void divide(float *restrict values, const double *restrict totals, size_t count,
                   double weight)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = (float)(totals[i] / weight);
    }
}

#endif
