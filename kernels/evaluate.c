#include <math.h>

#include "kernels/learner_priv.h"
#include "kernels/loss.h"

/* Small networks are evaluated in larger batches than they are trained in: their kernels want full
 * lanes, and memory is no matter. */
enum { SMALL_BATCH = 64 };
static const uint64_t small_macs = 50000000;

static const double fixed_scale = 0x1p24, fixed_limit = 0x1p38;

uint32_t ech_learner_evaluation_batch(const ech_learner_options *options)
{
    const bool is_small = ech_network_forward_macs(options->network) <= small_macs;
    return is_small && options->batch < SMALL_BATCH ? SMALL_BATCH : options->batch;
}

static ech_status make_plan(ech_learner *learner)
{
    if (learner->evaluation != NULL) {
        return ECH_OK;
    }
    const ech_plan_options options = {
        .batch = ech_learner_evaluation_batch(&learner->options),
        .threads = learner->options.threads,
        .engine = learner->options.engine,
    };
    return ech_plan_create(learner->options.network, &options, &learner->evaluation);
}

ech_status ech_learner_memory_bytes(ech_learner *learner, const ech_optimizer *optimizer,
                                    bool evaluates, uint64_t *out)
{
    const ech_status status = evaluates ? make_plan(learner) : ECH_OK;
    *out = ech_plan_memory_bytes(learner->plan) + ech_updater_bytes(learner->updater, optimizer);
    if (status == ECH_OK && evaluates) {
        *out += ech_plan_memory_bytes(learner->evaluation);
    }
    return status;
}

static int64_t fixed(double loss)
{
    const double scaled = loss * fixed_scale;
    if (!(scaled < fixed_limit)) {
        return (int64_t)fixed_limit; /* NaN too: as bad as a loss can be */
    }
    return llrint(scaled < -fixed_limit ? -fixed_limit : scaled);
}

static void add_batch(const ech_learner *learner, const ech_samples *samples, uint64_t first,
                      uint32_t count, ech_evaluation_sums *result)
{
    const uint32_t classes = learner->options.network->classes;
    const float *logits = ech_plan_logits(learner->evaluation);
    for (uint32_t i = 0; i < count; i++) {
        const ech_sample_loss one =
            ech_cross_entropy(ECH_PRECISION_FLOAT, logits + (size_t)i * classes, classes,
                              ech_samples_label(samples, first + i), 0.0, NULL, learner->scratch);
        result->samples++;
        result->correct += one.correct;
        result->loss_fixed += fixed(one.loss);
    }
}

static ech_status check_range(const ech_learner *learner, const ech_samples *samples,
                              uint64_t first, uint64_t count)
{
    if (first > samples->count || count > samples->count - first) {
        return ech_fail(ECH_ERR_ARGUMENT, "evaluation of samples %llu + %llu, there are %llu",
                        (unsigned long long)first, (unsigned long long)count,
                        (unsigned long long)samples->count);
    }
    for (uint64_t i = first; i < first + count; i++) {
        if (ech_samples_label(samples, i) >= learner->options.network->classes) {
            return ech_fail(ECH_ERR_ARGUMENT, "test sample %llu: label %llu, %u classes",
                            (unsigned long long)i,
                            (unsigned long long)ech_samples_label(samples, i),
                            learner->options.network->classes);
        }
    }
    return ECH_OK;
}

ech_status ech_learner_evaluate(ech_learner *learner, ech_state_view state,
                                const ech_samples *samples, uint64_t first, uint64_t count,
                                ech_evaluation_sums *result)
{
    *result = (ech_evaluation_sums){0};
    ech_status status = check_range(learner, samples, first, count);
    if (status == ECH_OK) {
        status = make_plan(learner);
    }
    if (status != ECH_OK) {
        return status;
    }
    const uint32_t batch = ech_learner_evaluation_batch(&learner->options);
    ech_plan_load_state(learner->evaluation, state);
    for (uint64_t done = 0; done < count; done += batch) {
        const uint32_t part = count - done < batch ? (uint32_t)(count - done) : batch;
        ech_batch_make(learner->maker, learner->evaluation, samples, NULL, first + done, part, NULL,
                       NULL);
        ech_plan_forward(learner->evaluation, false, NULL);
        add_batch(learner, samples, first + done, part, result);
    }
    return ECH_OK;
}
