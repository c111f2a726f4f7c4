/* The engines that run every model, *blocked* and *blas*, on small networks with all kinds of
 * layers and odd sizes: each step against the double reference, and the same bits always. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "kernels/check.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "tests/kernels/kernels_support.h"
#include "tests/support.h"

TestSuite(kernels_channels, .fini = ech_test_expect_no_leak);

static ech_value conv(ech_network *net, ech_value x, const char *name, uint32_t filters,
                      ech_sliding_window window, uint32_t groups, bool without_bias)
{
    return ech_network_conv(
        net, x, name,
        (ech_conv){
            .filters = filters, .window = window, .groups = groups, .without_bias = without_bias});
}

static ech_status end(ech_network *net, ech_value x)
{
    x = ech_network_adaptive_avg_pool(net, x, 2, 1);
    ech_network_linear(net, x, "fc", (ech_linear){.outputs = net->classes});
    return ech_network_finish(net);
}

/* Residual blocks: a shortcut as it is, one through a convolution, sums with and without ReLU. */
static ech_status build_residual(ech_network *net)
{
    const ech_sliding_window three = ech_square(3, 1, 1);
    ech_value x = conv(net, ECH_VALUE_INPUT, "stem", 32, ech_square(7, 2, 3), 1, true);
    x = ech_network_relu(net, ech_network_batch_norm(net, x, "stem_bn"));
    x = ech_network_max_pool(net, x, ech_square(3, 2, 1), ECH_ROUND_FLOOR);
    ech_value y = conv(net, x, "a1", 32, three, 1, true);
    y = ech_network_relu(net, ech_network_batch_norm(net, y, "a1_bn"));
    y = ech_network_batch_norm(net, conv(net, y, "a2", 32, three, 1, true), "a2_bn");
    x = ech_network_relu(net, ech_network_add(net, y, x));
    y = conv(net, x, "b1", 64, ech_square(3, 2, 1), 1, true);
    y = ech_network_batch_norm(net, y, "b1_bn");
    const ech_value shortcut =
        ech_network_batch_norm(net, conv(net, x, "b0", 64, ech_square(1, 2, 0), 1, true), "b0_bn");
    x = ech_network_add(net, y, shortcut);
    y = ech_network_batch_norm(net, conv(net, x, "c1", 64, three, 1, true), "c1_bn");
    x = ech_network_add(net, x, y);
    return end(net, ech_network_relu(net, x));
}

/* Branches side by side, of channels that fill no block; pools of all kinds. */
static ech_status build_branches(ech_network *net)
{
    ech_value x = conv(net, ECH_VALUE_INPUT, "stem", 20, ech_square(3, 1, 1), 1, false);
    x = ech_network_max_pool(net, ech_network_relu(net, x), ech_square(3, 2, 0), ECH_ROUND_CEIL);
    const ech_value parts[] = {
        ech_network_relu(net, conv(net, x, "one", 24, ech_square(1, 1, 0), 1, false)),
        conv(net, x, "two", 10, ech_square(3, 1, 1), 2, false),
        ech_network_relu(net, conv(net, x, "three", 32, ech_square(5, 1, 2), 1, true)),
        x,
    };
    x = ech_network_concat(net, parts, 4);
    x = ech_network_avg_pool(net, x, ech_square(3, 2, 1), ECH_ROUND_CEIL, true);
    x = ech_network_dropout(net, x, 0.3);
    x = ech_network_linear(net, x, "hidden", (ech_linear){.outputs = 37});
    x = ech_network_relu(net, x);
    ech_network_linear(net, x, "fc", (ech_linear){.outputs = net->classes, .without_bias = true});
    return ech_network_finish(net);
}

/* Norms and ReLUs without a convolution before them, groups, a stride above the kernel. */
static ech_status build_loose(ech_network *net)
{
    ech_value x = ech_network_relu(net, ech_network_batch_norm(net, ECH_VALUE_INPUT, "first"));
    x = conv(net, x, "grouped", 48, ech_square(3, 1, 1), 3, true);
    x = ech_network_avg_pool(net, x, ech_square(2, 2, 1), ECH_ROUND_FLOOR, false);
    const ech_value y = ech_network_batch_norm(net, x, "second");
    x = ech_network_add(net, ech_network_relu(net, x), y);
    x = conv(net, x, "each", 48, ech_square(3, 1, 0), 48, false);
    x = conv(net, x, "sparse", 16, (ech_sliding_window){1, 2, 2, 3, 1, 0}, 1, true);
    return end(net, ech_network_relu(net, x));
}

