/* Descriptions of networks: PyTorch's names, shapes, counts and sizes; refusals that name facts. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "kernels/models.h"
#include "tests/kernels/kernels_support.h"
#include "tests/support.h"

TestSuite(kernels_network, .fini = ech_test_expect_no_leak);

Test(kernels_network, models_have_the_published_numbers_of_parameters)
{
    static const struct {
        const char *name;
        uint64_t parameters;
    } expected[] = {
        {"tinynet", 2},          {"smallnet", 62006},     {"smallconv", 44426},
        {"pflcnn", 1626442},     {"mcmahancnn", 1663370}, {"leafcnn", 6603710},
        {"squeezenet", 1248424}, {"resnet18", 11689512},  {"resnet34", 21797672},
        {"resnet50", 25557032},  {"resnet101", 44549160}, {"resnet152", 60192808},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        ech_network *network = ech_test_model(expected[i].name);
        cr_expect_eq(network->layout->parameter_count, expected[i].parameters, "%s has %llu",
                     expected[i].name, (unsigned long long)network->layout->parameter_count);
        ech_network_destroy(&network);
    }
}

Test(kernels_network, resnet_states_are_named_and_ordered_as_torchvisions)
{
    ech_network *network = ech_test_model("resnet18");
    const ech_tensor *tensors = network->layout->tensors;
    cr_expect_str_eq(tensors[0].name, "conv1.weight");
    cr_expect_str_eq(tensors[3].name, "bn1.running_mean");
    cr_expect_str_eq(tensors[5].name, "bn1.num_batches_tracked");
    const ech_tensor *shortcut = ech_layout_find(network->layout, "layer2.0.downsample.0.weight");
    cr_assert_not_null(shortcut);
    /* NOLINTBEGIN(clang-analyzer-core.NullDereference): asserted above */
    cr_expect_eq(tensors[5].dimension_count, 0);
    cr_expect_eq(shortcut->shape[0], 128);
    cr_expect_eq(shortcut->shape[1], 64);
    cr_expect_str_eq(shortcut[-1].name, "layer2.0.bn2.num_batches_tracked");
    /* NOLINTEND(clang-analyzer-core.NullDereference) */
    cr_expect_str_eq(tensors[network->layout->tensor_count - 1].name, "fc.bias");
    ech_network_destroy(&network);
}

Test(kernels_network, input_and_classes_are_free)
{
    ech_network *network = NULL;
    const ech_shape input = {3, 32, 32};
    cr_assert_eq(ech_model_create("resnet18", &input, 10, &network), ECH_OK);
    cr_expect_eq(ech_network_shape(network, network->layer_count).channels, 10);
    cr_expect_eq(network->layout->parameter_count, 11181642);
    ech_network_destroy(&network);
}

Test(kernels_network, ceil_mode_counts_as_pytorch)
{
    ech_network *network = NULL;
    cr_assert_eq(ech_network_create("pools", (ech_shape){1, 6, 7}, 2, &network), ECH_OK);
    const ech_value up =
        ech_network_max_pool(network, ECH_VALUE_INPUT, ech_square(3, 2, 0), ECH_ROUND_CEIL);
    cr_expect_eq(ech_network_shape(network, up).height, 3);
    cr_expect_eq(ech_network_shape(network, up).width, 3);
    /* A last window that would begin in the right padding is left out. */
    const ech_value edge =
        ech_network_max_pool(network, ECH_VALUE_INPUT, ech_square(2, 2, 1), ECH_ROUND_CEIL);
    cr_expect_eq(ech_network_shape(network, edge).height, 4);
    cr_expect_eq(ech_network_shape(network, edge).width, 4);
    ech_network_destroy(&network);
}

Test(kernels_network, an_unknown_model_is_refused_with_the_known_ones)
{
    ech_network *network = NULL;
    cr_expect_eq(ech_model_create("smalconv", NULL, 0, &network), ECH_ERR_CONFIG);
    cr_expect_not_null(strstr(ech_status_message(), "smallconv"));
    cr_expect_null(network);
}

