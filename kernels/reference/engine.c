#include "kernels/engines.h"
#include "kernels/reference/reference.h"

static const ech_reference_kernel *const kernels[ECH_LAYER_KIND_COUNT] = {
    [ECH_LAYER_CONV] = &ECH_REAL_NAME(ech_reference_conv),
    [ECH_LAYER_LINEAR] = &ECH_REAL_NAME(ech_reference_linear),
    [ECH_LAYER_BATCH_NORM] = &ECH_REAL_NAME(ech_reference_norm),
    [ECH_LAYER_RELU] = &ECH_REAL_NAME(ech_reference_relu),
    [ECH_LAYER_MAX_POOL] = &ECH_REAL_NAME(ech_reference_max_pool),
    [ECH_LAYER_AVG_POOL] = &ECH_REAL_NAME(ech_reference_avg_pool),
    [ECH_LAYER_ADAPTIVE_AVG_POOL] = &ECH_REAL_NAME(ech_reference_adaptive_pool),
    [ECH_LAYER_DROPOUT] = &ECH_REAL_NAME(ech_reference_dropout),
    [ECH_LAYER_ADD] = &ECH_REAL_NAME(ech_reference_add),
    [ECH_LAYER_CONCAT] = &ECH_REAL_NAME(ech_reference_concat),
};

static const ech_reference_kernel *kernel_of(const ech_step *step)
{
    return kernels[ech_step_layer(step, 0)->kind];
}

static uint32_t match(const ech_network *network, uint32_t layer, const ech_target *target)
{
    (void)network;
    (void)layer;
    (void)target;
    return 1;
}

static ech_status prepare(ech_step *step)
{
    const ech_reference_kernel *kernel = kernel_of(step);
    if (step->target->training && kernel->saved_bytes != NULL) {
        step->saved_bytes = kernel->saved_bytes(step);
    }
    step->backward_reads_input[0] = kernel->reads_input;
    step->backward_reads_output = kernel->reads_output;
    return ECH_OK;
}

static void forward(const ech_step *step, const ech_step_call *call)
{
    kernel_of(step)->forward(step, call);
}

static void backward(const ech_step *step, const ech_step_call *call)
{
    kernel_of(step)->backward(step, call);
}

static void load_choices(const ech_step *step, const ech_step_call *call, const uint8_t *choices)
{
    const uint64_t count = call->batch * ech_shape_count(ech_step_layer(step, 0)->out);
    for (uint64_t i = 0; i < count; i++) {
        ((uint8_t *)call->saved)[i] = choices[i];
    }
}

const ech_engine ECH_REAL_NAME(ech_engine_reference) = {
    .name = "reference",
    .format = ECH_FORMAT_PLAIN,
    .portable = true,
    .match = match,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .load_choices = load_choices,
};