/* A small convolution right before a linear layer, whose own scratch is the plan's largest. */
static ech_status build_plain(ech_network *net)
{
    const ech_value x = conv(net, ECH_VALUE_INPUT, "conv", 4, ech_square(5, 2, 0), 1, false);
    ech_network_linear(net, ech_network_relu(net, x), "fc", (ech_linear){.outputs = net->classes});
    return ech_network_finish(net);
}

enum { NETWORKS = 4 };
typedef struct {
    ech_engine_choice engine;
    int network;
} engine_case;

/* Each network in each engine. */
static struct criterion_test_params all_cases(void)
{
    static const ech_engine_choice engines[] = {ECH_ENGINE_BLOCKED, ECH_ENGINE_BLAS};
    static engine_case cases[2 * NETWORKS];
    for (int i = 0; i < 2 * NETWORKS; i++) {
        cases[i] = (engine_case){engines[i / NETWORKS], i % NETWORKS};
    }
    return cr_make_param_array(engine_case, cases, 2 * NETWORKS);
}

static ech_network *make_network(int which)
{
    static ech_status (*const builds[NETWORKS])(ech_network *) = {build_residual, build_branches,
                                                                  build_loose, build_plain};
    ech_network *network = NULL;
    cr_assert_eq(ech_network_create("test", (ech_shape){3, 21, 18}, 11, &network), ECH_OK);
    cr_assert_eq(builds[which](network), ECH_OK, "%s", ech_status_message());
    return network;
}

static bool is_built_in(ech_engine_choice engine)
{
    ech_network *network = make_network(0);
    const ech_plan_options options = {.batch = 1, .engine = engine};
    ech_plan *plan = NULL;
    const ech_status status = ech_plan_create(network, &options, &plan);
    ech_plan_destroy(&plan);
    ech_network_destroy(&network);
    return status == ECH_OK;
}

ParameterizedTestParameters(kernels_channels, steps_match_the_reference)
{
    return all_cases();
}

static void expect_small(const ech_step_errors *errors, void *user)
{
    const double limit = 2e-5;
    uint32_t *steps = user;
    cr_expect_leq(errors->forward, limit, "%s forward", errors->info.name);
    cr_expect_leq(errors->input_gradient, limit, "%s input gradient", errors->info.name);
    cr_expect_leq(errors->weight_gradient, limit, "%s weight gradient", errors->info.name);
    ++*steps;
}

ParameterizedTest(engine_case *c, kernels_channels, steps_match_the_reference)
{
    if (!is_built_in(c->engine)) {
        return;
    }
    enum { BATCH = 5 };
    ech_network *network = make_network(c->network);
    ech_plan_options options = {.batch = BATCH + 4,
                                .threads = 2,
                                .engine = ECH_ENGINE_REFERENCE,
                                .precision = ECH_PRECISION_DOUBLE,
                                .training = true,
                                .keep_values = true};
    ech_trial *oracle = NULL, *trial = NULL;
    uint32_t steps = 0;
    cr_assert_eq(ech_trial_create(network, &options, &oracle), ECH_OK);
    options.precision = ECH_PRECISION_FLOAT;
    options.engine = c->engine;
    cr_assert_eq(ech_trial_create(network, &options, &trial), ECH_OK, "%s", ech_status_message());
    ech_trial_begin(oracle, 3, BATCH);
    ech_trial_begin(trial, 3, BATCH);
    cr_expect_eq(ech_check_steps(oracle, trial, expect_small, &steps), ECH_OK);
    cr_expect_geq(steps, 2);
    ech_trial_destroy(&trial);
    ech_trial_destroy(&oracle);
    ech_network_destroy(&network);
}

ParameterizedTestParameters(kernels_channels, threads_change_nothing)
{
    return all_cases();
}

/* Two epochs of three full batches and one of five samples. */
ParameterizedTest(engine_case *c, kernels_channels, threads_change_nothing)
{
    if (!is_built_in(c->engine)) {
        return;
    }
    const ech_training training = {
        .epochs = 2, .batch = 8, .optimizer = {.lr = 0.02, .momentum = 0.9}};
    ech_network *network = make_network(c->network);
    ech_test_data data = ech_test_make_data(network, 29);
    const ech_hash128 one = ech_test_trained_hash(network, &data, &training, 1, c->engine);
    for (uint32_t threads = 2; threads <= 3; threads++) {
        cr_expect(ech_hash_equal(
                      ech_test_trained_hash(network, &data, &training, threads, c->engine), one),
                  "%u threads", threads);
    }
    ech_test_free_data(&data);
    ech_network_destroy(&network);
}

ParameterizedTestParameters(kernels_channels, a_sample_does_not_depend_on_its_batch)
{
    return all_cases();
}

