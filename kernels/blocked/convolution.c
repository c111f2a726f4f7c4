#include "kernels/blocked/convolution_priv.h"

#include <string.h>

#include "kernels/blocked/direct_priv.h"
#include "kernels/blocked/reorder.h"
#include "kernels/format.h"
#include "runtime/base/memory.h"

enum {
    PANEL_CHANNELS = 32, /* outputs of one product: leaves registers for 14 positions */
    FEW_CHANNELS = 16    /* below it windows are put side by side */
};

static size_t common_divisor(size_t a, size_t b)
{
    while (b != 0) {
        const size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void choose_panels(ech_convolution *convolution)
{
    const ech_convolution_spec *spec = &convolution->spec;
    const size_t in = spec->in.channels / spec->groups;
    const size_t out = spec->out.channels / spec->groups;
    convolution->in_block = ech_format_channel_block(spec->in.channels);
    convolution->out_block = ech_format_channel_block(spec->out.channels);
    if (spec->groups == 1) {
        convolution->in_width = smaller(convolution->in_block, in);
        convolution->out_width = smaller(convolution->out_block, PANEL_CHANNELS);
        convolution->back_width = smaller(convolution->in_block, PANEL_CHANNELS);
        convolution->deep_width = convolution->out_block;
    } else {
        convolution->in_width = common_divisor(convolution->in_block, in);
        convolution->deep_width = common_divisor(convolution->out_block, out);
        convolution->out_width = smaller(convolution->deep_width, PANEL_CHANNELS);
        convolution->back_width = smaller(convolution->in_width, PANEL_CHANNELS);
    }
    convolution->in_panels = divide_up(in, convolution->in_width);
    convolution->out_panels = divide_up(out, convolution->out_width);
    convolution->back_panels = divide_up(in, convolution->back_width);
    convolution->deep_panels = divide_up(out, convolution->deep_width);
    convolution->expanded = in < FEW_CHANNELS && spec->groups == 1 &&
                            spec->window.kernel_width > 1 &&
                            in * spec->window.kernel_width <= ECH_DIRECT_IN_WIDTH_MAX;
}

/* The input's grid as forward's products step through it. */
static ech_grid view_grid(const ech_convolution *convolution)
{
    const ech_convolution_spec *spec = &convolution->spec;
    const ech_sliding_window *window = &spec->window;
    const size_t rows = spec->in.height + 2 * (size_t)window->pad_height;
    if (convolution->expanded) {
        const size_t column = (size_t)window->kernel_width * spec->in.channels;
        const size_t row = column * spec->out.width;
        return (ech_grid){.image = rows * row,
                          .block = rows * row,
                          .row = row * window->stride_height,
                          .column = column,
                          .block_channels = column};
    }
    const size_t block = convolution->in_block;
    const size_t row = (spec->in.width + 2 * (size_t)window->pad_width) * block;
    return (ech_grid){.image = divide_up(spec->in.channels, block) * rows * row,
                      .block = rows * row,
                      .row = row * window->stride_height,
                      .column = block * window->stride_width,
                      .block_channels = block};
}

/* A blocked value without a border. */
static ech_grid value_grid(ech_shape shape, size_t block)
{
    const size_t row = (size_t)shape.width * block;
    return (ech_grid){.image = divide_up(shape.channels, block) * shape.height * row,
                      .block = shape.height * row,
                      .row = row,
                      .column = block,
                      .block_channels = block};
}

static ech_grid gradient_grid(const ech_convolution *convolution)
{
    const ech_shape *out = &convolution->spec.out;
    const size_t block = convolution->out_block;
    const size_t row = (out->width + 2 * convolution->border_columns) * block;
    const size_t plane = (out->height + 2 * convolution->border_rows) * row;
    return (ech_grid){.origin =
                          convolution->border_rows * row + convolution->border_columns * block,
                      .image = divide_up(out->channels, block) * plane,
                      .block = plane,
                      .row = row,
                      .column = block,
                      .block_channels = block};
}

/* Offsets of all taps in the view; the caller frees them. */
static size_t *view_taps(const ech_convolution *convolution, size_t *count)
{
    const ech_sliding_window *window = &convolution->spec.window;
    const ech_grid grid = view_grid(convolution);
    const size_t columns = convolution->expanded ? 1 : window->kernel_width;
    *count = window->kernel_height * columns;
    size_t *offsets = ech_calloc(*count, sizeof *offsets);
    for (size_t tap = 0; tap < *count && offsets != NULL; tap++) {
        offsets[tap] = tap / columns * (grid.row / window->stride_height) +
                       tap % columns * convolution->in_block;
    }
    return offsets;
}

static ech_status make_forward(ech_convolution *convolution)
{
    const ech_convolution_spec *spec = &convolution->spec;
    ech_direct_shape shape = {
        .in = view_grid(convolution),
        .out = value_grid(spec->out, convolution->out_block),
        .rows = spec->out.height,
        .columns = spec->out.width,
        .groups = spec->groups,
        .in_width = convolution->in_width,
        .out_width = convolution->out_width,
        .in_panels = convolution->in_panels,
        .out_panels = convolution->out_panels,
    };
    if (convolution->expanded) {
        shape.in_width = shape.in.column;
    }
    size_t *offsets = view_taps(convolution, &shape.taps);
    if (offsets == NULL) {
        return ECH_ERR_MEMORY;
    }
    shape.tap_offsets = offsets;
    ech_status status = ech_spanning_create(&shape, spec->max_batch, &convolution->forward);
    if (status == ECH_OK && spec->training) {
        shape.out = gradient_grid(convolution);
        status = ech_direct_update_create(&shape, spec->max_batch, &convolution->update);
    }
    ech_free(offsets);
    return status;
}

static residue find_residue(size_t which, size_t stride, size_t pad, size_t kernel, size_t inputs)
{
    const size_t first = (which + pad) % stride;
    residue result = {.first_tap = first};
    result.positions = which < inputs ? divide_up(inputs - which, stride) : 0;
    result.taps = first < kernel ? divide_up(kernel - first, stride) : 0;
    result.last_offset = (ptrdiff_t)((which + pad - first) / stride) - (ptrdiff_t)result.taps + 1;
    return result;
}

/* Zeros needed on each side of `outputs` positions so that no tap of the residue leaves them. */
static size_t needed_border(const residue *taps, size_t outputs)
{
    if (taps->taps == 0 || taps->positions == 0) {
        return 0;
    }
    const ptrdiff_t before = -taps->last_offset;
    const ptrdiff_t after = taps->last_offset + (ptrdiff_t)(taps->taps - 1) +
                            (ptrdiff_t)taps->positions - (ptrdiff_t)outputs;
    const ptrdiff_t most = before > after ? before : after;
    return most > 0 ? (size_t)most : 0;
}

static ech_status find_classes(ech_convolution *convolution)
{
    const ech_convolution_spec *spec = &convolution->spec;
    const ech_sliding_window *window = &spec->window;
    const size_t count = (size_t)window->stride_height * window->stride_width;
    convolution->classes = ech_calloc(count, sizeof *convolution->classes);
    if (convolution->classes == NULL) {
        return ECH_ERR_MEMORY;
    }
    size_t weights = 0;
    for (size_t i = 0; i < count; i++) {
        input_class *class = &convolution->classes[i];
        class->row_residue = i / window->stride_width;
        class->column_residue = i % window->stride_width;
        class->rows = find_residue(class->row_residue, window->stride_height, window->pad_height,
                                   window->kernel_height, spec->in.height);
        class->columns = find_residue(class->column_residue, window->stride_width,
                                      window->pad_width, window->kernel_width, spec->in.width);
        class->weights_begin = weights;
        weights += spec->groups * convolution->back_panels * convolution->back_width *
                   convolution->deep_panels * convolution->deep_width * class->rows.taps *
                   class->columns.taps;
        convolution->border_rows =
            larger(convolution->border_rows, needed_border(&class->rows, spec->out.height));
        convolution->border_columns =
            larger(convolution->border_columns, needed_border(&class->columns, spec->out.width));
    }
    return ECH_OK;
}

static bool class_is_empty(const input_class *class)
{
    return class_taps(class) == 0 || class->rows.positions == 0 || class->columns.positions == 0;
}

static ech_status make_class(const ech_convolution *convolution, input_class *class)
{
    const ech_convolution_spec *spec = &convolution->spec;
    const ech_sliding_window *window = &spec->window;
    ech_direct_shape shape = {
        .in = gradient_grid(convolution),
        .out = value_grid(spec->in, convolution->in_block),
        .rows = class->rows.positions,
        .columns = class->columns.positions,
        .groups = spec->groups,
        .in_width = convolution->deep_width,
        .out_width = convolution->back_width,
        .in_panels = convolution->deep_panels,
        .out_panels = convolution->back_panels,
        .taps = class_taps(class),
    };
    size_t *offsets = ech_calloc(shape.taps, sizeof *offsets);
    if (offsets == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t tap = 0; tap < shape.taps; tap++) {
        offsets[tap] = (class->rows.taps - 1 - tap / class->columns.taps) * shape.in.row +
                       (class->columns.taps - 1 - tap % class->columns.taps) * shape.in.column;
    }
    shape.tap_offsets = offsets;
    shape.in.origin =
        (size_t)((ptrdiff_t)shape.in.origin + class->rows.last_offset * (ptrdiff_t)shape.in.row +
                 class->columns.last_offset * (ptrdiff_t)shape.in.column);
    shape.out.origin =
        class->row_residue * shape.out.row + class->column_residue * shape.out.column;
    shape.out.row *= window->stride_height;
    shape.out.column *= window->stride_width;
    const ech_status status = ech_spanning_create(&shape, spec->max_batch, &class->direct);
    ech_free(offsets);
    return status;
}

ech_status ech_convolution_create(const ech_convolution_spec *spec, ech_convolution **out)
{
    ech_convolution *convolution = ech_calloc(1, sizeof *convolution);
    *out = convolution;
    if (convolution == NULL) {
        return ECH_ERR_MEMORY;
    }
    convolution->spec = *spec;
    choose_panels(convolution);
    ech_status status = spec->input_gradient ? find_classes(convolution) : ECH_OK;
    if (status == ECH_OK) {
        status = make_forward(convolution);
    }
    for (size_t i = 0; spec->input_gradient && status == ECH_OK && i < class_count(convolution);
         i++) {
        if (!class_is_empty(&convolution->classes[i])) {
            status = make_class(convolution, &convolution->classes[i]);
        }
    }
    if (status != ECH_OK) {
        ech_convolution_destroy(out);
    }
    return status;
}

void ech_convolution_destroy(ech_convolution **convolution)
{
    if (convolution == NULL || *convolution == NULL) {
        return;
    }
    for (size_t i = 0; (*convolution)->classes != NULL && i < class_count(*convolution); i++) {
        ech_spanning_destroy(&(*convolution)->classes[i].direct);
    }
    ech_free((*convolution)->classes);
    ech_spanning_destroy(&(*convolution)->forward);
    ech_direct_update_destroy(&(*convolution)->update);
    ech_free(*convolution);
    *convolution = NULL;
}

size_t ech_convolution_weights_count(const ech_convolution *convolution)
{
    return convolution->spec.groups * convolution->out_panels * convolution->out_width *
           convolution->in_panels * convolution->in_width * kernel_taps(convolution);
}

size_t ech_convolution_view_count(const ech_convolution *convolution)
{
    const ech_sliding_window *window = &convolution->spec.window;
    const bool padded = window->pad_height > 0 || window->pad_width > 0;
    return convolution->expanded || padded
               ? view_grid(convolution).image * convolution->spec.max_batch
               : 0;
}

size_t ech_convolution_gradient_count(const ech_convolution *convolution)
{
    return gradient_grid(convolution).image * convolution->spec.max_batch;
}

size_t ech_convolution_transposed_count(const ech_convolution *convolution)
{
    if (convolution->classes == NULL) {
        return 0;
    }
    return convolution->spec.groups * convolution->back_panels * convolution->back_width *
           convolution->deep_panels * convolution->deep_width * kernel_taps(convolution);
}

size_t ech_convolution_border_rows(const ech_convolution *convolution)
{
    return convolution->border_rows;
}

size_t ech_convolution_border_columns(const ech_convolution *convolution)
{
    return convolution->border_columns;
}

size_t ech_convolution_panel_width(const ech_convolution *convolution)
{
    return convolution->out_width;
}

size_t ech_convolution_tile_rows(const ech_convolution *convolution)
{
    return ech_direct_tile_rows(convolution->forward.along_positions);
}

static ech_blocked_size input_size(const ech_convolution *convolution, size_t batch)
{
    const ech_shape *in = &convolution->spec.in;
    return (ech_blocked_size){batch, divide_up(in->channels, convolution->in_block), in->height,
                              in->width, convolution->in_block};
}

void ech_convolution_make_view(const ech_convolution *convolution, const float *input, float *view,
                               size_t batch, size_t threads)
{
    const ech_sliding_window *window = &convolution->spec.window;
    const ech_blocked_size size = input_size(convolution, batch);
    if (!convolution->expanded) {
        ech_reorder_pad(input, view, &size, window->pad_height, window->pad_width, threads);
        return;
    }
    const ech_reorder_windows windows = {
        .size = size,
        .channels = convolution->spec.in.channels,
        .pad_rows = window->pad_height,
        .pad_columns = window->pad_width,
        .window_columns = window->kernel_width,
        .stride_columns = window->stride_width,
        .out_columns = convolution->spec.out.width,
    };
    ech_reorder_expand(input, view, &windows, threads);
}

/* Channels that belong to no group are in no panel: their values must be finite nevertheless. */
static void zero_unless_covered(const ech_convolution *convolution, ech_shape shape, size_t block,
                                float *values, size_t batch)
{
    if (convolution->spec.groups > 1 && shape.channels % block != 0) {
        memset(values, 0, value_grid(shape, block).image * batch * sizeof *values);
    }
}

void ech_convolution_forward(const ech_convolution *convolution, const ech_direct_run_args *run)
{
    zero_unless_covered(convolution, convolution->spec.out, convolution->out_block, run->out,
                        run->batch);
    ech_spanning_run(&convolution->forward, run);
}

void ech_convolution_update(const ech_convolution *convolution, const ech_direct_update_args *run)
{
    ech_direct_update_run(convolution->update, run);
}

void ech_convolution_backward(const ech_convolution *convolution, const ech_direct_run_args *run)
{
    const ech_grid grid = value_grid(convolution->spec.in, convolution->in_block);
    bool covered = true;
    for (size_t i = 0; i < class_count(convolution); i++) {
        covered = covered && !class_is_empty(&convolution->classes[i]);
    }
    if (!run->accumulate) {
        if (!covered) {
            memset(run->out, 0, grid.image * run->batch * sizeof *run->out);
        } else {
            zero_unless_covered(convolution, convolution->spec.in, convolution->in_block, run->out,
                                run->batch);
        }
    }
    for (size_t i = 0; i < class_count(convolution); i++) {
        const input_class *class = &convolution->classes[i];
        if (!class_is_empty(class)) {
            ech_direct_run_args part = *run;
            part.weights = run->weights + class->weights_begin;
            ech_spanning_run(&class->direct, &part);
        }
    }
}
