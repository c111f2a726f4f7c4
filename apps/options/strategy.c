#include "apps/options/section.h"

#include <math.h>

static const ech_option options[] = {
    {.key = "strategy.name",
     .type = ECH_OPTION_TEXT,
     .standard = "fedavg",
     .help = "rule of selection and aggregation; scaffold and feddyn keep a vector like the model "
             "for each worker that has trained, in its host's memory; median, trimmed-mean, krum, "
             "multi-krum and geometric-median hold all updates of a round in that of rank 0's "
             "host"},
    {.key = "strategy.participation",
     .type = ECH_OPTION_REAL,
     .standard = "1.0",
     .above = true,
     .least = 0,
     .most = 1,
     .help = "share of the workers that take part in a round"},
    {.key = "strategy.workers",
     .type = ECH_OPTION_INTEGER,
     .least = 1,
     .most = UINT32_MAX,
     .help = "workers that take part in a round, instead of a share of them; all where there are "
             "fewer"},
    {.key = "strategy.selection",
     .type = ECH_OPTION_CHOICE,
     .choices = "uniform|bernoulli|size|round-robin",
     .standard = "uniform",
     .help = "who takes part: all as likely; each by itself with probability participation; in "
             "proportion to samples; in turns"},
    {.key = "strategy.over_selection",
     .type = ECH_OPTION_REAL,
     .standard = "0",
     .most = 1000,
     .help = "share of workers that are selected in addition; the round then ends when as many "
             "updates have come as without it, unless cutoff.quorum says otherwise"},
    {.key = "strategy.always_include_aggregators",
     .type = ECH_OPTION_BOOL,
     .standard = "false",
     .help = "every aggregator takes part: where none of its workers was selected, one more is"},
    {.key = "strategy.sum",
     .type = ECH_OPTION_CHOICE,
     .choices = "exact|float32",
     .standard = "exact",
     .help = "exact: as integers, the same bits in any order; float32: half the bytes, in a fixed "
             "order: the same bits on any ranks and hosts, of one tree where aggregators are "
             "materialised; a worker then trains on one host, in the order of the tree"},
    {.key = "strategy.mu",
     .type = ECH_OPTION_REAL,
     .most = INFINITY,
     .only_if = "strategy.name=fedprox|fedasync",
     .help = "weight of mu/2 |w - global|^2 in local training; if not given 0.3 for fedprox, else "
             "0"},
    {.key = "strategy.server_lr",
     .type = ECH_OPTION_REAL,
     .above = true,
     .most = INFINITY,
     .only_if = "strategy.name=fedavgm|fedadagrad|fedadam|fedyogi|scaffold|fedbuff",
     .help = "the server's learning rate; if not given 1 for fedavgm, scaffold and fedbuff, else "
             "0.01"},
    {.key = "strategy.server_momentum",
     .type = ECH_OPTION_REAL,
     .below = true,
     .most = 1,
     .only_if = "strategy.name=fedavgm|fedadagrad|fedadam|fedyogi",
     .help = "beta of fedavgm, beta_1 of the others; if not given 0 for fedadagrad, else 0.9"},
    {.key = "strategy.beta2",
     .type = ECH_OPTION_REAL,
     .below = true,
     .most = 1,
     .only_if = "strategy.name=fedadam|fedyogi",
     .help = "decay of the second moment; 0.99 if not given"},
    {.key = "strategy.tau",
     .type = ECH_OPTION_REAL,
     .above = true,
     .most = INFINITY,
     .only_if = "strategy.name=fedadagrad|fedadam|fedyogi",
     .help = "degree of adaptivity, added to the root of the second moment; 0.001 if not given"},
    {.key = "strategy.alpha",
     .type = ECH_OPTION_REAL,
     .above = true,
     .most = INFINITY,
     .only_if = "strategy.name=fedasync|feddyn",
     .help = "fedasync: share of a fresh update in the new model, up to 1; feddyn: weight of its "
             "regularizer; if not given 0.6 and 0.01"},
    {.key = "strategy.trim",
     .type = ECH_OPTION_REAL,
     .below = true,
     .most = 0.5,
     .only_if = "strategy.name=trimmed-mean",
     .help = "share of the updates that is cut off at each end; 0.2 if not given"},
    {.key = "strategy.hostile",
     .type = ECH_OPTION_INTEGER,
     .least = 0,
     .most = UINT32_MAX - 1,
     .only_if = "strategy.name=krum|multi-krum",
     .help =
         "f, the hostile updates that the rule bears, at most (n - 3) / 2 of n; if not given as "
         "many"},
    {.key = "strategy.chosen",
     .type = ECH_OPTION_INTEGER,
     .least = 1,
     .most = UINT32_MAX,
     .only_if = "strategy.name=multi-krum",
     .help = "m, the updates whose mean is taken; if not given n - f"},
    {.key = "strategy.smoothing",
     .type = ECH_OPTION_REAL,
     .above = true,
     .most = INFINITY,
     .only_if = "strategy.name=geometric-median",
     .help = "nu, the least distance that is divided by; 1e-6 if not given"},
    {.key = "strategy.iterations",
     .type = ECH_OPTION_INTEGER,
     .least = 1,
     .most = UINT32_MAX,
     .only_if = "strategy.name=geometric-median",
     .help = "of Weiszfeld's algorithm; 3 if not given"},
    {.key = "strategy.staleness",
     .type = ECH_OPTION_CHOICE,
     .choices = "constant|polynomial|hinge",
     .only_if = "strategy.name=fedasync|fedbuff",
     .help = "what an update counts t versions late: 1; (1 + t)^-a; 1 up to b, then 1 / (a (t - b) "
             "+ 1); if not given constant for fedasync, polynomial for fedbuff"},
    {.key = "strategy.staleness_a",
     .type = ECH_OPTION_REAL,
     .standard = "0.5",
     .most = INFINITY,
     .only_if = "strategy.name=fedasync|fedbuff",
     .help = "a of strategy.staleness"},
    {.key = "strategy.staleness_b",
     .type = ECH_OPTION_REAL,
     .standard = "4",
     .most = INFINITY,
     .only_if = "strategy.name=fedasync|fedbuff",
     .help = "b of strategy.staleness"},
    {.key = "strategy.buffer",
     .type = ECH_OPTION_INTEGER,
     .standard = "10",
     .least = 1,
     .most = UINT32_MAX,
     .only_if = "strategy.name=fedbuff",
     .help = "updates that make a version"},
    {.key = "strategy.plugin",
     .type = ECH_OPTION_PATH,
     .help =
         "shared object of one's own (runtime/fed/plugin.h) whose rule, selection, or both stand "
         "in for those of strategy.name"},
    {.key = "strategy.plugin_options", .type = ECH_OPTION_TEXT, .help = "text for the plug-in"},
};

