#include "kernels/models/models_priv.h"

/* Flight's TinyNet: y = a x + b, for measuring everything but training. */
static ech_status build(ech_network *net)
{
    ech_network_linear(net, ECH_VALUE_INPUT, "fc1", (ech_linear){.outputs = net->classes});
    return ech_network_finish(net);
}

const ech_model ech_model_tinynet = {
    .name = "tinynet",
    .summary = "one Linear(1,1): overhead runs (Flight, arXiv 2409.16495)",
    .input = {1, 1, 1},
    .classes = 1,
    .build = build,
};
