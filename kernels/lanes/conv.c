#include <string.h>

#include "kernels/lanes/lanes.h"

/*
 * Backward works from one dense gradient of the convolution's own output, before ReLU and pool: the
 * weight gradient sums over it, and the input's gradient is a convolution of it with the weights
 * turned round. Scratch holds, one after the other: that gradient for all blocks, the inputs with
 * their borders for all blocks, the bias' sums, the turned weights.
 */
typedef struct {
    float *gradients, *inputs, *bias, *turned;
} backward_scratch;

/* Floats of each of them. */
typedef struct {
    size_t gradients, inputs, bias, turned;
} backward_floats;

/* A call seen from this file. */
typedef struct {
    const ech_step *step;
    const ech_step_call *call;
    const ech_lanes_step *own;
    const ech_lanes_conv *conv;
    uint32_t blocks;
} view;

static view view_of(const ech_step *step, const ech_step_call *call)
{
    const ech_lanes_step *own = ech_lanes_of(step);
    return (view){step, call, own, &own->conv, ech_lanes_blocks(call->batch)};
}

static size_t plane_floats(uint32_t height, uint32_t width, uint32_t border_height,
                           uint32_t border_width)
{
    return (size_t)(height + 2 * border_height) * (width + 2 * border_width) * ECH_LANES;
}

static bool is_padded(const ech_lanes_conv *conv)
{
    return conv->pad_height > 0 || conv->pad_width > 0;
}

/* The gradient's border: where it is convolved in turn, tiles of two rows reach one row out. */
static uint32_t gradient_border(const ech_lanes_step *own)
{
    return own->wants_input_gradient ? 1 : 0;
}

/* Without a pool or a border the gradient can be masked where it is. */
static bool masks_in_place(const ech_lanes_step *own)
{
    return !own->pool && !own->wants_input_gradient;
}

static size_t bordered_input_floats(const ech_lanes_conv *conv)
{
    return conv->channels *
           plane_floats(conv->height, conv->width, conv->pad_height, conv->pad_width);
}

static size_t gradient_floats(const ech_lanes_step *own)
{
    const uint32_t border = gradient_border(own);
    return own->conv.filters *
           plane_floats(own->conv.out_height, own->conv.out_width, border, border);
}

static backward_floats count_floats(const ech_lanes_step *own, uint32_t blocks)
{
    const ech_lanes_conv *conv = &own->conv;
    return (backward_floats){
        .gradients = masks_in_place(own) ? 0 : blocks * gradient_floats(own),
        .inputs = is_padded(conv) ? blocks * bordered_input_floats(conv) : 0,
        .bias = (size_t)blocks * conv->filters * ECH_LANES,
        .turned = (size_t)conv->channels * conv->filters * conv->kernel_height * conv->kernel_width,
    };
}

static size_t backward_bytes(const ech_lanes_step *own, uint32_t blocks)
{
    const backward_floats count = count_floats(own, blocks);
    return (count.gradients + count.inputs + count.bias + count.turned) * sizeof(float);
}

static backward_scratch lay_out(const ech_lanes_step *own, uint32_t blocks, void *scratch)
{
    const backward_floats count = count_floats(own, blocks);
    float *first = scratch;
    return (backward_scratch){
        .gradients = first,
        .inputs = first + count.gradients,
        .bias = first + count.gradients + count.inputs,
        .turned = first + count.gradients + count.inputs + count.bias,
    };
}

static uint32_t match(const ech_network *network, uint32_t layer)
{
    const ech_layer *conv = &network->layers[layer];
    const ech_window *w = &conv->window;
    if (w->stride_height != 1 || w->stride_width != 1 || conv->groups != 1 ||
        w->pad_height >= w->kernel_height || w->pad_width >= w->kernel_width ||
        w->kernel_height * w->kernel_width > ECH_LANES_TAPS_MAX) {
        return 0;
    }
    uint32_t count = 1;
    if (ech_network_only_consumer(network, layer) &&
        network->layers[layer + 1].kind == ECH_LAYER_RELU) {
        count++;
    }
    const uint32_t last = layer + count - 1;
    if (ech_network_only_consumer(network, last) &&
        network->layers[last + 1].kind == ECH_LAYER_MAX_POOL) {
        const ech_layer *pool = &network->layers[last + 1];
        const ech_window half = ech_square(2, 2, 0);
        if (memcmp(&pool->window, &half, sizeof half) == 0 &&
            pool->out.height == pool->in.height / 2 && pool->out.width == pool->in.width / 2) {
            count++;
        }
    }
    return count;
}

