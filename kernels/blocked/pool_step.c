#include <string.h>

#include "kernels/blocked/blocked.h"
#include "kernels/blocked/rows.h"
#include "kernels/blocked/simd.h"
#include "kernels/format.h"

/* Max and average pools. Saved by max pools: the chosen position of each window, a byte an element,
 * in blocked order. */

/* Rows or columns [begin, end) that a window covers; `first` is begin's number in the window. */
typedef struct {
    size_t begin, end, first;
    size_t full; /* with padding, as PyTorch counts it */
} extent;

static extent window_extent(size_t place, size_t size, size_t kernel, size_t stride, size_t pad)
{
    const size_t begin = place * stride; /* in the padded input */
    const size_t end = begin + kernel < size + 2 * pad ? begin + kernel : size + 2 * pad;
    extent range = {.full = end - begin};
    range.first = begin < pad ? pad - begin : 0;
    range.begin = begin + range.first - pad;
    range.end = end - pad < size ? end - pad : size;
    return range;
}

static extent adaptive_extent(size_t place, size_t size, size_t outputs)
{
    extent range = {.begin = place * size / outputs,
                    .end = ((place + 1) * size + outputs - 1) / outputs};
    range.full = range.end - range.begin;
    return range;
}

static extent row_extent(const ech_layer *layer, size_t y)
{
    const ech_sliding_window *w = &layer->window;
    return layer->kind == ECH_LAYER_ADAPTIVE_AVG_POOL
               ? adaptive_extent(y, layer->in.height, layer->out.height)
               : window_extent(y, layer->in.height, w->kernel_height, w->stride_height,
                               w->pad_height);
}

static extent column_extent(const ech_layer *layer, size_t x)
{
    const ech_sliding_window *w = &layer->window;
    return layer->kind == ECH_LAYER_ADAPTIVE_AVG_POOL
               ? adaptive_extent(x, layer->in.width, layer->out.width)
               : window_extent(x, layer->in.width, w->kernel_width, w->stride_width, w->pad_width);
}

/* One window of one block. */
typedef struct {
    const ech_layer *layer;
    extent rows, columns;
    size_t block;
} window;

typedef void plane_operation(const ech_step *step, const ech_step_call *call, size_t plane);

/* Blocks of images are independent. */
static void for_planes(const ech_step *step, const ech_step_call *call, plane_operation *operation)
{
    const uint32_t threads = step->target->threads;
    const ech_blocked_layout layout = ech_blocked_layout_of(ech_step_layer(step, 0)->out);
    const size_t planes = call->batch * (layout.channels / layout.block);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t plane = 0; plane < planes; plane++) {
        operation(step, call, plane);
    }
}

static window window_at(const ech_layer *layer, const ech_blocked_layout *out, size_t i)
{
    return (window){layer, row_extent(layer, i / out->columns),
                    column_extent(layer, i % out->columns), out->block};
}

ECH_INLINE void largest_body(const window *at, const float *in, float *out, uint8_t *choices,
                             size_t block)
{
    float best[ECH_ROWS_WIDTH_MAX];
    int32_t chosen[ECH_ROWS_WIDTH_MAX];
    const size_t columns = at->layer->in.width;
    for (size_t y = at->rows.begin; y < at->rows.end; y++) {
        for (size_t x = at->columns.begin; x < at->columns.end; x++) {
            const float *from = in + (y * columns + x) * block;
            const size_t row = y - at->rows.begin + at->rows.first;
            const int32_t place = (int32_t)(row * at->layer->window.kernel_width + x -
                                            at->columns.begin + at->columns.first);
            const bool begins = y == at->rows.begin && x == at->columns.begin;
            for (size_t c = 0; c < block; c++) {
                const float value = from[c];
                const bool wins = begins || value > best[c] || value != value;
                best[c] = wins ? value : best[c];
                chosen[c] = wins ? place : chosen[c];
            }
        }
    }
    for (size_t c = 0; c < block; c++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): a window has a place */
        out[c] = best[c];
    }
    for (size_t c = 0; choices != NULL && c < block; c++) {
        choices[c] = (uint8_t)chosen[c];
    }
}

