#include "kernels/lanes/kernels_priv.h"

extern const ech_lanes_kernels ECH_LANES_NAME(ech_lanes_kernels);

const ech_lanes_kernels ECH_LANES_NAME(ech_lanes_kernels) = {
    .conv = ECH_LANES_NAME(ech_lanes_conv_forward),
    .gradient_filters = ECH_LANES_NAME(ech_lanes_gradient_filters),
    .gradient_scratch = ECH_LANES_NAME(ech_lanes_gradient_scratch),
    .conv_gradient = ECH_LANES_NAME(ech_lanes_conv_gradient),
    .linear = ECH_LANES_NAME(ech_lanes_linear),
    .linear_input = ECH_LANES_NAME(ech_lanes_linear_input),
    .linear_gradient = ECH_LANES_NAME(ech_lanes_linear_gradient),
    .linear_turn = ECH_LANES_NAME(ech_lanes_linear_turn),
    .peak = ECH_LANES_NAME(ech_lanes_peak),
    .gather = ECH_LANES_NAME(ech_lanes_gather),
};
