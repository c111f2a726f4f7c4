#include <math.h>

#include "kernels/network.h"
#include "runtime/base/random.h"

/* Each tensor draws from its own stream, so that the order of layers in memory decides nothing. */
static ech_random tensor_stream(uint64_t seed, uint32_t tensor)
{
    return ech_random_stream(seed, ECH_RANDOM_INITIALISE, 0, tensor, 0);
}

static void fill(float *values, uint64_t count, float value)
{
    for (uint64_t i = 0; i < count; i++) {
        values[i] = value;
    }
}

static void fill_uniform(float *values, uint64_t count, double bound, ech_random stream)
{
    for (uint64_t i = 0; i < count; i++) {
        values[i] = (float)((2.0 * ech_random_uniform(&stream) - 1.0) * bound);
    }
}

static void fill_normal(float *values, uint64_t count, double deviation, ech_random stream)
{
    for (uint64_t i = 0; i < count; i++) {
        values[i] = (float)(ech_random_normal(&stream) * deviation);
    }
}

/* Weights of a convolution or linear layer: [out, in / groups, kernel...]. */
static void initialise_weight(const ech_layer *layer, const ech_tensor *tensor, float *values,
                              ech_random stream)
{
    const uint64_t fan_in = tensor->count / tensor->shape[0];
    const uint64_t window = layer->kind == ECH_LAYER_CONV ? tensor->shape[2] * tensor->shape[3] : 1;
    switch (layer->initial) {
    case ECH_INITIAL_TORCH:
        fill_uniform(values, tensor->count, sqrt(1.0 / (double)fan_in), stream);
        break;
    case ECH_INITIAL_KAIMING_UNIFORM:
        fill_uniform(values, tensor->count, sqrt(6.0 / (double)fan_in), stream);
        break;
    case ECH_INITIAL_KAIMING_NORMAL:
        fill_normal(values, tensor->count, sqrt(2.0 / (double)(tensor->shape[0] * window)), stream);
        break;
    case ECH_INITIAL_NORMAL_SMALL:
        fill_normal(values, tensor->count, 0.01, stream);
        break;
    }
}

static void initialise_affine(const ech_network *network, const ech_layer *layer, uint64_t seed,
                              float *values)
{
    const ech_tensor *tensors = network->layout->tensors;
    const ech_tensor *weight = &tensors[layer->weight];
    initialise_weight(layer, weight, values + weight->offset, tensor_stream(seed, layer->weight));
    if (layer->bias == ECH_TENSOR_NONE) {
        return;
    }
    const ech_tensor *bias = &tensors[layer->bias];
    if (layer->initial != ECH_INITIAL_TORCH) {
        fill(values + bias->offset, bias->count, 0.0F);
        return;
    }
    const uint64_t inputs = weight->count / weight->shape[0];
    const double fan_in = (double)inputs;
    fill_uniform(values + bias->offset, bias->count, sqrt(1.0 / fan_in),
                 tensor_stream(seed, layer->bias));
}

static void initialise_norm(const ech_network *network, const ech_layer *layer, float *values)
{
    const ech_tensor *tensors = network->layout->tensors;
    const uint64_t count = layer->in.channels;
    fill(values + tensors[layer->weight].offset, count, 1.0F);
    fill(values + tensors[layer->bias].offset, count, 0.0F);
    fill(values + tensors[layer->running_mean].offset, count, 0.0F);
    fill(values + tensors[layer->running_variance].offset, count, 1.0F);
}

void ech_network_initialise(const ech_network *network, uint64_t seed, ech_state state)
{
    for (uint32_t i = 0; i < network->layer_count; i++) {
        const ech_layer *layer = &network->layers[i];
        if (layer->kind == ECH_LAYER_BATCH_NORM) {
            initialise_norm(network, layer, state.values);
        } else if (layer->weight != ECH_TENSOR_NONE) {
            initialise_affine(network, layer, seed, state.values);
        }
    }
    for (uint64_t i = 0; i < network->layout->counter_count; i++) {
        state.counters[i] = 0;
    }
}
