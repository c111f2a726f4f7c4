#include <cblas.h>
#include <string.h>

#include "kernels/blas/blas.h"

static void prepare(ech_step *step)
{
    step->backward_reads_input[0] = true;
}

/* Sample by sample: what a sample gives must not depend on its neighbours, and a product of
 * matrices promises no order of sums. */
static void forward(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const uint32_t threads = step->target->threads;
    const size_t inputs = ech_shape_count(layer->in), outputs = layer->out.channels;
    const float *bias = ech_blas_parameter(step, call, 1);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (uint32_t n = 0; n < call->batch; n++) {
        float *to = (float *)call->output + n * outputs;
        if (bias != NULL) {
            memcpy(to, bias, outputs * sizeof *to);
        }
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (blasint)outputs, (blasint)inputs, 1.0f,
                    ech_blas_parameter(step, call, 0), (blasint)inputs,
                    (const float *)call->inputs[0] + n * inputs, 1, bias != NULL ? 1.0f : 0.0f, to,
                    1);
    }
}

static void backward(const ech_step *step, const ech_step_call *call)
{
    const ech_layer *layer = ech_step_layer(step, 0);
    const blasint inputs = (blasint)ech_shape_count(layer->in);
    const blasint outputs = (blasint)layer->out.channels;
    const blasint batch = (blasint)call->batch;
    const float *gradient = call->output_gradient;
    float *bias = ech_blas_gradient(step, call, 1);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, outputs, inputs, batch, 1.0f, gradient,
                outputs, call->inputs[0], inputs, 0.0f, ech_blas_gradient(step, call, 0), inputs);
    if (bias != NULL) {
        for (blasint o = 0; o < outputs; o++) {
            double sum = 0.0;
            for (blasint n = 0; n < batch; n++) {
                sum += (double)gradient[n * outputs + o];
            }
            bias[o] = (float)sum;
        }
    }
    if (call->input_gradients[0] != NULL) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, batch, inputs, outputs, 1.0f,
                    gradient, outputs, ech_blas_parameter(step, call, 0), inputs,
                    call->accumulate[0] ? 1.0f : 0.0f, call->input_gradients[0], inputs);
    }
}

const ech_blas_kernel ech_blas_linear = {
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
};
