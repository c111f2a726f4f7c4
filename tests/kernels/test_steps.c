/* Single steps of odd shapes against the double reference. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/check.h"
#include "tests/support.h"

typedef struct {
    uint32_t channels, height, width, filters, kernel_height, kernel_width, pad_height, pad_width;
    uint32_t batch;
    int relu, pool, second; /* second: a convolution above, so that the input has a gradient */
} conv_case;

static const double limit = 2e-5;

static void expect_small(const ech_step_errors *errors, void *user)
{
    (void)user;
    cr_expect_leq(errors->forward, limit, "%s forward", errors->info.name);
    cr_expect_leq(errors->input_gradient, limit, "%s input gradient", errors->info.name);
    cr_expect_leq(errors->weight_gradient, limit, "%s weight gradient", errors->info.name);
}

static void check(const ech_network *network, uint32_t batch, ech_engine_choice engine)
{
    ech_plan_options options = {.batch = batch + 5,
                                .threads = 2,
                                .engine = ECH_ENGINE_REFERENCE,
                                .precision = ECH_PRECISION_DOUBLE,
                                .training = true,
                                .keep_values = true};
    ech_trial *oracle = NULL, *trial = NULL;
    cr_assert_eq(ech_trial_create(network, &options, &oracle), ECH_OK);
    options.precision = ECH_PRECISION_FLOAT;
    options.engine = engine;
    cr_assert_eq(ech_trial_create(network, &options, &trial), ECH_OK, "%s", ech_status_message());
    ech_trial_begin(oracle, 3, batch);
    ech_trial_begin(trial, 3, batch);
    cr_expect_eq(ech_check_steps(oracle, trial, expect_small, NULL), ECH_OK);
    ech_trial_destroy(&trial);
    ech_trial_destroy(&oracle);
}

static ech_network *conv_network(const conv_case *c)
{
    ech_network *network = NULL;
    cr_assert_eq(
        ech_network_create("conv", (ech_shape){c->channels, c->height, c->width}, 4, &network),
        ECH_OK);
    ech_value x = ECH_VALUE_INPUT;
    if (c->second) {
        x = ech_network_conv(network, x, "first",
                             (ech_conv){.filters = c->channels, .window = ech_square(1, 1, 0)});
    }
    const ech_sliding_window window = {c->kernel_height, c->kernel_width, 1, 1,
                                       c->pad_height,    c->pad_width};
    x = ech_network_conv(network, x, "conv", (ech_conv){.filters = c->filters, .window = window});
    x = c->relu ? ech_network_relu(network, x) : x;
    x = c->pool ? ech_network_max_pool(network, x, ech_square(2, 2, 0), ECH_ROUND_FLOOR) : x;
    ech_network_linear(network, x, "fc", (ech_linear){.outputs = 4});
    cr_assert_eq(ech_network_finish(network), ECH_OK, "%s", ech_status_message());
    return network;
}

