#include <cblas.h>
#include <string.h>

#include "kernels/blas/blas.h"

/*
 * Convolution as a product with the input's windows laid out as columns (im2col): Y = W * columns
 * for each image and group. The weights' gradient is summed in a fixed number of parts of the
 * batch, added in their order: the bits do not depend on the number of threads.
 */
enum { PARTS = 4 };

typedef struct {
    const ech_layer *layer;
    size_t channels, filters; /* of one group */
    size_t inputs, outputs;   /* floats of one group of one image */
    size_t depth;             /* rows of the columns: weights of one filter */
    size_t positions;         /* columns */
    bool copied;              /* false: the input itself is the columns (1x1) */
} geometry;

static geometry geometry_of(const ech_step *step)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const ech_sliding_window *w = &layer->window;
    geometry g = {.layer = layer,
                  .channels = layer->in.channels / layer->groups,
                  .filters = layer->out.channels / layer->groups,
                  .positions = (size_t)layer->out.height * layer->out.width};
    g.inputs = g.channels * layer->in.height * layer->in.width;
    g.outputs = g.filters * g.positions;
    g.depth = g.channels * w->kernel_height * w->kernel_width;
    g.copied = w->kernel_height * w->kernel_width > 1 || w->stride_height * w->stride_width > 1 ||
               w->pad_height + w->pad_width > 0;
    return g;
}

static size_t weights_count(const geometry *g)
{
    return g->layer->groups * g->filters * g->depth;
}

/* Columns for each part or thread, then the weights' gradient of each part but the first. */
static void prepare(ech_step *step)
{
    const geometry g = geometry_of(step);
    const size_t slots = step->target->threads > PARTS ? step->target->threads : PARTS;
    size_t floats = slots * g.depth * g.positions;
    if (step->target->training) {
        floats += (PARTS - 1) * weights_count(&g);
    }
    step->scratch_bytes = floats * sizeof(float);
    step->backward_reads_input[0] = true;
}

static float *columns_of(const geometry *g, const ech_step_call *call, size_t slot)
{
    return (float *)call->scratch + slot * g->depth * g->positions;
}

/* Output columns [first, end) whose window column `s` lies inside the input. */
typedef struct {
    size_t first, end;
} span;

static span inside_columns(const ech_layer *layer, size_t s)
{
    const ech_sliding_window *w = &layer->window;
    const size_t stride = w->stride_width, reach = layer->in.width + (size_t)w->pad_width;
    span inside = {0};
    if (s < w->pad_width) {
        inside.first = (w->pad_width - s + stride - 1) / stride;
    }
    if (s < reach) {
        inside.end = (reach - s + stride - 1) / stride;
    }
    inside.end = inside.end < layer->out.width ? inside.end : layer->out.width;
    inside.first = inside.first < inside.end ? inside.first : inside.end;
    return inside;
}

/* `pixel`: where the window of output column 0 meets the input's row, perhaps before it. */
static void gather_row(const float *line, ptrdiff_t pixel, size_t stride, span inside, size_t width,
                       float *row)
{
    memset(row, 0, inside.first * sizeof *row);
    for (size_t x = inside.first; x < inside.end; x++) {
        row[x] = line[pixel + (ptrdiff_t)(x * stride)];
    }
    memset(row + inside.end, 0, (width - inside.end) * sizeof *row);
}

static void return_row(float *line, ptrdiff_t pixel, size_t stride, span inside, const float *row)
{
    for (size_t x = inside.first; x < inside.end; x++) {
        line[pixel + (ptrdiff_t)(x * stride)] += row[x];
    }
}

/* One row of the columns: what one weight of a filter meets at all positions. Gathers into `row`,
 * or adds `row` back to where it came from. */
static void visit_row(const geometry *g, size_t which, float *input, float *row, bool back)
{
    const ech_layer *layer = g->layer;
    const ech_sliding_window *w = &layer->window;
    const size_t s = which % w->kernel_width;
    const size_t r = which / w->kernel_width % w->kernel_height;
    float *plane = input + which / w->kernel_width / w->kernel_height * layer->in.height *
                               (size_t)layer->in.width;
    const span inside = inside_columns(layer, s), nothing = {0};
    const ptrdiff_t pixel = (ptrdiff_t)s - (ptrdiff_t)w->pad_width;
    for (size_t i = 0; i < layer->out.height; i++, row += layer->out.width) {
        const size_t y = i * w->stride_height + r - w->pad_height; /* wraps above the input */
        const bool exists = y < layer->in.height;
        float *line = plane + (exists ? y : 0) * layer->in.width;
        if (!back) {
            gather_row(line, pixel, w->stride_width, exists ? inside : nothing, layer->out.width,
                       row);
        } else if (exists) {
            return_row(line, pixel, w->stride_width, inside, row);
        }
    }
}

static const float *make_columns(const geometry *g, const float *input, float *columns)
{
    if (!g->copied) {
        return input;
    }
    for (size_t which = 0; which < g->depth; which++) {
        visit_row(g, which, (float *)input, columns + which * g->positions, false);
    }
    return columns;
}

