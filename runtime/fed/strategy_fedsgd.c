#include "runtime/fed/strategy_rules.h"

/* Flight's FedSGD (Hudson et al. 2024): every worker's model counts the same, whatever its samples.
 * With one epoch in one batch it is McMahan et al.'s FedSGD over workers of equal size. */
const ech_strategy_rule ech_strategy_fedsgd = {
    .name = "fedsgd",
    .form = ECH_AGGREGATE_STATE,
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_equally,
};
