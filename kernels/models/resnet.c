#include <stdio.h>

#include "kernels/models/models_priv.h"

/* ResNets (He et al. 2016), torchvision's structure and names: four stages of residual blocks. */
typedef struct {
    uint32_t blocks[4];
    uint32_t expansion; /* 1: two 3x3 convolutions a block; 4: 1x1, 3x3, 1x1 */
} stages;

static ech_value conv_norm(ech_network *net, ech_value x, const char *prefix, const char *conv,
                           const char *norm, uint32_t filters, ech_sliding_window window)
{
    char name[ECH_LAYOUT_NAME_BYTES];
    snprintf(name, sizeof name, "%.40s%.20s", prefix, conv);
    x = ech_network_conv(net, x, name,
                         (ech_conv){.filters = filters,
                                    .window = window,
                                    .without_bias = true,
                                    .initial = ECH_INITIAL_KAIMING_NORMAL});
    snprintf(name, sizeof name, "%.40s%.20s", prefix, norm);
    return ech_network_batch_norm(net, x, name);
}

static ech_value basic_branch(ech_network *net, ech_value x, const char *prefix, uint32_t planes,
                              uint32_t stride)
{
    x = conv_norm(net, x, prefix, "conv1", "bn1", planes, ech_square(3, stride, 1));
    x = ech_network_relu(net, x);
    return conv_norm(net, x, prefix, "conv2", "bn2", planes, ech_square(3, 1, 1));
}

static ech_value bottleneck_branch(ech_network *net, ech_value x, const char *prefix,
                                   uint32_t planes, uint32_t stride)
{
    x = conv_norm(net, x, prefix, "conv1", "bn1", planes, ech_square(1, 1, 0));
    x = ech_network_relu(net, x);
    x = conv_norm(net, x, prefix, "conv2", "bn2", planes, ech_square(3, stride, 1));
    x = ech_network_relu(net, x);
    return conv_norm(net, x, prefix, "conv3", "bn3", 4 * planes, ech_square(1, 1, 0));
}

static ech_value block(ech_network *net, ech_value x, const char *prefix, uint32_t planes,
                       uint32_t expansion, uint32_t stride)
{
    const ech_value branch = expansion == 1 ? basic_branch(net, x, prefix, planes, stride)
                                            : bottleneck_branch(net, x, prefix, planes, stride);
    ech_value shortcut = x;
    if (stride != 1 || ech_network_shape(net, x).channels != planes * expansion) {
        shortcut = conv_norm(net, x, prefix, "downsample.0", "downsample.1", planes * expansion,
                             ech_square(1, stride, 0));
    }
    return ech_network_relu(net, ech_network_add(net, branch, shortcut));
}

static ech_status build_with(ech_network *net, const stages *depth)
{
    ech_value x = conv_norm(net, ECH_VALUE_INPUT, "", "conv1", "bn1", 64, ech_square(7, 2, 3));
    x = ech_network_relu(net, x);
    x = ech_network_max_pool(net, x, ech_square(3, 2, 1), ECH_ROUND_FLOOR);
    for (uint32_t stage = 0; stage < 4; stage++) {
        for (uint32_t i = 0; i < depth->blocks[stage]; i++) {
            char prefix[ECH_LAYOUT_NAME_BYTES];
            snprintf(prefix, sizeof prefix, "layer%u.%u.", stage + 1, i);
            const uint32_t stride = stage > 0 && i == 0 ? 2 : 1;
            x = block(net, x, prefix, 64U << stage, depth->expansion, stride);
        }
    }
    x = ech_network_adaptive_avg_pool(net, x, 1, 1);
    ech_network_linear(net, x, "fc", (ech_linear){.outputs = net->classes});
    return ech_network_finish(net);
}

static ech_status build18(ech_network *net)
{
    return build_with(net, &(stages){{2, 2, 2, 2}, 1});
}

static ech_status build34(ech_network *net)
{
    return build_with(net, &(stages){{3, 4, 6, 3}, 1});
}

static ech_status build50(ech_network *net)
{
    return build_with(net, &(stages){{3, 4, 6, 3}, 4});
}

static ech_status build101(ech_network *net)
{
    return build_with(net, &(stages){{3, 4, 23, 3}, 4});
}

static ech_status build152(ech_network *net)
{
    return build_with(net, &(stages){{3, 8, 36, 3}, 4});
}

const ech_model ech_model_resnet18 = {
    "resnet18", "ResNet-18 (torchvision)", {3, 224, 224}, 1000, build18};
const ech_model ech_model_resnet34 = {
    "resnet34", "ResNet-34 (torchvision)", {3, 224, 224}, 1000, build34};
const ech_model ech_model_resnet50 = {
    "resnet50", "ResNet-50 (torchvision)", {3, 224, 224}, 1000, build50};
const ech_model ech_model_resnet101 = {
    "resnet101", "ResNet-101 (torchvision)", {3, 224, 224}, 1000, build101};
const ech_model ech_model_resnet152 = {
    "resnet152", "ResNet-152 (torchvision)", {3, 224, 224}, 1000, build152};
