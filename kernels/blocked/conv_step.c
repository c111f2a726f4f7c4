#include "kernels/blocked/blocked.h"
#include "kernels/blocked/convolution.h"
#include "kernels/blocked/norm.h"
#include "kernels/blocked/reorder.h"
#include "runtime/base/memory.h"

/*
 * Steps that begin with a convolution: conv [+ ReLU], or conv + batch norm [+ add] [+ ReLU].
 *
 * Forward gathers the norm's moments, or adds the bias, tile by tile while the convolution's output
 * is in cache. In training the norm's input is kept; ReLU's choices are read off the output.
 */
typedef struct {
    ech_convolution *convolution;
    const ech_layer *layer;
    bool with_bias, with_norm, with_add, with_relu;
    ech_norm norm;
    ech_blocked_layout in, out;
    /* Where things begin, in floats: in `saved` while training, in `scratch` otherwise. */
    size_t raw, view, numbers;
    /* In `scratch`: forward's, then backward's. */
    size_t moments;
    size_t bordered, transposed, sums;
} conv_step;

static uint32_t match(const ech_network *network, uint32_t layer)
{
    const ech_layer *conv = &network->layers[layer];
    uint32_t last = layer;
    if (conv->bias == ECH_TENSOR_NONE && ech_blocked_next_is(network, last, ECH_LAYER_BATCH_NORM)) {
        last++;
        if (ech_blocked_next_is(network, last, ECH_LAYER_ADD)) {
            const ech_value *terms = network->layers[last + 1].inputs;
            const ech_value other = terms[0] == last + 1 ? terms[1] : terms[0];
            last += other <= layer && other != conv->inputs[0] ? 1 : 0;
        }
    }
    const bool has_pass = last > layer || conv->bias != ECH_TENSOR_NONE; /* for ReLU to join */
    last += has_pass && ech_blocked_next_is(network, last, ECH_LAYER_RELU) ? 1 : 0;
    return last - layer + 1;
}

static void describe(const ech_step *step, conv_step *kernel)
{
    kernel->layer = ech_step_layer(step, 0);
    kernel->with_bias = kernel->layer->bias != ECH_TENSOR_NONE;
    for (uint32_t l = 1; l < step->layer_count; l++) {
        const ech_layer_kind kind = ech_step_layer(step, l)->kind;
        kernel->with_norm |= kind == ECH_LAYER_BATCH_NORM;
        kernel->with_add |= kind == ECH_LAYER_ADD;
        kernel->with_relu |= kind == ECH_LAYER_RELU;
    }
    kernel->in = ech_blocked_layout_of(kernel->layer->in);
    kernel->out = ech_blocked_layout_of(kernel->layer->out);
}

static void lay_out(ech_step *step, conv_step *kernel)
{
    const ech_target *target = step->target;
    const ech_convolution *convolution = kernel->convolution;
    size_t saved = 0, forward = 0, backward = 0;
    size_t *kept = target->training ? &saved : &forward;
    kernel->view = ech_blocked_take(kept, ech_convolution_view_count(convolution));
    if (kernel->with_norm) {
        kernel->numbers = ech_blocked_take(kept, ech_norm_numbers_count(&kernel->norm));
        kernel->moments = ech_blocked_take(&forward, ech_norm_moments_count(&kernel->norm));
    }
    if (target->training) {
        const size_t border =
            ech_convolution_border_rows(convolution) + ech_convolution_border_columns(convolution);
        const size_t sums = kernel->with_norm
                                ? ech_norm_backward_count(&kernel->norm)
                                : ech_blocked_bias_scratch(&kernel->out, target->batch);
        kernel->raw =
            ech_blocked_take(&saved, kernel->with_norm ? target->batch * kernel->out.image : 0);
        kernel->sums = ech_blocked_take(&backward, sums);
        kernel->bordered = ech_blocked_take(
            &backward, border > 0 ? ech_convolution_gradient_count(convolution) : 0);
        kernel->transposed =
            ech_blocked_take(&backward, ech_convolution_transposed_count(convolution));
    }
    step->saved_bytes = saved * sizeof(float);
    step->scratch_bytes = (forward > backward ? forward : backward) * sizeof(float);
}

static ech_status prepare(ech_step *step)
{
    const ech_target *target = step->target;
    conv_step *kernel = ech_calloc(1, sizeof *kernel);
    step->kernel = kernel;
    if (kernel == NULL) {
        return ECH_ERR_MEMORY;
    }
    describe(step, kernel);
    const ech_convolution_spec spec = {
        .in = kernel->layer->in,
        .out = kernel->layer->out,
        .window = kernel->layer->window,
        .groups = kernel->layer->groups,
        .max_batch = target->batch,
        .training = target->training,
        .input_gradient = target->training && step->inputs[0] != ECH_VALUE_INPUT,
    };
    const ech_status status = ech_convolution_create(&spec, &kernel->convolution);
    if (status != ECH_OK) {
        return status;
    }
    if (kernel->with_norm) {
        kernel->norm =
            ech_norm_describe(step, 1, 1, ech_convolution_tile_rows(kernel->convolution));
    }
    step->tensors[0].stored_count = ech_convolution_weights_count(kernel->convolution);
    if (kernel->with_bias) {
        step->tensors[1].stored_count = kernel->out.channels;
    }
    lay_out(step, kernel);
    step->backward_reads_input[0] = ech_convolution_view_count(kernel->convolution) == 0;
    step->backward_reads_output = kernel->with_relu;
    return ECH_OK;
}

