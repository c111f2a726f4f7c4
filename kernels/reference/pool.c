#include "kernels/reference/reference.h"

/* Rows or columns [begin, end) of the input that a window covers, and its size with padding. */
typedef struct {
    uint32_t begin, end;
    uint32_t full;  /* with the padding that PyTorch counts */
    uint32_t first; /* kernel row or column of `begin` */
} extent;

static extent window_extent(uint32_t place, uint32_t size, uint32_t kernel, uint32_t stride,
                            uint32_t pad)
{
    const int64_t begin = (int64_t)place * stride - pad;
    int64_t end = begin + kernel;
    if (end > (int64_t)size + pad) {
        end = (int64_t)size + pad;
    }
    extent range = {.full = (uint32_t)(end - begin)};
    range.begin = begin < 0 ? 0 : (uint32_t)begin;
    range.end = end > size ? size : (uint32_t)end;
    range.first = (uint32_t)(range.begin - begin);
    return range;
}

static extent adaptive_extent(uint32_t place, uint32_t size, uint32_t outputs)
{
    extent range = {
        .begin = (uint32_t)((uint64_t)place * size / outputs),
        .end = (uint32_t)((((uint64_t)place + 1) * size + outputs - 1) / outputs),
    };
    range.full = range.end - range.begin;
    return range;
}

static extent row_extent(const ech_layer *layer, uint32_t y)
{
    const ech_sliding_window *w = &layer->window;
    return layer->kind == ECH_LAYER_ADAPTIVE_AVG_POOL
               ? adaptive_extent(y, layer->in.height, layer->out.height)
               : window_extent(y, layer->in.height, w->kernel_height, w->stride_height,
                               w->pad_height);
}

static extent column_extent(const ech_layer *layer, uint32_t x)
{
    const ech_sliding_window *w = &layer->window;
    return layer->kind == ECH_LAYER_ADAPTIVE_AVG_POOL
               ? adaptive_extent(x, layer->in.width, layer->out.width)
               : window_extent(x, layer->in.width, w->kernel_width, w->stride_width, w->pad_width);
}

/* One window of one plane. */
typedef struct {
    extent rows, columns;
    uint64_t output; /* number of its output in the plane */
} window_view;

/* Runs `visit` for all windows of all planes; planes are independent. */
typedef void window_operation(const ech_layer *layer, const ech_step_call *call,
                              const window_view *view, uint64_t input_first, uint64_t output_first);

static void visit_windows(const ech_step *step, const ech_step_call *call,
                          window_operation *operation)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const uint64_t planes = (uint64_t)call->batch * layer->in.channels;
    const uint64_t in_plane = (uint64_t)layer->in.height * layer->in.width;
    const uint64_t out_plane = (uint64_t)layer->out.height * layer->out.width;
#pragma omp parallel for num_threads(step->target->threads)
    for (uint64_t p = 0; p < planes; p++) {
        for (uint32_t y = 0; y < layer->out.height; y++) {
            for (uint32_t x = 0; x < layer->out.width; x++) {
                const window_view view = {row_extent(layer, y), column_extent(layer, x),
                                          (uint64_t)y * layer->out.width + x};
                operation(layer, call, &view, p * in_plane, p * out_plane);
            }
        }
    }
}

static void begin_gradient(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    ech_reference_begin(call->input_gradients[0], call->batch * ech_shape_count(layer->in),
                        call->accumulate[0]);
}

