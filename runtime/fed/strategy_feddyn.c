/* Acar et al., "Federated learning based on dynamic regularization" (ICLR 2021), algorithm 1, with
 * alpha = 0.01, the middle of the paper's values. Worker k keeps s_k, the paper's gradient with its
 * sign turned:
 *
 *     worker   train on L_k(w) + s_k w + alpha/2 ||w - x||^2, then s_k = s_k + alpha (w_k - x)
 *     server   h = h - alpha share mean(w_k - x),   x = mean(w_k) - h / alpha
 *
 * where `share` is that of the workers that took part. All workers count the same, as in the
 * paper. */
#include "runtime/fed/strategy_rules.h"

enum { DRIFT };

static void prepare(const ech_strategy *strategy, const ech_worker_part *part,
                    ech_train_request *request)
{
    request->proximal = strategy->options.dynamic;
    request->gradient_term = part->kept;
}

/* Running statistics have no gradient. */
static void keep(const ech_strategy *strategy, const ech_worker_part *part)
{
    const double alpha = strategy->options.dynamic;
    for (size_t t = 0; t < part->layout->tensor_count; t++) {
        const ech_tensor *tensor = &part->layout->tensors[t];
        for (uint64_t i = tensor->offset;
             tensor->kind == ECH_TENSOR_PARAMETER && i < tensor->offset + tensor->count; i++) {
            part->kept[i] = (float)((double)part->kept[i] + alpha * (double)part->update[i]);
        }
    }
}

static void step(ech_strategy *strategy, const ech_aggregate *aggregate, float *global,
                 uint64_t first, uint64_t count)
{
    const double share = (double)aggregate->weight / (double)aggregate->weight_all;
    const double alpha = strategy->options.dynamic;
    float *drift = strategy->vectors[DRIFT];
    for (uint64_t i = first; i < first + count; i++) {
        const double mean = (double)aggregate->mean[i];
        drift[i] = (float)((double)drift[i] - alpha * share * mean);
        global[i] = (float)((double)global[i] + mean - (double)drift[i] / alpha);
    }
}

const ech_strategy_rule ech_strategy_feddyn = {
    .name = "feddyn",
    .form = ECH_AGGREGATE_DIFFERENCE,
    .vector_names = {[DRIFT] = "drift"},
    .kept_name = "gradient",
    .reads = ECH_READS_DYNAMIC,
    .defaults = {.dynamic = 0.01},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_equally,
    .prepare = prepare,
    .keep = keep,
    .step = step,
};
