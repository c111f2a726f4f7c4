#include <string.h>

#include "kernels/blocked/blocked.h"
#include "kernels/blocked/gemm.h"
#include "kernels/blocked/reorder.h"
#include "kernels/blocked/rows.h"
#include "kernels/format.h"
#include "runtime/base/memory.h"

/*
 * Linear [+ ReLU]. Weights are stored [output panel][input][PANEL outputs], the inputs numbered as
 * they lie in the blocked value, padding included: nothing is reordered but the weights, once.
 *
 * Forward makes a panel of outputs for a few samples at a time; a sample's sums do not depend on
 * how many there are. The input's gradient is made transposed, [input][sample], because the weights
 * are read along their outputs then.
 *
 * Results and gradients lie as [panel][sample][PANEL outputs]: with all outputs of a sample side by
 * side, a panel's samples would be a power of two apart, and push one another out of the cache.
 */
enum {
    PANEL = 32,
    TERM_MAX = 512,
    INPUTS_MAX = 64,
    SAMPLES_MAX = 64,
    FEW_SAMPLES = 8,
    VECTOR = 16
};

typedef struct {
    const ech_layer *layer;
    bool with_bias, with_relu;
    size_t inputs, outputs, panels; /* inputs and outputs of the blocked values, with padding */
    size_t max_batch, columns;      /* columns: max_batch in whole vectors */

    size_t terms, term; /* inputs of one forward product, and their number */
    size_t samples[3];  /* of a forward product, falling; the last is 1 */
    ech_gemm forward[3];
    unsigned long long *weight_bytes, *input_bytes; /* [terms] */

    size_t part; /* inputs of one backward product */
    ech_gemm by_input;
    ech_gemm by_weights, by_weights_single;           /* of a full batch; of samples one by one */
    unsigned long long *panel_bytes, *gradient_bytes; /* [panels], for by_input */
    unsigned long long *sample_bytes, *sample_input_bytes; /* [max_batch], for by_weights_single */

    /* Floats in `scratch`: forward's, then backward's. */
    size_t result;
    size_t gradient, transposed, part_gradient;
} linear_step;

static uint32_t match(const ech_network *network, uint32_t layer)
{
    return ech_blocked_next_is(network, layer, ECH_LAYER_RELU) ? 2 : 1;
}

static size_t largest_divisor(size_t count, size_t most)
{
    size_t divisor = count < most ? count : most;
    while (count % divisor != 0) {
        divisor--;
    }
    return divisor;
}

static ech_status make_forward(linear_step *kernel)
{
    kernel->term = largest_divisor(kernel->inputs, TERM_MAX);
    kernel->terms = kernel->inputs / kernel->term;
    const size_t pieces = (kernel->max_batch + SAMPLES_MAX - 1) / SAMPLES_MAX;
    kernel->samples[0] = (kernel->max_batch + pieces - 1) / pieces;
    kernel->samples[1] = kernel->samples[0] < FEW_SAMPLES ? kernel->samples[0] : FEW_SAMPLES;
    kernel->samples[2] = 1;
    kernel->weight_bytes = ech_calloc(kernel->terms, sizeof *kernel->weight_bytes);
    kernel->input_bytes = ech_calloc(kernel->terms, sizeof *kernel->input_bytes);
    if (kernel->weight_bytes == NULL || kernel->input_bytes == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t i = 0; i < kernel->terms; i++) {
        kernel->weight_bytes[i] = i * kernel->term * PANEL * sizeof(float);
        kernel->input_bytes[i] = i * kernel->term * sizeof(float);
    }
    ech_status status = ECH_OK;
    for (size_t i = 0; i < 3 && status == ECH_OK; i++) {
        const ech_gemm_shape shape = {.m = PANEL,
                                      .n = kernel->samples[i],
                                      .k = kernel->term,
                                      .lda = PANEL,
                                      .ldb = kernel->inputs,
                                      .ldc = PANEL};
        status = ech_gemm_generate(&shape, &kernel->forward[i]);
    }
    return status;
}

