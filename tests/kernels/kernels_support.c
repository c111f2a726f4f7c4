#include "tests/kernels/kernels_support.h"

#include <criterion/criterion.h>

#include "kernels/models.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"

ech_network *ech_test_model(const char *name)
{
    ech_network *network = NULL;
    cr_assert_eq(ech_model_create(name, NULL, 0, &network), ECH_OK, "%s", ech_status_message());
    return network;
}

ech_state ech_test_state_of(const ech_network *network)
{
    ech_state state = {
        .values = ech_calloc(network->layout->value_count, sizeof(float)),
        .counters = ech_calloc(network->layout->counter_count, sizeof(int64_t)),
    };
    cr_assert_not_null(state.values);
    cr_assert_not_null(state.counters);
    return state;
}

void ech_test_free_state(ech_state *state)
{
    ech_free(state->values);
    ech_free(state->counters);
    *state = (ech_state){0};
}

ech_state_view ech_test_view_of(ech_state state)
{
    return (ech_state_view){state.values, state.counters};
}

ech_test_data ech_test_make_data(const ech_network *network, uint64_t count)
{
    const uint64_t bytes = count * ech_shape_count(network->input);
    ech_test_data data = {
        .images = ech_alloc(bytes),
        .labels = ech_alloc(count),
        .indices = ech_calloc(count, sizeof *data.indices),
    };
    cr_assert(data.images != NULL && data.labels != NULL && data.indices != NULL);
    ech_random stream = ech_random_stream(5, ECH_RANDOM_TEST, 0, 0, 0);
    for (uint64_t i = 0; i < bytes; i++) {
        data.images[i] = (uint8_t)ech_random_below(&stream, 256);
    }
    for (uint64_t i = 0; i < count; i++) {
        data.labels[i] = (uint8_t)ech_random_below(&stream, network->classes);
        data.indices[i] = (uint32_t)i;
    }
    data.samples = (ech_samples){data.images, data.labels, 1, count};
    return data;
}

void ech_test_free_data(ech_test_data *data)
{
    ech_free(data->images);
    ech_free(data->labels);
    ech_free(data->indices);
    *data = (ech_test_data){0};
}

ech_learner *ech_test_learner(const ech_network *network, uint32_t batch, uint32_t threads,
                              ech_engine_choice engine)
{
    ech_learner_options options = {
        .network = network, .batch = batch, .threads = threads, .engine = engine};
    for (int c = 0; c < ECH_CHANNELS_MAX; c++) {
        options.normalisation.mean[c] = 0.5F;
        options.normalisation.std[c] = 0.5F;
    }
    ech_learner *learner = NULL;
    cr_assert_eq(ech_learner_create(&options, &learner), ECH_OK, "%s", ech_status_message());
    return learner;
}

ech_status ech_test_train(ech_learner *learner, const ech_network *network,
                          const ech_test_data *data, const ech_training *training, ech_state update,
                          ech_training_result *result)
{
    ech_state start = ech_test_state_of(network);
    ech_network_initialise(network, 1, start);
    const ech_training_job job = {
        .seed = 1,
        .round = 2,
        .worker = 3,
        .samples = &data->samples,
        .indices = data->indices,
        .index_count = data->samples.count,
        .training = training,
        .start = ech_test_view_of(start),
    };
    const ech_status status = ech_learner_train(learner, &job, update, result);
    ech_test_free_state(&start);
    return status;
}

ech_hash128 ech_test_trained_hash(const ech_network *network, const ech_test_data *data,
                                  const ech_training *training, uint32_t threads,
                                  ech_engine_choice engine)
{
    ech_learner *learner = ech_test_learner(network, training->batch, threads, engine);
    ech_state update = ech_test_state_of(network);
    ech_training_result result;
    cr_assert_eq(ech_test_train(learner, network, data, training, update, &result), ECH_OK, "%s",
                 ech_status_message());
    const ech_hash128 hash = ech_layout_hash_values(network->layout, update.values);
    ech_test_free_state(&update);
    ech_learner_destroy(&learner);
    return hash;
}
