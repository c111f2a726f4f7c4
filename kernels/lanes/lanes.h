/**
 * @file lanes.h
 * The lanes engine: the batch in the SIMD lanes, sixteen samples a block. Fast where layers are
 * small and the batch is not. Private to kernels/lanes.
 *
 * It runs convolutions of stride 1 without groups, with a ReLU and a 2x2 max pool joined to them,
 * and linear layers with a ReLU joined.
 */
#ifndef ECH_KERNELS_LANES_LANES_H
#define ECH_KERNELS_LANES_LANES_H

#include "kernels/engine.h"
#include "kernels/lanes/kernels.h"

/** What the engine keeps of a step. */
typedef struct {
    const ech_lanes_kernels *kernels;
    bool relu, pool;
    ech_lanes_conv conv; /* convolutions only */
    bool wants_input_gradient;
    uint32_t *tiles; /* convolutions only: the first filter of each tile of the gradient */
    uint32_t tile_count;
} ech_lanes_step;

static inline const ech_lanes_step *ech_lanes_of(const ech_step *step)
{
    return step->kernel;
}

static inline uint32_t ech_lanes_blocks(uint32_t batch)
{
    return (batch + ECH_LANES - 1) / ECH_LANES;
}

/** A step's kinds, one table each (conv.c, linear.c). */
typedef struct {
    uint32_t (*match)(const ech_network *network, uint32_t layer);
    ech_status (*prepare)(ech_step *step, ech_lanes_step *own);
    void (*forward)(const ech_step *step, const ech_step_call *call);
    void (*backward)(const ech_step *step, const ech_step_call *call);
    void (*pack)(const ech_step *step, const float *plain, float *stored); /* the weights */
    void (*unpack)(const ech_step *step, const float *stored, float *plain);
} ech_lanes_kind;

extern const ech_lanes_kind ech_lanes_conv_kind;
extern const ech_lanes_kind ech_lanes_linear_kind;

#endif
