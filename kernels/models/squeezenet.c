#include <stdio.h>

#include "kernels/models/models_priv.h"

static ech_value conv_relu(ech_network *net, ech_value x, const char *prefix, const char *part,
                           uint32_t filters, uint32_t kernel)
{
    char name[ECH_LAYOUT_NAME_BYTES];
    snprintf(name, sizeof name, "%.40s.%.20s", prefix, part);
    x = ech_network_conv(net, x, name,
                         (ech_conv){.filters = filters,
                                    .window = ech_square(kernel, 1, kernel / 2),
                                    .initial = ECH_INITIAL_KAIMING_UNIFORM});
    return ech_network_relu(net, x);
}

/* Squeeze to few channels, then expand by 1x1 and 3x3 filters, side by side. */
static ech_value fire(ech_network *net, ech_value x, const char *prefix, uint32_t squeeze,
                      uint32_t expand)
{
    x = conv_relu(net, x, prefix, "squeeze", squeeze, 1);
    const ech_value expanded[] = {
        conv_relu(net, x, prefix, "expand1x1", expand, 1),
        conv_relu(net, x, prefix, "expand3x3", expand, 3),
    };
    return ech_network_concat(net, expanded, 2);
}

static ech_value pool(ech_network *net, ech_value x)
{
    return ech_network_max_pool(net, x, ech_square(3, 2, 0), ECH_ROUND_CEIL);
}

/* SqueezeNet 1.0 (Iandola et al. 2016), torchvision's structure and names. */
static ech_status build(ech_network *net)
{
    ech_value x = ECH_VALUE_INPUT;
    x = ech_network_conv(net, x, "features.0",
                         (ech_conv){.filters = 96,
                                    .window = ech_square(7, 2, 0),
                                    .initial = ECH_INITIAL_KAIMING_UNIFORM});
    x = ech_network_relu(net, x);
    x = pool(net, x);
    x = fire(net, x, "features.3", 16, 64);
    x = fire(net, x, "features.4", 16, 64);
    x = fire(net, x, "features.5", 32, 128);
    x = pool(net, x);
    x = fire(net, x, "features.7", 32, 128);
    x = fire(net, x, "features.8", 48, 192);
    x = fire(net, x, "features.9", 48, 192);
    x = fire(net, x, "features.10", 64, 256);
    x = pool(net, x);
    x = fire(net, x, "features.12", 64, 256);
    x = ech_network_dropout(net, x, 0.5);
    x = ech_network_conv(net, x, "classifier.1",
                         (ech_conv){.filters = net->classes,
                                    .window = ech_square(1, 1, 0),
                                    .initial = ECH_INITIAL_NORMAL_SMALL});
    x = ech_network_relu(net, x);
    ech_network_adaptive_avg_pool(net, x, 1, 1);
    return ech_network_finish(net);
}

const ech_model ech_model_squeezenet = {
    .name = "squeezenet",
    .summary = "SqueezeNet 1.0 (torchvision)",
    .input = {3, 224, 224},
    .classes = 1000,
    .build = build,
};
