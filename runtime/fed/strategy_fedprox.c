#include "runtime/fed/strategy_rules.h"

static void prepare(const ech_strategy *strategy, const ech_worker_part *part,
                    ech_train_request *request)
{
    (void)part;
    request->proximal = strategy->options.proximal;
}

/* Li et al., "Federated optimization in heterogeneous networks" (MLSys 2020): local training adds
 * mu/2 ||w - w_t||^2 to its objective. Weighted like FedAvg. mu = 0.3 is Flight's. */
const ech_strategy_rule ech_strategy_fedprox = {
    .name = "fedprox",
    .form = ECH_AGGREGATE_STATE,
    .reads = ECH_READS_PROXIMAL,
    .defaults = {.proximal = 0.3},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_samples,
    .prepare = prepare,
};