static ech_status fill_backward_offsets(linear_step *kernel)
{
    kernel->panel_bytes = ech_calloc(kernel->panels, sizeof *kernel->panel_bytes);
    kernel->gradient_bytes = ech_calloc(kernel->panels, sizeof *kernel->gradient_bytes);
    kernel->sample_bytes = ech_calloc(kernel->max_batch, sizeof *kernel->sample_bytes);
    kernel->sample_input_bytes = ech_calloc(kernel->max_batch, sizeof *kernel->sample_input_bytes);
    if (kernel->panel_bytes == NULL || kernel->gradient_bytes == NULL ||
        kernel->sample_bytes == NULL || kernel->sample_input_bytes == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t p = 0; p < kernel->panels; p++) {
        kernel->panel_bytes[p] = p * kernel->inputs * PANEL * sizeof(float);
        kernel->gradient_bytes[p] = p * PANEL * kernel->columns * sizeof(float);
    }
    for (size_t n = 0; n < kernel->max_batch; n++) {
        kernel->sample_bytes[n] = n * PANEL * sizeof(float);
        kernel->sample_input_bytes[n] = n * kernel->inputs * sizeof(float);
    }
    return ECH_OK;
}

static ech_status make_backward(linear_step *kernel)
{
    kernel->part = largest_divisor(kernel->inputs, INPUTS_MAX);
    ech_status status = fill_backward_offsets(kernel);
    if (status == ECH_OK) {
        const ech_gemm_shape shape = {.m = kernel->columns,
                                      .n = kernel->part,
                                      .k = PANEL,
                                      .lda = kernel->columns,
                                      .ldb = PANEL,
                                      .ldc = kernel->columns};
        status = ech_gemm_generate(&shape, &kernel->by_input);
    }
    ech_gemm_shape shape = {.m = PANEL,
                            .n = kernel->part,
                            .k = kernel->max_batch,
                            .lda = PANEL,
                            .ldb = kernel->inputs,
                            .ldc = PANEL,
                            .transposed_b = true};
    if (status == ECH_OK) {
        status = ech_gemm_generate(&shape, &kernel->by_weights);
    }
    shape.k = 1;
    return status == ECH_OK ? ech_gemm_generate(&shape, &kernel->by_weights_single) : status;
}

/* Once the products are made: their sizes decide the scratch. */
static void lay_out(ech_step *step, linear_step *kernel)
{
    size_t forward = 0, backward = 0;
    const size_t outputs = kernel->columns * kernel->panels * PANEL;
    kernel->result = ech_blocked_take(&forward, outputs);
    if (step->target->training) {
        kernel->gradient = ech_blocked_take(&backward, outputs);
        kernel->transposed = ech_blocked_take(&backward, outputs);
        kernel->part_gradient =
            ech_blocked_take(&backward, step->target->threads * kernel->part * kernel->columns);
    }
    step->scratch_bytes = (forward > backward ? forward : backward) * sizeof(float);
    step->tensors[0].stored_count = kernel->panels * PANEL * kernel->inputs;
    step->backward_reads_input[0] = true;
    step->backward_reads_output = kernel->with_relu;
}

static ech_status prepare(ech_step *step)
{
    linear_step *kernel = ech_calloc(1, sizeof *kernel);
    step->kernel = kernel;
    if (kernel == NULL) {
        return ECH_ERR_MEMORY;
    }
    kernel->layer = ech_step_layer(step, 0);
    kernel->with_bias = kernel->layer->bias != ECH_TENSOR_NONE;
    kernel->with_relu = step->layer_count == 2;
    kernel->inputs = ech_blocked_layout_of(kernel->layer->in).image;
    kernel->outputs = ech_blocked_layout_of(kernel->layer->out).channels;
    kernel->panels = (kernel->outputs + PANEL - 1) / PANEL;
    kernel->max_batch = step->target->batch;
    kernel->columns = (kernel->max_batch + VECTOR - 1) / VECTOR * VECTOR;
    ech_status status = make_forward(kernel);
    if (status == ECH_OK && step->target->training) {
        status = make_backward(kernel);
    }
    lay_out(step, kernel);
    return status;
}

static void destroy(ech_step *step)
{
    linear_step *kernel = step->kernel;
    if (kernel != NULL) {
        ech_free(kernel->weight_bytes);
        ech_free(kernel->input_bytes);
        ech_free(kernel->panel_bytes);
        ech_free(kernel->gradient_bytes);
        ech_free(kernel->sample_bytes);
        ech_free(kernel->sample_input_bytes);
        ech_free(kernel);
        step->kernel = NULL;
    }
}

