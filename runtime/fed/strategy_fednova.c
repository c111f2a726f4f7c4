/* Wang et al., "Tackling the objective inconsistency problem in heterogeneous federated
 * optimization" (NeurIPS 2020): a worker whose gradients count a_i in all (its number of steps,
 * more with momentum) sends its change divided by a_i, and a_i; the server takes a step of the mean
 * a along the mean of these directions, both weighted by samples. */
#include "runtime/fed/strategy_rules.h"

static void finish(const ech_strategy *strategy, const ech_worker_part *part,
                   const ech_train_result *trained)
{
    const double weight = trained->gradient_weight;
    part->update[strategy->value_count] = (float)weight;
    for (size_t t = 0; t < part->layout->tensor_count && weight > 0.0; t++) {
        const ech_tensor *tensor = &part->layout->tensors[t];
        for (uint64_t i = tensor->offset;
             tensor->kind == ECH_TENSOR_PARAMETER && i < tensor->offset + tensor->count; i++) {
            part->update[i] = (float)((double)part->update[i] / weight);
        }
    }
}

static void step(ech_strategy *strategy, const ech_aggregate *aggregate, float *global,
                 uint64_t first, uint64_t count)
{
    const double mean_weight = (double)aggregate->mean[strategy->value_count];
    for (uint64_t i = first; i < first + count; i++) {
        global[i] = (float)((double)global[i] + mean_weight * (double)aggregate->mean[i]);
    }
}

const ech_strategy_rule ech_strategy_fednova = {
    .name = "fednova",
    .form = ECH_AGGREGATE_DIFFERENCE,
    .extra = ECH_EXTRA_NUMBER,
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_samples,
    .finish = finish,
    .step = step,
};