static ech_status check_selection(const ech_config *config)
{
    if (ech_config_has(config, "strategy.workers") &&
        ech_config_choice(config, "strategy.selection") == ECH_SELECT_BERNOULLI) {
        return ech_config_fail(config, "strategy.workers",
                               "expected strategy.participation, the probability of a worker, "
                               "where strategy.selection is 'bernoulli'");
    }
    return ECH_OK;
}

static ech_status check_rule(const ech_config *config)
{
    const bool is_async = ech_config_choice(config, "process") == ECH_FIT_PROCESS_ASYNC;
    const ech_strategy_rule *rule =
        ech_strategy_rule_find(ech_config_text(config, "strategy.name"));
    if (rule != NULL && (rule->async != NULL) != is_async) {
        return ech_config_fail(config, "strategy.name",
                               "expected fedasync or fedbuff with process: async, another with "
                               "process: sync, got '%s'",
                               rule->name);
    }
    if (is_async && ech_config_has(config, "strategy.alpha") &&
        ech_config_real(config, "strategy.alpha") > 1.0) {
        return ech_config_fail(config, "strategy.alpha",
                               "expected above 0 and up to 1 with fedasync, got %g",
                               ech_config_real(config, "strategy.alpha"));
    }
    if (rule != NULL && is_async &&
        (ech_config_real(config, "strategy.participation") < 1.0 ||
         ech_config_real(config, "strategy.over_selection") > 0.0 ||
         ech_config_bool(config, "strategy.always_include_aggregators") ||
         ech_config_has(config, "strategy.workers"))) {
        return ech_config_fail(config, "strategy.participation",
                               "expected every worker to take part with process: async");
    }
    if (rule != NULL) {
        return ECH_OK;
    }
    ech_fit_names names = {.count = 0};
    for (uint32_t i = 0; i < ECH_FIT_NAMES_MAX && ech_strategy_rule_at(i) != NULL; i++) {
        names.items[names.count++] = ech_strategy_rule_at(i)->name;
    }
    return ech_fit_refuse_name(config, "strategy.name", &names);
}

