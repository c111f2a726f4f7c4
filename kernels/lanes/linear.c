#include "kernels/lanes/lanes.h"

/* Weights lie as [outputs / 16][inputs][16]: what forward reads goes through memory in order. */

enum { INPUT_CHUNK = 64 }; /* inputs of one task of a thread */

typedef struct {
    uint32_t inputs, outputs, groups, blocks, chunks;
} sizes;

static sizes sizes_of(const ech_step *step, uint32_t batch)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    sizes s = {
        .inputs = (uint32_t)ech_shape_count(layer->in),
        .outputs = layer->out.channels,
        .blocks = ech_lanes_blocks(batch),
    };
    s.groups = (s.outputs + ECH_LANES - 1) / ECH_LANES;
    s.chunks = (s.inputs + INPUT_CHUNK - 1) / INPUT_CHUNK;
    return s;
}

static uint32_t match(const ech_network *network, uint32_t layer)
{
    const bool joins_relu = ech_network_only_consumer(network, layer) &&
                            network->layers[layer + 1].kind == ECH_LAYER_RELU;
    return joins_relu ? 2 : 1;
}

static ech_status prepare(ech_step *step, ech_lanes_step *own)
{
    (void)own;
    const sizes s = sizes_of(step, step->target->batch);
    step->tensors[0].stored_count = (uint64_t)s.groups * s.inputs * ECH_LANES;
    if (step->target->training) {
        step->scratch_bytes = (size_t)s.groups * s.blocks * ECH_LANES * ECH_LANES * sizeof(float);
    }
    return ECH_OK;
}

static void forward(const ech_step *step, const ech_step_call *call)
{
    const sizes s = sizes_of(step, call->batch);
    const ech_lanes_step *own = ech_lanes_of(step);
    const float *parameters = call->parameters;
    const float *bias = step->tensor_count > 1 ? parameters + step->tensors[1].offset : NULL;
    const uint32_t threads = step->target->threads;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (uint32_t g = 0; g < s.groups; g++) {
        own->kernels->linear(s.inputs, s.outputs, parameters + step->tensors[0].offset, bias,
                             own->relu, g, g + 1, s.blocks, call->inputs[0], call->output);
    }
}

static uint32_t chunk_end(const sizes *s, uint32_t chunk)
{
    const uint32_t end = (chunk + 1) * INPUT_CHUNK;
    return end < s->inputs ? end : s->inputs;
}

static void weight_gradient(const ech_step *step, const ech_step_call *call, const sizes *s)
{
    const ech_lanes_kernels *kernels = ech_lanes_of(step)->kernels;
    float *gradients = call->gradients;
    float *bias = step->tensor_count > 1 ? gradients + step->tensors[1].offset : NULL;
    float *turned = call->scratch;
    const uint32_t threads = step->target->threads;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
#pragma omp for
        for (uint32_t g = 0; g < s->groups; g++) {
            kernels->linear_turn(s->outputs, g, s->blocks, ech_lanes_of(step)->relu, call->output,
                                 call->output_gradient, turned, bias);
        }
#pragma omp for
        for (uint32_t task = 0; task < s->groups * s->chunks; task++) {
            const uint32_t chunk = task % s->chunks;
            kernels->linear_gradient(s->inputs, task / s->chunks, chunk * INPUT_CHUNK,
                                     chunk_end(s, chunk), s->blocks, call->inputs[0], turned,
                                     gradients + step->tensors[0].offset);
        }
    }
}

static void input_gradient(const ech_step *step, const ech_step_call *call, const sizes *s)
{
    const ech_lanes_kernels *kernels = ech_lanes_of(step)->kernels;
    const float *weights = (const float *)call->parameters + step->tensors[0].offset;
    const uint32_t threads = step->target->threads;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (uint32_t chunk = 0; chunk < s->chunks; chunk++) {
        kernels->linear_input(s->inputs, s->outputs, weights, chunk * INPUT_CHUNK,
                              chunk_end(s, chunk), s->blocks, call->accumulate[0],
                              call->output_gradient, call->input_gradients[0]);
    }
}

static void backward(const ech_step *step, const ech_step_call *call)
{
    const sizes s = sizes_of(step, call->batch);
    weight_gradient(step, call, &s);
    if (call->input_gradients[0] != NULL) {
        input_gradient(step, call, &s);
    }
}

/* Number of a weight in the arena. */
static size_t stored_index(const sizes *s, uint32_t output, uint32_t input)
{
    return ((size_t)(output / ECH_LANES) * s->inputs + input) * ECH_LANES + output % ECH_LANES;
}

static void pack(const ech_step *step, const float *plain, float *stored)
{
    const sizes s = sizes_of(step, 1);
    for (uint32_t o = 0; o < s.groups * ECH_LANES; o++) {
        for (uint32_t i = 0; i < s.inputs; i++) {
            stored[stored_index(&s, o, i)] = o < s.outputs ? plain[(size_t)o * s.inputs + i] : 0.0F;
        }
    }
}

static void unpack(const ech_step *step, const float *stored, float *plain)
{
    const sizes s = sizes_of(step, 1);
    for (uint32_t o = 0; o < s.outputs; o++) {
        for (uint32_t i = 0; i < s.inputs; i++) {
            plain[(size_t)o * s.inputs + i] = stored[stored_index(&s, o, i)];
        }
    }
}

const ech_lanes_kind ech_lanes_linear_kind = {match, prepare, forward, backward, pack, unpack};
