#include <string.h>

#include "kernels/blocked/blocked.h"
#include "kernels/blocked/rows.h"
#include "kernels/blocked/simd.h"
#include "kernels/dropout.h"
#include "kernels/format.h"

/* ReLU, add [+ ReLU] and dropout. Elements are independent of each other. */

static size_t value_floats(const ech_step *step, const ech_step_call *call)
{
    return call->batch * ech_blocked_layout_of(ech_step_layer(step, 0)->out).image;
}

/* Runs of a value that threads take in turn. */
enum { RUN_FLOATS = 16384 };

ECH_SIMD static void add_run(const float *left, const float *right, float *out, size_t count,
                             bool with_relu)
{
#pragma GCC ivdep
    for (size_t i = 0; i < count; i++) {
        const float sum = right == NULL ? left[i] : left[i] + right[i];
        out[i] = with_relu && sum < 0.0f ? 0.0f : sum;
    }
}

/* out = left + right (NULL: nothing), then ReLU if wanted. */
static void add(const float *left, const float *right, float *out, size_t count, bool with_relu,
                uint32_t threads)
{
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t i = 0; i < count; i += RUN_FLOATS) {
        const size_t length = count - i < RUN_FLOATS ? count - i : RUN_FLOATS;
        add_run(left + i, right == NULL ? NULL : right + i, out + i, length, with_relu);
    }
}

ECH_SIMD static void pass_run(const float *out, const float *gradient, float *to, size_t count,
                              bool accumulate)
{
#pragma GCC ivdep
    for (size_t i = 0; i < count; i++) {
        const float g = out[i] > 0.0f ? gradient[i] : 0.0f;
        to[i] = accumulate ? to[i] + g : g;
    }
}

static void pass_relu(const float *out, const float *gradient, float *to, size_t count,
                      bool accumulate, uint32_t threads)
{
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t i = 0; i < count; i += RUN_FLOATS) {
        const size_t length = count - i < RUN_FLOATS ? count - i : RUN_FLOATS;
        pass_run(out + i, gradient + i, to + i, length, accumulate);
    }
}

static ech_status relu_prepare(ech_step *step)
{
    step->backward_reads_output = true;
    return ECH_OK;
}

static void relu_forward(const ech_step *step, const ech_step_call *call)
{
    add(call->inputs[0], NULL, call->output, value_floats(step, call), true, step->target->threads);
}

static void relu_backward(const ech_step *step, const ech_step_call *call)
{
    if (call->input_gradients[0] != NULL) {
        pass_relu(call->output, call->output_gradient, call->input_gradients[0],
                  value_floats(step, call), call->accumulate[0], step->target->threads);
    }
}

const ech_blocked_kernel ech_blocked_relu = {
    .prepare = relu_prepare,
    .forward = relu_forward,
    .backward = relu_backward,
};

static uint32_t add_match(const ech_network *network, uint32_t layer)
{
    return ech_blocked_next_is(network, layer, ECH_LAYER_RELU) ? 2 : 1;
}

static ech_status add_prepare(ech_step *step)
{
    step->backward_reads_output = step->layer_count == 2;
    return ECH_OK;
}

static void add_forward(const ech_step *step, const ech_step_call *call)
{
    add(call->inputs[0], call->inputs[1], call->output, value_floats(step, call),
        step->layer_count == 2, step->target->threads);
}

static void add_backward(const ech_step *step, const ech_step_call *call)
{
    const size_t count = value_floats(step, call);
    for (size_t k = 0; k < 2; k++) {
        float *to = call->input_gradients[k];
        if (to != NULL && step->layer_count == 2) {
            pass_relu(call->output, call->output_gradient, to, count, call->accumulate[k],
                      step->target->threads);
        } else if (to != NULL) {
            ech_rows_give(call->output_gradient, to, count, call->accumulate[k]);
        }
    }
}

const ech_blocked_kernel ech_blocked_add = {
    .match = add_match,
    .prepare = add_prepare,
    .forward = add_forward,
    .backward = add_backward,
};

/* Saved: the mask in plain order, a byte an element. */
static ech_status dropout_prepare(ech_step *step)
{
    const uint64_t count = step->target->batch * ech_shape_count(ech_step_layer(step, 0)->out);
    step->saved_bytes = step->target->training ? count : 0;
    return ECH_OK;
}

/* to = from * mask / (1 - p), or added. */
static void apply_mask(const ech_step *step, const ech_step_call *call, const float *from,
                       float *to, bool accumulate)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const ech_blocked_layout layout = ech_blocked_layout_of(layer->out);
    const size_t positions = layout.rows * layout.columns;
    const uint8_t *kept = call->saved;
    const float scale = (float)(1.0 / (1.0 - layer->probability));
    if (!accumulate) {
        memset(to, 0, call->batch * layout.image * sizeof *to);
    }
    for (size_t i = 0; i < call->batch * (size_t)layer->out.channels; i++) {
        const size_t channel = i % layer->out.channels;
        const size_t first = i / layer->out.channels * layout.image +
                             channel / layout.block * layout.plane + channel % layout.block;
        for (size_t position = 0; position < positions; position++) {
            const size_t at = first + position * layout.block;
            to[at] += kept[i * positions + position] != 0 ? from[at] * scale : 0.0f;
        }
    }
}

static bool drops(const ech_step_call *call)
{
    return call->training && call->key != NULL;
}

static void dropout_forward(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    if (!drops(call)) {
        memcpy(call->output, call->inputs[0], value_floats(step, call) * sizeof(float));
        return;
    }
    ech_dropout_mask(call->key, step->first_layer, layer->probability,
                     call->batch * ech_shape_count(layer->out), call->saved);
    apply_mask(step, call, call->inputs[0], call->output, false);
}

static void dropout_backward(const ech_step *step, const ech_step_call *call)
{
    if (call->input_gradients[0] == NULL) {
        return;
    }
    if (drops(call)) {
        apply_mask(step, call, call->output_gradient, call->input_gradients[0],
                   call->accumulate[0]);
    } else {
        ech_rows_give(call->output_gradient, call->input_gradients[0], value_floats(step, call),
                      call->accumulate[0]);
    }
}

const ech_blocked_kernel ech_blocked_dropout = {
    .prepare = dropout_prepare,
    .forward = dropout_forward,
    .backward = dropout_backward,
};
