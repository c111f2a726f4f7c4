/* `tiers`: a list of maps, each with the rounds and the strategy of a tier of aggregators; each map
 * is loaded like a configuration of its own, by the same table of a strategy's keys. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>

#include "apps/options/section.h"

static const ech_option options[] = {
    {.key = "tiers",
     .type = ECH_OPTION_ANY,
     .help = "rules of the tiers of aggregators, from the one below the leader: a list of {rounds: "
             "for each round above, 1 by default; strategy: {name: ..., ...}}; the last stands for "
             "all tiers below it"},
};

static const ech_option tier_options[] = {
    {.key = "rounds",
     .type = ECH_OPTION_INTEGER,
     .standard = "1",
     .least = 1,
     .most = 1 << 20,
     .help = "rounds of the tier for each round of the tier above"},
};

/* The item as a configuration; destroy it. */
static ech_status load_item(const ech_config *config, const ech_yaml_node *item, ech_config **out)
{
    static ech_option_section sections[2];
    sections[0] =
        (ech_option_section){"Tier", tier_options, sizeof tier_options / sizeof *tier_options};
    sections[1] = ech_fit_strategy_section.options;
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    if (file == NULL) {
        return ech_fail(ECH_ERR_MEMORY, "cannot read tiers");
    }
    ech_yaml_write(item, file);
    fclose(file);
    char where[ECH_YAML_WHERE_BYTES];
    char source[ECH_YAML_WHERE_BYTES + 16];
    snprintf(source, sizeof source, "%s: tiers", ech_yaml_where(item, where));
    ech_status status = ech_config_load_text(text, bytes, source, NULL, 0, sections, 2, out);
    free(text);
    if (status == ECH_OK &&
        ech_strategy_rule_find(ech_config_text(*out, "strategy.name")) == NULL) {
        status = ech_config_fail(config, "tiers", "there is no strategy '%s'",
                                 ech_config_text(*out, "strategy.name"));
        ech_config_destroy(out);
    }
    return status;
}

static void read_item(const ech_config *item, ech_fit_tier *out)
{
    const char *name = NULL;
    out->rounds = (uint32_t)ech_config_integer(item, "rounds");
    ech_fit_read_strategy(item, &name, &out->strategy);
    out->name = ech_strategy_rule_find(name)->name;
}

/* What a rule keeps on workers, or sends beside the model, belongs to the whole tree. */
static ech_status check_rule(const ech_config *config, const char *name)
{
    const ech_strategy_rule *rule = ech_strategy_rule_find(name);
    if (rule != NULL &&
        (rule->kept_name != NULL || rule->extra != ECH_EXTRA_NONE || rule->async != NULL)) {
        return ech_config_fail(config, "tiers",
                               "expected tiers and a leader without %s: it needs the same rule in "
                               "the whole tree",
                               name);
    }
    return ECH_OK;
}

/* What is the whole tree's cannot be one tier's. */
static ech_status check_whole(const ech_config *config, const ech_config *item)
{
    if (ech_config_has(item, "strategy.plugin")) {
        return ech_config_fail(config, "tiers", "expected no plug-in in a tier");
    }
    if (ech_config_choice(item, "strategy.sum") != ECH_SUM_EXACT) {
        return ech_config_fail(config, "tiers",
                               "expected no sum of a tier's own: strategy.sum is the whole tree's");
    }
    return ECH_OK;
}

static ech_status check_item(const ech_config *config, const ech_yaml_node *node)
{
    ech_config *item = NULL;
    ech_status status = load_item(config, node, &item);
    if (status == ECH_OK) {
        ech_fit_tier tier;
        read_item(item, &tier);
        status = check_rule(config, tier.name);
        if (status == ECH_OK) {
            status = check_whole(config, item);
        }
        const ech_select_rule *selection = &tier.strategy.selection;
        if (status == ECH_OK &&
            (selection->share < 1.0 || selection->count > 0 || selection->more > 0.0 ||
             selection->policy != ECH_SELECT_UNIFORM)) {
            status = ech_config_fail(config, "tiers",
                                     "expected no selection of a tier's own: the leader selects "
                                     "the workers of a round");
        }
    }
    ech_config_destroy(&item);
    return status;
}

static ech_status check_tiers(const ech_config *config)
{
    const ech_yaml_node *list = ech_config_node(config, "tiers");
    if (list == NULL) {
        return ECH_OK;
    }
    if (ech_config_choice(config, "process") == ECH_FIT_PROCESS_ASYNC) {
        return ech_config_fail(config, "tiers", "expected process: sync with them");
    }
    const size_t count = ech_yaml_count(list);
    if (ech_yaml_node_kind(list) != ECH_YAML_SEQUENCE || count == 0 || count > ECH_FIT_TIERS_MAX) {
        return ech_config_fail(config, "tiers", "expected a list of 1 to %d tiers",
                               ECH_FIT_TIERS_MAX);
    }
    ech_status status = check_rule(config, ech_config_text(config, "strategy.name"));
    for (size_t i = 0; i < count && status == ECH_OK; i++) {
        status = check_item(config, ech_yaml_item(list, i));
    }
    return status;
}

static void read_tiers(const ech_config *config, ech_fit_options *out)
{
    const ech_yaml_node *list = ech_config_node(config, "tiers");
    const size_t count = list != NULL ? ech_yaml_count(list) : 0;
    for (size_t i = 0; i < count && i < ECH_FIT_TIERS_MAX; i++) {
        ech_config *item = NULL;
        if (load_item(config, ech_yaml_item(list, i), &item) == ECH_OK) {
            read_item(item, &out->tiers[out->tier_count++]);
        }
        ech_config_destroy(&item);
    }
}

const ech_fit_section ech_fit_tiers_section = {
    .options = {"Tiers", options, sizeof options / sizeof *options},
    .check = check_tiers,
    .read = read_tiers,
};
