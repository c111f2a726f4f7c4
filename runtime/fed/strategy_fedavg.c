#include "runtime/fed/strategy_rules.h"

/* McMahan et al., "Communication-efficient learning of deep networks from decentralized data"
 * (AISTATS 2017): the mean of the workers' models, weighted by their samples. */
const ech_strategy_rule ech_strategy_fedavg = {
    .name = "fedavg",
    .form = ECH_AGGREGATE_STATE,
    .defaults = {.selection = {.share = 1.0},
                 .dynamic = 0.01,
                 .server_lr = 1.0,
                 .server_tau = 1e-3},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_samples,
};
