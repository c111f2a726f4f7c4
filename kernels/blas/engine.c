#include <cblas.h>

#include "kernels/blas/blas.h"
#include "kernels/engines.h"

static const ech_blas_kernel *kernel_of(const ech_step *step)
{
    switch (ech_step_layer(step, 0)->kind) {
    case ECH_LAYER_CONV:
        return &ech_blas_conv;
    case ECH_LAYER_LINEAR:
        return &ech_blas_linear;
    default:
        return NULL;
    }
}

static uint32_t match(const ech_network *network, uint32_t layer, const ech_target *target)
{
    (void)network;
    (void)layer;
    return target->precision == ECH_PRECISION_FLOAT ? 1 : 0;
}

static ech_status prepare(ech_step *step)
{
    const ech_blas_kernel *kernel = kernel_of(step);
    openblas_set_num_threads(1); /* threads are the engine's own */
    if (kernel == NULL) {
        return ech_engine_reference_float.prepare(step);
    }
    kernel->prepare(step);
    return ECH_OK;
}

static void forward(const ech_step *step, const ech_step_call *call)
{
    const ech_blas_kernel *kernel = kernel_of(step);
    (kernel == NULL ? ech_engine_reference_float.forward : kernel->forward)(step, call);
}

static void backward(const ech_step *step, const ech_step_call *call)
{
    const ech_blas_kernel *kernel = kernel_of(step);
    (kernel == NULL ? ech_engine_reference_float.backward : kernel->backward)(step, call);
}

static void load_choices(const ech_step *step, const ech_step_call *call, const uint8_t *choices)
{
    ech_engine_reference_float.load_choices(step, call, choices);
}

const ech_engine ech_engine_blas = {
    .name = "blas",
    .format = ECH_FORMAT_PLAIN,
    .match = match,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .load_choices = load_choices,
};
