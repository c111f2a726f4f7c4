#include <omp.h>
#include <string.h>

#include "kernels/lanes/lanes.h"
#include "runtime/base/memory.h"

/*
 * Backward brings the gradient through pool and ReLU on the way to the weights' gradient; where the
 * input's gradient is wanted too, it leaves that dense gradient of the convolution's own output,
 * for a convolution with the weights turned round. Scratch holds, one after the other: the dense
 * gradient and the inputs with their borders, for all blocks; the turned weights; the kernels' own,
 * a thread.
 */
typedef struct {
    float *gradients, *inputs, *turned, *own;
    size_t own_floats;
} backward_scratch;

/* Floats of each of them; `own` a thread. */
typedef struct {
    size_t gradients, inputs, turned, own;
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

/* Where the gradient is convolved in turn, tiles of two rows reach one row out. */
enum { GRADIENT_BORDER = 1 };

static size_t bordered_input_floats(const ech_lanes_conv *conv)
{
    return conv->channels *
           plane_floats(conv->height, conv->width, conv->pad_height, conv->pad_width);
}

static size_t gradient_floats(const ech_lanes_conv *conv)
{
    return conv->filters *
           plane_floats(conv->out_height, conv->out_width, GRADIENT_BORDER, GRADIENT_BORDER);
}

static size_t weight_count(const ech_lanes_conv *conv)
{
    return (size_t)conv->channels * conv->filters * conv->kernel_height * conv->kernel_width;
}

/* Keep the pieces on cache lines. */
static size_t lines(size_t floats)
{
    return (floats + ECH_LANES - 1) / ECH_LANES * ECH_LANES;
}

static backward_floats count_floats(const ech_lanes_step *own, uint32_t blocks)
{
    const ech_lanes_conv *conv = &own->conv;
    return (backward_floats){
        .gradients = own->wants_input_gradient ? blocks * gradient_floats(conv) : 0,
        .inputs = is_padded(conv) ? blocks * bordered_input_floats(conv) : 0,
        .turned = lines(weight_count(conv)),
        .own = lines(own->kernels->gradient_scratch(conv)),
    };
}

static size_t scratch_bytes(const ech_lanes_step *own, uint32_t blocks, uint32_t threads)
{
    const backward_floats count = count_floats(own, blocks);
    return (count.gradients + count.inputs + count.turned + threads * count.own) * sizeof(float);
}

static backward_scratch lay_out(const ech_lanes_step *own, uint32_t blocks, void *scratch)
{
    const backward_floats count = count_floats(own, blocks);
    float *first = scratch;
    return (backward_scratch){
        .gradients = first,
        .inputs = first + count.gradients,
        .turned = first + count.gradients + count.inputs,
        .own = first + count.gradients + count.inputs + count.turned,
        .own_floats = count.own,
    };
}

static uint32_t match(const ech_network *network, uint32_t layer)
{
    const ech_layer *conv = &network->layers[layer];
    const ech_sliding_window *w = &conv->window;
    if (w->stride_height != 1 || w->stride_width != 1 || conv->groups != 1 ||
        w->pad_height >= w->kernel_height || w->pad_width >= w->kernel_width) {
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
        const ech_sliding_window half = ech_square(2, 2, 0);
        if (memcmp(&pool->window, &half, sizeof half) == 0 &&
            pool->out.height == pool->in.height / 2 && pool->out.width == pool->in.width / 2) {
            count++;
        }
    }
    return count;
}

/* Cut the filters into tiles for the gradient. */
static ech_status make_tiles(ech_lanes_step *own)
{
    own->tiles = ech_calloc(own->conv.filters, sizeof *own->tiles);
    if (own->tiles == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t first = 0; first < own->conv.filters;) {
        own->tiles[own->tile_count++] = first;
        first += own->kernels->gradient_filters(own->conv.kernel_width, own->conv.filters - first);
    }
    return ECH_OK;
}

static ech_status prepare(ech_step *step, ech_lanes_step *own)
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
        const size_t backward = scratch_bytes(own, blocks, step->target->threads);
        scratch = backward > scratch ? backward : scratch;
        if (own->pool) {
            const ech_shape out = ech_network_shape(step->network, step->output);
            step->saved_bytes = ech_format_count(ECH_FORMAT_LANES, out, step->target->batch);
        }
    }
    step->scratch_bytes = scratch;
    return make_tiles(own);
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

static void weight_gradient(const view *v, const backward_scratch *scratch,
                            const ech_lanes_planes *inputs, const ech_lanes_planes *dense_gradients)
{
    const ech_step *step = v->step;
    const ech_lanes_step *own = v->own;
    float *gradients = v->call->gradients;
    ech_lanes_gradient gradient = {
        .conv = v->conv,
        .relu = own->relu,
        .pool = own->pool,
        .blocks = v->blocks,
        .inputs = inputs,
        .outputs = v->call->output,
        .upstream = v->call->output_gradient,
        .choices = v->call->saved,
        .output_stride = output_floats(v),
        .dense = own->wants_input_gradient ? dense_gradients : NULL,
        .border = GRADIENT_BORDER,
        .weights = gradients + step->tensors[0].offset,
        .bias = step->tensor_count > 1 ? gradients + step->tensors[1].offset : NULL,
    };
    const uint32_t threads = step->target->threads, filters = v->conv->filters;
#pragma omp parallel firstprivate(gradient) num_threads(threads) if (threads > 1)
    {
        gradient.scratch = scratch->own + (size_t)omp_get_thread_num() * scratch->own_floats;
#pragma omp for schedule(dynamic)
        for (uint32_t tile = 0; tile < own->tile_count; tile++) {
            const uint32_t first = own->tiles[tile];
            const uint32_t end = tile + 1 < own->tile_count ? own->tiles[tile + 1] : filters;
            own->kernels->conv_gradient(&gradient, first, end - first);
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

static ech_lanes_planes gradient_planes(const view *v, const backward_scratch *scratch,
                                        uint32_t block)
{
    return bordered(scratch->gradients + block * gradient_floats(v->conv), v->conv->out_height,
                    v->conv->out_width, GRADIENT_BORDER, GRADIENT_BORDER);
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
    weight_gradient(&v, &scratch, inputs, gradients);
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
