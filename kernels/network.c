#include "kernels/network.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/memory.h"

ech_status ech_network_create(const char *name, ech_shape input, uint32_t classes,
                              ech_network **out)
{
    *out = NULL;
    if (strlen(name) >= ECH_LAYOUT_NAME_BYTES || ech_shape_count(input) == 0 || classes == 0) {
        return ech_fail(ECH_ERR_ARGUMENT,
                        "network %.64s: input %ux%ux%u and %u classes: sizes must be at least 1",
                        name, input.channels, input.height, input.width, classes);
    }
    ech_network *network = ech_calloc(1, sizeof *network);
    if (network == NULL) {
        return ECH_ERR_MEMORY;
    }
    const ech_status status = ech_layout_create(&network->layout);
    if (status != ECH_OK) {
        ech_free(network);
        return status;
    }
    memcpy(network->name, name, strlen(name) + 1);
    network->input = input;
    network->classes = classes;
    *out = network;
    return ECH_OK;
}

void ech_network_destroy(ech_network **network)
{
    if (network == NULL || *network == NULL) {
        return;
    }
    ech_layout_destroy(&(*network)->layout);
    ech_free((*network)->layers);
    ech_free(*network);
    *network = NULL;
}

/* Remember the first failure with this thread's message. */
static void remember(ech_network *network, ech_status status)
{
    if (network->status == ECH_OK && status != ECH_OK) {
        network->status = status;
        snprintf(network->message, sizeof network->message, "%s", ech_status_message());
    }
}

ech_shape ech_network_shape(const ech_network *network, ech_value value)
{
    assert(value <= network->layer_count);
    return value == ECH_VALUE_INPUT ? network->input : network->layers[value - 1].out;
}

static ech_status reserve_one_more(ech_network *network)
{
    ech_layer *grown =
        ech_grow(network->layers, network->layer_count, &network->layer_capacity, sizeof *grown);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    network->layers = grown;
    return ECH_OK;
}

/* A layer with its inputs set and everything else zero, not yet part of the network; false after a
 * failure, earlier or now. */
static bool begin_layer(ech_network *network, ech_layer_kind kind, const char *name,
                        const ech_value *inputs, uint32_t input_count, ech_layer *layer)
{
    if (network->status != ECH_OK) {
        return false;
    }
    if (strlen(name) >= ECH_LAYOUT_NAME_BYTES || input_count == 0 ||
        input_count > ECH_LAYER_INPUTS_MAX) {
        remember(network,
                 ech_fail(ECH_ERR_ARGUMENT, "layer %.64s: name too long, or %u inputs (1 to %d)",
                          name, input_count, ECH_LAYER_INPUTS_MAX));
        return false;
    }
    *layer = (ech_layer){
        .kind = kind,
        .input_count = input_count,
        .groups = 1,
        .weight = ECH_TENSOR_NONE,
        .bias = ECH_TENSOR_NONE,
        .running_mean = ECH_TENSOR_NONE,
        .running_variance = ECH_TENSOR_NONE,
        .batches_tracked = ECH_TENSOR_NONE,
    };
    memcpy(layer->name, name, strlen(name) + 1);
    for (uint32_t i = 0; i < input_count; i++) {
        if (inputs[i] > network->layer_count) {
            remember(network, ech_fail(ECH_ERR_ARGUMENT, "layer %u: input %u does not exist yet",
                                       network->layer_count, inputs[i]));
            return false;
        }
        layer->inputs[i] = inputs[i];
    }
    layer->in = ech_network_shape(network, inputs[0]);
    return true;
}

/* Make the layer part of the network; its output. */
static ech_value end_layer(ech_network *network, const ech_layer *layer)
{
    if (network->status == ECH_OK) {
        remember(network, reserve_one_more(network));
    }
    if (network->status != ECH_OK) {
        return ECH_VALUE_INPUT;
    }
    network->layers[network->layer_count++] = *layer;
    return network->layer_count;
}

/* Append the tensor "LAYER.PART" to the layout; its number. */
static uint32_t add_tensor(ech_network *network, const ech_layer *layer, const char *part,
                           ech_tensor_kind kind, uint32_t dimension_count, const uint64_t *shape)
{
    if (network->status != ECH_OK) {
        return ECH_TENSOR_NONE;
    }
    char name[2 * ECH_LAYOUT_NAME_BYTES];
    snprintf(name, sizeof name, "%s.%s", layer->name, part);
    remember(network, ech_layout_add(network->layout, name, kind, dimension_count, shape));
    return (uint32_t)network->layout->tensor_count - 1;
}

