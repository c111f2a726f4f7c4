#include "kernels/models/models_priv.h"

static ech_status build_with(ech_network *net, uint32_t hidden)
{
    ech_value x = ECH_VALUE_INPUT;
    x = ech_network_conv(net, x, "conv1", (ech_conv){.filters = 32, .window = ech_square(5, 1, 2)});
    x = ech_network_relu(net, x);
    x = ech_network_max_pool(net, x, ech_square(2, 2, 0), ECH_ROUND_FLOOR);
    x = ech_network_conv(net, x, "conv2", (ech_conv){.filters = 64, .window = ech_square(5, 1, 2)});
    x = ech_network_relu(net, x);
    x = ech_network_max_pool(net, x, ech_square(2, 2, 0), ECH_ROUND_FLOOR);
    x = ech_network_linear(net, x, "fc1", (ech_linear){.outputs = hidden});
    x = ech_network_relu(net, x);
    ech_network_linear(net, x, "fc2", (ech_linear){.outputs = net->classes});
    return ech_network_finish(net);
}

static ech_status build_mcmahan(ech_network *net)
{
    return build_with(net, 512);
}

static ech_status build_leaf(ech_network *net)
{
    return build_with(net, 2048);
}

const ech_model ech_model_mcmahancnn = {
    .name = "mcmahancnn",
    .summary = "the MNIST CNN of the FedAvg paper (McMahan et al. 2017)",
    .input = {1, 28, 28},
    .classes = 10,
    .build = build_mcmahan,
};

const ech_model ech_model_leafcnn = {
    .name = "leafcnn",
    .summary = "LEAF's CNN for FEMNIST (Caldas et al. 2018)",
    .input = {1, 28, 28},
    .classes = 62,
    .build = build_leaf,
};
