#include <math.h>

#include "kernels/reference/reference.h"

/* Batch norm (Ioffe and Szegedy 2015) as PyTorch's. Saved: mean and 1 / deviation a channel. */
typedef struct {
    const ech_layer *layer;
    const ech_step_call *call;
    uint64_t plane;
    uint32_t channel;
} channel_view;

static uint64_t first_of(const channel_view *view, uint32_t n)
{
    return ((uint64_t)n * view->layer->in.channels + view->channel) * view->plane;
}

/* Mean of a channel's values, or of their squared distance from `centre`. */
static double mean_of(const channel_view *view, const double *centre)
{
    double sum = 0.0;
    for (uint32_t n = 0; n < view->call->batch; n++) {
        const real *input = (const real *)view->call->inputs[0] + first_of(view, n);
        for (uint64_t i = 0; i < view->plane; i++) {
            const double value = (double)input[i];
            sum += centre == NULL ? value : (value - *centre) * (value - *centre);
        }
    }
    return sum / ((double)view->call->batch * (double)view->plane);
}

static void update_running(const ech_layer *layer, real *running, double mean, double variance,
                           uint64_t count)
{
    const double unbiased = count > 1 ? variance * (double)count / (double)(count - 1) : variance;
    const double m = layer->momentum;
    running[0] = (real)((1.0 - m) * (double)running[0] + m * mean);
    running[layer->in.channels] =
        (real)((1.0 - m) * (double)running[layer->in.channels] + m * unbiased);
}

static void forward_channel(const ech_step *step, const channel_view *view)
{
    const ech_step_call *call = view->call;
    const ech_layer *layer = view->layer;
    const uint32_t c = view->channel;
    real *running = (real *)call->statistics + step->statistics_offset[0] + c;
    double mean = (double)running[0], variance = (double)running[layer->in.channels];
    if (call->training) {
        mean = mean_of(view, NULL);
        variance = mean_of(view, &mean);
        update_running(layer, running, mean, variance, call->batch * view->plane);
    }
    const double inverse = 1.0 / sqrt(variance + layer->epsilon);
    if (call->training) {
        double *saved = (double *)call->saved + (size_t)2 * c;
        saved[0] = mean;
        saved[1] = inverse;
    }
    const double weight = (double)((const real *)call->parameters)[step->tensors[0].offset + c];
    const double bias = (double)((const real *)call->parameters)[step->tensors[1].offset + c];
    for (uint32_t n = 0; n < call->batch; n++) {
        const real *input = (const real *)call->inputs[0] + first_of(view, n);
        real *output = (real *)call->output + first_of(view, n);
        for (uint64_t i = 0; i < view->plane; i++) {
            output[i] = (real)(((double)input[i] - mean) * inverse * weight + bias);
        }
    }
}

static channel_view view_of(const ech_step *step, const ech_step_call *call, uint32_t channel)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    return (channel_view){layer, call, (uint64_t)layer->in.height * layer->in.width, channel};
}

static void forward(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
#pragma omp parallel for num_threads(step->target->threads)
    for (uint32_t c = 0; c < layer->in.channels; c++) {
        const channel_view view = view_of(step, call, c);
        forward_channel(step, &view);
    }
    if (call->training) {
        const ech_tensor *tracked = &step->network->layout->tensors[layer->batches_tracked];
        call->counters[tracked->offset]++;
    }
}

static void backward_channel(const ech_step *step, const channel_view *view)
{
    const ech_step_call *call = view->call;
    const uint32_t c = view->channel;
    const double *saved = (const double *)call->saved + (size_t)2 * c;
    const double mean = saved[0], inverse = saved[1];
    double sum = 0.0, product = 0.0; /* of dy, and of dy times the normalised x */
    for (uint32_t n = 0; n < call->batch; n++) {
        const real *input = (const real *)call->inputs[0] + first_of(view, n);
        const real *output = (const real *)call->output_gradient + first_of(view, n);
        for (uint64_t i = 0; i < view->plane; i++) {
            sum += (double)output[i];
            product += (double)output[i] * ((double)input[i] - mean) * inverse;
        }
    }
    ((real *)call->gradients)[step->tensors[0].offset + c] = (real)product;
    ((real *)call->gradients)[step->tensors[1].offset + c] = (real)sum;
    if (call->input_gradients[0] == NULL) {
        return;
    }
    const double weight = (double)((const real *)call->parameters)[step->tensors[0].offset + c];
    const double count = (double)call->batch * (double)view->plane;
    for (uint32_t n = 0; n < call->batch; n++) {
        const real *input = (const real *)call->inputs[0] + first_of(view, n);
        const real *output = (const real *)call->output_gradient + first_of(view, n);
        real *gradient = (real *)call->input_gradients[0] + first_of(view, n);
        for (uint64_t i = 0; i < view->plane; i++) {
            const double normalised = ((double)input[i] - mean) * inverse;
            const double value =
                weight * inverse * ((double)output[i] - sum / count - normalised * product / count);
            gradient[i] = (real)(value + (call->accumulate[0] ? (double)gradient[i] : 0.0));
        }
    }
}

static void backward(const ech_step *step, const ech_step_call *call)
{
#pragma omp parallel for num_threads(step->target->threads)
    for (uint32_t c = 0; c < ech_step_layer(step, 0)->in.channels; c++) {
        const channel_view view = view_of(step, call, c);
        backward_channel(step, &view);
    }
}

static size_t saved_bytes(const ech_step *step)
{
    return (size_t)2 * ech_step_layer(step, 0)->in.channels * sizeof(double);
}

const ech_reference_kernel ECH_REAL_NAME(ech_reference_norm) = {
    .forward = forward,
    .backward = backward,
    .reads_input = true,
    .saved_bytes = saved_bytes,
};
