/**
 * @file spanning.h
 * A direct convolution that suits any size of image. Products run along an image's positions; where
 * it has too few to fill the registers, and the batch is full, they run along the images instead.
 * Each output is summed in the same order either way. Private to kernels/.
 */
#ifndef ECH_KERNELS_BLOCKED_SPANNING_H
#define ECH_KERNELS_BLOCKED_SPANNING_H

#include "kernels/blocked/direct.h"

typedef struct {
    ech_direct *along_positions;
    ech_direct *along_images; /* NULL: never */
    ech_direct_shape shape;   /* tap_offsets are not kept */
    size_t max_batch;
} ech_spanning;

/** @return as ech_direct_create; `out` may be destroyed either way. */
ech_status ech_spanning_create(const ech_direct_shape *shape, size_t max_batch, ech_spanning *out);
void ech_spanning_destroy(ech_spanning *spanning);

/** As ech_direct_run, with the same calls of `done`. */
void ech_spanning_run(const ech_spanning *spanning, const ech_direct_run_args *args);

#endif
