#include "kernels/reference/reference.h"

/* One row of one kernel element: where the outputs [first, end) read valid inputs. */
typedef struct {
    uint32_t first, end;
    int64_t input_begin; /* input column of output 0; may be negative */
} span;

static span valid_span(uint32_t outputs, uint32_t inputs, uint32_t stride, uint32_t kernel_column,
                       uint32_t pad)
{
    span range = {.input_begin = (int64_t)kernel_column - pad};
    while (range.first < outputs && range.input_begin + (int64_t)range.first * stride < 0) {
        range.first++;
    }
    range.end = outputs;
    while (range.end > range.first &&
           range.input_begin + ((int64_t)range.end - 1) * stride >= inputs) {
        range.end--;
    }
    return range;
}

static uint64_t plane(ech_shape shape)
{
    return (uint64_t)shape.height * shape.width;
}

static const real *weight_of(const ech_step *step, const ech_step_call *call)
{
    return (const real *)call->parameters + step->tensors[0].offset;
}

/* What is done for each pair of an output row and the input row that it reads. */
typedef void row_operation(real *output, real *input, real *weight, span range, uint32_t stride);

/* Visit all rows of one output plane and one input plane, for all kernel elements. */
static void visit_rows(const ech_layer *layer, real *output, real *input, real *weight,
                       row_operation *operation)
{
    const ech_sliding_window *w = &layer->window;
    for (uint32_t ky = 0; ky < w->kernel_height; ky++) {
        for (uint32_t kx = 0; kx < w->kernel_width; kx++) {
            const span range =
                valid_span(layer->out.width, layer->in.width, w->stride_width, kx, w->pad_width);
            for (uint32_t y = 0; y < layer->out.height; y++) {
                const int64_t row = (int64_t)y * w->stride_height + ky - w->pad_height;
                if (row >= 0 && row < layer->in.height) {
                    operation(output + (uint64_t)y * layer->out.width,
                              input + row * layer->in.width, weight + ky * w->kernel_width + kx,
                              range, w->stride_width);
                }
            }
        }
    }
}

static void add_product(real *output, real *input, real *weight, span range, uint32_t stride)
{
    const real factor = *weight;
    for (uint32_t x = range.first; x < range.end; x++) {
        output[x] += factor * input[range.input_begin + (int64_t)x * stride];
    }
}

static void add_to_input(real *output, real *input, real *weight, span range, uint32_t stride)
{
    const real factor = *weight;
    for (uint32_t x = range.first; x < range.end; x++) {
        input[range.input_begin + (int64_t)x * stride] += factor * output[x];
    }
}

static double dot(const real *output, const real *input, span range, uint32_t stride)
{
    double sum = 0.0;
    for (uint32_t x = range.first; x < range.end; x++) {
        sum += (double)output[x] * (double)input[range.input_begin + (int64_t)x * stride];
    }
    return sum;
}

/* The rows are read only; visit_rows serves writers too. */
static real *writable(const void *pointer)
{
    union {
        const void *constant;
        void *variable;
    } cast = {.constant = pointer};
    return cast.variable;
}

static void forward(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const uint32_t filters = layer->out.channels, depth = layer->in.channels / layer->groups;
    const uint32_t filters_a_group = filters / layer->groups;
    const uint64_t window = (uint64_t)layer->window.kernel_height * layer->window.kernel_width;
    const real *bias = layer->bias != ECH_TENSOR_NONE
                           ? (const real *)call->parameters + step->tensors[1].offset
                           : NULL;
    const uint64_t out_plane = plane(layer->out), in_plane = plane(layer->in);
#pragma omp parallel for collapse(2) num_threads(step->target->threads)
    for (uint32_t n = 0; n < call->batch; n++) {
        for (uint32_t f = 0; f < filters; f++) {
            real *output = (real *)call->output + ((uint64_t)n * filters + f) * out_plane;
            for (uint64_t i = 0; i < out_plane; i++) {
                output[i] = bias != NULL ? bias[f] : 0;
            }
            const uint64_t channel =
                (uint64_t)n * layer->in.channels + (uint64_t)(f / filters_a_group) * depth;
            for (uint32_t c = 0; c < depth; c++) {
                visit_rows(layer, output,
                           writable((const real *)call->inputs[0] + (channel + c) * in_plane),
                           writable(weight_of(step, call) + ((uint64_t)f * depth + c) * window),
                           add_product);
            }
        }
    }
}

