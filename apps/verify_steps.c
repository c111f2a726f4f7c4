#include <math.h>
#include <stdio.h>

#include "apps/verify.h"
#include "kernels/check.h"

static const double tolerance = 2e-5;

typedef struct {
    const ech_verify_options *options;
    double worst;
} report_state;

static void report(const ech_step_errors *errors, void *user)
{
    report_state *state = user;
    const double error =
        fmax(errors->forward, fmax(errors->input_gradient, errors->weight_gradient));
    state->worst = fmax(state->worst, error);
    if (!state->options->quiet || error > tolerance) {
        printf("    %-9s %-40s forward %.1e  input gradient %.1e  weight gradient %.1e%s\n",
               errors->info.engine, errors->info.name, errors->forward, errors->input_gradient,
               errors->weight_gradient, error > tolerance ? "  FAIL" : "");
    }
}

ech_status ech_verify_steps(const ech_verify_case *subject, bool *passed)
{
    ech_plan_options options = {
        .batch = subject->batch,
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
        ech_trial_begin(oracle, subject->seed, subject->batch);
        ech_trial_begin(trial, subject->seed, subject->batch);
        status = ech_check_steps(oracle, trial, report, &state);
    }
    if (status == ECH_OK) {
        *passed = state.worst <= tolerance;
        printf("  2 step by step (%s): worst %.1e (limit %.0e): %s\n",
               ech_isa_name(ech_plan_isa(ech_trial_plan(trial))), state.worst, tolerance,
               *passed ? "pass" : "FAIL");
    }
    ech_trial_destroy(&trial);
    ech_trial_destroy(&oracle);
    return status;
}
