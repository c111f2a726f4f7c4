/* Local training: PyTorch's rules, the order of samples, partial batches, failures. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "kernels/plan.h"
#include "tests/kernels/kernels_support.h"
#include "tests/support.h"

static ech_network *network;
static ech_test_data data;
static ech_state update;

enum { SAMPLES = 50 };

static void set_up(void)
{
    network = ech_test_model("smallconv");
    data = ech_test_make_data(network, SAMPLES);
    update = ech_test_state_of(network);
}

static void tear_down(void)
{
    ech_test_free_state(&update);
    ech_test_free_data(&data);
    ech_network_destroy(&network);
    ech_test_expect_no_leak();
}

TestSuite(kernels_train, .init = set_up, .fini = tear_down);

static void train(const ech_training *training, ech_engine_choice engine,
                  ech_training_result *result)
{
    ech_learner *learner = ech_test_learner(network, training->batch, 1, engine);
    cr_assert_eq(ech_test_train(learner, network, &data, training, update, result), ECH_OK, "%s",
                 ech_status_message());
    ech_learner_destroy(&learner);
}

/* l2 of the difference over l2 of what training changed. */
static double deviation(const float *a, const float *b, const float *start)
{
    double difference = 0.0, change = 0.0;
    for (uint64_t i = 0; i < network->layout->value_count; i++) {
        difference += pow((double)a[i] - (double)b[i], 2.0);
        change += pow((double)b[i] - (double)start[i], 2.0);
    }
    return sqrt(difference / change);
}

/* An engine's training must follow the reference's, partial batch and all. */
static void expect_follows_reference(const ech_training *training, double limit)
{
    ech_training_result result, expected;
    ech_state reference = ech_test_state_of(network), start = ech_test_state_of(network);
    ech_network_initialise(network, 1, start);
    train(training, ECH_ENGINE_REFERENCE, &expected);
    memcpy(reference.values, update.values, network->layout->value_count * sizeof(float));
    train(training, ECH_ENGINE_LANES, &result);
    cr_expect_lt(deviation(update.values, reference.values, start.values), limit);
    cr_expect_float_eq(result.loss, expected.loss, 1e-4);
    cr_expect_eq(result.steps, expected.steps);
    ech_test_free_state(&reference);
    ech_test_free_state(&start);
}

Test(kernels_train, lanes_follow_the_reference_with_a_partial_last_batch)
{
    expect_follows_reference(
        &(ech_training){.epochs = 1, .batch = 43, .optimizer = {.lr = 0.01, .momentum = 0.9}},
        1e-4);
}

Test(kernels_train, results_count_samples_steps_and_rates)
{
    ech_training_result result;
    train(&(ech_training){.epochs = 3, .batch = 16, .optimizer = {.lr = 0.125}}, ECH_ENGINE_LANES,
          &result);
    cr_expect_eq(result.samples, SAMPLES);
    cr_expect_eq(result.steps, 3 * 4);
    cr_expect_float_eq(result.learning_rate_sum, 12 * 0.125, 1e-12);
    cr_expect(result.loss > 0.0 && result.loss < 3.0);
    cr_expect(result.accuracy >= 0.0 && result.accuracy <= 1.0);
}

Test(kernels_train, no_epochs_return_the_model_as_it_came)
{
    ech_training_result result;
    ech_state start = ech_test_state_of(network);
    ech_network_initialise(network, 1, start);
    train(&(ech_training){.epochs = 0, .batch = 16}, ECH_ENGINE_LANES, &result);
    cr_expect_eq(memcmp(update.values, start.values, network->layout->value_count * sizeof(float)),
                 0);
    cr_expect_eq(result.steps, 0);
    ech_test_free_state(&start);
}

/* Where the samples of a batch are put when they are asked for. */
typedef struct {
    uint8_t images[16 * 28 * 28];
    uint8_t labels[16];
    uint32_t batches;
    uint32_t fails_at;
} shelf;

static ech_status fetch(void *user, const uint32_t *numbers, uint32_t count, ech_samples *batch)
{
    shelf *to = user;
    const size_t bytes = sizeof to->images / 16;
    cr_assert_leq(count, 16);
    if (++to->batches == to->fails_at) {
        return ech_fail(ECH_ERR_FILE, "batch %u cannot be read", to->batches);
    }
    for (uint32_t i = 0; i < count; i++) {
        memcpy(to->images + i * bytes, data.images + numbers[i] * bytes, bytes);
        to->labels[i] = data.labels[numbers[i]];
    }
    *batch = (ech_samples){to->images, to->labels, 1, count};
    return ECH_OK;
}

