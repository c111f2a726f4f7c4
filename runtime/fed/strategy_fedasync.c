#include "runtime/fed/strategy_rules.h"

static void prepare(const ech_strategy *strategy, const ech_worker_part *part,
                    ech_train_request *request)
{
    (void)part;
    request->proximal = strategy->options.proximal;
}

static bool take(const ech_strategy *strategy, const ech_layout *layout, ech_arrival *arrival)
{
    const ech_async_options *options = &strategy->options.async;
    const double share = options->alpha * ech_staleness_factor(options, arrival->staleness);
    const float *restrict model = arrival->model;
    float *restrict update = arrival->update;
    for (uint64_t i = 0; i < layout->value_count; i++) {
        update[i] = (float)((1.0 - share) * (double)model[i] + share * (double)update[i]);
    }
    return true;
}

static const ech_async_rule async = {.take = take};

/* Xie, Koyejo and Gupta, "Asynchronous federated optimization" (OPT 2020, arXiv 1903.03934): the
 * new model is (1 - a) of the old one and a of the worker's, a = alpha s(staleness). Local training
 * may be held near the model that it began from (their rho, here mu). */
const ech_strategy_rule ech_strategy_fedasync = {
    .name = "fedasync",
    .form = ECH_AGGREGATE_STATE,
    .reads = ECH_READS_PROXIMAL | ECH_READS_ALPHA | ECH_READS_STALENESS,
    .defaults = {.async = {.alpha = 0.6,
                           .staleness = ECH_STALENESS_CONSTANT,
                           .staleness_a = 0.5,
                           .staleness_b = 4.0}},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_samples,
    .prepare = prepare,
    .async = &async,
};
