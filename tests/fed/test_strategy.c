#include <criterion/criterion.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/strategy.h"
#include "tests/fed/exact_support.h"
#include "tests/support.h"

TestSuite(strategy, .fini = ech_test_expect_no_leak);

static ech_strategy *create(const char *name, double participation)
{
    ech_layout *layout = ech_test_layout_of(10);
    ech_strategy_options options = ech_strategy_defaults(name);
    options.selection.share = participation;
    ech_strategy *strategy = NULL;
    cr_assert_eq(ech_strategy_create(name, &options, layout, &strategy), ECH_OK);
    ech_layout_destroy(&layout);
    return strategy;
}

Test(strategy, every_rule_is_found_by_its_name_and_can_be_made)
{
    for (uint32_t i = 0; ech_strategy_rule_at(i) != NULL; i++) {
        const ech_strategy_rule *rule = ech_strategy_rule_at(i);
        cr_expect_eq(ech_strategy_rule_find(rule->name), rule);
        cr_expect(rule->form == ECH_AGGREGATE_STATE || rule->step != NULL || rule->async != NULL);
        ech_strategy *strategy = create(rule->name, 1.0);
        cr_expect_eq(strategy->rule, rule);
        ech_strategy_destroy(&strategy);
    }
}

Test(strategy, selection_is_a_share_of_the_population)
{
    ech_population *population = NULL;
    ech_selection selection = {0};
    cr_assert_eq(ech_population_create(NULL, 64, &population), ECH_OK);
    ech_strategy *strategy = create("fedavg", 0.25);
    cr_assert_eq(strategy->rule->select(strategy, population, 1, 1, &selection), ECH_OK);
    cr_expect_eq(selection.count, 16);
    ech_strategy_destroy(&strategy);
    ech_selection_clear(&selection);
    ech_population_destroy(&population);
}

Test(strategy, fedavg_weighs_by_samples_and_fedsgd_equally)
{
    ech_strategy *fedavg = create("fedavg", 1.0);
    ech_strategy *fedsgd = create("fedsgd", 1.0);
    cr_expect_eq(fedavg->rule->weight(fedavg, 600), 600);
    cr_expect_eq(fedsgd->rule->weight(fedsgd, 600), 1);
    ech_strategy_destroy(&fedavg);
    ech_strategy_destroy(&fedsgd);
}

Test(strategy, an_unknown_name_lists_the_known)
{
    ech_layout *layout = ech_test_layout_of(1);
    const ech_strategy_options options = ech_strategy_defaults("fedavgg");
    ech_strategy *strategy = NULL;
    cr_expect_eq(ech_strategy_create("fedavgg", &options, layout, &strategy), ECH_ERR_NOT_FOUND);
    cr_expect_not_null(strstr(ech_status_message(), "'fedavgg': expected one of fedavg, fedsgd"));
    cr_expect_null(strategy);
    ech_layout_destroy(&layout);
}

Test(strategy, options_out_of_range_are_refused)
{
    static const struct {
        const char *rule; /* one that reads the option */
        size_t offset;
        double value;
        const char *message;
    } cases[] = {
        {"fedavg", offsetof(ech_strategy_options, selection.share), 0.0,
         "participation is 0: expected above"},
        {"fedavg", offsetof(ech_strategy_options, selection.share), 1.5, "participation is 1.5"},
        {"fedprox", offsetof(ech_strategy_options, proximal), -1.0,
         "proximal is -1: expected at least 0"},
        {"feddyn", offsetof(ech_strategy_options, dynamic), 0.0, "alpha is 0: expected above 0"},
        {"fedadam", offsetof(ech_strategy_options, server_lr), 0.0,
         "server_lr is 0: expected above 0"},
        {"fedadam", offsetof(ech_strategy_options, server_lr), INFINITY, "server_lr is inf"},
        {"fedadam", offsetof(ech_strategy_options, server_momentum), 1.0,
         "server_momentum is 1: expected"},
        {"fedadam", offsetof(ech_strategy_options, server_beta2), -0.5,
         "server_beta2 is -0.5: expected"},
        {"fedadam", offsetof(ech_strategy_options, server_tau), NAN,
         "server_tau is nan: expected above 0"},
        {"trimmed-mean", offsetof(ech_strategy_options, collect.trim), 0.5,
         "trim is 0.5: expected from 0"},
        {"geometric-median", offsetof(ech_strategy_options, collect.smoothing), 0.0,
         "smoothing is 0: expected above 0"},
    };
    ech_layout *layout = ech_test_layout_of(1);
    ech_strategy *strategy = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ech_strategy_options options = ech_strategy_defaults(cases[i].rule);
        memcpy((char *)&options + cases[i].offset, &cases[i].value, sizeof cases[i].value);
        cr_expect_eq(ech_strategy_create(cases[i].rule, &options, layout, &strategy),
                     ECH_ERR_ARGUMENT);
        cr_expect_not_null(strstr(ech_status_message(), cases[i].message), "got: %s",
                           ech_status_message());
    }
    cr_expect_null(strategy);
    ech_layout_destroy(&layout);
}

Test(strategy, a_difference_is_taken_in_place)
{
    float update[] = {1.5F, -2.0F, 3.0F};
    const float global[] = {1.0F, 1.0F, 3.0F};
    ech_strategy_difference((ech_state){.values = update}, (ech_state_view){.values = global}, 3);
    cr_expect_eq(update[0], 0.5F);
    cr_expect_eq(update[1], -3.0F);
    cr_expect_eq(update[2], 0.0F);
}

/* Running statistics have no gradient: no rule of the server's scales or remembers them. */
Test(strategy, statistics_take_the_mean_difference_itself)
{
    ech_layout *layout = ech_test_layout();
    const ech_tensor *statistic = ech_layout_find(layout, "running_mean");
    float *mean = ech_calloc(2 * layout->value_count, sizeof *mean); /* and what travels along */
    const ech_aggregate aggregate = {.mean = mean, .weight = 1, .weight_all = 4};
    for (uint32_t i = 0; ech_strategy_rule_at(i) != NULL; i++) {
        const ech_strategy_rule *rule = ech_strategy_rule_at(i);
        if (rule->step == NULL) {
            continue;
        }
        ech_strategy_options options = ech_strategy_defaults(rule->name);
        options.server_lr = 0.25;
        ech_strategy *strategy = NULL;
        float *global = ech_calloc(layout->value_count, sizeof *global);
        cr_assert_eq(ech_strategy_create(rule->name, &options, layout, &strategy), ECH_OK);
        for (uint64_t e = 0; e < layout->value_count; e++) {
            mean[e] = 0.5F;
        }
        ech_strategy_update(strategy, layout, &aggregate, global);
        ech_strategy_update(strategy, layout, &aggregate, global);
        for (uint64_t e = 0; e < layout->value_count; e++) {
            const bool is_statistic =
                e >= statistic->offset && e < statistic->offset + statistic->count;
            cr_assert_eq(global[e] == 1.0F, is_statistic, "%s, element %llu", rule->name,
                         (unsigned long long)e);
        }
        ech_strategy_destroy(&strategy);
        ech_free(global);
    }
    ech_free(mean);
    ech_layout_destroy(&layout);
}
