#include <math.h>
#include <stdio.h>

#include "apps/verify.h"
#include "kernels/check.h"

static const double tolerance = 2e-5;
enum { MORE_SAMPLES = 3 };

typedef struct {
    const ech_verify_options *options;
    double worst;
    bool is_repeat; /* the same steps again: only failures get a line */
} report_state;

static void report(const ech_step_errors *errors, void *user)
{
    report_state *state = user;
    const double error =
        fmax(errors->forward, fmax(errors->input_gradient, errors->weight_gradient));
    state->worst = fmax(state->worst, error);
    if (!(state->options->quiet || state->is_repeat) || error > tolerance) {
        printf("    %-9s %-40s forward %.1e  input gradient %.1e  weight gradient %.1e%s\n",
               errors->info.engine, errors->info.name, errors->forward, errors->input_gradient,
               errors->weight_gradient, error > tolerance ? "  FAIL" : "");
    }
}

/* One seed and batch size, in plans that may be larger. */
static ech_status compare(ech_trial *oracle, ech_trial *trial, uint64_t seed, uint32_t batch,
                          report_state *state)
{
    ech_trial_begin(oracle, seed, batch);
    ech_trial_begin(trial, seed, batch);
    const double before = state->worst;
    state->worst = 0.0;
    const ech_status status = ech_check_steps(oracle, trial, report, state);
    if (status == ECH_OK) {
        printf("  2 step by step (%s), seed %llu, batch %u: worst %.1e (limit %.0e): %s\n",
               ech_isa_name(ech_plan_isa(ech_trial_plan(trial))), (unsigned long long)seed, batch,
               state->worst, tolerance, state->worst <= tolerance ? "pass" : "FAIL");
    }
    state->worst = fmax(state->worst, before);
    return status;
}

/* The case's own seed and batch size in plans made for more samples; then others, which fill the
 * plans. */
static ech_status compare_both(const ech_verify_case *subject, ech_trial *oracle, ech_trial *trial,
                               report_state *state)
{
    ech_status status = compare(oracle, trial, subject->seed, subject->batch, state);
    if (status == ECH_OK) {
        state->is_repeat = true;
        status = compare(oracle, trial, subject->seed + 1, subject->batch + MORE_SAMPLES, state);
    }
    return status;
}

ech_status ech_verify_steps(const ech_verify_case *subject, bool *passed)
{
    ech_plan_options options = {
        .batch = subject->batch + MORE_SAMPLES,
        .threads = subject->options->threads,
        .engine = ECH_ENGINE_REFERENCE,
        .precision = ECH_PRECISION_DOUBLE,
        .training = true,
        .keep_values = true,
    };
    ech_trial *oracle = NULL, *trial = NULL;
    report_state state = {.options = subject->options};
    *passed = false;
    ech_status status = ech_trial_create(subject->network, &options, &oracle);
    options.engine = subject->options->engine;
    options.precision = ECH_PRECISION_FLOAT;
    if (status == ECH_OK) {
        status = ech_trial_create(subject->network, &options, &trial);
    }
    if (status == ECH_OK) {
        status = compare_both(subject, oracle, trial, &state);
    }
    *passed = status == ECH_OK && state.worst <= tolerance;
    ech_trial_destroy(&trial);
    ech_trial_destroy(&oracle);
    return status;
}
