/**
 * @file norm.h
 * Batch norm on blocked values, with what comes before and after it: moments gathered while a
 * convolution's tile is in cache, a residual added and ReLU applied in the pass that normalises.
 * Private to kernels/.
 *
 * Moments are merged in double, in an order that does not depend on the threads (Chan, Golub and
 * LeVeque 1979); a mean's error is that of its parts. Not collective.
 */
#ifndef ECH_KERNELS_BLOCKED_NORM_H
#define ECH_KERNELS_BLOCKED_NORM_H

#include "kernels/blocked/rows.h"
#include "kernels/engine.h"

/** A norm within a step. */
typedef struct {
    const ech_layer *layer;
    uint32_t weight, bias; /* numbers among the step's tensors */
    uint32_t in_step;      /* number among the step's layers */
    size_t channels;       /* padded to whole blocks */
    size_t block;          /* channels of a block */
    size_t tile_rows;      /* rows whose moments are gathered together */
    size_t tiles;          /* of one image */
    size_t max_batch;
} ech_norm;

/** @param tile_rows  see ech_norm; 0: chosen here. */
ech_norm ech_norm_describe(const ech_step *step, uint32_t layer_in_step, uint32_t weight,
                           size_t tile_rows);

/** The scale, shift, and the batch's mean and 1 / deviation; padding channels give zero. Arrays of
 *  `channels`, one after the other in memory of ech_norm_numbers_count floats. */
typedef struct {
    float *mean, *inverse, *scale, *shift;
} ech_norm_numbers;
size_t ech_norm_numbers_count(const ech_norm *norm);
ech_norm_numbers ech_norm_numbers_at(const ech_norm *norm, float *memory);

/** Floats of `moments`: means and sums of squares of each tile. */
size_t ech_norm_moments_count(const ech_norm *norm);

/** Gather one tile of some channels; `values` is its first position's first channel. */
void ech_norm_gather(const ech_norm *norm, float *moments, const float *values, size_t image,
                     size_t first_row, size_t row_count, size_t first_channel, size_t width);

/** Gather all of a value. */
void ech_norm_gather_all(const ech_norm *norm, float *moments, const float *values, size_t batch,
                         size_t threads);

/** From the batch's moments: the numbers, and new running statistics. */
void ech_norm_learn(const ech_norm *norm, const ech_step *step, const ech_step_call *call,
                    const float *moments, ech_norm_numbers numbers);

/** From the running statistics: the numbers. */
void ech_norm_recall(const ech_norm *norm, const ech_step *step, const ech_step_call *call,
                     ech_norm_numbers numbers);

/** The pass that normalises: out = relu(norm(x) + added). */
void ech_norm_apply(const ech_norm *norm, ech_norm_numbers numbers, const float *x,
                    const float *added, float *out, bool relu, size_t batch, size_t threads);

/** Floats of scratch for backward. */
size_t ech_norm_backward_count(const ech_norm *norm);

/** What backward reads and writes. */
typedef struct {
    ech_norm_numbers numbers;
    const float *x;
    const float *out;  /* NULL: no ReLU follows */
    float *gradient;   /* of the output */
    float *passed;     /* with `out`: the gradient behind the ReLU; may be `gradient` */
    float *x_gradient; /* may be `gradient` or `passed` unless it has a border */
    size_t border_rows, border_columns; /* of x_gradient, not touched */
    bool accumulate;                    /* add to x_gradient */
    float *scratch;
} ech_norm_backward_args;

/** The gradients of weight, bias and x. */
void ech_norm_backward(const ech_norm *norm, const ech_step *step, const ech_step_call *call,
                       const ech_norm_backward_args *args);

#endif