/* Number `i` counts the groups of all images. */
static void forward_group(const ech_step *step, const ech_step_call *call, const geometry *g,
                          size_t i, float *columns)
{
    const size_t group = i % g->layer->groups;
    const float *weights = ech_blas_parameter(step, call, 0) + group * g->filters * g->depth;
    const float *bias = ech_blas_parameter(step, call, 1);
    float *output = (float *)call->output + i * g->outputs;
    const float *from = make_columns(g, (const float *)call->inputs[0] + i * g->inputs, columns);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)g->filters,
                (blasint)g->positions, (blasint)g->depth, 1.0f, weights, (blasint)g->depth, from,
                (blasint)g->positions, 0.0f, output, (blasint)g->positions);
    for (size_t k = 0; bias != NULL && k < g->filters; k++) {
        for (size_t p = 0; p < g->positions; p++) {
            output[k * g->positions + p] += bias[group * g->filters + k];
        }
    }
}

static void forward(const ech_step *step, const ech_step_call *call)
{
    const geometry g = geometry_of(step);
    const int threads = (int)step->target->threads;
    const size_t groups = (size_t)call->batch * g.layer->groups;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int thread = 0; thread < threads; thread++) {
        const size_t first = groups * (size_t)thread / (size_t)threads;
        const size_t last = groups * ((size_t)thread + 1) / (size_t)threads;
        for (size_t i = first; i < last; i++) {
            forward_group(step, call, &g, i, columns_of(&g, call, (size_t)thread));
        }
    }
}

static void weights_group(const ech_step_call *call, const geometry *g, size_t i, float *gradient,
                          bool accumulate, float *columns)
{
    const float *output = (const float *)call->output_gradient + i * g->outputs;
    const float *from = make_columns(g, (const float *)call->inputs[0] + i * g->inputs, columns);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)g->filters, (blasint)g->depth,
                (blasint)g->positions, 1.0f, output, (blasint)g->positions, from,
                (blasint)g->positions, accumulate ? 1.0f : 0.0f,
                gradient + i % g->layer->groups * g->filters * g->depth, (blasint)g->depth);
}

static void input_group(const ech_step *step, const ech_step_call *call, const geometry *g,
                        size_t i, float *columns)
{
    const float *weights =
        ech_blas_parameter(step, call, 0) + i % g->layer->groups * g->filters * g->depth;
    const float *output = (const float *)call->output_gradient + i * g->outputs;
    float *input = (float *)call->input_gradients[0] + i * g->inputs;
    if (!call->accumulate[0]) {
        memset(input, 0, g->inputs * sizeof *input);
    }
    float *to = g->copied ? columns : input;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)g->depth, (blasint)g->positions,
                (blasint)g->filters, 1.0f, weights, (blasint)g->depth, output,
                (blasint)g->positions, g->copied ? 0.0f : 1.0f, to, (blasint)g->positions);
    for (size_t which = 0; g->copied && which < g->depth; which++) {
        visit_row(g, which, input, columns + which * g->positions, true);
    }
}

/* The weights' gradient over part `part` of the images; zero if it is empty. */
static void backward_part(const ech_step *step, const ech_step_call *call, const geometry *g,
                          size_t part, float *gradient)
{
    const size_t first = call->batch * part / PARTS * g->layer->groups;
    const size_t last = call->batch * (part + 1) / PARTS * g->layer->groups;
    float *columns = columns_of(g, call, part);
    if (first == last) {
        memset(gradient, 0, weights_count(g) * sizeof *gradient);
    }
    for (size_t i = first; i < last; i++) {
        weights_group(call, g, i, gradient, i - first >= g->layer->groups, columns);
        if (call->input_gradients[0] != NULL) {
            input_group(step, call, g, i, columns);
        }
    }
}

static void bias_backward(const ech_step_call *call, const geometry *g, float *gradient)
{
    const size_t filters = g->layer->out.channels;
    for (size_t k = 0; k < filters; k++) {
        double sum = 0.0;
        for (size_t n = 0; n < call->batch; n++) {
            const float *from =
                (const float *)call->output_gradient + (n * filters + k) * g->positions;
            for (size_t p = 0; p < g->positions; p++) {
                sum += (double)from[p];
            }
        }
        gradient[k] = (float)sum;
    }
}

static void backward(const ech_step *step, const ech_step_call *call)
{
    const geometry g = geometry_of(step);
    const int threads = (int)step->target->threads;
    const size_t slots = step->target->threads > PARTS ? step->target->threads : PARTS;
    float *gradient = ech_blas_gradient(step, call, 0);
    float *bias = ech_blas_gradient(step, call, 1);
    float *rest = columns_of(&g, call, slots);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t part = 0; part < PARTS; part++) {
        backward_part(step, call, &g, part,
                      part == 0 ? gradient : rest + (part - 1) * weights_count(&g));
    }
    for (size_t part = 1; part < PARTS; part++) {
        const float *from = rest + (part - 1) * weights_count(&g);
        for (size_t i = 0; i < weights_count(&g); i++) {
            gradient[i] += from[i];
        }
    }
    if (bias != NULL) {
        bias_backward(call, &g, bias);
    }
}

const ech_blas_kernel ech_blas_conv = {
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
};
