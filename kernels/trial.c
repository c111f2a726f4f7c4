#include "kernels/trial.h"

#include <string.h>

#include "kernels/formula.h"
#include "kernels/loss.h"
#include "runtime/base/memory.h"

struct ech_trial {
    const ech_network *network;
    ech_plan *plan;
    ech_precision precision;
    uint32_t batch;
    float *values; /* a state, in layout order */
    int64_t *counters;
    float *input;
    uint64_t *labels;
    double *scratch; /* classes */
    void *momentum;  /* as the plan's parameters */
};

ech_status ech_trial_create(const ech_network *network, const ech_plan_options *options,
                            ech_trial **out)
{
    *out = NULL;
    ech_trial *trial = ech_calloc(1, sizeof *trial);
    if (trial == NULL) {
        return ECH_ERR_MEMORY;
    }
    trial->network = network;
    trial->precision = options->precision;
    ech_status status = ech_plan_create(network, options, &trial->plan);
    if (status == ECH_OK) {
        const size_t element =
            options->precision == ECH_PRECISION_DOUBLE ? sizeof(double) : sizeof(float);
        trial->values = ech_calloc(network->layout->value_count, sizeof *trial->values);
        trial->counters = ech_calloc(network->layout->counter_count, sizeof *trial->counters);
        trial->input =
            ech_calloc(options->batch * ech_shape_count(network->input), sizeof *trial->input);
        trial->labels = ech_calloc(options->batch, sizeof *trial->labels);
        trial->scratch = ech_calloc(network->classes, sizeof *trial->scratch);
        trial->momentum = ech_calloc(ech_plan_parameters(trial->plan).count, element);
        if (trial->values == NULL || trial->counters == NULL || trial->input == NULL ||
            trial->labels == NULL || trial->scratch == NULL || trial->momentum == NULL) {
            status = ECH_ERR_MEMORY;
        }
    }
    if (status != ECH_OK) {
        ech_trial_destroy(&trial);
    }
    *out = trial;
    return status;
}

void ech_trial_destroy(ech_trial **trial)
{
    if (trial == NULL || *trial == NULL) {
        return;
    }
    ech_plan_destroy(&(*trial)->plan);
    ech_free((*trial)->values);
    ech_free((*trial)->counters);
    ech_free((*trial)->input);
    ech_free((*trial)->labels);
    ech_free((*trial)->scratch);
    ech_free((*trial)->momentum);
    ech_free(*trial);
    *trial = NULL;
}

ech_plan *ech_trial_plan(ech_trial *trial)
{
    return trial->plan;
}

static size_t element_bytes(const ech_trial *trial)
{
    return trial->precision == ECH_PRECISION_DOUBLE ? sizeof(double) : sizeof(float);
}

void ech_trial_begin(ech_trial *trial, uint64_t seed, uint32_t batch)
{
    const ech_state state = {trial->values, trial->counters};
    ech_formula_state(trial->network, seed, state);
    ech_plan_load_state(trial->plan, (ech_state_view){trial->values, trial->counters});
    memset(trial->momentum, 0, ech_plan_parameters(trial->plan).count * element_bytes(trial));
    trial->batch = batch;
    ech_formula_input(trial->network, seed, batch, trial->input);
    ech_formula_labels(trial->network, seed, batch, trial->labels);
}

double ech_trial_gradient(ech_trial *trial)
{
    ech_plan_set_input(trial->plan, trial->input, trial->batch);
    ech_plan_forward(trial->plan, true, NULL);
    const unsigned char *logits = ech_plan_logits(trial->plan);
    unsigned char *gradient = ech_plan_logits_gradient(trial->plan);
    const size_t row = trial->network->classes * element_bytes(trial);
    double sum = 0.0;
    for (uint32_t b = 0; b < trial->batch; b++) {
        sum += ech_cross_entropy(trial->precision, logits + b * row, trial->network->classes,
                                 trial->labels[b], 1.0 / (double)trial->batch, gradient + b * row,
                                 trial->scratch)
                   .loss;
    }
    ech_plan_backward(trial->plan);
    return sum / (double)trial->batch;
}

static void update_double(ech_plan_arena arena, double *momentum, double lr, double factor)
{
    double *parameters = arena.parameters;
    const double *gradients = arena.gradients;
    for (uint64_t i = 0; i < arena.count; i++) {
        momentum[i] = factor * momentum[i] + gradients[i];
        parameters[i] -= lr * momentum[i];
    }
}

static void update_float(ech_plan_arena arena, float *momentum, float lr, float factor)
{
    float *parameters = arena.parameters;
    const float *gradients = arena.gradients;
    for (uint64_t i = 0; i < arena.count; i++) {
        momentum[i] = factor * momentum[i] + gradients[i];
        parameters[i] -= lr * momentum[i];
    }
}

void ech_trial_update(ech_trial *trial, double lr, double momentum)
{
    const ech_plan_arena arena = ech_plan_parameters(trial->plan);
    if (trial->precision == ECH_PRECISION_DOUBLE) {
        update_double(arena, trial->momentum, lr, momentum);
    } else {
        update_float(arena, trial->momentum, (float)lr, (float)momentum);
    }
}

void ech_trial_evaluate(ech_trial *trial)
{
    ech_plan_set_input(trial->plan, trial->input, trial->batch);
    ech_plan_forward(trial->plan, false, NULL);
}