static void backward_input(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const uint32_t filters = layer->out.channels, depth = layer->in.channels / layer->groups;
    const uint32_t filters_a_group = filters / layer->groups;
    const uint64_t window = (uint64_t)layer->window.kernel_height * layer->window.kernel_width;
    const uint64_t out_plane = plane(layer->out), in_plane = plane(layer->in);
#pragma omp parallel for collapse(2) num_threads(step->target->threads)
    for (uint32_t n = 0; n < call->batch; n++) {
        for (uint32_t c = 0; c < layer->in.channels; c++) {
            real *gradient = (real *)call->input_gradients[0] +
                             ((uint64_t)n * layer->in.channels + c) * in_plane;
            ech_reference_begin(gradient, in_plane, call->accumulate[0]);
            const uint32_t first_filter = c / depth * filters_a_group;
            for (uint32_t f = first_filter; f < first_filter + filters_a_group; f++) {
                visit_rows(
                    layer, (real *)call->output_gradient + ((uint64_t)n * filters + f) * out_plane,
                    gradient,
                    writable(weight_of(step, call) + ((uint64_t)f * depth + c % depth) * window),
                    add_to_input);
            }
        }
    }
}

/* Gradient of one weight: a sum over samples and rows. */
static double weight_gradient(const ech_layer *layer, const ech_step_call *call, uint32_t filter,
                              uint32_t channel, uint32_t ky, uint32_t kx)
{
    const ech_sliding_window *w = &layer->window;
    const span range =
        valid_span(layer->out.width, layer->in.width, w->stride_width, kx, w->pad_width);
    double sum = 0.0;
    for (uint32_t n = 0; n < call->batch; n++) {
        const real *output = (const real *)call->output_gradient +
                             ((uint64_t)n * layer->out.channels + filter) * plane(layer->out);
        const real *input = (const real *)call->inputs[0] +
                            ((uint64_t)n * layer->in.channels + channel) * plane(layer->in);
        for (uint32_t y = 0; y < layer->out.height; y++) {
            const int64_t row = (int64_t)y * w->stride_height + ky - w->pad_height;
            if (row >= 0 && row < layer->in.height) {
                sum += dot(output + (uint64_t)y * layer->out.width, input + row * layer->in.width,
                           range, w->stride_width);
            }
        }
    }
    return sum;
}

static void backward_weight(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const uint32_t depth = layer->in.channels / layer->groups;
    const uint32_t filters_a_group = layer->out.channels / layer->groups;
    real *gradient = (real *)call->gradients + step->tensors[0].offset;
#pragma omp parallel for collapse(2) num_threads(step->target->threads)
    for (uint32_t f = 0; f < layer->out.channels; f++) {
        for (uint32_t c = 0; c < depth; c++) {
            const uint32_t channel = f / filters_a_group * depth + c;
            for (uint32_t ky = 0; ky < layer->window.kernel_height; ky++) {
                for (uint32_t kx = 0; kx < layer->window.kernel_width; kx++) {
                    const uint64_t index =
                        (((uint64_t)f * depth + c) * layer->window.kernel_height + ky) *
                            layer->window.kernel_width +
                        kx;
                    gradient[index] = (real)weight_gradient(layer, call, f, channel, ky, kx);
                }
            }
        }
    }
}

static void backward_bias(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const uint64_t count = plane(layer->out);
    real *gradient = (real *)call->gradients + step->tensors[1].offset;
    for (uint32_t f = 0; f < layer->out.channels; f++) {
        double sum = 0.0;
        for (uint32_t n = 0; n < call->batch; n++) {
            const real *output = (const real *)call->output_gradient +
                                 ((uint64_t)n * layer->out.channels + f) * count;
            for (uint64_t i = 0; i < count; i++) {
                sum += (double)output[i];
            }
        }
        gradient[f] = (real)sum;
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

const ech_reference_kernel ECH_REAL_NAME(ech_reference_conv) = {
    .forward = forward,
    .backward = backward,
    .reads_input = true,
};
