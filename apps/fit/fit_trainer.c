#include "apps/fit/fit_trainer.h"

#include <stdio.h>
#include <string.h>

#include "kernels/models.h"
#include "kernels/train.h"
#include "runtime/base/memory.h"

struct ech_fit_trainer {
    ech_trainer interface;
    const ech_network *network;
    ech_fit_data *data;
    ech_learner *learner; /* NULL where nothing is ever trained or evaluated */
    ech_training training;
    char engines[ECH_FIT_ENGINES_BYTES];
};

static const ech_layout *get_layout(void *self)
{
    const ech_fit_trainer *trainer = self;
    return trainer->network->layout;
}

static ech_status initialise(void *self, uint64_t seed, ech_state state)
{
    const ech_fit_trainer *trainer = self;
    ech_network_initialise(trainer->network, seed, state);
    return ECH_OK;
}

static uint64_t count_samples(void *self, uint64_t worker)
{
    const ech_fit_trainer *trainer = self;
    return ech_fit_data_count(trainer->data, worker);
}

/* The worker receives the model and returns it. */
static void return_model(const ech_fit_trainer *trainer, ech_state_view global, ech_state update)
{
    const ech_layout *layout = trainer->network->layout;
    ech_memory_copy(update.values, global.values, layout->value_count * sizeof *update.values);
    if (layout->counter_count > 0) {
        memcpy(update.counters, global.counters, layout->counter_count * sizeof *update.counters);
    }
}

static ech_samples samples_of(const ech_fit_part *part)
{
    return (ech_samples){.images = part->images,
                         .labels = part->labels,
                         .label_bytes = sizeof *part->labels,
                         .count = part->count};
}

/* Whose batches are to be read. */
typedef struct {
    ech_fit_data *data;
    uint64_t worker;
} batch_source;

static ech_status fetch_batch(void *user, const uint32_t *numbers, uint32_t count, ech_samples *out)
{
    const batch_source *source = user;
    ech_fit_part part = {0};
    const ech_status status =
        ech_fit_data_pick(source->data, source->worker, numbers, count, &part);
    *out = samples_of(&part);
    return status;
}

static ech_status train_on(ech_fit_trainer *trainer, const ech_train_request *request,
                           const ech_fit_worker *own, ech_state_view global, ech_state update,
                           ech_training_result *done)
{
    const ech_samples samples = samples_of(&own->part);
    batch_source source = {trainer->data, request->worker};
    ech_training training = trainer->training;
    training.epochs = request->epochs;
    training.optimizer.proximal = request->proximal;
    const ech_training_job job = {
        .seed = request->seed,
        .round = request->round,
        .worker = request->worker,
        .samples = &samples,
        .indices = own->indices,
        .index_count = own->count,
        .fetch = own->in_batches ? fetch_batch : NULL,
        .fetch_user = &source,
        .training = &training,
        .start = global,
        .correction = request->correction,
        .gradient_term = request->gradient_term,
        .yield = request->yield,
        .yield_user = request->yield_user,
    };
    return ech_learner_train(trainer->learner, &job, update, done);
}

static ech_status train(void *self, const ech_train_request *request, ech_state_view global,
                        ech_state update, ech_train_result *result)
{
    ech_fit_trainer *trainer = self;
    *result = (ech_train_result){.samples = ech_fit_data_count(trainer->data, request->worker)};
    if (request->epochs == 0 || trainer->learner == NULL) {
        return_model(trainer, global, update);
        return ECH_OK;
    }
    const ech_shard_pause pause = {request->yield, request->yield_user};
    ech_fit_worker own;
    ech_status status = ech_fit_data_worker(trainer->data, request->worker, &pause, &own);
    if (status != ECH_OK) {
        return status;
    }
    ech_training_result done = {0};
    status = train_on(trainer, request, &own, global, update, &done);
    result->steps = done.steps;
    result->loss = done.loss;
    result->accuracy = done.accuracy;
    result->learning_rate_sum = done.learning_rate_sum;
    result->gradient_weight = done.gradient_weight;
    return status;
}

static uint64_t count_test(void *self)
{
    const ech_fit_trainer *trainer = self;
    return trainer->learner != NULL ? ech_fit_data_info(trainer->data)->samples[ECH_DATA_TEST] : 0;
}

static ech_status evaluate(void *self, ech_state_view state, uint64_t first, uint64_t count,
                           ech_evaluation *result)
{
    ech_fit_trainer *trainer = self;
    *result = (ech_evaluation){0};
    ech_fit_part part = {0};
    for (uint64_t done = 0; done < count; done += part.count) {
        ech_status status = ech_fit_data_test(trainer->data, first + done, count - done, &part);
        if (status != ECH_OK) {
            return status;
        }
        const ech_samples samples = samples_of(&part);
        ech_evaluation_sums sums = {0};
        status = ech_learner_evaluate(trainer->learner, state, &samples, 0, part.count, &sums);
        if (status != ECH_OK) {
            return status;
        }
        result->samples += sums.samples;
        result->correct += sums.correct;
        result->loss_fixed += sums.loss_fixed;
    }
    return ECH_OK;
}