static void destroy(ech_step *step)
{
    conv_step *kernel = step->kernel;
    if (kernel != NULL) {
        ech_convolution_destroy(&kernel->convolution);
        ech_free(kernel);
        step->kernel = NULL;
    }
}

static void pack(const ech_step *step, uint32_t which, const void *plain, void *stored)
{
    const conv_step *kernel = step->kernel;
    if (which == 0) {
        ech_convolution_pack(kernel->convolution, plain, stored);
    } else {
        ech_blocked_pack_vector(step, which, plain, stored);
    }
}

static void unpack(const ech_step *step, uint32_t which, const void *stored, void *plain)
{
    const conv_step *kernel = step->kernel;
    if (which == 0) {
        ech_convolution_unpack(kernel->convolution, stored, plain);
    } else {
        ech_blocked_unpack_vector(step, which, stored, plain);
    }
}

/* What is kept for backward lies in scratch where there is no backward. */
static float *kept(const ech_step *step, const ech_step_call *call, size_t begin)
{
    return (float *)(step->target->training ? call->saved : call->scratch) + begin;
}

static const float *tensor_of(const ech_step *step, const ech_step_call *call, uint32_t which)
{
    return (const float *)call->parameters + step->tensors[which].offset;
}

/* The convolution's input as it reads it. */
static const float *view_of(const ech_step *step, const ech_step_call *call)
{
    const conv_step *kernel = step->kernel;
    const bool copied = ech_convolution_view_count(kernel->convolution) > 0;
    return copied ? kept(step, call, kernel->view) : call->inputs[0];
}

typedef struct {
    const ech_step *step;
    const ech_step_call *call;
    float *raw;
} forward_state;

/* A tile of one panel has just been made. */
static void finish_tile(void *user, size_t image, size_t panel, size_t first_row, size_t row_count)
{
    const forward_state *state = user;
    const conv_step *kernel = state->step->kernel;
    const ech_blocked_layout *out = &kernel->out;
    const size_t width = ech_convolution_panel_width(kernel->convolution);
    const size_t channel = panel * width;
    float *values = state->raw + image * out->image + channel / out->block * out->plane +
                    first_row * out->columns * out->block + channel % out->block;
    if (kernel->with_norm) {
        ech_norm_gather(&kernel->norm, (float *)state->call->scratch + kernel->moments, values,
                        image, first_row, row_count, channel, width);
    } else {
        const ech_run run = {row_count * out->columns, out->block, width};
        ech_rows_bias(values, run, tensor_of(state->step, state->call, 1) + channel,
                      kernel->with_relu);
    }
}

static void forward(const ech_step *step, const ech_step_call *call)
{
    const conv_step *kernel = step->kernel;
    const size_t threads = step->target->threads;
    const bool learns = kernel->with_norm && call->training;
    const forward_state state = {step, call, learns ? kept(step, call, kernel->raw) : call->output};
    if (ech_convolution_view_count(kernel->convolution) > 0) {
        ech_convolution_make_view(kernel->convolution, call->inputs[0],
                                  kept(step, call, kernel->view), call->batch, threads);
    }
    ech_convolution_forward(kernel->convolution,
                            &(ech_direct_run_args){
                                .in = view_of(step, call),
                                .weights = tensor_of(step, call, 0),
                                .out = state.raw,
                                .batch = call->batch,
                                .threads = threads,
                                .done = learns || kernel->with_bias ? finish_tile : NULL,
                                .done_user = (void *)&state,
                            });
    if (kernel->with_norm) {
        const ech_norm_numbers numbers =
            ech_norm_numbers_at(&kernel->norm, kept(step, call, kernel->numbers));
        if (learns) {
            ech_norm_learn(&kernel->norm, step, call, (float *)call->scratch + kernel->moments,
                           numbers);
        } else {
            ech_norm_recall(&kernel->norm, step, call, numbers);
        }
        ech_norm_apply(&kernel->norm, numbers, state.raw, kernel->with_add ? call->inputs[1] : NULL,
                       call->output, kernel->with_relu, call->batch, threads);
    }
}

/* The gradient of the added value, where the norm's own pass does not write it. Returns whether the
 * output's gradient has passed the ReLU. */
