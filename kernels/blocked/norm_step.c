#include "kernels/blocked/blocked.h"
#include "kernels/blocked/norm.h"
#include "runtime/base/memory.h"

/* Batch norm [+ ReLU] where no convolution comes before it. */
typedef struct {
    ech_norm norm;
    bool with_relu;
    size_t numbers; /* floats in `saved` while training, else in `scratch` */
    size_t moments; /* in `scratch` */
} norm_step;

static uint32_t match(const ech_network *network, uint32_t layer)
{
    return ech_blocked_next_is(network, layer, ECH_LAYER_RELU) ? 2 : 1;
}

static ech_status prepare(ech_step *step)
{
    const bool training = step->target->training;
    norm_step *kernel = ech_calloc(1, sizeof *kernel);
    step->kernel = kernel;
    if (kernel == NULL) {
        return ECH_ERR_MEMORY;
    }
    kernel->norm = ech_norm_describe(step, 0, 0, 0);
    kernel->with_relu = step->layer_count == 2;
    size_t saved = 0, scratch = 0;
    kernel->numbers =
        ech_blocked_take(training ? &saved : &scratch, ech_norm_numbers_count(&kernel->norm));
    kernel->moments = ech_blocked_take(&scratch, ech_norm_moments_count(&kernel->norm));
    const size_t backward = ech_norm_backward_count(&kernel->norm);
    step->saved_bytes = saved * sizeof(float);
    step->scratch_bytes = (scratch > backward ? scratch : backward) * sizeof(float);
    step->backward_reads_input[0] = true;
    step->backward_reads_output = kernel->with_relu;
    return ECH_OK;
}

static void destroy(ech_step *step)
{
    ech_free(step->kernel);
    step->kernel = NULL;
}

static ech_norm_numbers numbers_of(const ech_step *step, const ech_step_call *call)
{
    const norm_step *kernel = step->kernel;
    float *memory = step->target->training ? call->saved : call->scratch;
    return ech_norm_numbers_at(&kernel->norm, memory + kernel->numbers);
}

static void forward(const ech_step *step, const ech_step_call *call)
{
    const norm_step *kernel = step->kernel;
    const size_t threads = step->target->threads;
    const ech_norm_numbers numbers = numbers_of(step, call);
    if (call->training) {
        float *moments = (float *)call->scratch + kernel->moments;
        ech_norm_gather_all(&kernel->norm, moments, call->inputs[0], call->batch, threads);
        ech_norm_learn(&kernel->norm, step, call, moments, numbers);
    } else {
        ech_norm_recall(&kernel->norm, step, call, numbers);
    }
    ech_norm_apply(&kernel->norm, numbers, call->inputs[0], NULL, call->output, kernel->with_relu,
                   call->batch, threads);
}

static void backward(const ech_step *step, const ech_step_call *call)
{
    const norm_step *kernel = step->kernel;
    ech_norm_backward(&kernel->norm, step, call,
                      &(ech_norm_backward_args){
                          .numbers = numbers_of(step, call),
                          .x = call->inputs[0],
                          .out = kernel->with_relu ? call->output : NULL,
                          .gradient = call->output_gradient,
                          .passed = call->output_gradient,
                          .x_gradient = call->input_gradients[0],
                          .accumulate = call->accumulate[0],
                          .scratch = call->scratch,
                      });
}

const ech_blocked_kernel ech_blocked_norm = {
    .match = match,
    .prepare = prepare,
    .destroy = destroy,
    .forward = forward,
    .backward = backward,
};
