#include "kernels/train.h"

#include <math.h>
#include <string.h>

#include "kernels/batch.h"
#include "kernels/learner_priv.h"
#include "kernels/loss.h"
#include "kernels/update.h"
#include "runtime/base/memory.h"

ech_status ech_learner_create(const ech_learner_options *options, ech_learner **out)
{
    ech_learner *learner = ech_calloc(1, sizeof *learner);
    *out = learner;
    if (learner == NULL) {
        return ECH_ERR_MEMORY;
    }
    learner->options = *options;
    const ech_plan_options plan = {
        .batch = options->batch,
        .threads = options->threads,
        .engine = options->engine,
        .training = true,
        .time_steps = options->time_steps,
    };
    ech_status status = ech_plan_create(options->network, &plan, &learner->plan);
    if (status == ECH_OK) {
        status = ech_batch_maker_create(options->network, &options->normalisation,
                                        ech_learner_evaluation_batch(options), &learner->maker);
    }
    if (status == ECH_OK) {
        status = ech_updater_create(learner->plan, options->threads, &learner->updater);
    }
    if (status == ECH_OK) {
        learner->scratch = ech_calloc(options->network->classes, sizeof *learner->scratch);
        status = learner->scratch != NULL ? ECH_OK : ECH_ERR_MEMORY;
    }
    if (status != ECH_OK) {
        ech_learner_destroy(out);
    }
    return status;
}

void ech_learner_destroy(ech_learner **learner)
{
    if (learner == NULL || *learner == NULL) {
        return;
    }
    ech_updater_destroy(&(*learner)->updater);
    ech_batch_maker_destroy(&(*learner)->maker);
    ech_plan_destroy(&(*learner)->evaluation);
    ech_plan_destroy(&(*learner)->plan);
    ech_free((*learner)->order);
    ech_free((*learner)->scratch);
    ech_free(*learner);
    *learner = NULL;
}

const ech_plan *ech_learner_plan(const ech_learner *learner)
{
    return learner->plan;
}

void ech_learner_reset_times(ech_learner *learner)
{
    ech_plan_reset_times(learner->plan);
}

static uint64_t index_at(const ech_training_job *job, uint64_t i)
{
    return job->indices != NULL && job->fetch == NULL ? job->indices[i] : i;
}

static ech_status check_label(const ech_learner *learner, const ech_samples *samples,
                              uint64_t sample)
{
    const uint64_t label = ech_samples_label(samples, sample);
    if (label >= learner->options.network->classes) {
        return ech_fail(ECH_ERR_ARGUMENT, "sample %llu: label %llu, but there are %u classes",
                        (unsigned long long)sample, (unsigned long long)label,
                        learner->options.network->classes);
    }
    return ECH_OK;
}

static ech_status check_job(const ech_learner *learner, const ech_training_job *job)
{
    const ech_training *training = job->training;
    if (training->batch == 0 || training->batch > learner->options.batch || job->index_count == 0) {
        return ech_fail(ECH_ERR_ARGUMENT, "worker %llu: a batch of %u (1 to %u), %llu samples",
                        (unsigned long long)job->worker, training->batch, learner->options.batch,
                        (unsigned long long)job->index_count);
    }
    const ech_status status = ech_schedule_check(&training->schedule);
    if (status != ECH_OK || job->fetch != NULL) {
        return status;
    }
    for (uint64_t i = 0; i < job->index_count; i++) {
        const uint64_t sample = index_at(job, i);
        if (sample >= job->samples->count) {
            return ech_fail(ECH_ERR_ARGUMENT, "worker %llu: sample %llu of %llu",
                            (unsigned long long)job->worker, (unsigned long long)sample,
                            (unsigned long long)job->samples->count);
        }
        const ech_status labelled = check_label(learner, job->samples, sample);
        if (labelled != ECH_OK) {
            return labelled;
        }
    }
    return ECH_OK;
}

/* The samples' order grows with the largest worker so far. */
static ech_status reserve_order(ech_learner *learner, uint64_t count)
{
    if (count <= learner->order_capacity) {
        return ECH_OK;
    }
    uint32_t *order = ech_realloc(learner->order, count, sizeof *order);
    if (order == NULL) {
        return ECH_ERR_MEMORY;
    }
    learner->order = order;
    learner->order_capacity = count;
    return ECH_OK;
}

/* What a pass over the data adds up. */
typedef struct {
    double loss;
    uint64_t correct;
} epoch_sums;

/* One training job on its way. */
typedef struct {
    ech_learner *learner;
    const ech_training_job *job;
    ech_training_result *result;
    uint64_t batches;        /* an epoch */
    ech_random augmentation; /* this epoch's stream */
} run;

/* The samples of a batch: `numbers` of them, or, without numbers, the first ones. */
typedef struct {
    ech_samples samples;
    const uint32_t *numbers;
    uint32_t count;
} batch_samples;

static ech_status gather(const run *r, uint64_t first, batch_samples *out)
{
    const ech_training_job *job = r->job;
    const uint64_t left = job->index_count - first;
    out->count = left < job->training->batch ? (uint32_t)left : job->training->batch;
    out->numbers = r->learner->order + first;
    if (job->fetch == NULL) {
        out->samples = *job->samples;
        return ECH_OK;
    }
    ech_status status = job->fetch(job->fetch_user, out->numbers, out->count, &out->samples);
    out->numbers = NULL;
    for (uint32_t i = 0; i < out->count && status == ECH_OK; i++) {
        status = check_label(r->learner, &out->samples, i);
    }
    return status;
}

