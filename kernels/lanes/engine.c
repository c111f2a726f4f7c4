#include <string.h>

#include "kernels/engines.h"
#include "kernels/lanes/lanes.h"
#include "runtime/base/memory.h"

extern const ech_lanes_kernels ech_lanes_kernels_portable;
#if defined(__x86_64__)
extern const ech_lanes_kernels ech_lanes_kernels_avx2;
extern const ech_lanes_kernels ech_lanes_kernels_avx512;
#endif

const ech_lanes_kernels *ech_lanes_kernels_for(ech_isa isa)
{
#if defined(__x86_64__)
    if (isa == ECH_ISA_AVX512) {
        return &ech_lanes_kernels_avx512;
    }
    if (isa == ECH_ISA_AVX2) {
        return &ech_lanes_kernels_avx2;
    }
#endif
    (void)isa;
    return &ech_lanes_kernels_portable;
}

static const ech_lanes_kind *kind_of(const ech_step *step)
{
    return ech_step_layer(step, 0)->kind == ECH_LAYER_CONV ? &ech_lanes_conv_kind
                                                           : &ech_lanes_linear_kind;
}

static uint32_t match(const ech_network *network, uint32_t layer, const ech_target *target)
{
    (void)target;
    switch (network->layers[layer].kind) {
    case ECH_LAYER_CONV:
        return ech_lanes_conv_kind.match(network, layer);
    case ECH_LAYER_LINEAR:
        return ech_lanes_linear_kind.match(network, layer);
    default:
        return 0;
    }
}

static ech_status prepare(ech_step *step)
{
    ech_lanes_step *own = ech_calloc(1, sizeof *own);
    if (own == NULL) {
        return ECH_ERR_MEMORY;
    }
    own->kernels = ech_lanes_kernels_for(step->target->isa);
    for (uint32_t l = 1; l < step->layer_count; l++) {
        own->relu |= ech_step_layer(step, l)->kind == ECH_LAYER_RELU;
        own->pool |= ech_step_layer(step, l)->kind == ECH_LAYER_MAX_POOL;
    }
    own->wants_input_gradient = step->inputs[0] != ECH_VALUE_INPUT;
    step->kernel = own;
    step->backward_reads_input[0] = true;
    step->backward_reads_output = own->relu;
    return kind_of(step)->prepare(step, own);
}

static void destroy(ech_step *step)
{
    ech_lanes_step *own = step->kernel;
    if (own != NULL) {
        ech_free(own->tiles);
    }
    ech_free(own);
    step->kernel = NULL;
}

static void forward(const ech_step *step, const ech_step_call *call)
{
    kind_of(step)->forward(step, call);
}

static void backward(const ech_step *step, const ech_step_call *call)
{
    kind_of(step)->backward(step, call);
}

static bool is_weight(const ech_step *step, uint32_t which)
{
    return step->tensors[which].tensor == ech_step_layer(step, 0)->weight;
}

static void copy_tensor(const ech_step *step, uint32_t which, const void *from, void *to)
{
    const ech_tensor *tensor = &step->network->layout->tensors[step->tensors[which].tensor];
    memcpy(to, from, tensor->count * sizeof(float));
}

static void pack(const ech_step *step, uint32_t which, const void *plain, void *stored)
{
    if (is_weight(step, which)) {
        kind_of(step)->pack(step, plain, stored);
    } else {
        copy_tensor(step, which, plain, stored);
    }
}

static void unpack(const ech_step *step, uint32_t which, const void *stored, void *plain)
{
    if (is_weight(step, which)) {
        kind_of(step)->unpack(step, stored, plain);
    } else {
        copy_tensor(step, which, stored, plain);
    }
}

/* Choices lie like the outputs, a byte each. */
static void load_choices(const ech_step *step, const ech_step_call *call, const uint8_t *choices)
{
    const ech_shape shape = ech_network_shape(step->network, step->output);
    uint8_t *saved = call->saved;
    for (uint32_t n = 0; n < call->batch; n++) {
        for (uint32_t c = 0; c < shape.channels; c++) {
            for (uint32_t y = 0; y < shape.height; y++) {
                for (uint32_t x = 0; x < shape.width; x++) {
                    saved[ech_format_index(ECH_FORMAT_LANES, shape, n, c, y, x)] = *choices++;
                }
            }
        }
    }
}

const ech_engine ech_engine_lanes = {
    .name = "lanes",
    .format = ECH_FORMAT_LANES,
    .portable = true,
    .match = match,
    .prepare = prepare,
    .destroy = destroy,
    .forward = forward,
    .backward = backward,
    .pack = pack,
    .unpack = unpack,
    .load_choices = load_choices,
};
