#include "runtime/fed/strategy_rules.h"

enum { MOMENTUM };

static void step(ech_strategy *strategy, const ech_aggregate *aggregate, float *global,
                 uint64_t first, uint64_t count)
{
    const float *mean = aggregate->mean;
    const double beta = strategy->options.server_momentum;
    const double lr = strategy->options.server_lr;
    float *momentum = strategy->vectors[MOMENTUM];
    for (uint64_t i = first; i < first + count; i++) {
        momentum[i] = (float)(beta * (double)momentum[i] + (double)mean[i]);
        global[i] = (float)((double)global[i] + lr * (double)momentum[i]);
    }
}

/* Hsu, Qi and Brown, "Measuring the effects of non-identical data distribution for federated visual
 * classification" (2019): the mean difference drives a momentum of the server's. */
const ech_strategy_rule ech_strategy_fedavgm = {
    .name = "fedavgm",
    .form = ECH_AGGREGATE_DIFFERENCE,
    .vector_names = {[MOMENTUM] = "momentum"},
    .reads = ECH_READS_SERVER_LR | ECH_READS_SERVER_MOMENTUM,
    .defaults = {.server_lr = 1.0, .server_momentum = 0.9},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_samples,
    .step = step,
};
