/* What the kernels compute, as lines of text that two processors can be compared by: hashes of
 * trained models where the bits must be equal everywhere, else a verdict. Needs no test framework,
 * so that it runs wherever the kernels compile. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/check.h"
#include "kernels/models.h"
#include "kernels/train.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"

enum { SAMPLES = 23, BATCH = 9 };
static const double step_limit = 2e-5;

typedef struct {
    const ech_network *network;
    ech_learner *learner;
    uint8_t *images, labels[SAMPLES];
    uint32_t indices[SAMPLES];
    ech_state start, end;
} bench;

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "kernels_check: %s: %s\n", what, ech_status_message());
    exit(EXIT_FAILURE);
}

static void check(ech_status status, const char *what)
{
    if (status != ECH_OK) {
        give_up(what);
    }
}

static void *take(size_t count, size_t bytes)
{
    void *memory = ech_calloc(count, bytes);
    if (memory == NULL) {
        give_up("memory");
    }
    return memory;
}

static ech_state take_state(const ech_layout *layout)
{
    return (ech_state){take(layout->value_count, sizeof(float)),
                       take(layout->counter_count + 1, sizeof(int64_t))};
}

static void fill_samples(bench *b)
{
    const uint64_t bytes = SAMPLES * ech_shape_count(b->network->input);
    b->images = take(bytes, 1);
    ech_random stream = ech_random_stream(7, ECH_RANDOM_TEST, 0, 0, 0);
    for (uint64_t i = 0; i < bytes; i++) {
        b->images[i] = (uint8_t)ech_random_below(&stream, 256);
    }
    for (uint32_t i = 0; i < SAMPLES; i++) {
        b->labels[i] = (uint8_t)ech_random_below(&stream, b->network->classes);
        b->indices[i] = i;
    }
}

static void make_bench(const ech_network *network, ech_engine_choice engine, bench *b)
{
    ech_learner_options options = {.network = network, .batch = BATCH, .engine = engine};
    for (int c = 0; c < ECH_CHANNELS_MAX; c++) {
        options.normalisation.mean[c] = 0.5F;
        options.normalisation.std[c] = 0.25F;
    }
    *b = (bench){.network = network};
    check(ech_learner_create(&options, &b->learner), "a learner");
    fill_samples(b);
    b->start = take_state(network->layout);
    b->end = take_state(network->layout);
    ech_network_initialise(network, 1, b->start);
}

static void free_bench(bench *b)
{
    ech_learner_destroy(&b->learner);
    ech_free(b->images);
    ech_free(b->start.values);
    ech_free(b->start.counters);
    ech_free(b->end.values);
    ech_free(b->end.counters);
}

/* Two epochs with all that an update may have. */
static void print_trained(const char *what, const ech_network *network, ech_engine_choice engine)
{
    const ech_training training = {
        .epochs = 2,
        .batch = BATCH,
        .optimizer = {.lr = 0.02, .momentum = 0.9, .weight_decay = 1e-3, .clip_norm = 2.0},
        .augmentation = {.crop_pad = 2, .flip = true},
    };
    bench b;
    make_bench(network, engine, &b);
    const ech_samples samples = {b.images, b.labels, 1, SAMPLES};
    const ech_training_job job = {
        .seed = 1,
        .round = 1,
        .samples = &samples,
        .indices = b.indices,
        .index_count = SAMPLES,
        .training = &training,
        .start = {b.start.values, b.start.counters},
    };
    ech_training_result result;
    char text[ECH_HASH_TEXT_BYTES];
    check(ech_learner_train(b.learner, &job, b.end, &result), "training");
    ech_hash_text(ech_layout_hash_values(network->layout, b.end.values), text);
    printf("%s %s: trained %s, loss %a\n", what, ech_engine_choice_name(engine), text, result.loss);
    free_bench(&b);
}

static void note_error(const ech_step_errors *errors, void *user)
{
    double *worst = user;
    *worst = fmax(*worst, errors->forward);
    *worst = fmax(*worst, errors->input_gradient);
    *worst = fmax(*worst, errors->weight_gradient);
}

/* Each step against the double reference. */
static void print_steps(const char *what, const ech_network *network, ech_engine_choice engine)
{
    ech_plan_options options = {.batch = BATCH,
                                .engine = ECH_ENGINE_REFERENCE,
                                .precision = ECH_PRECISION_DOUBLE,
                                .training = true,
                                .keep_values = true};
    ech_trial *oracle = NULL, *trial = NULL;
    double worst = 0.0;
    check(ech_trial_create(network, &options, &oracle), "the double reference");
    options.precision = ECH_PRECISION_FLOAT;
    options.engine = engine;
    check(ech_trial_create(network, &options, &trial), "a plan");
    ech_trial_begin(oracle, 1, BATCH);
    ech_trial_begin(trial, 1, BATCH);
    check(ech_check_steps(oracle, trial, note_error, &worst), "a check");
    printf("%s %s: steps %s\n", what, ech_engine_choice_name(engine),
           worst <= step_limit ? "as the reference" : "DIFFER");
    ech_trial_destroy(&trial);
    ech_trial_destroy(&oracle);
}

static void check_model(const char *name)
{
    ech_network *network = NULL;
    check(ech_model_create(name, NULL, 0, &network), name);
    print_trained(name, network, ECH_ENGINE_LANES);
    print_steps(name, network, ECH_ENGINE_LANES);
    print_steps(name, network, ECH_ENGINE_BLAS);
    ech_network_destroy(&network);
}

/* Norms, a residual branch, groups, pools, dropout and a concatenation. */
static ech_network *make_branched(void)
{
    ech_network *net = NULL;
    check(ech_network_create("branched", (ech_shape){3, 11, 10}, 5, &net), "a network");
    const ech_conv stem = {.filters = 8, .window = ech_square(3, 2, 1), .without_bias = true};
    const ech_conv grouped = {.filters = 8, .window = ech_square(3, 1, 1), .groups = 2};
    ech_value x = ech_network_conv(net, ECH_VALUE_INPUT, "stem", stem);
    x = ech_network_relu(net, ech_network_batch_norm(net, x, "norm"));
    const ech_value y = ech_network_conv(net, x, "grouped", grouped);
    const ech_value both[] = {ech_network_add(net, x, y), x};
    x = ech_network_relu(net, ech_network_concat(net, both, 2));
    x = ech_network_avg_pool(net, x, ech_square(2, 1, 1), ECH_ROUND_CEIL, false);
    x = ech_network_max_pool(net, x, ech_square(3, 2, 0), ECH_ROUND_CEIL);
    x = ech_network_adaptive_avg_pool(net, ech_network_dropout(net, x, 0.25), 2, 1);
    ech_network_linear(net, x, "fc", (ech_linear){.outputs = 5});
    check(ech_network_finish(net), "a network");
    return net;
}

int main(void)
{
    check_model("smallconv");
    check_model("smallnet");
    ech_network *branched = make_branched();
    print_trained("branched", branched, ECH_ENGINE_REFERENCE);
    print_steps("branched", branched, ECH_ENGINE_REFERENCE);
    print_steps("branched", branched, ECH_ENGINE_BLAS);
    ech_network_destroy(&branched);
    return EXIT_SUCCESS;
}