static void prepare(ech_step *step, ech_lanes_step *own)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    own->conv = (ech_lanes_conv){
        .channels = layer->in.channels,
        .height = layer->in.height,
        .width = layer->in.width,
        .filters = layer->out.channels,
        .out_height = layer->out.height,
        .out_width = layer->out.width,
        .kernel_height = layer->window.kernel_height,
        .kernel_width = layer->window.kernel_width,
        .pad_height = layer->window.pad_height,
        .pad_width = layer->window.pad_width,
    };
    const uint32_t blocks = ech_lanes_blocks(step->target->batch);
    size_t scratch = 0;
    if (is_padded(&own->conv)) {
        scratch = step->target->threads * bordered_input_floats(&own->conv) * sizeof(float);
    }
    if (step->target->training) {
        const size_t backward = backward_bytes(own, blocks);
        scratch = backward > scratch ? backward : scratch;
        if (own->pool) {
            const ech_shape out = ech_network_shape(step->network, step->output);
            step->saved_bytes = ech_format_count(ECH_FORMAT_LANES, out, step->target->batch);
        }
    }
    step->scratch_bytes = scratch;
}

/* Planes within memory that has a border of this size around each. */
static ech_lanes_planes bordered(float *memory, uint32_t height, uint32_t width,
                                 uint32_t border_height, uint32_t border_width)
{
    const size_t row = (size_t)(width + 2 * border_width) * ECH_LANES;
    return (ech_lanes_planes){
        .data = memory + border_height * row + (size_t)border_width * ECH_LANES,
        .channel_stride = plane_floats(height, width, border_height, border_width),
        .row_stride = row,
    };
}

/* Copy dense planes into the middle of zeroed ones. */
static ech_lanes_planes copy_bordered(const ech_lanes_conv *conv, const float *input, float *memory)
{
    const ech_lanes_planes planes =
        bordered(memory, conv->height, conv->width, conv->pad_height, conv->pad_width);
    const size_t row = (size_t)conv->width * ECH_LANES;
    memset(memory, 0, bordered_input_floats(conv) * sizeof *memory);
    for (uint32_t c = 0; c < conv->channels; c++) {
        for (uint32_t y = 0; y < conv->height; y++) {
            memcpy(planes.data + c * planes.channel_stride + y * planes.row_stride,
                   input + ((size_t)c * conv->height + y) * row, row * sizeof *input);
        }
    }
    return planes;
}

/* The kernels read these planes only. */
static ech_lanes_planes dense(const float *data, uint32_t height, uint32_t width)
{
    union {
        const float *constant;
        float *variable;
    } cast = {.constant = data};
    return bordered(cast.variable, height, width, 0, 0);
}

static size_t input_floats(const ech_lanes_conv *conv)
{
    return (size_t)conv->channels * conv->height * conv->width * ECH_LANES;
}

/* Floats of one block of the step's output. */
static size_t output_floats(const view *v)
{
    return ech_shape_count(ech_network_shape(v->step->network, v->step->output)) * ECH_LANES;
}

static void forward_block(const view *v, uint32_t block, float *scratch)
{
    const ech_step *step = v->step;
    const float *parameters = v->call->parameters;
    const float *input = (const float *)v->call->inputs[0] + block * input_floats(v->conv);
    const size_t out = block * output_floats(v);
    const ech_lanes_planes planes = is_padded(v->conv)
                                        ? copy_bordered(v->conv, input, scratch)
                                        : dense(input, v->conv->height, v->conv->width);
    const ech_lanes_epilogue epilogue = {
        .bias = step->tensor_count > 1 ? parameters + step->tensors[1].offset : NULL,
        .relu = v->own->relu,
        .pool = v->own->pool,
        .choices = v->own->pool && v->call->training ? (uint8_t *)v->call->saved + out : NULL,
    };
    v->own->kernels->conv(v->conv, planes, parameters + step->tensors[0].offset, 0,
                          v->conv->filters, &epilogue, (float *)v->call->output + out);
}