/* In evaluation mode: the last of nine samples alone gives the same bits. */
ParameterizedTest(engine_case *c, kernels_channels, a_sample_does_not_depend_on_its_batch)
{
    if (!is_built_in(c->engine)) {
        return;
    }
    enum { BATCH = 9, CLASSES = 11, IMAGE = 3 * 21 * 18 };
    float images[BATCH * IMAGE];
    float last[CLASSES];
    ech_network *network = make_network(c->network);
    const ech_plan_options options = {.batch = BATCH + 3, .engine = c->engine};
    ech_plan *plan = NULL;
    cr_assert_eq(ech_plan_create(network, &options, &plan), ECH_OK);
    const ech_layout *layout = network->layout;
    float *values = ech_calloc(layout->value_count, sizeof *values);
    int64_t *counters = ech_calloc(layout->counter_count + 1, sizeof *counters);
    ech_network_initialise(network, 1, (ech_state){values, counters});
    ech_plan_load_state(plan, (ech_state_view){values, counters});
    ech_random stream = ech_random_stream(1, ECH_RANDOM_TEST, 0, 0, 0);
    for (size_t i = 0; i < BATCH * IMAGE; i++) {
        images[i] = 2.0F * ech_random_uniform_float(&stream) - 1.0F;
    }
    ech_plan_set_input(plan, images, BATCH);
    ech_plan_forward(plan, false, NULL);
    memcpy(last, (const float *)ech_plan_logits(plan) + (BATCH - 1) * CLASSES, sizeof last);
    ech_plan_set_input(plan, images + (BATCH - 1) * IMAGE, 1);
    ech_plan_forward(plan, false, NULL);
    cr_expect_arr_eq(ech_plan_logits(plan), last, sizeof last);
    ech_free(values);
    ech_free(counters);
    ech_plan_destroy(&plan);
    ech_network_destroy(&network);
}

ParameterizedTestParameters(kernels_channels, ties_of_a_pool_go_to_the_first)
{
    static ech_engine_choice engines[] = {ECH_ENGINE_REFERENCE, ECH_ENGINE_LANES,
                                          ECH_ENGINE_BLOCKED, ECH_ENGINE_BLAS};
    return cr_make_param_array(ech_engine_choice, engines, sizeof engines / sizeof engines[0]);
}

/* A convolution of zero weights gives ties alone: the gradient of its first tap is the sum of the
 * pixels at whichever position of each window was chosen, which is the first, as in PyTorch. */
ParameterizedTest(ech_engine_choice *engine, kernels_channels, ties_of_a_pool_go_to_the_first)
{
    enum { SIDE = 12, OUT = 8, KERNEL = 5, TAPS = KERNEL * KERNEL, POOLED = OUT / 2 * OUT / 2 };
    if (*engine == ECH_ENGINE_BLOCKED && !is_built_in(*engine)) {
        return;
    }
    ech_network *net = NULL;
    ech_plan *plan = NULL;
    cr_assert_eq(ech_network_create("ties", (ech_shape){1, SIDE, SIDE}, 1, &net), ECH_OK);
    ech_value x = conv(net, ECH_VALUE_INPUT, "conv", 1, ech_square(KERNEL, 1, 0), 1, true);
    x = ech_network_max_pool(net, x, ech_square(2, 2, 0), ECH_ROUND_FLOOR);
    ech_network_linear(net, x, "fc", (ech_linear){.outputs = 1, .without_bias = true});
    cr_assert_eq(ech_network_finish(net), ECH_OK);
    const ech_plan_options options = {.batch = 1, .engine = *engine, .training = true};
    cr_assert_eq(ech_plan_create(net, &options, &plan), ECH_OK, "%s", ech_status_message());

    float values[TAPS + POOLED] = {0}, image[SIDE * SIDE];
    double gradient[TAPS], expected = 0.0;
    for (int i = 0; i < POOLED; i++) {
        values[TAPS + i] = 1.0F;
    }
    for (int i = 0; i < SIDE * SIDE; i++) {
        image[i] = (float)i;
        expected +=
            i / SIDE < OUT && i % SIDE < OUT && i / SIDE % 2 == 0 && i % SIDE % 2 == 0 ? i : 0;
    }
    ech_plan_load_state(plan, (ech_state_view){values, NULL});
    ech_plan_set_input(plan, image, 1);
    ech_plan_forward(plan, true, NULL);
    *(float *)ech_plan_logits_gradient(plan) = 1.0F;
    ech_plan_backward(plan);
    ech_plan_read_gradient(plan, 0, gradient);
    cr_expect_eq(gradient[0], expected, "%s: %g, not %g", ech_engine_choice_name(*engine),
                 gradient[0], expected);
    ech_plan_destroy(&plan);
    ech_network_destroy(&net);
}
