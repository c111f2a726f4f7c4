/* Models given in YAML. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "kernels/models.h"
#include "tests/support.h"

static char directory[ECH_TEST_PATH_BYTES];

static void set_up(void)
{
    ech_test_make_directory(directory);
}

static void tear_down(void)
{
    ech_test_remove_directory(directory);
    ech_test_expect_no_leak();
}

TestSuite(kernels_model_file, .init = set_up, .fini = tear_down);

static ech_status read_text(const char *text, ech_network **network)
{
    char path[ECH_TEST_PATH_BYTES];
    ech_test_write_text(directory, "model.yaml", text, path);
    return ech_model_read(path, NULL, 0, network);
}

static void expect_refused(const char *text, const char *fact)
{
    ech_network *network = NULL;
    cr_expect_eq(read_text(text, &network), ECH_ERR_CONFIG);
    cr_expect_null(network);
    cr_expect_not_null(strstr(ech_status_message(), fact), "'%s' is not in '%s'", fact,
                       ech_status_message());
}

Test(kernels_model_file, smallconv_in_yaml_is_smallconv)
{
    static const char text[] = "name: mine\n"
                               "input: [1, 28, 28]\n"
                               "classes: 10\n"
                               "layers:\n"
                               "  - conv: {name: conv1, filters: 6, kernel: 5}\n"
                               "  - relu\n"
                               "  - max_pool: {kernel: 2}\n"
                               "  - conv: {name: conv2, filters: 16, kernel: 5}\n"
                               "  - relu\n"
                               "  - max_pool: {kernel: 2}\n"
                               "  - linear: {name: fc1, outputs: 120}\n"
                               "  - relu\n"
                               "  - linear: {name: fc2, outputs: 84}\n"
                               "  - relu\n"
                               "  - linear: {name: fc3}\n";
    ech_network *mine = NULL, *built_in = NULL;
    cr_assert_eq(read_text(text, &mine), ECH_OK, "%s", ech_status_message());
    cr_assert_eq(ech_model_create("smallconv", NULL, 0, &built_in), ECH_OK);
    /* NOLINTBEGIN(clang-analyzer-core.NullDereference): the assertions above end the test */
    cr_assert_eq(mine->layer_count, built_in->layer_count);
    cr_assert_eq(mine->layout->tensor_count, built_in->layout->tensor_count);
    for (size_t t = 0; t < mine->layout->tensor_count; t++) {
        cr_expect_str_eq(mine->layout->tensors[t].name, built_in->layout->tensors[t].name);
        cr_expect_eq(mine->layout->tensors[t].count, built_in->layout->tensors[t].count);
    }
    /* NOLINTEND(clang-analyzer-core.NullDereference) */
    ech_network_destroy(&mine);
    ech_network_destroy(&built_in);
}

Test(kernels_model_file, branches_join_by_name)
{
    static const char text[] = "input: [4, 8, 8]\n"
                               "classes: 3\n"
                               "layers:\n"
                               "  - conv: {name: stem, filters: 8, kernel: 3, pad: 1, as: trunk}\n"
                               "  - batch_norm: {name: bn, as: left}\n"
                               "  - dropout: {probability: 0.25, input: trunk}\n"
                               "  - add: {inputs: [left, previous], as: sum}\n"
                               "  - concat: {inputs: [sum, trunk, sum]}\n"
                               "  - avg_pool: {kernel: 3, stride: 2, ceil: true}\n"
                               "  - adaptive_avg_pool: {height: 2, width: 1}\n"
                               "  - linear: {name: fc, bias: false}\n";
    ech_network *network = NULL;
    cr_assert_eq(read_text(text, &network), ECH_OK, "%s", ech_status_message());
    cr_expect_eq(network->layers[3].inputs[0], 2);
    cr_expect_eq(network->layers[3].inputs[1], 3);
    cr_expect_eq(network->layers[2].inputs[0], 1);
    cr_expect_eq(network->layers[4].out.channels, 24);
    cr_expect_eq(network->layers[7].bias, ECH_TENSOR_NONE);
    ech_network_destroy(&network);
}

Test(kernels_model_file, the_callers_shape_comes_first)
{
    char path[ECH_TEST_PATH_BYTES];
    ech_network *network = NULL;
    ech_test_write_text(directory, "model.yaml",
                        "input: [1, 2, 2]\nclasses: 3\nlayers: [{linear: {name: fc}}]\n", path);
    const ech_shape shape = {5, 1, 1};
    cr_assert_eq(ech_model_read(path, &shape, 7, &network), ECH_OK, "%s", ech_status_message());
    cr_expect_eq(network->layout->parameter_count, 5 * 7 + 7);
    ech_network_destroy(&network);
}

Test(kernels_model_file, mistakes_name_the_line_and_what_was_expected)
{
    static const char head[] = "input: [1, 8, 8]\nclasses: 2\nlayers:\n";
    char text[512];
    static const char *const cases[][2] = {
        {"  - cnv: {name: a}\n",
         "model.yaml:4: unknown kind of layer 'cnv', meant is perhaps conv"},
        {"  - conv: {name: a, kernel: 3}\n", "without filters"},
        {"  - conv: {name: a, filters: 0, kernel: 3}\n", "filters: expected a number from 1"},
        {"  - conv: {name: a, filters: 2, kernel: 9}\n", "does not fit"},
        {"  - conv: {name: a, filters: 2, kernel: 3, colour: 1}\n", "conv has no key 'colour'"},
        {"  - relu: {input: nowhere}\n", "no layer above is called 'nowhere'"},
        {"  - add: {inputs: [input]}\n", "inputs: expected a list"},
        {"  - linear: {outputs: 2}\n", "without name"},
        {"  - relu\n", "not 2 classes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "%s%s", head, cases[i][0]);
        expect_refused(text, cases[i][1]);
    }
    expect_refused("- relu\n", "a model: expected the keys");
    expect_refused("classes: 2\nlayers: [relu]\n", "input: expected");
    expect_refused("input: [1, 2, 2]\nclasses: 2\nlayer: [relu]\n", "no key 'layer'");
}
