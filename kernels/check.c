#include "kernels/check.h"

#include <math.h>

#include "kernels/plan_priv.h"
#include "runtime/base/memory.h"

/* What a comparison works with: the two plans, and buffers for the largest tensor. */
typedef struct {
    ech_plan *oracle, *plan;
    double *expected, *found;
    float *plain;
} bench;

double ech_largest_error(const double *a, const double *b, uint64_t count)
{
    double worst = 0.0, square = 0.0;
    for (uint64_t i = 0; i < count; i++) {
        const double error = fabs(a[i] - b[i]);
        worst = isnan(error) ? INFINITY : fmax(worst, error);
        if (isinf(worst)) {
            return worst;
        }
        square += b[i] * b[i];
    }
    const double rms = sqrt(square / (double)count);
    return worst == 0.0 ? 0.0 : worst / rms;
}

static uint64_t value_count(const bench *b, ech_value value)
{
    return b->oracle->batch * ech_shape_count(ech_network_shape(b->oracle->network, value));
}

/* Write a value's expected elements (in b->expected) to memory of a slot's format. */
static void put(const bench *b, ech_value value, ech_format format, float *target)
{
    const uint64_t count = value_count(b, value);
    float *plain = format == ECH_FORMAT_PLAIN ? target : b->plain;
    for (uint64_t i = 0; i < count; i++) {
        plain[i] = (float)b->expected[i];
    }
    if (format != ECH_FORMAT_PLAIN) {
        ech_format_convert(ECH_FORMAT_PLAIN, plain, format, target,
                           ech_network_shape(b->plan->network, value), b->plan->batch, false, 1);
    }
}

static double compare_value(const bench *b, ech_value value)
{
    ech_plan_read_value(b->oracle, value, b->expected);
    ech_plan_read_value(b->plan, value, b->found);
    return ech_largest_error(b->found, b->expected, value_count(b, value));
}

/* Gradients of the step's inputs, which should be `factor` times the oracle's; the worst. */
static double compare_input_gradients(const bench *b, const ech_plan_step *planned, double factor)
{
    double worst = 0.0;
    for (uint32_t k = 0; k < planned->step.input_count; k++) {
        const ech_value value = planned->step.inputs[k];
        const uint64_t count = value_count(b, value);
        if (b->plan->slots[planned->inputs[k]].needs_gradient) {
            ech_plan_read_value_gradient(b->oracle, value, b->expected);
            ech_plan_read_value_gradient(b->plan, value, b->found);
            for (uint64_t i = 0; i < count; i++) {
                b->found[i] /= factor;
            }
            worst = fmax(worst, ech_largest_error(b->found, b->expected, count));
        }
    }
    return worst;
}

/* The oracle runs one layer a step, without conversions: step number = layer number. */
static const uint8_t *oracle_choices(const bench *b, const ech_step *step)
{
    for (uint32_t l = step->first_layer; l < step->first_layer + step->layer_count; l++) {
        if (b->oracle->network->layers[l].kind == ECH_LAYER_MAX_POOL) {
            return b->oracle->memory + b->oracle->steps[l].saved_offset;
        }
    }
    return NULL;
}

/* The oracle's gradients of this step's inputs, from this step alone. */
static void oracle_backward(const bench *b, const ech_step *step)
{
    for (uint32_t l = step->first_layer + step->layer_count; l > step->first_layer; l--) {
        const ech_plan_step *planned = &b->oracle->steps[l - 1];
        ech_step_call call = ech_plan_call(b->oracle, planned);
        for (uint32_t k = 0; k < planned->step.input_count; k++) {
            call.accumulate[k] = false;
            for (uint32_t later = l; later < step->first_layer + step->layer_count; later++) {
                for (uint32_t m = 0; m < b->oracle->steps[later].step.input_count; m++) {
                    call.accumulate[k] |= b->oracle->steps[later].inputs[m] == planned->inputs[k];
                }
            }
            for (uint32_t earlier = 0; earlier < k; earlier++) {
                call.accumulate[k] |= planned->inputs[earlier] == planned->inputs[k];
            }
        }
        if (call.output_gradient != NULL) {
            planned->step.engine->backward(&planned->step, &call);
        }
    }
}