/* Size of one side of a window's output; 0 if the window does not fit. */
static uint32_t window_output(uint32_t size, uint32_t kernel, uint32_t stride, uint32_t pad,
                              ech_rounding rounding)
{
    const uint64_t padded = (uint64_t)size + 2 * (uint64_t)pad;
    if (kernel == 0 || stride == 0 || padded < kernel) {
        return 0;
    }
    const uint64_t room = padded - kernel;
    uint64_t count = room / stride + 1;
    if (rounding == ECH_ROUND_CEIL && room % stride != 0 && count * stride < (uint64_t)size + pad) {
        count++; /* PyTorch: the last window must begin inside the input or its left padding */
    }
    return count <= UINT32_MAX ? (uint32_t)count : 0;
}

/* Set the layer's window and output size; reports a window that does not fit. */
static void set_window(ech_network *network, ech_layer *layer, ech_sliding_window window,
                       ech_rounding rounding, uint32_t channels)
{
    layer->window = window;
    layer->out = (ech_shape){
        .channels = channels,
        .height = window_output(layer->in.height, window.kernel_height, window.stride_height,
                                window.pad_height, rounding),
        .width = window_output(layer->in.width, window.kernel_width, window.stride_width,
                               window.pad_width, rounding),
    };
    const bool is_pool = layer->kind != ECH_LAYER_CONV;
    const bool pads_too_much = is_pool && (2 * window.pad_height > window.kernel_height ||
                                           2 * window.pad_width > window.kernel_width);
    if (ech_shape_count(layer->out) == 0 || pads_too_much) {
        remember(network,
                 ech_fail(ECH_ERR_CONFIG,
                          "%s: layer %u (%s %s): a window of %ux%u, stride %ux%u, padding %ux%u "
                          "does not fit its input of %ux%ux%u",
                          network->name, network->layer_count, ech_layer_kind_name(layer->kind),
                          layer->name, window.kernel_height, window.kernel_width,
                          window.stride_height, window.stride_width, window.pad_height,
                          window.pad_width, layer->in.channels, layer->in.height, layer->in.width));
    }
}

ech_value ech_network_conv(ech_network *network, ech_value input, const char *name, ech_conv conv)
{
    ech_layer layer;
    if (!begin_layer(network, ECH_LAYER_CONV, name, &input, 1, &layer)) {
        return ECH_VALUE_INPUT;
    }
    layer.groups = conv.groups == 0 ? 1 : conv.groups;
    layer.initial = conv.initial;
    set_window(network, &layer, conv.window, ECH_ROUND_FLOOR, conv.filters);
    if (layer.in.channels % layer.groups != 0 || conv.filters % layer.groups != 0) {
        remember(network,
                 ech_fail(ECH_ERR_CONFIG,
                          "%s: layer %s: %u groups do not divide %u channels into %u",
                          network->name, name, layer.groups, layer.in.channels, conv.filters));
    }
    const uint64_t shape[] = {conv.filters, layer.in.channels / layer.groups,
                              conv.window.kernel_height, conv.window.kernel_width};
    layer.weight = add_tensor(network, &layer, "weight", ECH_TENSOR_PARAMETER, 4, shape);
    if (!conv.without_bias) {
        layer.bias = add_tensor(network, &layer, "bias", ECH_TENSOR_PARAMETER, 1, shape);
    }
    return end_layer(network, &layer);
}

ech_value ech_network_linear(ech_network *network, ech_value input, const char *name,
                             ech_linear linear)
{
    ech_layer layer;
    if (!begin_layer(network, ECH_LAYER_LINEAR, name, &input, 1, &layer)) {
        return ECH_VALUE_INPUT;
    }
    layer.initial = linear.initial;
    layer.out = (ech_shape){linear.outputs, 1, 1};
    const uint64_t shape[] = {linear.outputs, ech_shape_count(layer.in)};
    layer.weight = add_tensor(network, &layer, "weight", ECH_TENSOR_PARAMETER, 2, shape);
    if (!linear.without_bias) {
        layer.bias = add_tensor(network, &layer, "bias", ECH_TENSOR_PARAMETER, 1, shape);
    }
    return end_layer(network, &layer);
}

ech_value ech_network_batch_norm(ech_network *network, ech_value input, const char *name)
{
    ech_layer layer;
    if (!begin_layer(network, ECH_LAYER_BATCH_NORM, name, &input, 1, &layer)) {
        return ECH_VALUE_INPUT;
    }
    layer.out = layer.in;
    layer.epsilon = 1e-5;
    layer.momentum = 0.1;
    const uint64_t shape[] = {layer.in.channels};
    layer.weight = add_tensor(network, &layer, "weight", ECH_TENSOR_PARAMETER, 1, shape);
    layer.bias = add_tensor(network, &layer, "bias", ECH_TENSOR_PARAMETER, 1, shape);
    layer.running_mean =
        add_tensor(network, &layer, "running_mean", ECH_TENSOR_STATISTIC, 1, shape);
    layer.running_variance =
        add_tensor(network, &layer, "running_var", ECH_TENSOR_STATISTIC, 1, shape);
    layer.batches_tracked =
        add_tensor(network, &layer, "num_batches_tracked", ECH_TENSOR_COUNTER, 0, NULL);
    return end_layer(network, &layer);
}

