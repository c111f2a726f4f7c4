#include "runtime/fed/strategy.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/strategy_rules.h"

static const ech_strategy_rule *const rules[] = {
    &ech_strategy_fedavg,
    &ech_strategy_fedsgd,
};

enum { RULE_COUNT = sizeof rules / sizeof *rules, NAMES_BYTES = 512 };

const ech_strategy_rule *ech_strategy_rule_at(uint32_t index)
{
    return index < RULE_COUNT ? rules[index] : NULL;
}

const ech_strategy_rule *ech_strategy_rule_find(const char *name)
{
    for (uint32_t i = 0; i < RULE_COUNT; i++) {
        if (strcmp(rules[i]->name, name) == 0) {
            return rules[i];
        }
    }
    return NULL;
}

static ech_status fail_unknown(const char *name)
{
    char names[NAMES_BYTES] = "";
    size_t length = 0;
    for (uint32_t i = 0; i < RULE_COUNT && length < sizeof names; i++) {
        const int written = snprintf(names + length, sizeof names - length, "%s%s",
                                     i > 0 ? ", " : "", rules[i]->name);
        length += written > 0 ? (size_t)written : 0;
    }
    return ech_fail(ECH_ERR_NOT_FOUND, "there is no strategy '%s': expected one of %s", name,
                    names);
}

ech_strategy_options ech_strategy_defaults(void)
{
    return (ech_strategy_options){.participation = 1.0};
}

static ech_status check_options(const ech_strategy_options *options)
{
    if (!(options->participation > 0.0 && options->participation <= 1.0)) {
        return ech_fail(ECH_ERR_ARGUMENT, "participation is %g: expected above 0 and up to 1",
                        options->participation);
    }
    return ECH_OK;
}

static ech_status allocate_vectors(ech_strategy *strategy)
{
    for (uint32_t v = 0; strategy->rule->vector_names[v] != NULL; v++) {
        strategy->vectors[v] = ech_calloc(strategy->value_count, sizeof(float));
        if (strategy->vectors[v] == NULL) {
            return ECH_ERR_MEMORY;
        }
    }
    return ECH_OK;
}

ech_status ech_strategy_create(const char *name, const ech_strategy_options *options,
                               const ech_layout *layout, ech_strategy **out)
{
    *out = NULL;
    const ech_strategy_rule *rule = ech_strategy_rule_find(name);
    if (rule == NULL) {
        return fail_unknown(name);
    }
    ech_status status = check_options(options);
    if (status != ECH_OK) {
        return status;
    }
    ech_strategy *strategy = ech_calloc(1, sizeof *strategy);
    if (strategy == NULL) {
        return ECH_ERR_MEMORY;
    }
    strategy->rule = rule;
    strategy->options = *options;
    strategy->value_count = layout->value_count;
    status = allocate_vectors(strategy);
    if (status != ECH_OK) {
        ech_strategy_destroy(&strategy);
        return status;
    }
    *out = strategy;
    return ECH_OK;
}

void ech_strategy_destroy(ech_strategy **strategy)
{
    if (strategy == NULL || *strategy == NULL) {
        return;
    }
    for (uint32_t v = 0; v < ECH_STRATEGY_VECTORS_MAX; v++) {
        ech_free((*strategy)->vectors[v]);
    }
    ech_free(*strategy);
    *strategy = NULL;
}

void ech_strategy_difference(ech_state update, ech_state_view global, uint64_t value_count)
{
    float *restrict values = update.values;
    const float *restrict base = global.values;
    for (uint64_t i = 0; i < value_count; i++) {
        values[i] -= base[i];
    }
}

ech_status ech_strategy_select_share(const ech_strategy *strategy, const ech_population *population,
                                     uint64_t seed, uint64_t round, ech_selection *out)
{
    return ech_select_share(population, strategy->options.participation, seed, round, out);
}

uint64_t ech_strategy_weight_samples(const ech_strategy *strategy, uint64_t samples)
{
    (void)strategy;
    return samples;
}
