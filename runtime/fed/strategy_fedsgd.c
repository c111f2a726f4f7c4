#include "runtime/fed/strategy_rules.h"

/* Flight's FedSGD (Hudson et al. 2024): every worker's model counts the same, whatever its samples.
 * With one epoch in one batch it is McMahan et al.'s FedSGD over workers of equal size. */
const ech_strategy_rule ech_strategy_fedsgd = {
    .name = "fedsgd",
    .form = ECH_AGGREGATE_STATE,
    .defaults = {.selection = {.share = 1.0},
                 .dynamic = 0.01,
                 .server_lr = 1.0,
                 .server_tau = 1e-3},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_equally,
};
