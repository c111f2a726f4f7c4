#include "runtime/fed/strategy.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/strategy_rules.h"

static const ech_strategy_rule *const rules[] = {
    &ech_strategy_fedavg,     &ech_strategy_fedsgd,           &ech_strategy_fedprox,
    &ech_strategy_fedavgm,    &ech_strategy_fedadagrad,       &ech_strategy_fedadam,
    &ech_strategy_fedyogi,    &ech_strategy_scaffold,         &ech_strategy_fednova,
    &ech_strategy_feddyn,     &ech_strategy_fedasync,         &ech_strategy_fedbuff,
    &ech_strategy_median,     &ech_strategy_trimmed_mean,     &ech_strategy_krum,
    &ech_strategy_multi_krum, &ech_strategy_geometric_median,
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

ech_strategy_options ech_strategy_defaults(const char *name)
{
    const ech_strategy_rule *rule = ech_strategy_rule_find(name);
    ech_strategy_options options = rule != NULL ? rule->defaults : ech_strategy_fedavg.defaults;
    options.selection.share = 1.0;
    return options;
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

static ech_status copy_tensor(ech_layout *layout, const char *name, const ech_tensor *tensor)
{
    return ech_layout_add(layout, name, tensor->kind, tensor->dimension_count, tensor->shape);
}

/* What travels beside the model is summed like more tensors of it. */
static ech_status add_extra(ech_layout *layout, const ech_layout *model, ech_strategy_extra extra)
{
    ech_status status = ECH_OK;
    if (extra == ECH_EXTRA_NUMBER) {
        return ech_layout_add(layout, "extra", ECH_TENSOR_STATISTIC, 0, NULL);
    }
    for (size_t t = 0; extra == ECH_EXTRA_VECTOR && t < model->tensor_count && status == ECH_OK;
         t++) {
        char name[ECH_LAYOUT_NAME_BYTES];
        snprintf(name, sizeof name, "extra.%zu", t);
        if (model->tensors[t].kind != ECH_TENSOR_COUNTER) {
            status = copy_tensor(layout, name, &model->tensors[t]);
        }
    }
    return status;
}

static ech_status create_layout(ech_strategy *strategy, const ech_layout *model)
{
    ech_status status = ech_layout_create(&strategy->layout);
    for (size_t t = 0; t < model->tensor_count && status == ECH_OK; t++) {
        status = copy_tensor(strategy->layout, model->tensors[t].name, &model->tensors[t]);
    }
    return status == ECH_OK ? add_extra(strategy->layout, model, strategy->rule->extra) : status;
}

ech_status ech_strategy_create(const char *name, const ech_strategy_options *options,
                               const ech_layout *layout, ech_strategy **out)
{
    *out = NULL;
    const ech_strategy_rule *rule = ech_strategy_rule_find(name);
    return rule != NULL ? ech_strategy_create_of(rule, options, layout, out) : fail_unknown(name);
}

ech_status ech_strategy_create_of(const ech_strategy_rule *rule,
                                  const ech_strategy_options *options, const ech_layout *layout,
                                  ech_strategy **out)
{
    *out = NULL;
    ech_status status = ech_strategy_check(rule, options);
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
    status = create_layout(strategy, layout);
    if (status == ECH_OK) {
        status = allocate_vectors(strategy);
    }
    if (status != ECH_OK) {
        ech_strategy_destroy(&strategy);
        return status;
    }
    if (rule->start != NULL) {
        rule->start(strategy);
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
    ech_layout_destroy(&(*strategy)->layout);
    ech_free(*strategy);
    *strategy = NULL;
}

uint64_t ech_strategy_up_bytes(const ech_strategy *strategy)
{
    return ech_layout_state_bytes(strategy->layout);
}

uint64_t ech_strategy_down_bytes(const ech_strategy *strategy)
{
    const uint64_t extra = strategy->layout->value_count - strategy->value_count;
    return ech_strategy_up_bytes(strategy) -
           (strategy->rule->extra == ECH_EXTRA_VECTOR ? 0 : extra * sizeof(float));
}

void ech_strategy_publish(const ech_strategy *strategy, float *global)
{
    if (strategy->rule->extra == ECH_EXTRA_VECTOR) {
        memcpy(global + strategy->value_count, strategy->vectors[0],
               strategy->value_count * sizeof *global);
    }
}

void ech_strategy_difference(ech_state update, ech_state_view global, uint64_t value_count)
{
    float *restrict values = update.values;
    const float *restrict base = global.values;
    for (uint64_t i = 0; i < value_count; i++) {
        values[i] -= base[i];
    }
}

ech_status ech_strategy_select(const ech_strategy *strategy, const ech_population *population,
                               uint64_t seed, uint64_t round, ech_selection *out)
{
    return ech_select(population, &strategy->options.selection, seed, round, out);
}

uint64_t ech_strategy_weight_samples(const ech_strategy *strategy, uint64_t samples)
{
    (void)strategy;
    return samples;
}

uint64_t ech_strategy_weight_equally(const ech_strategy *strategy, uint64_t samples)
{
    (void)strategy;
    (void)samples;
    return 1;
}

void ech_strategy_update(ech_strategy *strategy, const ech_layout *layout,
                         const ech_aggregate *aggregate, float *global)
{
    for (size_t t = 0; t < layout->tensor_count; t++) {
        const ech_tensor *tensor = &layout->tensors[t];
        if (tensor->kind == ECH_TENSOR_PARAMETER) {
            strategy->rule->step(strategy, aggregate, global, tensor->offset, tensor->count);
        }
        for (uint64_t i = 0; tensor->kind == ECH_TENSOR_STATISTIC && i < tensor->count; i++) {
            global[tensor->offset + i] += aggregate->mean[tensor->offset + i];
        }
    }
}

void ech_strategy_advance(ech_strategy *strategy, const ech_layout *layout, ech_state_view mean,
                          uint64_t weight, uint64_t weight_all, ech_state model)
{
    if (strategy->rule->step == NULL) {
        memcpy(model.values, mean.values, layout->value_count * sizeof *model.values);
    } else {
        const ech_aggregate aggregate = {
            .mean = mean.values, .weight = weight, .weight_all = weight_all};
        ech_strategy_update(strategy, layout, &aggregate, model.values);
    }
    for (uint64_t c = 0; c < layout->counter_count; c++) {
        model.counters[c] = mean.counters[c];
    }
}