static double check_forward(const bench *b, const ech_plan_step *planned)
{
    for (uint32_t k = 0; k < planned->step.input_count; k++) {
        const ech_slot *slot = &b->plan->slots[planned->inputs[k]];
        ech_plan_read_value(b->oracle, slot->value, b->expected);
        put(b, slot->value, slot->format, ech_plan_slot_data(b->plan, planned->inputs[k]));
    }
    const ech_step_call call = ech_plan_call(b->plan, planned);
    planned->step.engine->forward(&planned->step, &call);
    return compare_value(b, planned->step.output);
}

/* `again`: add to the input gradients of the last run, which must double them. */
static void run_backward(const bench *b, const ech_plan_step *planned, bool again)
{
    const ech_step *step = &planned->step;
    const ech_format format = b->plan->slots[planned->output].format;
    ech_step_call call = ech_plan_call(b->plan, planned);
    ech_plan_read_value(b->oracle, step->output, b->expected);
    put(b, step->output, format, call.output);
    ech_plan_read_value_gradient(b->oracle, step->output, b->expected);
    put(b, step->output, format, call.output_gradient);
    const uint8_t *choices = oracle_choices(b, step);
    if (choices != NULL) {
        step->engine->load_choices(step, &call, choices);
    }
    for (uint32_t k = 0; k < step->input_count; k++) {
        call.accumulate[k] = again;
        for (uint32_t earlier = 0; earlier < k; earlier++) {
            call.accumulate[k] |= planned->inputs[earlier] == planned->inputs[k];
        }
    }
    step->engine->backward(step, &call);
}

static void check_backward(const bench *b, const ech_plan_step *planned, ech_step_errors *errors)
{
    const ech_step *step = &planned->step;
    run_backward(b, planned, false);
    for (uint32_t t = 0; t < step->tensor_count; t++) {
        const uint32_t tensor = step->tensors[t].tensor;
        ech_plan_read_gradient(b->oracle, tensor, b->expected);
        ech_plan_read_gradient(b->plan, tensor, b->found);
        const double error = ech_largest_error(b->found, b->expected,
                                               b->plan->network->layout->tensors[tensor].count);
        errors->weight_gradient = fmax(errors->weight_gradient, error);
    }
    oracle_backward(b, step);
    errors->input_gradient = compare_input_gradients(b, planned, 1.0);
    run_backward(b, planned, true);
    errors->input_gradient = fmax(errors->input_gradient, compare_input_gradients(b, planned, 2.0));
}

/* Elements of the largest tensor or value. */
static uint64_t largest_count(const ech_network *network, uint32_t batch)
{
    uint64_t largest = 0;
    for (size_t t = 0; t < network->layout->tensor_count; t++) {
        const uint64_t count = network->layout->tensors[t].count;
        largest = count > largest ? count : largest;
    }
    for (ech_value v = 0; v <= network->layer_count; v++) {
        const uint64_t count = batch * ech_shape_count(ech_network_shape(network, v));
        largest = count > largest ? count : largest;
    }
    return largest;
}

static ech_status make_bench(ech_trial *oracle, ech_trial *trial, bench *b)
{
    *b = (bench){.oracle = ech_trial_plan(oracle), .plan = ech_trial_plan(trial)};
    const uint64_t count = largest_count(b->plan->network, b->plan->batch);
    b->expected = ech_calloc(count, sizeof *b->expected);
    b->found = ech_calloc(count, sizeof *b->found);
    b->plain = ech_calloc(count, sizeof *b->plain);
    return b->expected != NULL && b->found != NULL && b->plain != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

ech_status ech_check_steps(ech_trial *oracle, ech_trial *trial,
                           void (*report)(const ech_step_errors *errors, void *user), void *user)
{
    bench b;
    ech_trial_gradient(oracle);
    ech_trial_gradient(trial);
    const ech_status status = make_bench(oracle, trial, &b);
    for (uint32_t i = 0; i < b.plan->step_count && status == ECH_OK; i++) {
        const ech_plan_step *planned = &b.plan->steps[i];
        if (planned->step.engine == NULL) {
            continue;
        }
        ech_step_errors errors = {0};
        ech_plan_step_info(b.plan, i, &errors.info);
        errors.forward = check_forward(&b, planned);
        if (b.plan->slots[planned->output].needs_gradient) {
            check_backward(&b, planned, &errors);
        }
        report(&errors, user);
    }
    ech_free(b.expected);
    ech_free(b.found);
    ech_free(b.plain);
    return status;
}