static ech_status train_from(shelf *from, const ech_training *training, ech_training_result *result)
{
    ech_state start = ech_test_state_of(network);
    ech_learner *learner = ech_test_learner(network, training->batch, 1, ECH_ENGINE_LANES);
    ech_network_initialise(network, 1, start);
    const ech_training_job job = {
        .seed = 1,
        .round = 2,
        .worker = 3,
        .index_count = SAMPLES,
        .fetch = fetch,
        .fetch_user = from,
        .training = training,
        .start = ech_test_view_of(start),
    };
    const ech_status status = ech_learner_train(learner, &job, update, result);
    ech_learner_destroy(&learner);
    ech_test_free_state(&start);
    return status;
}

Test(kernels_train, samples_that_come_batch_by_batch_give_the_same_bits)
{
    const ech_training training = {.epochs = 2, .batch = 16, .optimizer = {.lr = 0.05}};
    ech_training_result result;
    static shelf empty;
    const ech_hash128 expected =
        ech_test_trained_hash(network, &data, &training, 1, ECH_ENGINE_LANES);
    cr_assert_eq(train_from(&empty, &training, &result), ECH_OK, "%s", ech_status_message());
    const ech_hash128 hash = ech_layout_hash_values(network->layout, update.values);
    cr_expect(ech_hash_equal(hash, expected));
    cr_expect_eq(empty.batches, 2 * 4);
    cr_expect_eq(result.steps, 2 * 4);
}

Test(kernels_train, a_batch_that_does_not_come_ends_the_training)
{
    const ech_training training = {.epochs = 2, .batch = 16, .optimizer = {.lr = 0.05}};
    ech_training_result result;
    static shelf bad = {.fails_at = 3};
    cr_expect_eq(train_from(&bad, &training, &result), ECH_ERR_FILE);
    cr_expect_str_eq(ech_status_message(), "batch 3 cannot be read");
    static shelf wrong;
    data.labels[7] = 10;
    cr_expect_eq(train_from(&wrong, &training, &result), ECH_ERR_ARGUMENT);
}

Test(kernels_train, an_epoch_overfits_when_repeated)
{
    ech_training_result result;
    train(&(ech_training){.epochs = 60, .batch = 10, .optimizer = {.lr = 0.02, .momentum = 0.9}},
          ECH_ENGINE_LANES, &result);
    cr_expect_gt(result.accuracy, 0.95);
}

Test(kernels_train, a_loss_that_is_not_finite_names_round_worker_epoch_and_batch)
{
    ech_training_result result;
    const ech_training training = {.epochs = 2, .batch = 10, .optimizer = {.lr = 1e30}};
    ech_learner *learner = ech_test_learner(network, 10, 1, ECH_ENGINE_LANES);
    cr_expect_eq(ech_test_train(learner, network, &data, &training, update, &result),
                 ECH_ERR_NUMERIC);
    cr_expect_not_null(strstr(ech_status_message(), "round 2, worker 3, epoch 0, batch "), "%s",
                       ech_status_message());
    ech_learner_destroy(&learner);
}

Test(kernels_train, a_label_beyond_the_classes_is_refused)
{
    ech_training_result result;
    const ech_training training = {.epochs = 1, .batch = 10, .optimizer = {.lr = 0.1}};
    ech_learner *learner = ech_test_learner(network, 10, 1, ECH_ENGINE_LANES);
    data.labels[7] = 10;
    cr_expect_eq(ech_test_train(learner, network, &data, &training, update, &result),
                 ECH_ERR_ARGUMENT);
    cr_expect_not_null(strstr(ech_status_message(), "sample 7"), "%s", ech_status_message());
    ech_learner_destroy(&learner);
}

Test(kernels_train, a_sample_beyond_the_data_is_refused)
{
    ech_training_result result;
    const ech_training training = {.epochs = 1, .batch = 10, .optimizer = {.lr = 0.1}};
    ech_learner *learner = ech_test_learner(network, 10, 1, ECH_ENGINE_LANES);
    data.indices[3] = SAMPLES;
    cr_expect_eq(ech_test_train(learner, network, &data, &training, update, &result),
                 ECH_ERR_ARGUMENT);
    ech_learner_destroy(&learner);
}

static void count_call(void *user)
{
    ++*(int *)user;
}

Test(kernels_train, the_hook_runs_between_batches)
{
    int calls = 0;
    ech_training_result result;
    ech_state start = ech_test_state_of(network);
    ech_network_initialise(network, 1, start);
    ech_learner *learner = ech_test_learner(network, 20, 1, ECH_ENGINE_LANES);
    const ech_training training = {.epochs = 2, .batch = 20, .optimizer = {.lr = 0.1}};
    const ech_training_job job = {
        .round = 1,
        .samples = &data.samples,
        .indices = data.indices,
        .index_count = SAMPLES,
        .training = &training,
        .start = ech_test_view_of(start),
        .yield = count_call,
        .yield_user = &calls,
    };
    cr_assert_eq(ech_learner_train(learner, &job, update, &result), ECH_OK);
    cr_expect_eq(calls, 6);
    ech_learner_destroy(&learner);
    ech_test_free_state(&start);
}