Test(kernels_network, an_input_too_small_is_refused_by_name)
{
    ech_network *network = NULL;
    const ech_shape input = {1, 4, 4};
    cr_expect_eq(ech_model_create("smallconv", &input, 10, &network), ECH_ERR_CONFIG);
    cr_expect_not_null(strstr(ech_status_message(), "conv1"), "%s", ech_status_message());
    cr_expect_null(network);
}

Test(kernels_network, an_output_that_nobody_reads_is_refused)
{
    ech_network *network = NULL;
    cr_assert_eq(ech_network_create("loose", (ech_shape){4, 1, 1}, 4, &network), ECH_OK);
    ech_network_relu(network, ECH_VALUE_INPUT);
    ech_network_linear(network, ECH_VALUE_INPUT, "fc", (ech_linear){.outputs = 4});
    cr_expect_eq(ech_network_finish(network), ECH_ERR_CONFIG);
    cr_expect_not_null(strstr(ech_status_message(), "relu"), "%s", ech_status_message());
    ech_network_destroy(&network);
}

Test(kernels_network, a_name_used_twice_is_refused)
{
    ech_network *network = NULL;
    cr_assert_eq(ech_network_create("twice", (ech_shape){4, 1, 1}, 4, &network), ECH_OK);
    ech_value x = ech_network_linear(network, ECH_VALUE_INPUT, "fc", (ech_linear){.outputs = 4});
    ech_network_linear(network, x, "fc", (ech_linear){.outputs = 4});
    cr_expect_neq(ech_network_finish(network), ECH_OK);
    cr_expect_not_null(strstr(ech_status_message(), "fc.weight"), "%s", ech_status_message());
    ech_network_destroy(&network);
}

/* Mean and deviation of a tensor's first values. */
static void moments(const ech_network *network, const float *values, const char *name, double *mean,
                    double *deviation, double *largest)
{
    const ech_tensor *tensor = ech_layout_find(network->layout, name);
    cr_assert_not_null(tensor, "%s", name);
    double sum = 0.0, square = 0.0;
    *largest = 0.0;
    for (uint64_t i = 0; i < tensor->count; i++) {
        const double v = (double)values[tensor->offset + i];
        sum += v;
        square += v * v;
        *largest = fmax(*largest, fabs(v));
    }
    *mean = sum / (double)tensor->count;
    *deviation = sqrt(square / (double)tensor->count - *mean * *mean);
}

Test(kernels_network, first_values_follow_torchvision)
{
    double mean, deviation, largest;
    ech_network *resnet = ech_test_model("resnet18");
    ech_state state = ech_test_state_of(resnet);
    ech_network_initialise(resnet, 9, state);
    moments(resnet, state.values, "layer3.0.conv2.weight", &mean, &deviation, &largest);
    cr_expect_float_eq(deviation, sqrt(2.0 / (256 * 9)), 2e-4); /* kaiming, fan out */
    cr_expect_float_eq(mean, 0.0, 2e-4);
    moments(resnet, state.values, "layer3.0.bn2.weight", &mean, &deviation, &largest);
    cr_expect_eq(mean, 1.0);
    moments(resnet, state.values, "fc.weight", &mean, &deviation, &largest);
    cr_expect(largest <= sqrt(1.0 / 512) && largest > 0.999 * sqrt(1.0 / 512));
    ech_test_free_state(&state);
    ech_network_destroy(&resnet);

    ech_network *squeeze = ech_test_model("squeezenet");
    state = ech_test_state_of(squeeze);
    ech_network_initialise(squeeze, 9, state);
    moments(squeeze, state.values, "features.3.squeeze.weight", &mean, &deviation, &largest);
    cr_expect(largest <= sqrt(6.0 / 96) && largest > 0.99 * sqrt(6.0 / 96));
    moments(squeeze, state.values, "classifier.1.weight", &mean, &deviation, &largest);
    cr_expect_float_eq(deviation, 0.01, 1e-4);
    moments(squeeze, state.values, "features.3.squeeze.bias", &mean, &deviation, &largest);
    cr_expect_eq(largest, 0.0);
    ech_test_free_state(&state);
    ech_network_destroy(&squeeze);
}
