#include "kernels/blocked/rows.h"

#include <string.h>

#include "kernels/blocked/simd.h"

/*
 * Each public function calls its inline body with the usual widths as constants: the compiler then
 * keeps a run's numbers of each channel in registers.
 */

enum { WAYS = 4 };

/* A channel's numbers on the stack: no store through a pointer can change them. */
ECH_INLINE void copy(float *own, const float *from, size_t width)
{
    for (size_t c = 0; c < width; c++) {
        own[c] = from[c];
    }
}

ECH_INLINE void bias_body(float *values, ech_run run, const float *bias, bool relu)
{
    float own[ECH_ROWS_WIDTH_MAX];
    copy(own, bias, run.width);
    for (size_t i = 0; i < run.count; i++) {
        float *position = values + i * run.column;
        for (size_t c = 0; c < run.width; c++) {
            const float sum = position[c] + own[c];
            position[c] = relu && sum < 0.0f ? 0.0f : sum;
        }
    }
}

ECH_SIMD void ech_rows_bias(float *values, ech_run run, const float *bias, bool relu)
{
    if (run.width == 32) {
        bias_body(values, (ech_run){run.count, run.column, 32}, bias, relu);
    } else if (run.width == 16) {
        bias_body(values, (ech_run){run.count, run.column, 16}, bias, relu);
    } else {
        bias_body(values, run, bias, relu);
    }
}

/* Four interleaved sums hide an addition's latency. Differences are taken from the first position:
 * small where the spread is small against the mean. */
ECH_INLINE void moments_body(const float *values, ech_run run, float *mean, float *squares)
{
    float first[ECH_ROWS_WIDTH_MAX];
    float sum[WAYS][ECH_ROWS_WIDTH_MAX];
    float square[WAYS][ECH_ROWS_WIDTH_MAX];
    for (size_t c = 0; c < run.width; c++) {
        first[c] = values[c];
        for (size_t way = 0; way < WAYS; way++) {
            sum[way][c] = 0.0f;
            square[way][c] = 0.0f;
        }
    }
    for (size_t i = 0; i < run.count; i += WAYS) {
        const size_t ways = run.count - i < WAYS ? run.count - i : WAYS;
        for (size_t way = 0; way < ways; way++) {
            const float *position = values + (i + way) * run.column;
            for (size_t c = 0; c < run.width; c++) {
                const float difference = position[c] - first[c];
                sum[way][c] += difference;
                square[way][c] += difference * difference;
            }
        }
    }
    const float reciprocal = 1.0f / (float)run.count;
    for (size_t c = 0; c < run.width; c++) {
        const float total = (sum[0][c] + sum[1][c]) + (sum[2][c] + sum[3][c]);
        const float offset = total * reciprocal;
        mean[c] = first[c] + offset;
        squares[c] = (square[0][c] + square[1][c]) + (square[2][c] + square[3][c]) - total * offset;
    }
}

ECH_SIMD void ech_rows_moments(const float *values, ech_run run, float *mean, float *squares)
{
    if (run.width == 32) {
        moments_body(values, (ech_run){run.count, run.column, 32}, mean, squares);
    } else if (run.width == 16) {
        moments_body(values, (ech_run){run.count, run.column, 16}, mean, squares);
    } else {
        moments_body(values, run, mean, squares);
    }
}

ECH_INLINE void normalise_body(const float *x, const float *added, float *out, ech_run run,
                               const ech_rows_norm *norm, bool relu)
{
    float mean[ECH_ROWS_WIDTH_MAX], scale[ECH_ROWS_WIDTH_MAX], shift[ECH_ROWS_WIDTH_MAX];
    copy(mean, norm->mean, run.width);
    copy(scale, norm->scale, run.width);
    copy(shift, norm->shift, run.width);
    for (size_t i = 0; i < run.count * run.column; i += run.column) {
#pragma GCC ivdep
        for (size_t c = 0; c < run.width; c++) {
            float y = (x[i + c] - mean[c]) * scale[c] + shift[c];
            if (added != NULL) {
                y += added[i + c];
            }
            out[i + c] = relu && y < 0.0f ? 0.0f : y;
        }
    }
}

ECH_INLINE void normalise_run(const float *x, const float *added, float *out, ech_run run,
                              const ech_rows_norm *norm, bool relu)
{
    if (added != NULL) {
        normalise_body(x, added, out, run, norm, relu);
    } else if (relu) {
        normalise_body(x, NULL, out, run, norm, true);
    } else {
        normalise_body(x, NULL, out, run, norm, false);
    }
}

ECH_SIMD void ech_rows_normalise(const float *x, const float *added, float *out, ech_run run,
                                 const ech_rows_norm *norm, bool relu)
{
    if (run.width == 64) {
        normalise_run(x, added, out, (ech_run){run.count, run.column, 64}, norm, relu);
    } else if (run.width == 32) {
        normalise_run(x, added, out, (ech_run){run.count, run.column, 32}, norm, relu);
    } else {
        normalise_body(x, added, out, run, norm, relu);
    }
}

ECH_INLINE void mask_body(const float *out, const float *gradient, float *passed, ech_run run,
                          float *sum)
{
    float total[ECH_ROWS_WIDTH_MAX] = {0.0f};
    for (size_t i = 0; i < run.count * run.column; i += run.column) {
#pragma GCC ivdep
        for (size_t c = 0; c < run.width; c++) {
            const float g = out[i + c] > 0.0f ? gradient[i + c] : 0.0f;
            passed[i + c] = g;
            total[c] += g;
        }
    }
    for (size_t c = 0; c < run.width; c++) {
        sum[c] += total[c];
    }
}

