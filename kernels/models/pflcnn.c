#include "kernels/models/models_priv.h"

/* The CNN of pfl-research's CIFAR-10 benchmark (Granqvist et al. 2024); without its dropout, as the
 * golden files record it. */
static ech_status build(ech_network *net)
{
    ech_value x = ECH_VALUE_INPUT;
    x = ech_network_conv(net, x, "conv1", (ech_conv){.filters = 32, .window = ech_square(3, 1, 0)});
    x = ech_network_relu(net, x);
    x = ech_network_conv(net, x, "conv2", (ech_conv){.filters = 64, .window = ech_square(3, 1, 0)});
    x = ech_network_relu(net, x);
    x = ech_network_max_pool(net, x, ech_square(2, 2, 0), ECH_ROUND_FLOOR);
    x = ech_network_linear(net, x, "fc1", (ech_linear){.outputs = 128});
    x = ech_network_relu(net, x);
    ech_network_linear(net, x, "fc2", (ech_linear){.outputs = net->classes});
    return ech_network_finish(net);
}

const ech_model ech_model_pflcnn = {
    .name = "pflcnn",
    .summary = "pfl-research's CNN: 3x3 convolutions of 32 and 64, linear 128",
    .input = {3, 32, 32},
    .classes = 10,
    .build = build,
};