/* Loss of the batch's samples and its gradient at the logits. */
static double batch_loss(const run *r, const batch_samples *batch, epoch_sums *sums)
{
    ech_learner *learner = r->learner;
    const uint32_t classes = learner->options.network->classes;
    const float *logits = ech_plan_logits(learner->plan);
    float *gradient = ech_plan_logits_gradient(learner->plan);
    double loss = 0.0;
    for (uint32_t i = 0; i < batch->count; i++) {
        const uint64_t number = batch->numbers != NULL ? batch->numbers[i] : i;
        const ech_sample_loss one = ech_cross_entropy(
            ECH_PRECISION_FLOAT, logits + (size_t)i * classes, classes,
            ech_samples_label(&batch->samples, number), 1.0 / (double)batch->count,
            gradient + (size_t)i * classes, learner->scratch);
        loss += one.loss;
        sums->correct += one.correct;
    }
    sums->loss += loss;
    return loss;
}

static double learning_rate(const run *r)
{
    const ech_training *training = r->job->training;
    return training->optimizer.lr * ech_schedule_factor(&training->schedule, r->job->round,
                                                        r->result->steps,
                                                        r->batches * training->epochs);
}

static ech_status train_batch(run *r, uint32_t epoch, uint64_t batch, epoch_sums *sums)
{
    ech_learner *learner = r->learner;
    const ech_training_job *job = r->job;
    const ech_batch_key key = {job->seed, job->round, job->worker, epoch, batch};
    batch_samples own;
    const ech_status status = gather(r, batch * job->training->batch, &own);
    if (status != ECH_OK) {
        return status;
    }
    ech_batch_make(learner->maker, learner->plan, &own.samples, own.numbers, 0, own.count,
                   &job->training->augmentation, &r->augmentation);
    ech_plan_forward(learner->plan, true, &key);
    const double loss = batch_loss(r, &own, sums);
    if (!isfinite(loss)) {
        return ech_fail(ECH_ERR_NUMERIC,
                        "round %llu, worker %llu, epoch %u, batch %llu: the loss is not finite",
                        (unsigned long long)job->round, (unsigned long long)job->worker, epoch,
                        (unsigned long long)batch);
    }
    ech_plan_backward(learner->plan);
    const double rate = learning_rate(r);
    ech_updater_step(learner->updater, rate);
    r->result->learning_rate_sum += rate;
    r->result->steps++;
    if (job->yield != NULL) {
        job->yield(job->yield_user);
    }
    return ECH_OK;
}

static ech_status train_epoch(run *r, uint32_t epoch)
{
    const ech_training_job *job = r->job;
    epoch_sums sums = {0};
    for (uint64_t i = 0; i < job->index_count; i++) {
        r->learner->order[i] = (uint32_t)index_at(job, i);
    }
    ech_random shuffle =
        ech_random_stream(job->seed, ECH_RANDOM_SHUFFLE, job->round, job->worker, epoch);
    ech_random_shuffle_u32(&shuffle, r->learner->order, job->index_count);
    r->augmentation =
        ech_random_stream(job->seed, ECH_RANDOM_AUGMENT, job->round, job->worker, epoch);
    for (uint64_t batch = 0; batch < r->batches; batch++) {
        const ech_status status = train_batch(r, epoch, batch, &sums);
        if (status != ECH_OK) {
            return status;
        }
    }
    r->result->loss = sums.loss / (double)job->index_count;
    r->result->accuracy = (double)sums.correct / (double)job->index_count;
    return ECH_OK;
}

static void copy_state(const ech_network *network, ech_state_view from, ech_state to)
{
    memcpy(to.values, from.values, network->layout->value_count * sizeof *to.values);
    if (network->layout->counter_count > 0) {
        memcpy(to.counters, from.counters, network->layout->counter_count * sizeof *to.counters);
    }
}

ech_status ech_learner_train(ech_learner *learner, const ech_training_job *job, ech_state update,
                             ech_training_result *result)
{
    *result = (ech_training_result){.samples = job->index_count};
    if (job->training->epochs == 0) {
        copy_state(learner->options.network, job->start, update);
        return ECH_OK;
    }
    ech_status status = check_job(learner, job);
    if (status == ECH_OK) {
        status = reserve_order(learner, job->index_count);
    }
    if (status == ECH_OK) {
        ech_plan_load_state(learner->plan, job->start);
        status = ech_updater_begin(learner->updater, &job->training->optimizer, job->correction,
                                   job->gradient_term);
    }
    run r = {
        .learner = learner,
        .job = job,
        .result = result,
        .batches = (job->index_count + job->training->batch - 1) / job->training->batch,
    };
    for (uint32_t epoch = 0; epoch < job->training->epochs && status == ECH_OK; epoch++) {
        status = train_epoch(&r, epoch);
    }
    if (status == ECH_OK) {
        ech_plan_store_state(learner->plan, update);
        result->gradient_weight = ech_updater_gradient_weight(learner->updater);
    }
    return status;
}