ech_value ech_network_relu(ech_network *network, ech_value input)
{
    ech_layer layer;
    if (!begin_layer(network, ECH_LAYER_RELU, "", &input, 1, &layer)) {
        return ECH_VALUE_INPUT;
    }
    layer.out = layer.in;
    return end_layer(network, &layer);
}

ech_value ech_network_max_pool(ech_network *network, ech_value input, ech_sliding_window window,
                               ech_rounding rounding)
{
    ech_layer layer;
    if (!begin_layer(network, ECH_LAYER_MAX_POOL, "", &input, 1, &layer)) {
        return ECH_VALUE_INPUT;
    }
    set_window(network, &layer, window, rounding, layer.in.channels);
    if ((uint64_t)window.kernel_height * window.kernel_width > UINT8_MAX) {
        remember(network, ech_fail(ECH_ERR_CONFIG, "%s: a max pool of more than %d elements",
                                   network->name, UINT8_MAX));
    }
    return end_layer(network, &layer);
}

ech_value ech_network_avg_pool(ech_network *network, ech_value input, ech_sliding_window window,
                               ech_rounding rounding, bool count_padding)
{
    ech_layer layer;
    if (!begin_layer(network, ECH_LAYER_AVG_POOL, "", &input, 1, &layer)) {
        return ECH_VALUE_INPUT;
    }
    layer.count_padding = count_padding;
    set_window(network, &layer, window, rounding, layer.in.channels);
    return end_layer(network, &layer);
}

ech_value ech_network_adaptive_avg_pool(ech_network *network, ech_value input, uint32_t height,
                                        uint32_t width)
{
    ech_layer layer;
    if (!begin_layer(network, ECH_LAYER_ADAPTIVE_AVG_POOL, "", &input, 1, &layer)) {
        return ECH_VALUE_INPUT;
    }
    layer.out = (ech_shape){layer.in.channels, height, width};
    if (height == 0 || width == 0) {
        remember(network, ech_fail(ECH_ERR_CONFIG, "%s: adaptive pool to %ux%u", network->name,
                                   height, width));
    }
    return end_layer(network, &layer);
}

ech_value ech_network_dropout(ech_network *network, ech_value input, double probability)
{
    ech_layer layer;
    if (!begin_layer(network, ECH_LAYER_DROPOUT, "", &input, 1, &layer)) {
        return ECH_VALUE_INPUT;
    }
    layer.out = layer.in;
    layer.probability = probability;
    if (!(probability >= 0.0 && probability < 1.0)) {
        remember(network, ech_fail(ECH_ERR_CONFIG, "%s: dropout probability %g (0 to below 1)",
                                   network->name, probability));
    }
    return end_layer(network, &layer);
}

ech_value ech_network_add(ech_network *network, ech_value left, ech_value right)
{
    ech_layer layer;
    const ech_value inputs[] = {left, right};
    if (!begin_layer(network, ECH_LAYER_ADD, "", inputs, 2, &layer)) {
        return ECH_VALUE_INPUT;
    }
    layer.out = layer.in;
    const ech_shape other = ech_network_shape(network, right);
    if (memcmp(&other, &layer.in, sizeof other) != 0) {
        remember(network,
                 ech_fail(ECH_ERR_CONFIG, "%s: layer %u adds %ux%ux%u to %ux%ux%u", network->name,
                          network->layer_count, other.channels, other.height, other.width,
                          layer.in.channels, layer.in.height, layer.in.width));
    }
    return end_layer(network, &layer);
}

ech_value ech_network_concat(ech_network *network, const ech_value *inputs, uint32_t count)
{
    ech_layer layer;
    if (!begin_layer(network, ECH_LAYER_CONCAT, "", inputs, count, &layer)) {
        return ECH_VALUE_INPUT;
    }
    layer.out = layer.in;
    for (uint32_t i = 1; i < count; i++) {
        const ech_shape other = ech_network_shape(network, inputs[i]);
        layer.out.channels += other.channels;
        if (other.height != layer.in.height || other.width != layer.in.width) {
            remember(network,
                     ech_fail(ECH_ERR_CONFIG, "%s: layer %u joins values of %ux%u and %ux%u",
                              network->name, network->layer_count, layer.in.height, layer.in.width,
                              other.height, other.width));
        }
    }
    return end_layer(network, &layer);
}

