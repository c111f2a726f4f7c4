/**
 * @file kernels_priv.h
 * Names of what each instruction set's compilation exports. ECH_LANES_ISA is defined by the build.
 */
#ifndef ECH_KERNELS_LANES_KERNELS_PRIV_H
#define ECH_KERNELS_LANES_KERNELS_PRIV_H

#include "kernels/lanes/kernels.h"

#define ECH_LANES_JOIN_EXPANDED(name, isa) name##_##isa
#define ECH_LANES_JOIN(name, isa) ECH_LANES_JOIN_EXPANDED(name, isa)
#define ECH_LANES_NAME(name) ECH_LANES_JOIN(name, ECH_LANES_ISA)

void ECH_LANES_NAME(ech_lanes_conv_forward)(const ech_lanes_conv *conv, ech_lanes_planes input,
                                            const float *weights, uint32_t first, uint32_t end,
                                            const ech_lanes_epilogue *epilogue, float *output);
uint32_t ECH_LANES_NAME(ech_lanes_gradient_filters)(uint32_t kernel_width, uint32_t left);
size_t ECH_LANES_NAME(ech_lanes_gradient_scratch)(const ech_lanes_conv *conv);
void ECH_LANES_NAME(ech_lanes_conv_gradient)(const ech_lanes_gradient *gradient, uint32_t first,
                                             uint32_t count);
void ECH_LANES_NAME(ech_lanes_linear)(uint32_t inputs, uint32_t outputs, const float *weights,
                                      const float *bias, bool relu, uint32_t first, uint32_t end,
                                      uint32_t blocks, const float *x, float *y);
void ECH_LANES_NAME(ech_lanes_linear_input)(uint32_t inputs, uint32_t outputs, const float *weights,
                                            uint32_t first, uint32_t end, uint32_t blocks,
                                            bool accumulate, const float *dy, float *dx);
void ECH_LANES_NAME(ech_lanes_linear_gradient)(uint32_t inputs, uint32_t group, uint32_t first,
                                               uint32_t end, uint32_t blocks, const float *x,
                                               const float *turned, float *dw);
void ECH_LANES_NAME(ech_lanes_linear_turn)(uint32_t outputs, uint32_t group, uint32_t blocks,
                                           bool relu, const float *y, float *dy, float *turned,
                                           float *bias);
double ECH_LANES_NAME(ech_lanes_peak)(uint64_t rounds, float *sink);
void ECH_LANES_NAME(ech_lanes_gather)(const uint8_t *const *samples, uint32_t channels,
                                      uint32_t pixels, const float *scale, const float *shift,
                                      float *out);

#endif