/* Where the weight of an output and an input, numbered as in PyTorch, is stored. */
static size_t stored_index(const linear_step *kernel, size_t output, uint64_t input)
{
    const ech_shape in = kernel->layer->in;
    const uint64_t plane = (uint64_t)in.height * in.width;
    const uint64_t place =
        ech_format_index(ECH_FORMAT_BLOCKED, in, 0, (uint32_t)(input / plane),
                         (uint32_t)(input % plane / in.width), (uint32_t)(input % in.width));
    return (output / PANEL * kernel->inputs + place) * PANEL + output % PANEL;
}

static void pack(const ech_step *step, uint32_t which, const void *plain, void *stored)
{
    const linear_step *kernel = step->kernel;
    if (which > 0) {
        ech_blocked_pack_vector(step, which, plain, stored);
        return;
    }
    const uint64_t inputs = ech_shape_count(kernel->layer->in);
    memset(stored, 0, step->tensors[0].stored_count * sizeof(float));
    for (uint64_t i = 0; i < inputs; i++) {
        float *column = (float *)stored + stored_index(kernel, 0, i);
        for (size_t o = 0; o < kernel->layer->out.channels; o++) {
            column[o / PANEL * kernel->inputs * PANEL + o % PANEL] =
                ((const float *)plain)[o * inputs + i];
        }
    }
}

static void unpack(const ech_step *step, uint32_t which, const void *stored, void *plain)
{
    const linear_step *kernel = step->kernel;
    if (which > 0) {
        ech_blocked_unpack_vector(step, which, stored, plain);
        return;
    }
    const uint64_t inputs = ech_shape_count(kernel->layer->in);
    for (uint64_t i = 0; i < inputs; i++) {
        const float *column = (const float *)stored + stored_index(kernel, 0, i);
        for (size_t o = 0; o < kernel->layer->out.channels; o++) {
            ((float *)plain)[o * inputs + i] =
                column[o / PANEL * kernel->inputs * PANEL + o % PANEL];
        }
    }
}

/* All samples of one panel of outputs. */
static void forward_panel(const ech_step *step, const ech_step_call *call, size_t panel)
{
    const linear_step *kernel = step->kernel;
    const float *weights =
        (const float *)call->parameters + step->tensors[0].offset + panel * kernel->inputs * PANEL;
    float *result = (float *)call->scratch + kernel->result + panel * kernel->columns * PANEL;
    for (size_t n = 0, which = 0; n < call->batch; n += kernel->samples[which]) {
        while (kernel->samples[which] > call->batch - n) {
            which++;
        }
        ech_gemm_run(kernel->forward[which], weights,
                     (const float *)call->inputs[0] + n * kernel->inputs, result + n * PANEL,
                     kernel->terms, kernel->weight_bytes, kernel->input_bytes);
    }
}

/* Outputs of a panel that the value has, padding included. */
static size_t panel_width(const linear_step *kernel, size_t panel)
{
    const size_t left = kernel->outputs - panel * PANEL;
    return left < PANEL ? left : PANEL;
}

/* Bias, ReLU, and zeros in the padding. */
static void finish_sample(const ech_step *step, const ech_step_call *call, size_t panel,
                          size_t sample)
{
    const linear_step *kernel = step->kernel;
    const size_t first = panel * PANEL, width = panel_width(kernel, panel);
    const float *result =
        (const float *)call->scratch + kernel->result + (panel * kernel->columns + sample) * PANEL;
    const float *bias = kernel->with_bias
                            ? (const float *)call->parameters + step->tensors[1].offset + first
                            : NULL;
    float *out = (float *)call->output + sample * kernel->outputs + first;
    for (size_t o = 0; o < width; o++) {
        const bool exists = first + o < kernel->layer->out.channels;
        const float value = exists ? result[o] + (bias != NULL ? bias[o] : 0.0f) : 0.0f;
        out[o] = kernel->with_relu && value < 0.0f ? 0.0f : value;
    }
}

static void forward(const ech_step *step, const ech_step_call *call)
{
    const linear_step *kernel = step->kernel;
    const uint32_t threads = step->target->threads;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t panel = 0; panel < kernel->panels; panel++) {
        forward_panel(step, call, panel);
        for (size_t sample = 0; sample < call->batch; sample++) {
            finish_sample(step, call, panel, sample);
        }
    }
}

/* A panel of the gradient behind the ReLU, zero for samples that are not there; its transpose; and
 * its sums, the bias's gradient. */
