/**
 * @file kernels.h
 * The kernels of the lanes engine that exist once for each instruction set. Private to
 * kernels/lanes.
 *
 * All work on whole lane blocks (format.h): an element is sixteen floats. Strides count floats.
 */
#ifndef ECH_KERNELS_LANES_KERNELS_H
#define ECH_KERNELS_LANES_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu.h"
#include "kernels/format.h"

/** Planes of one lane block: where element (channel 0, row 0, column 0) lies. A border around each
 *  plane may belong to it. */
typedef struct {
    float *data;
    size_t channel_stride, row_stride;
} ech_lanes_planes;

/** A convolution of stride 1 without groups. */
typedef struct {
    uint32_t channels, height, width; /* in */
    uint32_t filters, out_height, out_width;
    uint32_t kernel_height, kernel_width;
    uint32_t pad_height, pad_width;
} ech_lanes_conv;

/** What becomes of a sum. */
typedef struct {
    const float *bias; /* filters; NULL: none */
    bool relu;
    bool pool;        /* 2x2 maximum, before the ReLU */
    bool accumulate;  /* add to the output; never with relu or pool */
    uint8_t *choices; /* [filter][row][column][16] of the pool; NULL: not wanted */
} ech_lanes_epilogue;

enum { ECH_LANES_FILTER_TILE_MAX = 8 };

/**
 * Backward of a convolution with its ReLU and pool, but for the input's gradient. Values, gradients
 * and choices are dense; block b of them begins at b * output_stride.
 */
typedef struct {
    const ech_lanes_conv *conv;
    bool relu, pool;
    uint32_t blocks;
    const ech_lanes_planes *inputs; /* a block each, with a border of the padding's size */
    const float *outputs;           /* of the step, after ReLU and pool */
    float *upstream;                /* gradient of the same */
    const uint8_t *choices;         /* of the pool */
    size_t output_stride;
    /* The gradient before ReLU and pool is written here, edges zeroed, a block each; NULL: it is
     * not wanted, and may overwrite `upstream` where there is no pool. */
    const ech_lanes_planes *dense;
    uint32_t border; /* of `dense` */
    float *scratch;  /* gradient_scratch floats for this call */
    float *weights;  /* result: [channel][row][column][filter] */
    float *bias;     /* result; NULL: none */
} ech_lanes_gradient;

typedef struct {
    /**
     * Forward, filters [first, end) of one block.
     *
     * @param input    with a border of zeros of at least 1 on each side that has padding.
     * @param weights  [channel][row][column][filter].
     * @param output   dense [filter][row][column][16]; halved rows and columns with pool.
     */
    void (*conv)(const ech_lanes_conv *conv, ech_lanes_planes input, const float *weights,
                 uint32_t first, uint32_t end, const ech_lanes_epilogue *epilogue, float *output);

    /** How many of the `left` filters the next call of `conv_gradient` should take. */
    uint32_t (*gradient_filters)(uint32_t kernel_width, uint32_t left);

    /** Floats of scratch that a call of `conv_gradient` needs. */
    size_t (*gradient_scratch)(const ech_lanes_conv *conv);

    /** Gradients of the weights and biases of a tile of filters. Calls for different tiles may run
     *  side by side. */
    void (*conv_gradient)(const ech_lanes_gradient *gradient, uint32_t first, uint32_t count);

    /**
     * y = w x + bias for outputs [16 first, 16 end), all blocks. Weights lie as
     * [outputs / 16][inputs][16], padded with zeros.
     */
    void (*linear)(uint32_t inputs, uint32_t outputs, const float *weights, const float *bias,
                   bool relu, uint32_t first, uint32_t end, uint32_t blocks, const float *x,
                   float *y);
    /** dx = w^T dy for inputs [first, end), all blocks. */
    void (*linear_input)(uint32_t inputs, uint32_t outputs, const float *weights, uint32_t first,
                         uint32_t end, uint32_t blocks, bool accumulate, const float *dy,
                         float *dx);
    /** dw = sum over samples of dy x, outputs [16 group, 16 group + 16), inputs [first, end).
     *  `turned`: dy as [outputs / 16][16 blocks][16], see turn. */
    void (*linear_gradient)(uint32_t inputs, uint32_t group, uint32_t first, uint32_t end,
                            uint32_t blocks, const float *x, const float *turned, float *dw);
    /** Mask dy by y > 0 (if relu) in place; lay it out for linear_gradient; sum it over the samples
     *  for the bias (NULL: none). Outputs [16 group, 16 group + 16), zeros beyond `outputs`. */
    void (*linear_turn)(uint32_t outputs, uint32_t group, uint32_t blocks, bool relu,
                        const float *y, float *dy, float *turned, float *bias);

    /**
     * One block of normalised inputs: pixel p of a channel becomes p * scale + shift.
     *
     * @param samples  16 images [channels][pixels]; NULL: a missing sample, zeros.
     */
    void (*gather)(const uint8_t *const *samples, uint32_t channels, uint32_t pixels,
                   const float *scale, const float *shift, float *out);

    /** Multiply-adds in registers, 2 operations each: how many operations were done. */
    double (*peak)(uint64_t rounds, float *sink);
} ech_lanes_kernels;

/** The kernels for an instruction set that this CPU has. */
const ech_lanes_kernels *ech_lanes_kernels_for(ech_isa isa);

#endif
