/**
 * @file rows.h
 * Element by element work on runs of positions of one channel block. Private to kernels/.
 *
 * A run is `count` positions of `width` channels, at most ECH_ROWS_WIDTH_MAX; position i begins
 * `i * column` floats after the first. Runs of one call lie alike. Sums of a run are float32, so
 * runs should be short (a few hundred positions). Not collective; thread-safe.
 */
#ifndef ECH_KERNELS_BLOCKED_ROWS_H
#define ECH_KERNELS_BLOCKED_ROWS_H

#include <stdbool.h>
#include <stddef.h>

enum { ECH_ROWS_WIDTH_MAX = 64, ECH_ROWS_SUM_COUNT = 256 };

/** How a run lies. */
typedef struct {
    size_t count;
    size_t column;
    size_t width;
} ech_run;

/** values = values + bias, then ReLU if wanted. */
void ech_rows_bias(float *values, ech_run run, const float *bias, bool relu);

/** Mean of each channel, and its sum of squared differences from it. `count` at least 1. */
void ech_rows_moments(const float *values, ech_run run, float *mean, float *squares);

/** A batch norm's numbers of a run's channels: y = (x - mean) * scale + shift. */
typedef struct {
    const float *mean;
    const float *scale;
    const float *shift;
} ech_rows_norm;

/** out = (x - mean) * scale + shift, + `added` unless NULL, then ReLU if wanted. May be in place.
 */
void ech_rows_normalise(const float *x, const float *added, float *out, ech_run run,
                        const ech_rows_norm *norm, bool relu);

/** passed = gradient where `out` is positive, else zero; may be in place. Adds each channel's sum
 *  of it to `sum`. */
void ech_rows_mask(const float *out, const float *gradient, float *passed, ech_run run, float *sum);

/** As ech_rows_mask, and adds the sums of passed * (x - mean) to `x_sum`. With `out` NULL all
 *  passes, and `passed` is not written. */
void ech_rows_norm_sums(const float *x, const float *mean, const float *out, const float *gradient,
                        float *passed, ech_run run, float *sum, float *x_sum);

/** A batch norm's gradient: x_gradient = g * scale - (x - mean) * slope - offset. */
typedef struct {
    const float *mean;
    const float *scale;
    const float *slope;
    const float *offset;
} ech_rows_norm_slope;

/** Written or, with `accumulate`, added to x_gradient, which may be in place of g. */
void ech_rows_norm_gradient(const float *x, const float *g, float *x_gradient, ech_run run,
                            const ech_rows_norm_slope *slope, bool accumulate);

/** Adds each channel's sum to `sum`. */
void ech_rows_sum(const float *values, ech_run run, float *sum);

/** to = to + from, where `from` lies without gaps. */
void ech_rows_add(const float *from, float *to, ech_run run);

/** to[i] = from[i], or added to it: `count` floats side by side. */
void ech_rows_give(const float *from, float *to, size_t count, bool accumulate);

#endif