/* As PyTorch: the first of equal values wins. */
static void choose_largest(const ech_layer *layer, const ech_step_call *call,
                           const window_view *view, uint64_t input_first, uint64_t output_first)
{
    const real *input = (const real *)call->inputs[0] + input_first;
    real largest = input[view->rows.begin * layer->in.width + view->columns.begin];
    uint32_t choice = view->rows.first * layer->window.kernel_width + view->columns.first;
    for (uint32_t y = view->rows.begin; y < view->rows.end; y++) {
        for (uint32_t x = view->columns.begin; x < view->columns.end; x++) {
            const real value = input[y * layer->in.width + x];
            if (value > largest || value != value) {
                largest = value;
                choice = (y - view->rows.begin + view->rows.first) * layer->window.kernel_width +
                         (x - view->columns.begin + view->columns.first);
            }
        }
    }
    ((real *)call->output)[output_first + view->output] = largest;
    if (call->saved != NULL) {
        ((uint8_t *)call->saved)[output_first + view->output] = (uint8_t)choice;
    }
}

static void return_to_choice(const ech_layer *layer, const ech_step_call *call,
                             const window_view *view, uint64_t input_first, uint64_t output_first)
{
    const uint32_t choice = ((const uint8_t *)call->saved)[output_first + view->output];
    const uint32_t y = view->rows.begin + choice / layer->window.kernel_width - view->rows.first;
    const uint32_t x =
        view->columns.begin + choice % layer->window.kernel_width - view->columns.first;
    ((real *)call->input_gradients[0])[input_first + (uint64_t)y * layer->in.width + x] +=
        ((const real *)call->output_gradient)[output_first + view->output];
}

static void max_forward(const ech_step *step, const ech_step_call *call)
{
    visit_windows(step, call, choose_largest);
}

static void max_backward(const ech_step *step, const ech_step_call *call)
{
    if (call->input_gradients[0] != NULL) {
        begin_gradient(step, call);
        visit_windows(step, call, return_to_choice);
    }
}

static size_t max_saved_bytes(const ech_step *step)
{
    return step->target->batch * ech_shape_count(ech_step_layer(step, 0)->out);
}

const ech_reference_kernel ECH_REAL_NAME(ech_reference_max_pool) = {
    .forward = max_forward,
    .backward = max_backward,
    .saved_bytes = max_saved_bytes,
};

static double divisor(const ech_layer *layer, const window_view *view)
{
    if (layer->count_padding) {
        return (double)view->rows.full * view->columns.full;
    }
    return (double)(view->rows.end - view->rows.begin) *
           (double)(view->columns.end - view->columns.begin);
}

static void average(const ech_layer *layer, const ech_step_call *call, const window_view *view,
                    uint64_t input_first, uint64_t output_first)
{
    const real *input = (const real *)call->inputs[0] + input_first;
    double sum = 0.0;
    for (uint32_t y = view->rows.begin; y < view->rows.end; y++) {
        for (uint32_t x = view->columns.begin; x < view->columns.end; x++) {
            sum += (double)input[y * layer->in.width + x];
        }
    }
    ((real *)call->output)[output_first + view->output] = (real)(sum / divisor(layer, view));
}

static void spread(const ech_layer *layer, const ech_step_call *call, const window_view *view,
                   uint64_t input_first, uint64_t output_first)
{
    const double share =
        (double)((const real *)call->output_gradient)[output_first + view->output] /
        divisor(layer, view);
    real *gradient = (real *)call->input_gradients[0] + input_first;
    for (uint32_t y = view->rows.begin; y < view->rows.end; y++) {
        for (uint32_t x = view->columns.begin; x < view->columns.end; x++) {
            gradient[y * layer->in.width + x] += (real)share;
        }
    }
}

static void average_forward(const ech_step *step, const ech_step_call *call)
{
    visit_windows(step, call, average);
}

static void average_backward(const ech_step *step, const ech_step_call *call)
{
    if (call->input_gradients[0] != NULL) {
        begin_gradient(step, call);
        visit_windows(step, call, spread);
    }
}

const ech_reference_kernel ECH_REAL_NAME(ech_reference_avg_pool) = {
    .forward = average_forward,
    .backward = average_backward,
};

const ech_reference_kernel ECH_REAL_NAME(ech_reference_adaptive_pool) = {
    .forward = average_forward,
    .backward = average_backward,
};