static void forward(const ech_step *step, const ech_step_call *call)
{
    const view v = view_of(step, call);
    const uint32_t threads = step->target->threads;
    const size_t share = is_padded(v.conv) ? bordered_input_floats(v.conv) : 0;
#pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)
    for (uint32_t t = 0; t < threads; t++) {
        for (uint32_t b = t; b < v.blocks; b += threads) {
            forward_block(&v, b, (float *)call->scratch + t * share);
        }
    }
}

/* Zero what `expand` leaves: the border, and the odd last row and column that a pool skips. */
static void clear_edges(const view *v, ech_lanes_planes plane)
{
    const uint32_t border = gradient_border(v->own);
    const uint32_t step = v->own->pool ? 2 : 1;
    const ptrdiff_t height = (ptrdiff_t)(v->conv->out_height / step * step);
    const ptrdiff_t width = (ptrdiff_t)(v->conv->out_width / step * step);
    const ptrdiff_t last_row = (ptrdiff_t)v->conv->out_height + border;
    const ptrdiff_t right = ((ptrdiff_t)v->conv->out_width + border - width) * ECH_LANES;
    for (ptrdiff_t y = -(ptrdiff_t)border; y < last_row; y++) {
        float *row = plane.data + y * (ptrdiff_t)plane.row_stride;
        if (y < 0 || y >= height) {
            memset(row - border * ECH_LANES, 0, plane.row_stride * sizeof *row);
        } else {
            memset(row - border * ECH_LANES, 0, border * ECH_LANES * sizeof *row);
            memset(row + width * ECH_LANES, 0, (size_t)right * sizeof *row);
        }
    }
}

static ech_lanes_planes gradient_planes(const view *v, const backward_scratch *scratch,
                                        uint32_t block)
{
    const uint32_t border = gradient_border(v->own);
    if (masks_in_place(v->own)) {
        return dense((float *)v->call->output_gradient + block * output_floats(v),
                     v->conv->out_height, v->conv->out_width);
    }
    return bordered(scratch->gradients + block * gradient_floats(v->own), v->conv->out_height,
                    v->conv->out_width, border, border);
}

static void expand_filter(const view *v, const backward_scratch *scratch, uint32_t block,
                          uint32_t filter)
{
    const size_t first = block * output_floats(v) + filter * (output_floats(v) / v->conv->filters);
    ech_lanes_planes plane = gradient_planes(v, scratch, block);
    plane.data += filter * plane.channel_stride;
    if (!masks_in_place(v->own)) {
        clear_edges(v, plane);
    }
    v->own->kernels->expand(v->conv, v->own->relu, (const float *)v->call->output + first,
                            (const float *)v->call->output_gradient + first,
                            v->own->pool ? (const uint8_t *)v->call->saved + first : NULL, plane,
                            scratch->bias +
                                ((size_t)block * v->conv->filters + filter) * ECH_LANES);
}

static void expand(const view *v, const backward_scratch *scratch)
{
    const uint32_t threads = v->step->target->threads;
    const uint32_t tasks = v->blocks * v->conv->filters;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (uint32_t task = 0; task < tasks; task++) {
        expand_filter(v, scratch, task / v->conv->filters, task % v->conv->filters);
    }
}

static void bias_gradient(const view *v, const backward_scratch *scratch)
{
    float *gradient = (float *)v->call->gradients + v->step->tensors[1].offset;
    for (uint32_t f = 0; f < v->conv->filters; f++) {
        float sum[ECH_LANES] = {0};
        for (uint32_t b = 0; b < v->blocks; b++) {
            for (uint32_t n = 0; n < ECH_LANES; n++) {
                sum[n] += scratch->bias[((size_t)b * v->conv->filters + f) * ECH_LANES + n];
            }
        }
        gradient[f] = v->own->kernels->sum_lanes(sum);
    }
}

static void weight_gradient(const view *v, const ech_lanes_planes *inputs,
                            const ech_lanes_planes *gradients)
{
    const ech_lanes_kernels *kernels = v->own->kernels;
    float *out = (float *)v->call->gradients + v->step->tensors[0].offset;
    const uint32_t threads = v->step->target->threads;
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (threads > 1)
    for (uint32_t c = 0; c < v->conv->channels; c++) {
        for (uint32_t f = 0; f < v->conv->filters;) {
            const uint32_t count =
                kernels->gradient_filters(v->conv->kernel_width, v->conv->filters - f);
            kernels->conv_gradient(v->conv, inputs, gradients, v->blocks, c, f, count, out);
            f += count;
        }
    }
}

