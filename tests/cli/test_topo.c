#include <criterion/criterion.h>
#include <string.h>

#include "runtime/base/child.h"
#include "runtime/base/yaml.h"
#include "tests/limits.h"
#include "tests/support.h"

static const char *const program = ECH_BUILD_DIR "/bin/echelon";

/* Run `echelon topo show ...`; the caller frees the result. */
static ech_child_result show(const char *const *more, size_t count)
{
    const char *arguments[16] = {program, "topo", "show"};
    for (size_t i = 0; i < count; i++) {
        arguments[3 + i] = more[i];
    }
    const ech_child_options options = {
        .arguments = arguments, .timeout_ns = ech_test_limit_ns(30), .output_bytes_max = 1 << 20};
    ech_child_result result;
    cr_assert_eq(ech_child_run(&options, &result), ECH_OK);
    return result;
}

static double json_number(const ech_yaml_node *object, const char *key)
{
    double value = 0.0;
    cr_assert_eq(ech_yaml_read_real(ech_yaml_find(object, key), key, &value), ECH_OK);
    return value;
}

TestSuite(topo, .fini = ech_test_expect_no_leak);

/* The hierarchy experiment's published bytes: 575.04 GB flat, 229.30 GB in the tree. */
Test(topo, bytes_of_resnet152_at_height_8)
{
    static const char *const arguments[] = {"--workers", "256",       "--height", "8",
                                            "--model",   "resnet152", "--json"};
    ech_child_result result = show(arguments, 7);
    ech_yaml *json = NULL;
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    cr_assert_eq(ech_yaml_load_text(result.output, strlen(result.output), "json", &json), ECH_OK);
    const ech_yaml_node *facts = ech_yaml_root(json);
    const double gib = 1024.0 * 1024.0 * 1024.0;
    cr_expect_float_eq(json_number(facts, "model_bytes") / (1024.0 * 1024.0), 230.196, 0.0005);
    cr_expect_float_eq(json_number(facts, "flat_bytes") / gib, 575.04, 0.005);
    cr_expect_float_eq(json_number(facts, "tree_bytes") / gib, 229.30, 0.005);
    cr_expect_float_eq(json_number(facts, "saved_percent"), 60.13, 0.005);
    cr_expect_eq(ech_yaml_count(ech_yaml_find(facts, "tiers")), 9);
    ech_yaml_destroy(&json);
    ech_child_result_free(&result);
}

Test(topo, a_file_is_counted_by_tier)
{
    char directory[ECH_TEST_PATH_BYTES];
    char path[ECH_TEST_PATH_BYTES];
    ech_test_make_directory(directory);
    ech_test_write_text(directory, "tree.yaml",
                        "L: {kind: leader, children: [A, w]}\n"
                        "A: {kind: aggregator, children: [v, u]}\n"
                        "u: {kind: worker}\nv: {kind: worker}\nw: {kind: worker}\n",
                        path);
    const char *arguments[] = {path};
    ech_child_result result = show(arguments, 1);
    cr_expect_eq(result.exit_code, 0);
    cr_expect_not_null(
        strstr(result.output, "5 nodes: 1 leader, 1 aggregators, 3 workers; depth 2"));
    ech_child_result_free(&result);
    ech_test_remove_directory(directory);
}

/* The same tree by options and by a configuration, which also says of which model. */
Test(topo, a_configuration_has_a_tree_and_a_model)
{
    char directory[ECH_TEST_PATH_BYTES];
    char path[ECH_TEST_PATH_BYTES];
    ech_test_make_directory(directory);
    ech_test_write_text(directory, "fit.yaml",
                        "seed: 7\n"
                        "data: {file: none.h5}\n"
                        "model: {name: smallconv}\n"
                        "topology: {kind: random, workers: 50, aggregators: 9, height: 4}\n",
                        path);
    ech_child_result config = show((const char *[]){path, "--json"}, 2);
    ech_child_result options =
        show((const char *[]){"--workers", "50", "--aggregators", "9", "--height", "4", "--seed",
                              "7", "--model", "smallconv", "--json"},
             11);
    cr_expect_eq(config.exit_code, 0, "%s", config.errors);
    cr_expect_str_eq(config.output, options.output);
    ech_child_result_free(&config);
    ech_child_result_free(&options);
    ech_child_result shape = show((const char *[]){"--workers", "64", "--shape", "4,16"}, 4);
    cr_expect_not_null(
        strstr(shape.output, "85 nodes: 1 leader, 20 aggregators, 64 workers; depth 3"), "%s",
        shape.output);
    ech_child_result_free(&shape);
    ech_test_remove_directory(directory);
}

static void expect_refused(const char *const *arguments, size_t count, const char *message)
{
    ech_child_result result = show(arguments, count);
    cr_expect_eq(result.exit_code, 2);
    cr_expect_not_null(strstr(result.errors, message), "got: %s", result.errors);
    cr_expect_str_eq(result.output, "");
    ech_child_result_free(&result);
}

Test(topo, bad_usage_and_bad_input_are_refused)
{
    char directory[ECH_TEST_PATH_BYTES];
    char path[ECH_TEST_PATH_BYTES];
    ech_test_make_directory(directory);
    ech_test_write_text(directory, "two.yaml",
                        "L: {kind: leader, children: [w]}\nM: {kind: leader, children: [w]}\n",
                        path);
    expect_refused((const char *[]){path}, 1, "two.yaml:2: node 'M': a second leader beside 'L'");
    ech_test_remove_directory(directory);
    expect_refused((const char *[]){path}, 1, "two.yaml: cannot be read");
    expect_refused((const char *[]){"--workers", "0"}, 2, "expected a number from 1");
    expect_refused((const char *[]){"--workers", "4x"}, 2, "expected a number from 1");
    expect_refused(NULL, 0, "either a file or --workers");
    expect_refused((const char *[]){"tree.yaml", "--height", "2"}, 3, "belong to --workers");
    expect_refused((const char *[]){"--workers", "4", "--model", "resnet"}, 4, "'resnet'");
    expect_refused((const char *[]){"--workers", "4", "--shape", "2,1"}, 4,
                   "tier 2 has 1 nodes, fewer than the 2 above it");
    expect_refused((const char *[]){"--workers", "4", "--shape", "1.5"}, 4, "whole numbers");
    expect_refused((const char *[]){"--workers", "4", "--aggregators", "9", "--height", "3"}, 6,
                   "9 aggregators over 4 workers");
}