/* A value that nobody reads would have no gradient. */
static void require_all_used(ech_network *network)
{
    for (uint32_t i = 0; i + 1 < network->layer_count; i++) {
        bool used = false;
        for (uint32_t l = i + 1; l < network->layer_count && !used; l++) {
            for (uint32_t k = 0; k < network->layers[l].input_count; k++) {
                used = used || network->layers[l].inputs[k] == i + 1;
            }
        }
        if (!used) {
            remember(network,
                     ech_fail(ECH_ERR_CONFIG, "%s: no layer reads the output of layer %u (%s %s)",
                              network->name, i, ech_layer_kind_name(network->layers[i].kind),
                              network->layers[i].name));
        }
    }
}

ech_status ech_network_finish(ech_network *network)
{
    require_all_used(network);
    if (network->status == ECH_OK) {
        const ech_shape last = ech_network_shape(network, network->layer_count);
        if (network->layer_count == 0 || ech_shape_count(last) != network->classes) {
            remember(network, ech_fail(ECH_ERR_CONFIG,
                                       "%s: the last layer gives %ux%ux%u numbers, not %u classes",
                                       network->name, last.channels, last.height, last.width,
                                       network->classes));
        }
    }
    if (network->status != ECH_OK) {
        return ech_fail(network->status, "%s", network->message);
    }
    return ECH_OK;
}

bool ech_network_only_consumer(const ech_network *network, uint32_t layer)
{
    uint32_t readers = 0, next = 0;
    for (uint32_t l = layer + 1; l < network->layer_count; l++) {
        for (uint32_t i = 0; i < network->layers[l].input_count; i++) {
            readers += network->layers[l].inputs[i] == layer + 1;
            next += l == layer + 1 && network->layers[l].inputs[i] == layer + 1;
        }
    }
    return readers == 1 && next == 1;
}

uint64_t ech_layer_forward_macs(const ech_layer *layer)
{
    if (layer->kind == ECH_LAYER_CONV) {
        return ech_shape_count(layer->out) * (layer->in.channels / layer->groups) *
               layer->window.kernel_height * layer->window.kernel_width;
    }
    if (layer->kind == ECH_LAYER_LINEAR) {
        return ech_shape_count(layer->out) * ech_shape_count(layer->in);
    }
    return 0;
}

uint64_t ech_network_forward_macs(const ech_network *network)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < network->layer_count; i++) {
        total += ech_layer_forward_macs(&network->layers[i]);
    }
    return total;
}

static ech_hash128 join_hashes(ech_hash128 left, ech_hash128 right)
{
    const uint64_t joined[] = {left.high, left.low, right.high, right.low};
    return ech_hash_bytes(joined, sizeof joined);
}

static ech_hash128 hash_layer(const ech_layer *layer)
{
    const double facts[] = {
        layer->kind,
        layer->out.channels,
        layer->out.height,
        layer->out.width,
        layer->window.kernel_height,
        layer->window.kernel_width,
        layer->window.stride_height,
        layer->window.stride_width,
        layer->window.pad_height,
        layer->window.pad_width,
        layer->groups,
        layer->count_padding,
        layer->probability,
        layer->epsilon,
        layer->momentum,
        layer->initial,
        layer->bias == ECH_TENSOR_NONE,
    };
    const ech_hash128 inputs =
        ech_hash_bytes(layer->inputs, layer->input_count * sizeof *layer->inputs);
    return join_hashes(join_hashes(ech_hash_bytes(facts, sizeof facts), inputs),
                       ech_hash_bytes(layer->name, strlen(layer->name)));
}

ech_hash128 ech_network_hash(const ech_network *network)
{
    const uint32_t sizes[] = {network->input.channels, network->input.height, network->input.width,
                              network->classes};
    ech_hash128 hash = ech_hash_bytes(sizes, sizeof sizes);
    for (uint32_t i = 0; i < network->layer_count; i++) {
        hash = join_hashes(hash, hash_layer(&network->layers[i]));
    }
    return hash;
}

const char *ech_layer_kind_name(ech_layer_kind kind)
{
    static const char *const names[ECH_LAYER_KIND_COUNT] = {
        [ECH_LAYER_CONV] = "conv",
        [ECH_LAYER_LINEAR] = "linear",
        [ECH_LAYER_BATCH_NORM] = "batch norm",
        [ECH_LAYER_RELU] = "relu",
        [ECH_LAYER_MAX_POOL] = "max pool",
        [ECH_LAYER_AVG_POOL] = "average pool",
        [ECH_LAYER_ADAPTIVE_AVG_POOL] = "adaptive pool",
        [ECH_LAYER_DROPOUT] = "dropout",
        [ECH_LAYER_ADD] = "add",
        [ECH_LAYER_CONCAT] = "concat",
    };
    return kind < ECH_LAYER_KIND_COUNT ? names[kind] : "unknown";
}