static void prepare_panel(const ech_step *step, const ech_step_call *call, size_t panel)
{
    const linear_step *kernel = step->kernel;
    const size_t first = panel * PANEL, width = panel_width(kernel, panel);
    const size_t count = kernel->columns * PANEL;
    float *gradient = (float *)call->scratch + kernel->gradient + panel * count;
    float *bias =
        kernel->with_bias ? (float *)call->gradients + step->tensors[1].offset + first : NULL;
    const size_t left = kernel->layer->out.channels - first;
    const size_t exist = left < PANEL ? left : PANEL;
    memset(gradient, 0, count * sizeof *gradient);
    if (bias != NULL) {
        memset(bias, 0, exist * sizeof *bias);
    }
    for (size_t n = 0; n < call->batch; n++) {
        const float *from = (const float *)call->output_gradient + n * kernel->outputs + first;
        const float *out = (const float *)call->output + n * kernel->outputs + first;
        for (size_t o = 0; o < width; o++) {
            const bool passes = first + o < kernel->layer->out.channels;
            gradient[n * PANEL + o] =
                passes && (!kernel->with_relu || out[o] > 0.0f) ? from[o] : 0.0f;
        }
        if (bias != NULL) {
            ech_rows_give(gradient + n * PANEL, bias, exist, true);
        }
    }
    ech_reorder_transpose(gradient, PANEL,
                          (float *)call->scratch + kernel->transposed +
                              panel * kernel->columns * PANEL,
                          kernel->columns, kernel->columns, PANEL);
}

/* The gradient of one part of one panel's weights. */
static void weights_part(const ech_step *step, const ech_step_call *call, size_t panel, size_t part)
{
    const linear_step *kernel = step->kernel;
    const float *gradient =
        (const float *)call->scratch + kernel->gradient + panel * kernel->columns * PANEL;
    const float *input = (const float *)call->inputs[0] + part * kernel->part;
    float *to = (float *)call->gradients + step->tensors[0].offset +
                (panel * kernel->inputs + part * kernel->part) * PANEL;
    const bool full = call->batch == kernel->max_batch;
    ech_gemm_run(full ? kernel->by_weights : kernel->by_weights_single, gradient, input, to,
                 full ? 1 : call->batch, kernel->sample_bytes, kernel->sample_input_bytes);
}

/* The gradient of one part of all samples' inputs. */
static void inputs_part(const ech_step *step, const ech_step_call *call, size_t part,
                        float *part_gradient)
{
    const linear_step *kernel = step->kernel;
    const float *weights =
        (const float *)call->parameters + step->tensors[0].offset + part * kernel->part * PANEL;
    ech_gemm_run(kernel->by_input, (const float *)call->scratch + kernel->transposed, weights,
                 part_gradient, kernel->panels, kernel->gradient_bytes, kernel->panel_bytes);
    float *to = (float *)call->input_gradients[0] + part * kernel->part;
    if (!call->accumulate[0]) {
        ech_reorder_transpose(part_gradient, kernel->columns, to, kernel->inputs, kernel->part,
                              call->batch);
        return;
    }
    for (size_t n = 0; n < call->batch; n++) {
        for (size_t i = 0; i < kernel->part; i++) {
            to[n * kernel->inputs + i] += part_gradient[i * kernel->columns + n];
        }
    }
}

static void backward(const ech_step *step, const ech_step_call *call)
{
    const linear_step *kernel = step->kernel;
    const int threads = (int)step->target->threads;
    const size_t parts = kernel->inputs / kernel->part;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t panel = 0; panel < kernel->panels; panel++) {
        prepare_panel(step, call, panel);
    }
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t i = 0; i < kernel->panels * parts; i++) {
        weights_part(step, call, i / parts, i % parts);
    }
    if (call->input_gradients[0] == NULL) {
        return;
    }
    float *part_gradients = (float *)call->scratch + kernel->part_gradient;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int thread = 0; thread < threads; thread++) {
        const size_t first = parts * (size_t)thread / (size_t)threads;
        const size_t last = parts * ((size_t)thread + 1) / (size_t)threads;
        for (size_t part = first; part < last; part++) {
            inputs_part(step, call, part,
                        part_gradients + (size_t)thread * kernel->part * kernel->columns);
        }
    }
}

const ech_blocked_kernel ech_blocked_linear = {
    .match = match,
    .prepare = prepare,
    .destroy = destroy,
    .forward = forward,
    .backward = backward,
    .pack = pack,
    .unpack = unpack,
};
