#include <math.h>
#include <stdio.h>

#include "apps/verify.h"
#include "kernels/trial.h"
#include "runtime/base/memory.h"

static const double tolerance = 1e-9;
static const double learning_rate = 0.002, momentum = 0.9; /* of the golden files */

/* The worst deviation so far, and where it is. */
typedef struct {
    double error;
    char what[160];
} worst_case;

static void note(worst_case *worst, double error, const char *kind, const char *name,
                 const char *part)
{
    if (!(error <= worst->error)) {
        worst->error = isnan(error) ? INFINITY : error;
        snprintf(worst->what, sizeof worst->what, "%s %s %s", kind, name, part);
    }
}

static void compare_digest(const ech_golden_digest *digest, const double *tensor, uint64_t count,
                           const char *kind, worst_case *worst)
{
    long double square = 0.0L, sum = 0.0L;
    for (uint64_t i = 0; i < count; i++) {
        square += (long double)tensor[i] * tensor[i];
        sum += tensor[i];
    }
    const double rms = digest->l2 / sqrt((double)count);
    const double unit = rms > 0.0 ? rms : 1.0;
    note(worst, fabs((double)sqrtl(square) - digest->l2) / unit, kind, digest->name, "l2");
    note(worst, fabs((double)sum - digest->sum) / unit, kind, digest->name, "sum");
    for (uint32_t i = 0; i < digest->count; i++) {
        const bool inside = digest->index[i] < count;
        const double error =
            inside ? fabs(tensor[digest->index[i]] - digest->value[i]) / unit : INFINITY;
        note(worst, error, kind, digest->name, "element");
    }
}

typedef void read_tensor(const ech_plan *plan, uint32_t tensor, double *out);

static void compare_digests(const ech_verify_case *subject, const ech_plan *plan,
                            const ech_golden_digest *digests, size_t count, read_tensor *read,
                            const char *kind, double *buffer, worst_case *worst)
{
    const ech_layout *layout = subject->network->layout;
    for (size_t d = 0; d < count; d++) {
        const ech_tensor *tensor = ech_layout_find(layout, digests[d].name);
        if (tensor == NULL) {
            note(worst, INFINITY, kind, digests[d].name, "does not exist");
            continue;
        }
        read(plan, (uint32_t)(tensor - layout->tensors), buffer);
        compare_digest(&digests[d], buffer, tensor->count, kind, worst);
    }
}

static void compare_logits(const ech_plan *plan, const double *expected, uint64_t count,
                           const char *kind, worst_case *worst)
{
    const double *found = ech_plan_logits(plan);
    double square = 0.0;
    for (uint64_t i = 0; i < count; i++) {
        square += expected[i] * expected[i];
    }
    const double rms = sqrt(square / (double)count);
    for (uint64_t i = 0; i < count; i++) {
        note(worst, fabs(found[i] - expected[i]) / rms, kind, "logits", "");
    }
}

static void run_steps(const ech_verify_case *subject, const ech_golden *golden, ech_trial *trial,
                      double *buffer, worst_case *worst)
{
    const ech_plan *plan = ech_trial_plan(trial);
    const uint64_t logits = (uint64_t)subject->batch * subject->network->classes;
    ech_trial_begin(trial, subject->seed, subject->batch);
    for (int step = 0; step < ECH_GOLDEN_STEPS; step++) {
        const double loss = ech_trial_gradient(trial);
        note(worst, fabs(loss - golden->loss[step]) / golden->loss[step], "step", "loss", "");
        if (step == 0) {
            compare_logits(plan, golden->logits, logits, "first", worst);
            compare_digests(subject, plan, golden->gradients, golden->gradient_count,
                            ech_plan_read_gradient, "gradient", buffer, worst);
        }
        ech_trial_update(trial, learning_rate, momentum);
    }
    compare_digests(subject, plan, golden->states, golden->state_count, ech_plan_read_tensor,
                    "state", buffer, worst);
    ech_trial_evaluate(trial);
    compare_logits(plan, golden->eval_logits, logits, "evaluation", worst);
}

static uint64_t largest_tensor(const ech_layout *layout)
{
    uint64_t largest = 1;
    for (size_t t = 0; t < layout->tensor_count; t++) {
        largest = layout->tensors[t].count > largest ? layout->tensors[t].count : largest;
    }
    return largest;
}

ech_status ech_verify_reference(const ech_verify_case *subject, const ech_golden *golden,
                                bool *passed)
{
    const ech_plan_options options = {
        .batch = subject->batch,
        .threads = subject->options->threads,
        .engine = ECH_ENGINE_REFERENCE,
        .precision = ECH_PRECISION_DOUBLE,
        .training = true,
    };
    ech_trial *trial = NULL;
    worst_case worst = {0};
    *passed = false;
    double *buffer = ech_calloc(largest_tensor(subject->network->layout), sizeof *buffer);
    ech_status status =
        buffer == NULL ? ECH_ERR_MEMORY : ech_trial_create(subject->network, &options, &trial);
    if (status == ECH_OK) {
        run_steps(subject, golden, trial, buffer, &worst);
        *passed = worst.error <= tolerance &&
                  subject->network->layout->parameter_count == golden->parameter_count;
        printf("  1 double reference: worst %.1e (limit %.0e) %s: %s\n", worst.error, tolerance,
               worst.what, *passed ? "pass" : "FAIL");
    }
    ech_trial_destroy(&trial);
    ech_free(buffer);
    return status;
}
