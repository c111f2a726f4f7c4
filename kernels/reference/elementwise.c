#include <string.h>

#include "kernels/dropout.h"
#include "kernels/reference/reference.h"

static uint64_t element_count(const ech_step *step, const ech_step_call *call)
{
    return call->batch * ech_shape_count(ech_step_layer(step, 0)->out);
}

static void relu_forward(const ech_step *step, const ech_step_call *call)
{
    const real *input = call->inputs[0];
    real *output = call->output;
    const uint64_t count = element_count(step, call);
    for (uint64_t i = 0; i < count; i++) {
        output[i] = input[i] < 0 ? 0 : input[i]; /* NaN stays NaN */
    }
}

static void relu_backward(const ech_step *step, const ech_step_call *call)
{
    const real *output = call->output, *upstream = call->output_gradient;
    real *gradient = call->input_gradients[0];
    if (gradient == NULL) {
        return;
    }
    const uint64_t count = element_count(step, call);
    ech_reference_begin(gradient, count, call->accumulate[0]);
    for (uint64_t i = 0; i < count; i++) {
        gradient[i] += output[i] > 0 ? upstream[i] : 0;
    }
}

const ech_reference_kernel ECH_REAL_NAME(ech_reference_relu) = {
    .forward = relu_forward,
    .backward = relu_backward,
    .reads_output = true,
};

static void add_forward(const ech_step *step, const ech_step_call *call)
{
    const real *left = call->inputs[0], *right = call->inputs[1];
    real *output = call->output;
    const uint64_t count = element_count(step, call);
    for (uint64_t i = 0; i < count; i++) {
        output[i] = left[i] + right[i];
    }
}

static void add_backward(const ech_step *step, const ech_step_call *call)
{
    const real *upstream = call->output_gradient;
    const uint64_t count = element_count(step, call);
    for (uint32_t k = 0; k < step->input_count; k++) {
        real *gradient = call->input_gradients[k];
        if (gradient == NULL) {
            continue;
        }
        ech_reference_begin(gradient, count, call->accumulate[k]);
        for (uint64_t i = 0; i < count; i++) {
            gradient[i] += upstream[i];
        }
    }
}

const ech_reference_kernel ECH_REAL_NAME(ech_reference_add) = {
    .forward = add_forward,
    .backward = add_backward,
};

static void concat_forward(const ech_step *step, const ech_step_call *call)
{
    const uint64_t whole = ech_shape_count(ech_step_layer(step, 0)->out);
    for (uint32_t n = 0; n < call->batch; n++) {
        real *output = (real *)call->output + n * whole;
        for (uint32_t k = 0; k < step->input_count; k++) {
            const uint64_t part =
                ech_shape_count(ech_network_shape(step->network, step->inputs[k]));
            memcpy(output, (const real *)call->inputs[k] + n * part, part * sizeof *output);
            output += part;
        }
    }
}

static void concat_backward(const ech_step *step, const ech_step_call *call)
{
    const uint64_t whole = ech_shape_count(ech_step_layer(step, 0)->out);
    uint64_t first = 0;
    for (uint32_t k = 0; k < step->input_count; k++) {
        const uint64_t part = ech_shape_count(ech_network_shape(step->network, step->inputs[k]));
        for (uint32_t n = 0; n < call->batch && call->input_gradients[k] != NULL; n++) {
            const real *upstream = (const real *)call->output_gradient + n * whole + first;
            real *gradient = (real *)call->input_gradients[k] + n * part;
            ech_reference_begin(gradient, part, call->accumulate[k]);
            for (uint64_t i = 0; i < part; i++) {
                gradient[i] += upstream[i];
            }
        }
        first += part;
    }
}

const ech_reference_kernel ECH_REAL_NAME(ech_reference_concat) = {
    .forward = concat_forward,
    .backward = concat_backward,
};

/* Saved: one byte an element, 1 where it was kept. */
static void dropout_forward(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const real *input = call->inputs[0];
    real *output = call->output;
    const uint64_t count = element_count(step, call);
    if (!call->training || layer->probability == 0.0 || call->key == NULL) {
        memcpy(output, input, count * sizeof *output);
        if (call->saved != NULL) {
            memset(call->saved, 1, count);
        }
        return;
    }
    uint8_t *kept = call->saved;
    ech_dropout_mask(call->key, step->first_layer, layer->probability, count, kept);
    const double scale = 1.0 / (1.0 - layer->probability);
    for (uint64_t i = 0; i < count; i++) {
        output[i] = kept[i] ? (real)((double)input[i] * scale) : 0;
    }
}

static void dropout_backward(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const real *upstream = call->output_gradient;
    real *gradient = call->input_gradients[0];
    const uint8_t *kept = call->saved;
    if (gradient == NULL) {
        return;
    }
    const double scale = call->key == NULL ? 1.0 : 1.0 / (1.0 - layer->probability);
    const uint64_t count = element_count(step, call);
    ech_reference_begin(gradient, count, call->accumulate[0]);
    for (uint64_t i = 0; i < count; i++) {
        gradient[i] += kept[i] ? (real)((double)upstream[i] * scale) : 0;
    }
}

static size_t dropout_saved_bytes(const ech_step *step)
{
    return step->target->batch * ech_shape_count(ech_step_layer(step, 0)->out);
}

const ech_reference_kernel ECH_REAL_NAME(ech_reference_dropout) = {
    .forward = dropout_forward,
    .backward = dropout_backward,
    .saved_bytes = dropout_saved_bytes,
};