/* What applies updates one by one, or looks at each of them, makes no sum; a late one is another
 * round's. */
static ech_status check_sum(const ech_config *config)
{
    const char *name = ech_config_text(config, "strategy.name");
    const ech_strategy_rule *rule = ech_strategy_rule_find(name);
    if (ech_config_choice(config, "strategy.sum") != ECH_SUM_FLOAT32) {
        return ECH_OK;
    }
    if (ech_config_choice(config, "process") == ECH_FIT_PROCESS_ASYNC) {
        return ech_config_fail(config, "strategy.sum",
                               "expected no float32 sum with process: async, which adds updates to "
                               "the model one by one");
    }
    if (rule != NULL && rule->collect != NULL) {
        return ech_config_fail(config, "strategy.sum",
                               "expected no float32 sum with %s, which looks at every update",
                               name);
    }
    if (ech_config_choice(config, "cutoff.late") == ECH_LATE_KEEP) {
        return ech_config_fail(config, "strategy.sum",
                               "expected no float32 sum with cutoff.late: keep, whose updates have "
                               "no place in the next round's order");
    }
    return ECH_OK;
}

static ech_status check_strategy(const ech_config *config)
{
    ech_status status = check_rule(config);
    if (status == ECH_OK) {
        status = check_sum(config);
    }
    if (status == ECH_OK) {
        status = ech_fit_check_plugin(config, "strategy.plugin", "strategy.plugin_options");
    }
    if (status == ECH_OK && ech_config_has(config, "strategy.plugin") &&
        ech_config_choice(config, "process") == ECH_FIT_PROCESS_ASYNC) {
        status = ech_config_fail(config, "strategy.plugin", "expected process: sync");
    }
    return status == ECH_OK ? check_selection(config) : status;
}

void ech_fit_read_strategy(const ech_config *config, const char **name, ech_strategy_options *out)
{
    *name = ech_config_text(config, "strategy.name");
    *out = ech_strategy_defaults(*name);
    ech_select_rule *selection = &out->selection;
    selection->policy = (ech_select_policy)ech_config_choice(config, "strategy.selection");
    ech_fit_read_real(config, "strategy.participation", &selection->share);
    ech_fit_read_number(config, "strategy.workers", &selection->count);
    ech_fit_read_real(config, "strategy.over_selection", &selection->more);
    ech_fit_read_real(config, "strategy.mu", &out->proximal);
    ech_fit_read_real(config, "strategy.alpha", &out->dynamic);
    ech_fit_read_real(config, "strategy.server_lr", &out->server_lr);
    ech_fit_read_real(config, "strategy.server_momentum", &out->server_momentum);
    ech_fit_read_real(config, "strategy.beta2", &out->server_beta2);
    ech_fit_read_real(config, "strategy.tau", &out->server_tau);
    ech_async_options *async = &out->async;
    ech_fit_read_real(config, "strategy.alpha", &async->alpha);
    ech_fit_read_real(config, "strategy.staleness_a", &async->staleness_a);
    ech_fit_read_real(config, "strategy.staleness_b", &async->staleness_b);
    ech_fit_read_number(config, "strategy.buffer", &async->buffer);
    if (ech_config_has(config, "strategy.staleness")) {
        async->staleness = (ech_staleness_kind)ech_config_choice(config, "strategy.staleness");
    }
    ech_collect_options *collect = &out->collect;
    ech_fit_read_real(config, "strategy.trim", &collect->trim);
    ech_fit_read_number(config, "strategy.hostile", &collect->hostile);
    ech_fit_read_number(config, "strategy.chosen", &collect->chosen);
    ech_fit_read_real(config, "strategy.smoothing", &collect->smoothing);
    ech_fit_read_number(config, "strategy.iterations", &collect->iterations);
}

static void read_strategy(const ech_config *config, ech_fit_options *out)
{
    ech_fit_read_strategy(config, &out->strategy.name, &out->strategy.options);
    out->strategy.plugin = ech_config_text(config, "strategy.plugin");
    out->strategy.plugin_options = ech_config_text(config, "strategy.plugin_options");
    out->strategy.sum = (ech_sum_kind)ech_config_choice(config, "strategy.sum");
    out->strategy.always_include_aggregators =
        ech_config_bool(config, "strategy.always_include_aggregators");
}

const ech_fit_section ech_fit_strategy_section = {
    .options = {"Strategy", options, sizeof options / sizeof *options},
    .check = check_strategy,
    .read = read_strategy,
};