/* [channel][row][column][filter] to [filter][row][column][channel], rows and columns reversed. */
static void turn_weights(const ech_lanes_conv *conv, const float *weights, float *turned)
{
    const size_t taps = (size_t)conv->kernel_height * conv->kernel_width;
    for (size_t c = 0; c < conv->channels; c++) {
        for (size_t t = 0; t < taps; t++) {
            for (size_t f = 0; f < conv->filters; f++) {
                turned[(f * taps + taps - 1 - t) * conv->channels + c] =
                    weights[(c * taps + t) * conv->filters + f];
            }
        }
    }
}

static void input_gradient(const view *v, const backward_scratch *scratch,
                           const ech_lanes_planes *gradients)
{
    const ech_lanes_conv *conv = v->conv;
    const ech_lanes_conv turned = {
        .channels = conv->filters,
        .height = conv->out_height,
        .width = conv->out_width,
        .filters = conv->channels,
        .out_height = conv->height,
        .out_width = conv->width,
        .kernel_height = conv->kernel_height,
        .kernel_width = conv->kernel_width,
        .pad_height = conv->kernel_height - 1 - conv->pad_height,
        .pad_width = conv->kernel_width - 1 - conv->pad_width,
    };
    const ech_lanes_epilogue epilogue = {.accumulate = v->call->accumulate[0]};
    const uint32_t threads = v->step->target->threads;
    turn_weights(conv, (const float *)v->call->parameters + v->step->tensors[0].offset,
                 scratch->turned);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (uint32_t b = 0; b < v->blocks; b++) {
        v->own->kernels->conv(&turned, gradients[b], scratch->turned, 0, turned.filters, &epilogue,
                              (float *)v->call->input_gradients[0] + b * input_floats(conv));
    }
}

static ech_lanes_planes input_planes(const view *v, const backward_scratch *scratch, uint32_t block)
{
    const float *input = (const float *)v->call->inputs[0] + block * input_floats(v->conv);
    if (is_padded(v->conv)) {
        return copy_bordered(v->conv, input,
                             scratch->inputs + block * bordered_input_floats(v->conv));
    }
    return dense(input, v->conv->height, v->conv->width);
}

static void backward(const ech_step *step, const ech_step_call *call)
{
    const view v = view_of(step, call);
    const backward_scratch scratch = lay_out(v.own, v.blocks, call->scratch);
    ech_lanes_planes inputs[v.blocks], gradients[v.blocks];
    for (uint32_t b = 0; b < v.blocks; b++) {
        inputs[b] = input_planes(&v, &scratch, b);
        gradients[b] = gradient_planes(&v, &scratch, b);
    }
    expand(&v, &scratch);
    if (step->tensor_count > 1) {
        bias_gradient(&v, &scratch);
    }
    weight_gradient(&v, inputs, gradients);
    if (call->input_gradients[0] != NULL) {
        input_gradient(&v, &scratch, gradients);
    }
}

static void pack(const ech_step *step, const float *plain, float *stored)
{
    const ech_lanes_conv *conv = &ech_lanes_of(step)->conv;
    const size_t taps = (size_t)conv->channels * conv->kernel_height * conv->kernel_width;
    for (size_t t = 0; t < taps; t++) {
        for (size_t f = 0; f < conv->filters; f++) {
            stored[t * conv->filters + f] = plain[f * taps + t];
        }
    }
}

static void unpack(const ech_step *step, const float *stored, float *plain)
{
    const ech_lanes_conv *conv = &ech_lanes_of(step)->conv;
    const size_t taps = (size_t)conv->channels * conv->kernel_height * conv->kernel_width;
    for (size_t t = 0; t < taps; t++) {
        for (size_t f = 0; f < conv->filters; f++) {
            plain[f * taps + t] = stored[t * conv->filters + f];
        }
    }
}

const ech_lanes_kind ech_lanes_conv_kind = {match, prepare, forward, backward, pack, unpack};
