/* Karimireddy et al., "SCAFFOLD: stochastic controlled averaging for federated learning" (ICML
 * 2020), algorithm 1 with option II. With x the global model, y_i the trained one, K_i steps of
 * learning rate eta, c_i what worker i keeps and c the server's:
 *
 *     each step   y = step(y) - eta (c - c_i)
 *     worker      c_i' = c_i - c + (x - y_i) / (K_i eta)
 *     server      x = x + eta_g mean(y_i - x),   c = c + share * mean(c_i' - c_i)
 *
 * Where the paper writes equal workers, means are weighted by samples and `share` is that of the
 * samples: c stays the weighted mean of all c_i, as on equal workers. The correction follows the
 * optimizer's step, outside its momentum. */
#include <stdbool.h>

#include "runtime/fed/strategy_rules.h"

enum { CONTROL };

/* c - c_i, in the room where its change goes once it has served. */
static void prepare(const ech_strategy *strategy, const ech_worker_part *part,
                    ech_train_request *request)
{
    const uint64_t count = strategy->value_count;
    const float *control = part->global + count;
    float *correction = part->update + count;
    for (uint64_t i = 0; i < count; i++) {
        correction[i] = control[i] - part->kept[i];
    }
    request->correction = correction;
}

/* The change of c_i: running statistics have no control. */
static void finish(const ech_strategy *strategy, const ech_worker_part *part,
                   const ech_train_result *trained)
{
    const float *control = part->global + strategy->value_count;
    float *change = part->update + strategy->value_count;
    for (size_t t = 0; t < part->layout->tensor_count; t++) {
        const ech_tensor *tensor = &part->layout->tensors[t];
        const bool moves = tensor->kind == ECH_TENSOR_PARAMETER && trained->steps > 0;
        for (uint64_t i = tensor->offset;
             tensor->kind != ECH_TENSOR_COUNTER && i < tensor->offset + tensor->count; i++) {
            const double step = moves ? (double)part->update[i] / trained->learning_rate_sum : 0.0;
            change[i] = moves ? (float)(-(double)control[i] - step) : 0.0F;
        }
    }
}

static void keep(const ech_strategy *strategy, const ech_worker_part *part)
{
    const float *change = part->update + strategy->value_count;
    for (uint64_t i = 0; i < strategy->value_count; i++) {
        part->kept[i] += change[i];
    }
}

static void step(ech_strategy *strategy, const ech_aggregate *aggregate, float *global,
                 uint64_t first, uint64_t count)
{
    const double share = (double)aggregate->weight / (double)aggregate->weight_all;
    const double lr = strategy->options.server_lr;
    const float *change = aggregate->mean + strategy->value_count;
    float *control = strategy->vectors[CONTROL];
    for (uint64_t i = first; i < first + count; i++) {
        global[i] = (float)((double)global[i] + lr * (double)aggregate->mean[i]);
        control[i] = (float)((double)control[i] + share * (double)change[i]);
    }
}

const ech_strategy_rule ech_strategy_scaffold = {
    .name = "scaffold",
    .form = ECH_AGGREGATE_DIFFERENCE,
    .vector_names = {[CONTROL] = "control"},
    .extra = ECH_EXTRA_VECTOR,
    .kept_name = "control",
    .reads = ECH_READS_SERVER_LR,
    .defaults = {.server_lr = 1.0},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_samples,
    .prepare = prepare,
    .finish = finish,
    .keep = keep,
    .step = step,
};