/* The last failure's message behind the key that it is about. */
static ech_status blame(const ech_config *config, const char *key)
{
    char reason[512];
    snprintf(reason, sizeof reason, "%s", ech_status_message());
    return ech_config_fail(config, key, "%s", reason);
}

ech_status ech_fit_network(const ech_config *config, const ech_fit_options *options,
                           const char *text, const ech_dataset_info *info, ech_network **out)
{
    const bool has_data = info != NULL;
    const ech_shape shape =
        has_data ? (ech_shape){info->channels, info->height, info->width} : (ech_shape){0};
    const ech_shape *input = has_data ? &shape : NULL;
    const uint32_t classes = has_data ? info->classes : 0;
    if (text != NULL) { /* whose messages name file and line themselves */
        return ech_model_read_text(text, strlen(text), options->model.file, input, classes, out);
    }
    const ech_status status = ech_model_create(options->model.name, input, classes, out);
    return status == ECH_ERR_CONFIG ? blame(config, "model.name") : status;
}

/* One number for all channels, or one for each. */
static ech_status spread(const ech_config *config, const char *key, const double *values,
                         size_t count, uint32_t channels, float *out)
{
    if (count != 1 && count != channels) {
        return ech_config_fail(config, key,
                               "expected one number, or one for each channel (%u), got %zu",
                               channels, count);
    }
    for (uint32_t channel = 0; channel < channels; channel++) {
        out[channel] = (float)values[count == 1 ? 0 : channel];
    }
    return ECH_OK;
}

static ech_status create_learner(ech_fit_trainer *trainer, const ech_config *config,
                                 const ech_fit_options *options)
{
    ech_learner_options learner = {
        .network = trainer->network,
        .batch = options->train.batch,
        .threads = options->threads,
        .engine = options->engine,
    };
    const uint32_t channels = trainer->network->input.channels;
    ech_status status = spread(config, "data.normalize.mean", options->data.mean,
                               options->data.mean_count, channels, learner.normalisation.mean);
    if (status == ECH_OK) {
        status = spread(config, "data.normalize.std", options->data.std, options->data.std_count,
                        channels, learner.normalisation.std);
    }
    if (status == ECH_OK) {
        status = ech_learner_create(&learner, &trainer->learner);
    }
    return status == ECH_ERR_UNSUPPORTED ? blame(config, "engine") : status;
}

/* A fingerprint of the network, the instruction sets that give these bits, and a fingerprint of
 * each step's engine. */
static void describe_engines(ech_fit_trainer *trainer)
{
    char text[ECH_HASH_TEXT_BYTES];
    ech_hash_text(ech_network_hash(trainer->network), text);
    const int length = snprintf(trainer->engines, sizeof trainer->engines, "network %s", text);
    if (trainer->learner == NULL) {
        return;
    }
    const ech_plan *plan = ech_learner_plan(trainer->learner);
    const ech_isa own = ech_plan_isa(plan);
    const bool shared = ech_plan_is_portable(plan) && own != ECH_ISA_PORTABLE;
    const char *isa = shared ? "any with fused multiply-add" : ech_isa_name(own);
    ech_hash128 hash = {0};
    for (uint32_t step = 0; step < ech_plan_step_count(plan); step++) {
        ech_step_info info;
        ech_plan_step_info(plan, step, &info);
        const ech_hash128 engine = ech_hash_bytes(info.engine, strlen(info.engine));
        const uint64_t joined[] = {hash.high, hash.low, engine.high, engine.low};
        hash = ech_hash_bytes(joined, sizeof joined);
    }
    ech_hash_text(hash, text);
    snprintf(trainer->engines + length, sizeof trainer->engines - (size_t)length,
             ", instruction set %s, engines %s", isa, text);
}

ech_status ech_fit_trainer_create(const ech_config *config, const ech_fit_options *options,
                                  const ech_network *network, ech_fit_data *data,
                                  ech_fit_trainer **out)
{
    *out = NULL;
    ech_fit_trainer *trainer = ech_calloc(1, sizeof *trainer);
    if (trainer == NULL) {
        return ECH_ERR_MEMORY;
    }
    trainer->network = network;
    trainer->data = data;
    trainer->training = options->train;
    trainer->interface = (ech_trainer){
        .self = trainer,
        .layout = get_layout,
        .initialise = initialise,
        .sample_count = count_samples,
        .train = train,
        .test_count = count_test,
        .evaluate = evaluate,
    };
    if (ech_fit_data_info(data) != NULL) {
        const ech_status status = create_learner(trainer, config, options);
        if (status != ECH_OK) {
            ech_fit_trainer_destroy(&trainer);
            return status;
        }
    }
    describe_engines(trainer);
    *out = trainer;
    return ECH_OK;
}

void ech_fit_trainer_destroy(ech_fit_trainer **trainer)
{
    if (trainer == NULL || *trainer == NULL) {
        return;
    }
    ech_learner_destroy(&(*trainer)->learner);
    ech_free(*trainer);
    *trainer = NULL;
}

const ech_trainer *ech_fit_trainer_interface(const ech_fit_trainer *trainer)
{
    return &trainer->interface;
}

const char *ech_fit_trainer_engines(const ech_fit_trainer *trainer)
{
    return trainer->engines;
}
