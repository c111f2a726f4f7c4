#include "kernels/blocked/blocked.h"
#include "kernels/blocked/gemm.h"
#include "kernels/engines.h"

static const ech_blocked_kernel *const kernels[ECH_LAYER_KIND_COUNT] = {
    [ECH_LAYER_CONV] = &ech_blocked_conv,
    [ECH_LAYER_LINEAR] = &ech_blocked_linear,
    [ECH_LAYER_BATCH_NORM] = &ech_blocked_norm,
    [ECH_LAYER_RELU] = &ech_blocked_relu,
    [ECH_LAYER_MAX_POOL] = &ech_blocked_max_pool,
    [ECH_LAYER_AVG_POOL] = &ech_blocked_avg_pool,
    [ECH_LAYER_ADAPTIVE_AVG_POOL] = &ech_blocked_avg_pool,
    [ECH_LAYER_DROPOUT] = &ech_blocked_dropout,
    [ECH_LAYER_ADD] = &ech_blocked_add,
    [ECH_LAYER_CONCAT] = &ech_blocked_concat,
};

static const ech_blocked_kernel *kernel_of(const ech_step *step)
{
    return kernels[ech_step_layer(step, 0)->kind];
}

static uint32_t match(const ech_network *network, uint32_t layer, const ech_target *target)
{
    const ech_blocked_kernel *kernel = kernels[network->layers[layer].kind];
    if (target->isa < ECH_ISA_AVX2 || target->precision != ECH_PRECISION_FLOAT) {
        return 0;
    }
    return kernel->match == NULL ? 1 : kernel->match(network, layer);
}

static ech_status prepare(ech_step *step)
{
    ech_gemm_use_isa(step->target->isa);
    return kernel_of(step)->prepare(step);
}

static void destroy(ech_step *step)
{
    if (kernel_of(step)->destroy != NULL) {
        kernel_of(step)->destroy(step);
    }
}

static void forward(const ech_step *step, const ech_step_call *call)
{
    kernel_of(step)->forward(step, call);
}

static void backward(const ech_step *step, const ech_step_call *call)
{
    kernel_of(step)->backward(step, call);
}

static void pack(const ech_step *step, uint32_t which, const void *plain, void *stored)
{
    if (kernel_of(step)->pack != NULL) {
        kernel_of(step)->pack(step, which, plain, stored);
    } else {
        ech_blocked_pack_vector(step, which, plain, stored);
    }
}

static void unpack(const ech_step *step, uint32_t which, const void *stored, void *plain)
{
    if (kernel_of(step)->unpack != NULL) {
        kernel_of(step)->unpack(step, which, stored, plain);
    } else {
        ech_blocked_unpack_vector(step, which, stored, plain);
    }
}

static void load_choices(const ech_step *step, const ech_step_call *call, const uint8_t *choices)
{
    kernel_of(step)->load_choices(step, call, choices);
}

const ech_engine ech_engine_blocked = {
    .name = "blocked",
    .format = ECH_FORMAT_BLOCKED,
    .match = match,
    .prepare = prepare,
    .destroy = destroy,
    .forward = forward,
    .backward = backward,
    .pack = pack,
    .unpack = unpack,
    .load_choices = load_choices,
};
