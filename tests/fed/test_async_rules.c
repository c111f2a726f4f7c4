/* FedAsync and FedBuff against vectors/async.json, which an independent NumPy script wrote. */
#include <criterion/criterion.h>
#include <string.h>

#include "runtime/base/yaml.h"
#include "runtime/fed/strategy.h"
#include "tests/fed/exact_support.h"
#include "tests/support.h"

enum { DIMENSION_MAX = 16 };

static double real_of(const ech_yaml_node *node)
{
    double value = 0.0;
    cr_assert_eq(ech_yaml_read_real(node, "a number", &value), ECH_OK, "%s", ech_status_message());
    return value;
}

static uint32_t read_floats(const ech_yaml_node *list, float *out)
{
    for (size_t i = 0; i < ech_yaml_count(list); i++) {
        out[i] = (float)real_of(ech_yaml_item(list, i));
    }
    return (uint32_t)ech_yaml_count(list);
}

static ech_staleness_kind kind_of(const char *name)
{
    if (strcmp(name, "constant") == 0) {
        return ECH_STALENESS_CONSTANT;
    }
    return strcmp(name, "hinge") == 0 ? ECH_STALENESS_HINGE : ECH_STALENESS_POLYNOMIAL;
}

static ech_strategy *strategy_of(const ech_yaml_node *expected, const ech_layout *layout)
{
    const char *name = ech_yaml_text(ech_yaml_find(expected, "strategy"));
    ech_strategy_options options = ech_strategy_defaults(name);
    options.server_lr = real_of(ech_yaml_find(expected, "lr"));
    options.async = (ech_async_options){
        .alpha = real_of(ech_yaml_find(expected, "alpha")),
        .staleness = kind_of(ech_yaml_text(ech_yaml_find(expected, "staleness"))),
        .staleness_a = real_of(ech_yaml_find(expected, "a")),
        .staleness_b = real_of(ech_yaml_find(expected, "b")),
        .buffer = (uint32_t)real_of(ech_yaml_find(expected, "buffer")),
    };
    ech_strategy *strategy = NULL;
    cr_assert_eq(ech_strategy_create(name, &options, layout, &strategy), ECH_OK);
    return strategy;
}

static void expect_models(const ech_yaml_node *root, const ech_yaml_node *expected)
{
    float model[DIMENSION_MAX];
    float buffer[DIMENSION_MAX] = {0};
    const uint32_t dimension = read_floats(ech_yaml_find(root, "start"), model);
    ech_layout *layout = ech_test_layout_of(dimension);
    ech_strategy *strategy = strategy_of(expected, layout);
    const ech_yaml_node *models = ech_yaml_find(expected, "models");
    ech_arrival arrival = {.model = model, .buffer = buffer};
    for (size_t i = 0; i < ech_yaml_count(models); i++) {
        float update[DIMENSION_MAX] = {0};
        float wanted[DIMENSION_MAX] = {0};
        read_floats(ech_yaml_item(ech_yaml_find(root, "updates"), i), update);
        read_floats(ech_yaml_item(models, i), wanted);
        arrival.update = update;
        arrival.staleness = (uint64_t)real_of(ech_yaml_item(ech_yaml_find(root, "staleness"), i));
        if (strategy->rule->async->take(strategy, layout, &arrival)) {
            memcpy(model, update, sizeof model);
        }
        for (uint32_t d = 0; d < dimension; d++) {
            cr_expect_float_eq(model[d], wanted[d], 1e-6, "%s, update %zu, element %u",
                               strategy->rule->name, i, d);
        }
    }
    ech_strategy_destroy(&strategy);
    ech_layout_destroy(&layout);
}

TestSuite(async_rules, .fini = ech_test_expect_no_leak);

Test(async_rules, a_row_of_updates_of_many_stalenesses)
{
    ech_yaml *document = NULL;
    cr_assert_eq(ech_yaml_load_file(ECH_SOURCE_DIR "/tests/fed/vectors/async.json", &document),
                 ECH_OK);
    const ech_yaml_node *root = ech_yaml_root(document);
    const ech_yaml_node *cases = ech_yaml_find(root, "cases");
    for (size_t i = 0; i < ech_yaml_count(cases); i++) {
        expect_models(root, ech_yaml_item(cases, i));
    }
    ech_yaml_destroy(&document);
}

Test(async_rules, what_is_left_in_a_buffer_makes_a_last_version)
{
    ech_layout *layout = ech_test_layout_of(2);
    ech_strategy_options options = ech_strategy_defaults("fedbuff");
    ech_strategy *strategy = NULL;
    cr_assert_eq(ech_strategy_create("fedbuff", &options, layout, &strategy), ECH_OK);
    const float model[] = {1.0F, 2.0F};
    float buffer[] = {0.0F, 0.0F};
    float update[] = {0.5F, -1.0F};
    ech_arrival arrival = {.model = model, .update = update, .buffer = buffer};
    cr_expect_not(strategy->rule->async->take(strategy, layout, &arrival));
    strategy->rule->async->flush(strategy, layout, &arrival);
    cr_expect_eq(update[0], 1.5F);
    cr_expect_eq(update[1], 1.0F);
    cr_expect_eq(arrival.buffered, 0);
    cr_expect_eq(buffer[0], 0.0F);
    ech_strategy_destroy(&strategy);
    ech_layout_destroy(&layout);
}
