/**
 * @file direct_priv.h
 * What forward-like runs and the weights' gradient share.
 */
#ifndef ECH_KERNELS_BLOCKED_DIRECT_PRIV_H
#define ECH_KERNELS_BLOCKED_DIRECT_PRIV_H

#include "kernels/blocked/direct.h"

/** Floats from the tensor's (or group of blocks') beginning to a channel. */
static inline size_t channel_offset(const ech_grid *grid, size_t channel)
{
    return channel / grid->block_channels * grid->block + channel % grid->block_channels;
}

/** Whether all positions of an image lie on one line, so that a run may cross rows. */
static inline bool rows_join(const ech_direct_shape *shape)
{
    return shape->in.row == shape->columns * shape->in.column &&
           shape->out.row == shape->columns * shape->out.column;
}

static inline size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* `b` at least 1. */
static inline size_t divide_up(size_t a, size_t b)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a shape has no size of zero */
    return (a + b - 1) / b;
}

#endif
