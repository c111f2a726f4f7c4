#include "kernels/reference/reference.h"

static void forward(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const uint64_t inputs = ech_shape_count(layer->in), outputs = layer->out.channels;
    const real *weight = (const real *)call->parameters + step->tensors[0].offset;
    const real *bias = layer->bias != ECH_TENSOR_NONE
                           ? (const real *)call->parameters + step->tensors[1].offset
                           : NULL;
#pragma omp parallel for num_threads(step->target->threads)
    for (uint32_t n = 0; n < call->batch; n++) {
        const real *input = (const real *)call->inputs[0] + n * inputs;
        for (uint64_t o = 0; o < outputs; o++) {
            double sum = bias != NULL ? (double)bias[o] : 0.0;
            for (uint64_t i = 0; i < inputs; i++) {
                sum += (double)weight[o * inputs + i] * (double)input[i];
            }
            ((real *)call->output)[n * outputs + o] = (real)sum;
        }
    }
}

static void backward_input(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const uint64_t inputs = ech_shape_count(layer->in), outputs = layer->out.channels;
    const real *weight = (const real *)call->parameters + step->tensors[0].offset;
#pragma omp parallel for num_threads(step->target->threads)
    for (uint32_t n = 0; n < call->batch; n++) {
        real *gradient = (real *)call->input_gradients[0] + n * inputs;
        ech_reference_begin(gradient, inputs, call->accumulate[0]);
        for (uint64_t o = 0; o < outputs; o++) {
            const real factor = ((const real *)call->output_gradient)[n * outputs + o];
            for (uint64_t i = 0; i < inputs; i++) {
                gradient[i] += factor * weight[o * inputs + i];
            }
        }
    }
}

static void backward_weight(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const uint64_t inputs = ech_shape_count(layer->in), outputs = layer->out.channels;
    const real *input = call->inputs[0], *output = call->output_gradient;
    real *gradient = (real *)call->gradients + step->tensors[0].offset;
#pragma omp parallel for num_threads(step->target->threads)
    for (uint64_t o = 0; o < outputs; o++) {
        for (uint64_t i = 0; i < inputs; i++) {
            double sum = 0.0;
            for (uint32_t n = 0; n < call->batch; n++) {
                sum += (double)output[n * outputs + o] * (double)input[n * inputs + i];
            }
            gradient[o * inputs + i] = (real)sum;
        }
    }
}

static void backward_bias(const ech_step *step, const ech_step_call *call)
{
    const uint64_t outputs = ech_step_layer(step, 0)->out.channels;
    real *gradient = (real *)call->gradients + step->tensors[1].offset;
    for (uint64_t o = 0; o < outputs; o++) {
        double sum = 0.0;
        for (uint32_t n = 0; n < call->batch; n++) {
            sum += (double)((const real *)call->output_gradient)[n * outputs + o];
        }
        gradient[o] = (real)sum;
    }
}

static void backward(const ech_step *step, const ech_step_call *call)
{
    backward_weight(step, call);
    if (ech_step_layer(step, 0)->bias != ECH_TENSOR_NONE) {
        backward_bias(step, call);
    }
    if (call->input_gradients[0] != NULL) {
        backward_input(step, call);
    }
}

const ech_reference_kernel ECH_REAL_NAME(ech_reference_linear) = {
    .forward = forward,
    .backward = backward,
    .reads_input = true,
};