ParameterizedTestParameters(kernels_steps, lanes_convolutions_of_odd_shapes)
{
    static conv_case cases[] = {
        {1, 5, 5, 1, 5, 5, 0, 0, 1, 0, 0, 0},    /* one place */
        {1, 9, 8, 7, 3, 3, 0, 0, 17, 1, 0, 1},   /* odd rows, a filter left over */
        {3, 8, 9, 13, 3, 2, 1, 1, 16, 1, 1, 1},  /* odd columns under a pool */
        {2, 7, 7, 6, 4, 4, 1, 2, 3, 0, 1, 1},    /* even kernel, unequal padding, odd pool */
        {5, 6, 10, 16, 1, 1, 0, 0, 33, 1, 1, 1}, /* 1x1 */
        {2, 11, 12, 9, 7, 7, 3, 3, 5, 1, 0, 1},  /* a wide kernel */
        {4, 6, 6, 5, 5, 5, 4, 4, 20, 0, 0, 1},   /* as much padding as there may be */
        {1, 3, 16, 3, 2, 6, 0, 5, 8, 1, 0, 0},   /* first layer with padding */
        {1, 2, 2, 2, 1, 2, 0, 1, 2, 1, 0, 1},    /* output wider than high */
    };
    return cr_make_param_array(conv_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(conv_case *c, kernels_steps, lanes_convolutions_of_odd_shapes,
                  .fini = ech_test_expect_no_leak)
{
    static const char *const isas[] = {"portable", "avx2", "avx512"};
    ech_network *network = conv_network(c);
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        ech_isa isa;
        setenv("ECH_ISA", isas[i], 1);
        if (ech_cpu_isa(&isa) == ECH_OK) {
            check(network, c->batch, ECH_ENGINE_LANES);
        }
    }
    ech_network_destroy(&network);
}

Test(kernels_steps, lanes_linear_layers_of_odd_sizes, .fini = ech_test_expect_no_leak)
{
    static const uint32_t sizes[][3] = {{1, 1, 1}, {7, 17, 3}, {65, 33, 40}, {130, 15, 19}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ech_network *network = NULL;
        cr_assert_eq(ech_network_create("fc", (ech_shape){sizes[i][0], 1, 1}, 5, &network), ECH_OK);
        ech_value x = ech_network_linear(network, ECH_VALUE_INPUT, "fc1",
                                         (ech_linear){.outputs = sizes[i][1]});
        x = ech_network_relu(network, x);
        x = ech_network_linear(network, x, "fc2",
                               (ech_linear){.outputs = sizes[i][1], .without_bias = true});
        ech_network_linear(network, x, "fc3", (ech_linear){.outputs = 5});
        cr_assert_eq(ech_network_finish(network), ECH_OK);
        check(network, sizes[i][2], ECH_ENGINE_LANES);
        ech_network_destroy(&network);
    }
}

/* A value read by two layers: the second gradient is added to the first. */
Test(kernels_steps, gradients_of_a_value_with_two_readers_add_up, .fini = ech_test_expect_no_leak)
{
    ech_network *network = NULL;
    cr_assert_eq(ech_network_create("fork", (ech_shape){2, 6, 6}, 3, &network), ECH_OK);
    ech_value x = ech_network_conv(network, ECH_VALUE_INPUT, "stem",
                                   (ech_conv){.filters = 4, .window = ech_square(3, 1, 1)});
    const ech_value left = ech_network_conv(
        network, x, "left", (ech_conv){.filters = 4, .window = ech_square(3, 1, 1)});
    const ech_value right = ech_network_conv(
        network, x, "right", (ech_conv){.filters = 4, .window = ech_square(1, 1, 0)});
    x = ech_network_add(network, left, right);
    ech_network_linear(network, x, "fc", (ech_linear){.outputs = 3});
    cr_assert_eq(ech_network_finish(network), ECH_OK);

    /* auto mixes lanes and the rest, so conversions take part as well. */
    ech_plan_options options = {.batch = 5,
                                .engine = ECH_ENGINE_REFERENCE,
                                .precision = ECH_PRECISION_DOUBLE,
                                .training = true};
    ech_trial *oracle = NULL, *trial = NULL;
    cr_assert_eq(ech_trial_create(network, &options, &oracle), ECH_OK);
    options.precision = ECH_PRECISION_FLOAT;
    options.engine = ECH_ENGINE_AUTO;
    cr_assert_eq(ech_trial_create(network, &options, &trial), ECH_OK);
    ech_trial_begin(oracle, 1, 5);
    ech_trial_begin(trial, 1, 5);
    cr_expect_float_eq(ech_trial_gradient(trial), ech_trial_gradient(oracle), 1e-6);
    double expected[2 * 4 * 9], found[2 * 4 * 9];
    ech_plan_read_gradient(ech_trial_plan(oracle), 0, expected);
    ech_plan_read_gradient(ech_trial_plan(trial), 0, found);
    cr_expect_lt(ech_largest_error(found, expected, 2 * 4 * 9), limit);
    ech_trial_destroy(&trial);
    ech_trial_destroy(&oracle);
    ech_network_destroy(&network);
}

/* Layers that golden files do not have: groups, average pools, adaptive pools of odd sizes. */
Test(kernels_steps, the_reference_differentiates_every_layer, .fini = ech_test_expect_no_leak)
{
    ech_network *network = NULL;
    cr_assert_eq(ech_network_create("zoo", (ech_shape){4, 13, 11}, 3, &network), ECH_OK);
    ech_value x = ech_network_conv(
        network, ECH_VALUE_INPUT, "grouped",
        (ech_conv){.filters = 6, .window = {3, 2, 2, 1, 1, 0}, .groups = 2, .without_bias = true});
    x = ech_network_batch_norm(network, x, "norm");
    const ech_value branches[] = {
        ech_network_avg_pool(network, x, ech_square(3, 2, 1), ECH_ROUND_CEIL, true),
        ech_network_avg_pool(network, x, ech_square(3, 2, 1), ECH_ROUND_CEIL, false),
        ech_network_max_pool(network, x, ech_square(3, 2, 1), ECH_ROUND_CEIL),
    };
    x = ech_network_concat(network, branches, 3);
    x = ech_network_adaptive_avg_pool(network, x, 3, 2);
    x = ech_network_add(network, x, x);
    ech_network_linear(network, x, "fc", (ech_linear){.outputs = 3});
    cr_assert_eq(ech_network_finish(network), ECH_OK, "%s", ech_status_message());
    check(network, 4, ECH_ENGINE_REFERENCE);

    /* The double reference itself, against differences of the loss. */
    const ech_plan_options options = {.batch = 4,
                                      .engine = ECH_ENGINE_REFERENCE,
                                      .precision = ECH_PRECISION_DOUBLE,
                                      .training = true};
    ech_trial *oracle = NULL;
    cr_assert_eq(ech_trial_create(network, &options, &oracle), ECH_OK);
    ech_trial_begin(oracle, 2, 4);
    ech_trial_gradient(oracle);
    double gradient[4 / 2 * 6 * 3 * 2];
    ech_plan_read_gradient(ech_trial_plan(oracle), 0, gradient);
    double *weights = ech_plan_parameters(ech_trial_plan(oracle)).parameters;
    for (uint64_t i = 0; i < sizeof gradient / sizeof gradient[0]; i += 5) {
        const double step = 1e-6, kept = weights[i];
        weights[i] = kept + step;
        const double above = ech_trial_gradient(oracle);
        weights[i] = kept - step;
        const double below = ech_trial_gradient(oracle);
        weights[i] = kept;
        cr_expect_float_eq((above - below) / (2.0 * step), gradient[i], 1e-7, "weight %llu",
                           (unsigned long long)i);
    }
    ech_trial_destroy(&oracle);
    ech_network_destroy(&network);
}