/* One step of each rule on a network of one weight and one bias: y = w x + b with two classes would
 * hide it, so the gradient is taken from the plan and the rule repeated here in double. */
typedef struct {
    double w, m, v;
} scalar;

static void rule(const ech_optimizer *o, scalar *s, double g, double start, int step)
{
    g += o->proximal * (s->w - start);
    g += o->weight_decay * s->w;
    if (o->kind == ECH_OPTIMIZER_ADAM) {
        s->m = o->beta1 * s->m + (1.0 - o->beta1) * g;
        s->v = o->beta2 * s->v + (1.0 - o->beta2) * g * g;
        const double first = s->m / (1.0 - pow(o->beta1, step));
        const double second = s->v / (1.0 - pow(o->beta2, step));
        s->w -= o->lr * first / (sqrt(second) + o->epsilon);
        return;
    }
    s->m = o->momentum * s->m + g;
    s->w -= o->lr * (o->nesterov ? g + o->momentum * s->m : s->m);
}

/* Three steps of softmax regression on one sample with one input, written out; `term` is added to
 * the gradients of w0, w1, b0, b1 if it is not NULL. */
static void expect_rule_with(const ech_optimizer *optimizer, const float *term)
{
    ech_network *tiny = NULL;
    cr_assert_eq(ech_network_create("pair", (ech_shape){1, 1, 1}, 2, &tiny), ECH_OK);
    ech_network_linear(tiny, ECH_VALUE_INPUT, "fc", (ech_linear){.outputs = 2});
    cr_assert_eq(ech_network_finish(tiny), ECH_OK);
    ech_state start = ech_test_state_of(tiny), end = ech_test_state_of(tiny);
    ech_network_initialise(tiny, 1, start);
    ech_test_data one = ech_test_make_data(tiny, 1);
    one.images[0] = 255; /* becomes 1 */
    const ech_training training = {.epochs = 3, .batch = 1, .optimizer = *optimizer};
    ech_learner *learner = ech_test_learner(tiny, 1, 1, ECH_ENGINE_LANES);
    ech_training_result result;
    const ech_training_job job = {.round = 1,
                                  .samples = &one.samples,
                                  .indices = one.indices,
                                  .index_count = 1,
                                  .training = &training,
                                  .start = ech_test_view_of(start),
                                  .gradient_term = term};
    cr_assert_eq(ech_learner_train(learner, &job, end, &result), ECH_OK);

    scalar s[4]; /* w0, w1, b0, b1 */
    for (int i = 0; i < 4; i++) {
        s[i] = (scalar){.w = (double)start.values[i]};
    }
    for (int step = 1; step <= 3; step++) {
        const double a = s[0].w + s[2].w, b = s[1].w + s[3].w;
        const double p = 1.0 / (1.0 + exp(b - a));
        const double g[2] = {p - (one.labels[0] == 0), 1.0 - p - (one.labels[0] == 1)};
        for (int i = 0; i < 4; i++) {
            const double added = term != NULL ? (double)term[i] : 0.0;
            rule(optimizer, &s[i], g[i % 2] + added, (double)start.values[i], step);
        }
    }
    for (int i = 0; i < 4; i++) {
        cr_expect_float_eq((double)end.values[i], s[i].w, 3e-6, "value %d: %g, not %g", i,
                           (double)end.values[i], s[i].w);
    }
    ech_learner_destroy(&learner);
    ech_test_free_data(&one);
    ech_test_free_state(&start);
    ech_test_free_state(&end);
    ech_network_destroy(&tiny);
}

static void expect_rule(const ech_optimizer *optimizer)
{
    expect_rule_with(optimizer, NULL);
}

Test(kernels_train, plain_sgd_and_weight_decay)
{
    expect_rule(&(ech_optimizer){.lr = 0.3, .weight_decay = 0.1});
}

Test(kernels_train, momentum)
{
    expect_rule(&(ech_optimizer){.lr = 0.3, .momentum = 0.9, .weight_decay = 0.1});
}

Test(kernels_train, nesterov)
{
    expect_rule(&(ech_optimizer){.lr = 0.3, .momentum = 0.9, .nesterov = true});
}

Test(kernels_train, adam)
{
    expect_rule(&(ech_optimizer){.kind = ECH_OPTIMIZER_ADAM,
                                 .lr = 0.05,
                                 .beta1 = 0.9,
                                 .beta2 = 0.999,
                                 .epsilon = 1e-8,
                                 .weight_decay = 0.01});
}

