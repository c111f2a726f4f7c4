#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/verify.h"
#include "kernels/check.h"
#include "runtime/base/memory.h"

enum { SEEDS_MAX = 64 };

static const double logits_limit = 5e-5, loss_limit = 1e-6;
static const double gradient_limit = 2e-2, median_limit = 1e-5;

/* Float against double for one seed. */
typedef struct {
    double logits, loss, gradient;
} deviation;

typedef struct {
    ech_trial *oracle, *trial;
    double *expected, *found; /* the larger of all logits and the largest tensor */
} pair;

static double logits_error(const ech_verify_case *subject, const pair *p)
{
    const uint64_t count = (uint64_t)subject->batch * subject->network->classes;
    const float *logits = ech_plan_logits(ech_trial_plan(p->trial));
    for (uint64_t i = 0; i < count; i++) {
        p->found[i] = (double)logits[i];
    }
    return ech_largest_error(p->found, ech_plan_logits(ech_trial_plan(p->oracle)), count);
}

typedef void read_tensor(const ech_plan *plan, uint32_t tensor, double *out);

/* l2 of the difference over l2 of the oracle's, all tensors of a kind that `read` can read. */
static double l2_error(const ech_verify_case *subject, const pair *p, read_tensor *read,
                       bool statistics_too)
{
    const ech_layout *layout = subject->network->layout;
    double difference = 0.0, whole = 0.0;
    for (uint32_t t = 0; t < layout->tensor_count; t++) {
        const ech_tensor *tensor = &layout->tensors[t];
        const bool is_wanted = tensor->kind == ECH_TENSOR_PARAMETER ||
                               (statistics_too && tensor->kind == ECH_TENSOR_STATISTIC);
        if (!is_wanted) {
            continue;
        }
        read(ech_trial_plan(p->oracle), t, p->expected);
        read(ech_trial_plan(p->trial), t, p->found);
        for (uint64_t i = 0; i < tensor->count; i++) {
            const double d = p->found[i] - p->expected[i];
            difference += d * d;
            whole += p->expected[i] * p->expected[i];
        }
    }
    return sqrt(difference / whole);
}

static deviation first_step(const ech_verify_case *subject, const pair *p, uint64_t seed)
{
    ech_trial_begin(p->oracle, seed, subject->batch);
    ech_trial_begin(p->trial, seed, subject->batch);
    const double expected = ech_trial_gradient(p->oracle), found = ech_trial_gradient(p->trial);
    return (deviation){
        .logits = logits_error(subject, p),
        .loss = fabs(found - expected) / fabs(expected),
        .gradient = l2_error(subject, p, ech_plan_read_gradient, false),
    };
}

/* After three steps rounding has grown through choices: shown, not judged. */
static void show_third_step(const ech_verify_case *subject, const pair *p)
{
    ech_trial *const both[] = {p->oracle, p->trial};
    for (int k = 0; k < 2; k++) {
        ech_trial_begin(both[k], subject->seed, subject->batch);
        for (int step = 0; step < ECH_GOLDEN_STEPS; step++) {
            ech_trial_gradient(both[k]);
            ech_trial_update(both[k], 0.002, 0.9);
        }
    }
    const double state = l2_error(subject, p, ech_plan_read_tensor, true);
    ech_trial_evaluate(p->oracle);
    ech_trial_evaluate(p->trial);
    printf("    after three steps: state %.1e, evaluation logits %.1e (not judged)\n", state,
           logits_error(subject, p));
}

/* Networks whose few choices seldom flip: their gradient must usually be near to rounding. */
static bool is_judged_by_median(const char *model)
{
    static const char *const names[] = {"smallconv", "squeezenet", "resnet18", "resnet34"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], model) == 0) {
            return true;
        }
    }
    return false;
}

static int ascending(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static bool judge(const ech_verify_case *subject, const pair *p)
{
    deviation worst = {0};
    double gradients[SEEDS_MAX];
    const uint32_t seeds = subject->options->seeds;
    for (uint32_t seed = 0; seed < seeds; seed++) {
        const deviation d = first_step(subject, p, seed);
        worst.logits = fmax(worst.logits, isnan(d.logits) ? INFINITY : d.logits);
        worst.loss = fmax(worst.loss, isnan(d.loss) ? INFINITY : d.loss);
        worst.gradient = fmax(worst.gradient, isnan(d.gradient) ? INFINITY : d.gradient);
        gradients[seed] = d.gradient;
    }
    qsort(gradients, seeds, sizeof gradients[0], ascending);
    const double median = gradients[seeds / 2];
    const bool median_matters = is_judged_by_median(subject->network->name);
    const bool passed = worst.logits <= logits_limit && worst.loss <= loss_limit &&
                        worst.gradient <= gradient_limit &&
                        (!median_matters || median <= median_limit);
    printf("  3 end to end, %u seeds: logits %.1e (%.0e), loss %.1e (%.0e), gradient %.1e (%.0e), "
           "median %.1e (%s): %s\n",
           seeds, worst.logits, logits_limit, worst.loss, loss_limit, worst.gradient,
           gradient_limit, median, median_matters ? "1e-05" : "not judged",
           passed ? "pass" : "FAIL");
    return passed;
}

static ech_status make_pair(const ech_verify_case *subject, pair *p)
{
    ech_plan_options options = {
        .batch = subject->batch,
        .threads = subject->options->threads,
        .engine = ECH_ENGINE_REFERENCE,
        .precision = ECH_PRECISION_DOUBLE,
        .training = true,
    };
    uint64_t largest = (uint64_t)subject->batch * subject->network->classes;
    for (size_t t = 0; t < subject->network->layout->tensor_count; t++) {
        const uint64_t count = subject->network->layout->tensors[t].count;
        largest = count > largest ? count : largest;
    }
    p->expected = ech_calloc(largest, sizeof *p->expected);
    p->found = ech_calloc(largest, sizeof *p->found);
    if (p->expected == NULL || p->found == NULL) {
        return ECH_ERR_MEMORY;
    }
    const ech_status status = ech_trial_create(subject->network, &options, &p->oracle);
    options.engine = subject->options->engine;
    options.precision = ECH_PRECISION_FLOAT;
    return status == ECH_OK ? ech_trial_create(subject->network, &options, &p->trial) : status;
}

ech_status ech_verify_network(const ech_verify_case *subject, bool *passed)
{
    pair p = {0};
    *passed = false;
    const ech_status status = make_pair(subject, &p);
    if (status == ECH_OK) {
        *passed = judge(subject, &p);
        if (!subject->options->quiet) {
            show_third_step(subject, &p);
        }
    }
    ech_trial_destroy(&p.trial);
    ech_trial_destroy(&p.oracle);
    ech_free(p.expected);
    ech_free(p.found);
    return status;
}