static bool give_added(const ech_step *step, const ech_step_call *call)
{
    const conv_step *kernel = step->kernel;
    float *added = call->input_gradients[1];
    if (!kernel->with_add || added == NULL || (kernel->with_relu && !call->accumulate[1])) {
        return false;
    }
    if (kernel->with_relu) {
        ech_blocked_bias_backward(&(ech_blocked_bias_args){
            .layout = kernel->out,
            .batch = call->batch,
            .threads = step->target->threads,
            .out = call->output,
            .gradient = call->output_gradient,
            .passed = call->output_gradient,
            .scratch = (float *)call->scratch + kernel->sums,
        });
    }
    ech_rows_give(call->output_gradient, added, call->batch * kernel->out.image,
                  call->accumulate[1]);
    return kernel->with_relu;
}

static void norm_backward(const ech_step *step, const ech_step_call *call, float *raw_gradient)
{
    const conv_step *kernel = step->kernel;
    const bool has_passed = give_added(step, call);
    const bool gives = kernel->with_add && call->input_gradients[1] != NULL && !has_passed;
    ech_norm_backward(
        &kernel->norm, step, call,
        &(ech_norm_backward_args){
            .numbers = ech_norm_numbers_at(&kernel->norm, kept(step, call, kernel->numbers)),
            .x = kept(step, call, kernel->raw),
            .out = kernel->with_relu && !has_passed ? call->output : NULL,
            .gradient = call->output_gradient,
            .passed = gives ? call->input_gradients[1] : call->output_gradient,
            .x_gradient = raw_gradient,
            .border_rows = ech_convolution_border_rows(kernel->convolution),
            .border_columns = ech_convolution_border_columns(kernel->convolution),
            .scratch = (float *)call->scratch + kernel->sums,
        });
}

static void bias_backward(const ech_step *step, const ech_step_call *call, float *raw_gradient)
{
    const conv_step *kernel = step->kernel;
    if (!kernel->with_bias && raw_gradient == call->output_gradient) {
        return;
    }
    ech_blocked_bias_backward(&(ech_blocked_bias_args){
        .layout = kernel->out,
        .batch = call->batch,
        .threads = step->target->threads,
        .out = kernel->with_relu ? call->output : NULL,
        .gradient = call->output_gradient,
        .passed = kernel->with_relu || raw_gradient != call->output_gradient ? raw_gradient : NULL,
        .border_rows = ech_convolution_border_rows(kernel->convolution),
        .border_columns = ech_convolution_border_columns(kernel->convolution),
        .bias_gradient =
            kernel->with_bias ? (float *)call->gradients + step->tensors[1].offset : NULL,
        .scratch = (float *)call->scratch + kernel->sums,
    });
}

/* The gradient of the convolution's output, with its border: in scratch, or in place without one.
 */
static const float *raw_gradient_of(const ech_step *step, const ech_step_call *call)
{
    const conv_step *kernel = step->kernel;
    const size_t border_rows = ech_convolution_border_rows(kernel->convolution);
    const size_t border_columns = ech_convolution_border_columns(kernel->convolution);
    float *gradient = call->output_gradient;
    if (border_rows + border_columns > 0) {
        gradient = (float *)call->scratch + kernel->bordered;
        const ech_blocked_size size = {call->batch, kernel->out.channels / kernel->out.block,
                                       kernel->out.rows, kernel->out.columns, kernel->out.block};
        ech_reorder_zero_border(gradient, &size, border_rows, border_columns,
                                step->target->threads);
    }
    if (kernel->with_norm) {
        norm_backward(step, call, gradient);
    } else {
        bias_backward(step, call, gradient);
    }
    return gradient;
}

static void backward(const ech_step *step, const ech_step_call *call)
{
    const conv_step *kernel = step->kernel;
    const size_t threads = step->target->threads;
    const float *gradient = raw_gradient_of(step, call);
    ech_convolution_update(kernel->convolution, &(ech_direct_update_args){
                                                    .in = view_of(step, call),
                                                    .out_gradient = gradient,
                                                    .weights_gradient = (float *)call->gradients +
                                                                        step->tensors[0].offset,
                                                    .batch = call->batch,
                                                    .threads = threads,
                                                });
    if (call->input_gradients[0] == NULL) {
        return;
    }
    float *transposed = (float *)call->scratch + kernel->transposed;
    ech_convolution_transpose(kernel->convolution, tensor_of(step, call, 0), transposed, threads);
    ech_convolution_backward(kernel->convolution, &(ech_direct_run_args){
                                                      .in = gradient,
                                                      .weights = transposed,
                                                      .out = call->input_gradients[0],
                                                      .batch = call->batch,
                                                      .accumulate = call->accumulate[0],
                                                      .threads = threads,
                                                  });
}

const ech_blocked_kernel ech_blocked_conv = {
    .match = match,
    .prepare = prepare,
    .destroy = destroy,
    .forward = forward,
    .backward = backward,
    .pack = pack,
    .unpack = unpack,
};
