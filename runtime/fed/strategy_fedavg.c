#include "runtime/fed/strategy_rules.h"

/* McMahan et al., "Communication-efficient learning of deep networks from decentralized data"
 * (AISTATS 2017): the mean of the workers' models, weighted by their samples. */
const ech_strategy_rule ech_strategy_fedavg = {
    .name = "fedavg",
    .form = ECH_AGGREGATE_STATE,
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_samples,
};
