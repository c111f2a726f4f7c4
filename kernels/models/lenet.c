#include "kernels/models/models_priv.h"

/* LeNet-5's shape with ReLU and max pooling: PyTorch's tutorial network for three channels, and
 * NIID-Bench's and Flight's SmallConv for one. */
static ech_status build(ech_network *net)
{
    ech_value x = ECH_VALUE_INPUT;
    x = ech_network_conv(net, x, "conv1", (ech_conv){.filters = 6, .window = ech_square(5, 1, 0)});
    x = ech_network_relu(net, x);
    x = ech_network_max_pool(net, x, ech_square(2, 2, 0), ECH_ROUND_FLOOR);
    x = ech_network_conv(net, x, "conv2", (ech_conv){.filters = 16, .window = ech_square(5, 1, 0)});
    x = ech_network_relu(net, x);
    x = ech_network_max_pool(net, x, ech_square(2, 2, 0), ECH_ROUND_FLOOR);
    x = ech_network_linear(net, x, "fc1", (ech_linear){.outputs = 120});
    x = ech_network_relu(net, x);
    x = ech_network_linear(net, x, "fc2", (ech_linear){.outputs = 84});
    x = ech_network_relu(net, x);
    ech_network_linear(net, x, "fc3", (ech_linear){.outputs = net->classes});
    return ech_network_finish(net);
}

const ech_model ech_model_smallnet = {
    .name = "smallnet",
    .summary = "two 5x5 convolutions, three linear layers, 62,006 parameters (Flight's scaling)",
    .input = {3, 32, 32},
    .classes = 10,
    .build = build,
};

const ech_model ech_model_smallconv = {
    .name = "smallconv",
    .summary = "the same for one channel, 44,426 parameters (Flight, NIID-Bench)",
    .input = {1, 28, 28},
    .classes = 10,
    .build = build,
};