/* As PyTorch: the first of equal values wins, and NaN wins over all. */
ECH_SIMD static void choose_largest(const window *at, const float *in, float *out, uint8_t *choices)
{
    if (at->block == 64) {
        largest_body(at, in, out, choices, 64);
    } else if (at->block == 32) {
        largest_body(at, in, out, choices, 32);
    } else {
        largest_body(at, in, out, choices, 16);
    }
}

static void max_forward_plane(const ech_step *step, const ech_step_call *call, size_t plane)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const ech_blocked_layout in = ech_blocked_layout_of(layer->in);
    const ech_blocked_layout out = ech_blocked_layout_of(layer->out);
    for (size_t i = 0; i < out.rows * out.columns; i++) {
        const window at = window_at(layer, &out, i);
        const size_t output = plane * out.plane + i * out.block;
        choose_largest(&at, (const float *)call->inputs[0] + plane * in.plane,
                       (float *)call->output + output,
                       call->saved == NULL ? NULL : (uint8_t *)call->saved + output);
    }
}

ECH_INLINE void return_body(const window *at, const uint8_t *choices, const float *gradient,
                            float *to, size_t block)
{
    const size_t columns = at->layer->in.width;
    for (size_t y = at->rows.begin; y < at->rows.end; y++) {
        for (size_t x = at->columns.begin; x < at->columns.end; x++) {
            float *target = to + (y * columns + x) * block;
            const size_t row = y - at->rows.begin + at->rows.first;
            const int32_t place = (int32_t)(row * at->layer->window.kernel_width + x -
                                            at->columns.begin + at->columns.first);
#pragma GCC ivdep
            for (size_t c = 0; c < block; c++) {
                target[c] += choices[c] == place ? gradient[c] : 0.0f;
            }
        }
    }
}

ECH_SIMD static void return_to_choice(const window *at, const uint8_t *choices,
                                      const float *gradient, float *to)
{
    if (at->block == 64) {
        return_body(at, choices, gradient, to, 64);
    } else if (at->block == 32) {
        return_body(at, choices, gradient, to, 32);
    } else {
        return_body(at, choices, gradient, to, 16);
    }
}

static void begin_plane(const ech_step_call *call, const ech_blocked_layout *in, size_t plane)
{
    if (!call->accumulate[0]) {
        memset((float *)call->input_gradients[0] + plane * in->plane, 0, in->plane * sizeof(float));
    }
}

static void max_backward_plane(const ech_step *step, const ech_step_call *call, size_t plane)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const ech_blocked_layout in = ech_blocked_layout_of(layer->in);
    const ech_blocked_layout out = ech_blocked_layout_of(layer->out);
    begin_plane(call, &in, plane);
    for (size_t i = 0; i < out.rows * out.columns; i++) {
        const window at = window_at(layer, &out, i);
        const size_t output = plane * out.plane + i * out.block;
        return_to_choice(&at, (const uint8_t *)call->saved + output,
                         (const float *)call->output_gradient + output,
                         (float *)call->input_gradients[0] + plane * in.plane);
    }
}

static ech_status max_prepare(ech_step *step)
{
    const ech_blocked_layout out = ech_blocked_layout_of(ech_step_layer(step, 0)->out);
    step->saved_bytes = step->target->training ? step->target->batch * out.image : 0;
    return ECH_OK;
}

static void max_forward(const ech_step *step, const ech_step_call *call)
{
    for_planes(step, call, max_forward_plane);
}

static void max_backward(const ech_step *step, const ech_step_call *call)
{
    if (call->input_gradients[0] != NULL) {
        for_planes(step, call, max_backward_plane);
    }
}