Test(kernels_train, the_proximal_term_pulls_to_the_start)
{
    expect_rule(&(ech_optimizer){.lr = 0.3, .momentum = 0.5, .proximal = 0.4});
}

/* FedDyn's linear term is a part of the gradient: momentum remembers it. */
Test(kernels_train, a_gradient_term_is_added_before_momentum)
{
    static const float term[] = {0.25F, -0.5F, 1.0F, 0.125F};
    expect_rule_with(&(ech_optimizer){.lr = 0.3, .momentum = 0.5, .proximal = 0.4}, term);
}

/* FedNova's ||a_i||_1 of t steps of momentum p: (t - p (1 - p^t) / (1 - p)) / (1 - p). */
Test(kernels_train, gradients_count_once_without_momentum_and_more_with_it)
{
    static const double momenta[] = {0.0, 0.5, 0.9};
    ech_training_result result;
    for (size_t i = 0; i < sizeof momenta / sizeof *momenta; i++) {
        const double p = momenta[i];
        train(&(ech_training){.epochs = 3, .batch = 16, .optimizer = {.lr = 0.01, .momentum = p}},
              ECH_ENGINE_LANES, &result);
        const double expected = (12.0 - p * (1.0 - pow(p, 12.0)) / (1.0 - p)) / (1.0 - p);
        cr_expect_float_eq(result.gradient_weight, expected, 1e-9, "momentum %g: %g", p,
                           result.gradient_weight);
    }
}

/* Far above the limit, every gradient is scaled to it: the first plain step has length lr * clip.
 */
Test(kernels_train, clipping_bounds_the_step)
{
    ech_training_result result;
    ech_state start = ech_test_state_of(network);
    ech_network_initialise(network, 1, start);
    train(
        &(ech_training){.epochs = 1, .batch = SAMPLES, .optimizer = {.lr = 0.5, .clip_norm = 1e-3}},
        ECH_ENGINE_LANES, &result);
    double square = 0.0;
    for (uint64_t i = 0; i < network->layout->value_count; i++) {
        square += pow((double)update.values[i] - (double)start.values[i], 2.0);
    }
    cr_expect_float_eq(sqrt(square), 0.5e-3, 1e-6);
    ech_test_free_state(&start);
}

/* The helper trains round 2: a step after each round has halved the learning rate once. */
Test(kernels_train, a_schedule_goes_on_from_round_to_round)
{
    ech_training training = {
        .epochs = 2,
        .batch = 16,
        .optimizer = {.lr = 0.02, .momentum = 0.5},
        .schedule = {.kind = ECH_SCHEDULE_STEP, .every = 1.0, .factor = 0.5},
    };
    const ech_hash128 stepped =
        ech_test_trained_hash(network, &data, &training, 1, ECH_ENGINE_LANES);
    training.optimizer.lr = 0.01;
    training.schedule = (ech_schedule){0};
    cr_expect(ech_hash_equal(ech_test_trained_hash(network, &data, &training, 1, ECH_ENGINE_LANES),
                             stepped));
}

/* SCAFFOLD's correction comes after the step: w -= lr * d. */
Test(kernels_train, the_correction_is_subtracted_after_each_step)
{
    ech_training_result result;
    ech_state start = ech_test_state_of(network), plain = ech_test_state_of(network);
    ech_network_initialise(network, 1, start);
    const ech_training training = {.epochs = 1, .batch = SAMPLES, .optimizer = {.lr = 0.25}};
    train(&training, ECH_ENGINE_LANES, &result);
    memcpy(plain.values, update.values, network->layout->value_count * sizeof(float));
    ech_state correction = ech_test_state_of(network);
    for (uint64_t i = 0; i < network->layout->value_count; i++) {
        correction.values[i] = (float)(i % 7) - 3.0F;
    }
    ech_learner *learner = ech_test_learner(network, SAMPLES, 1, ECH_ENGINE_LANES);
    const ech_training_job job = {.seed = 1,
                                  .round = 2,
                                  .worker = 3,
                                  .samples = &data.samples,
                                  .indices = data.indices,
                                  .index_count = SAMPLES,
                                  .training = &training,
                                  .start = ech_test_view_of(start),
                                  .correction = correction.values};
    cr_assert_eq(ech_learner_train(learner, &job, update, &result), ECH_OK);
    for (uint64_t i = 0; i < network->layout->value_count; i++) {
        const float expected = plain.values[i] - 0.25F * correction.values[i];
        cr_assert_float_eq((double)update.values[i], (double)expected, 1e-6, "value %llu",
                           (unsigned long long)i);
    }
    ech_learner_destroy(&learner);
    ech_test_free_state(&correction);
    ech_test_free_state(&plain);
    ech_test_free_state(&start);
}