ECH_SIMD void ech_rows_mask(const float *out, const float *gradient, float *passed, ech_run run,
                            float *sum)
{
    if (run.width == 64) {
        mask_body(out, gradient, passed, (ech_run){run.count, run.column, 64}, sum);
    } else if (run.width == 32) {
        mask_body(out, gradient, passed, (ech_run){run.count, run.column, 32}, sum);
    } else {
        mask_body(out, gradient, passed, run, sum);
    }
}

ECH_INLINE void norm_sums_body(const float *x, const float *mean, const float *out,
                               const float *gradient, float *passed, ech_run run, float *sum,
                               float *x_sum)
{
    float own_mean[ECH_ROWS_WIDTH_MAX];
    float total[ECH_ROWS_WIDTH_MAX] = {0.0f};
    float x_total[ECH_ROWS_WIDTH_MAX] = {0.0f};
    copy(own_mean, mean, run.width);
    for (size_t i = 0; i < run.count * run.column; i += run.column) {
#pragma GCC ivdep
        for (size_t c = 0; c < run.width; c++) {
            float g = gradient[i + c];
            if (out != NULL) {
                g = out[i + c] > 0.0f ? g : 0.0f;
                passed[i + c] = g;
            }
            total[c] += g;
            x_total[c] += g * (x[i + c] - own_mean[c]);
        }
    }
    for (size_t c = 0; c < run.width; c++) {
        sum[c] += total[c];
        x_sum[c] += x_total[c];
    }
}

ECH_INLINE void norm_sums_run(const float *x, const float *mean, const float *out,
                              const float *gradient, float *passed, ech_run run, float *sum,
                              float *x_sum)
{
    if (out != NULL) {
        norm_sums_body(x, mean, out, gradient, passed, run, sum, x_sum);
    } else {
        norm_sums_body(x, mean, NULL, gradient, NULL, run, sum, x_sum);
    }
}

ECH_SIMD void ech_rows_norm_sums(const float *x, const float *mean, const float *out,
                                 const float *gradient, float *passed, ech_run run, float *sum,
                                 float *x_sum)
{
    if (run.width == 64) {
        const ech_run fixed = {run.count, run.column, 64};
        norm_sums_run(x, mean, out, gradient, passed, fixed, sum, x_sum);
    } else if (run.width == 32) {
        const ech_run fixed = {run.count, run.column, 32};
        norm_sums_run(x, mean, out, gradient, passed, fixed, sum, x_sum);
    } else {
        norm_sums_run(x, mean, out, gradient, passed, run, sum, x_sum);
    }
}

ECH_INLINE void norm_gradient_body(const float *x, const float *g, float *x_gradient, ech_run run,
                                   const ech_rows_norm_slope *slope, bool accumulate)
{
    float mean[ECH_ROWS_WIDTH_MAX], scale[ECH_ROWS_WIDTH_MAX];
    float slopes[ECH_ROWS_WIDTH_MAX], offset[ECH_ROWS_WIDTH_MAX];
    copy(mean, slope->mean, run.width);
    copy(scale, slope->scale, run.width);
    copy(slopes, slope->slope, run.width);
    copy(offset, slope->offset, run.width);
    for (size_t i = 0; i < run.count * run.column; i += run.column) {
#pragma GCC ivdep
        for (size_t c = 0; c < run.width; c++) {
            const float d = g[i + c] * scale[c] - (x[i + c] - mean[c]) * slopes[c] - offset[c];
            x_gradient[i + c] = accumulate ? x_gradient[i + c] + d : d;
        }
    }
}

ECH_SIMD void ech_rows_norm_gradient(const float *x, const float *g, float *x_gradient, ech_run run,
                                     const ech_rows_norm_slope *slope, bool accumulate)
{
    if (accumulate) {
        norm_gradient_body(x, g, x_gradient, run, slope, true);
    } else if (run.width == 64) {
        const ech_run fixed = {run.count, run.column, 64};
        norm_gradient_body(x, g, x_gradient, fixed, slope, false);
    } else if (run.width == 32) {
        const ech_run fixed = {run.count, run.column, 32};
        norm_gradient_body(x, g, x_gradient, fixed, slope, false);
    } else {
        norm_gradient_body(x, g, x_gradient, run, slope, false);
    }
}

ECH_SIMD void ech_rows_sum(const float *values, ech_run run, float *sum)
{
    float total[ECH_ROWS_WIDTH_MAX] = {0.0f};
    for (size_t i = 0; i < run.count * run.column; i += run.column) {
        for (size_t c = 0; c < run.width; c++) {
            total[c] += values[i + c];
        }
    }
    for (size_t c = 0; c < run.width; c++) {
        sum[c] += total[c];
    }
}

ECH_INLINE void add_body(const float *from, float *to, ech_run run)
{
    for (size_t i = 0; i < run.count; i++) {
#pragma GCC ivdep
        for (size_t c = 0; c < run.width; c++) {
            to[i * run.column + c] += from[i * run.width + c];
        }
    }
}

ECH_SIMD void ech_rows_add(const float *from, float *to, ech_run run)
{
    if (run.width == 32) {
        add_body(from, to, (ech_run){run.count, run.column, 32});
    } else if (run.width == 16) {
        add_body(from, to, (ech_run){run.count, run.column, 16});
    } else {
        add_body(from, to, run);
    }
}

ECH_SIMD void ech_rows_give(const float *from, float *to, size_t count, bool accumulate)
{
    if (!accumulate) {
        memcpy(to, from, count * sizeof *to);
        return;
    }
#pragma GCC ivdep
    for (size_t i = 0; i < count; i++) {
        to[i] += from[i];
    }
}