static void max_load_choices(const ech_step *step, const ech_step_call *call,
                             const uint8_t *choices)
{
    const ech_shape out = ech_step_layer(step, 0)->out;
    uint8_t *saved = call->saved;
    for (uint32_t n = 0; n < call->batch; n++) {
        for (uint32_t c = 0; c < out.channels; c++) {
            for (uint32_t y = 0; y < out.height; y++) {
                for (uint32_t x = 0; x < out.width; x++) {
                    saved[ech_format_index(ECH_FORMAT_BLOCKED, out, n, c, y, x)] =
                        choices[ech_format_index(ECH_FORMAT_PLAIN, out, n, c, y, x)];
                }
            }
        }
    }
}

const ech_blocked_kernel ech_blocked_max_pool = {
    .prepare = max_prepare,
    .forward = max_forward,
    .backward = max_backward,
    .load_choices = max_load_choices,
};

static float reciprocal(const window *at)
{
    const size_t rows = at->layer->count_padding ? at->rows.full : at->rows.end - at->rows.begin;
    const size_t columns =
        at->layer->count_padding ? at->columns.full : at->columns.end - at->columns.begin;
    return 1.0f / (float)(rows * columns);
}

/* Each row's sum, then the sum of the rows: short sums for large windows. */
ECH_SIMD static void average(const window *at, const float *in, float *out)
{
    float sum[ECH_ROWS_WIDTH_MAX] = {0.0f};
    const size_t row = at->layer->in.width * at->block;
    for (size_t y = at->rows.begin; y < at->rows.end; y++) {
        float part[ECH_ROWS_WIDTH_MAX] = {0.0f};
        for (size_t x = at->columns.begin; x < at->columns.end; x++) {
            for (size_t c = 0; c < at->block; c++) {
                part[c] += in[y * row + x * at->block + c];
            }
        }
        for (size_t c = 0; c < at->block; c++) {
            sum[c] += part[c];
        }
    }
    const float share = reciprocal(at);
    for (size_t c = 0; c < at->block; c++) {
        out[c] = sum[c] * share;
    }
}

ECH_SIMD static void spread(const window *at, const float *gradient, float *to)
{
    const float share = reciprocal(at);
    const size_t row = at->layer->in.width * at->block;
    for (size_t y = at->rows.begin; y < at->rows.end; y++) {
        for (size_t x = at->columns.begin; x < at->columns.end; x++) {
            float *target = to + y * row + x * at->block;
            for (size_t c = 0; c < at->block; c++) {
                target[c] += gradient[c] * share;
            }
        }
    }
}

static void avg_forward_plane(const ech_step *step, const ech_step_call *call, size_t plane)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const ech_blocked_layout in = ech_blocked_layout_of(layer->in);
    const ech_blocked_layout out = ech_blocked_layout_of(layer->out);
    for (size_t i = 0; i < out.rows * out.columns; i++) {
        const window at = window_at(layer, &out, i);
        average(&at, (const float *)call->inputs[0] + plane * in.plane,
                (float *)call->output + plane * out.plane + i * out.block);
    }
}

static void avg_backward_plane(const ech_step *step, const ech_step_call *call, size_t plane)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const ech_blocked_layout in = ech_blocked_layout_of(layer->in);
    const ech_blocked_layout out = ech_blocked_layout_of(layer->out);
    begin_plane(call, &in, plane);
    for (size_t i = 0; i < out.rows * out.columns; i++) {
        const window at = window_at(layer, &out, i);
        spread(&at, (const float *)call->output_gradient + plane * out.plane + i * out.block,
               (float *)call->input_gradients[0] + plane * in.plane);
    }
}

static ech_status avg_prepare(ech_step *step)
{
    (void)step;
    return ECH_OK;
}

static void avg_forward(const ech_step *step, const ech_step_call *call)
{
    for_planes(step, call, avg_forward_plane);
}

static void avg_backward(const ech_step *step, const ech_step_call *call)
{
    if (call->input_gradients[0] != NULL) {
        for_planes(step, call, avg_backward_plane);
    }
}

const ech_blocked_kernel ech_blocked_avg_pool = {
    .prepare = avg_prepare,
    .forward = avg_forward,
    .backward = avg_backward,
};
