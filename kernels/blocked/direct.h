/**
 * @file direct.h
 * Direct convolution on blocked tensors as batch-reduce products (Georganas et al., "Anatomy of
 * High-Performance Deep Learning Convolutions", SC'18). Private to kernels/.
 *
 * A tensor's channels lie in *panels*: `width` channels that are neighbours in memory. One product
 * makes the outputs of one panel along a run of neighbouring positions, summed over *terms*: all
 * pairs of an input panel and a tap (a position of the kernel). Forward is one such convolution;
 * the gradient by the input is one for each residue of the position modulo the stride, with the
 * weights transposed and the taps reversed.
 *
 * Weights: [output panel][input panel][tap][input channel][output channel].
 *
 * Bits do not depend on the number of threads: what is summed in one order is summed by one thread.
 * Not collective. A plan is immutable; several threads may run it.
 */
#ifndef ECH_KERNELS_BLOCKED_DIRECT_H
#define ECH_KERNELS_BLOCKED_DIRECT_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/blocked/gemm.h"
#include "runtime/base/status.h"

/** Channels of an input panel at most; of an output panel, ECH_ROWS_WIDTH_MAX. */
enum { ECH_DIRECT_IN_WIDTH_MAX = 128 };

/** Where things lie in a tensor, in floats. */
typedef struct {
    size_t origin; /* from the tensor's beginning to (image 0, channel 0, row 0, column 0) */
    size_t image;  /* from an image to the next, and so on */
    size_t block;
    size_t row;
    size_t column;
    size_t block_channels; /* channels in a block */
} ech_grid;

/** The convolution that a plan runs. */
typedef struct {
    ech_grid in;  /* of the first tap's first position; rows and columns advance by the stride */
    ech_grid out; /* of the outputs */
    size_t rows, columns; /* outputs of one image */
    size_t groups;
    size_t in_width, out_width;   /* channels of a panel */
    size_t in_panels, out_panels; /* of one group */
    size_t taps;
    const size_t
        *tap_offsets; /* floats in `in`, from the first tap's position; borrowed by create */
} ech_direct_shape;

typedef struct ech_direct ech_direct;

/** @return ECH_OK, ECH_ERR_MEMORY, ECH_ERR_UNSUPPORTED. */
ech_status ech_direct_create(const ech_direct_shape *shape, ech_direct **out);
void ech_direct_destroy(ech_direct **direct);

/** Called when all channels of a panel are complete in some rows of an image, by the thread that
 *  made them, while they are in its cache. */
typedef void ech_direct_done(void *user, size_t image, size_t panel, size_t first_row,
                             size_t row_count);

/** Rows that one call of `done` covers, the image's last call excepted. */
size_t ech_direct_tile_rows(const ech_direct *direct);

/** Tensors of one run. */
typedef struct {
    const float *in;
    const float *weights;
    float *out;
    size_t batch;
    bool accumulate; /* add to `out`, else overwrite it */
    size_t threads;
    ech_direct_done *done; /* NULL: not called */
    void *done_user;
} ech_direct_run_args;

void ech_direct_run(const ech_direct *direct, const ech_direct_run_args *args);

/**
 * The gradient by the weights of a convolution: `out_gradient` lies as `out_gradient_grid` says
 * (in the place of the shape's `out`), the result as the weights do, and is overwritten.
 */
typedef struct ech_direct_update ech_direct_update;

/** @param max_batch  the largest batch of a run. @return as ech_direct_create. */
ech_status ech_direct_update_create(const ech_direct_shape *shape, size_t max_batch,
                                    ech_direct_update **out);
void ech_direct_update_destroy(ech_direct_update **update);
typedef struct {
    const float *in;
    const float *out_gradient;
    float *weights_gradient;
    size_t batch;
    size_t threads;
} ech_direct_update_args;
void ech_direct_update_run(const ech_direct_update *update, const ech_direct_update_args *args);

#endif
