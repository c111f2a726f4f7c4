#include <string.h>

#include "runtime/fed/strategy_rules.h"

/* model + rate * buffer / buffered, for the elements of one tensor. */
static void step(const ech_tensor *tensor, double rate, ech_arrival *arrival)
{
    const double scale = rate / (double)arrival->buffered;
    for (uint64_t i = tensor->offset; i < tensor->offset + tensor->count; i++) {
        arrival->update[i] =
            (float)((double)arrival->model[i] + scale * (double)arrival->buffer[i]);
    }
}

/* Running statistics have no gradient: they move by the mean itself. */
static void flush(const ech_strategy *strategy, const ech_layout *layout, ech_arrival *arrival)
{
    for (size_t t = 0; t < layout->tensor_count; t++) {
        const ech_tensor *tensor = &layout->tensors[t];
        if (tensor->kind == ECH_TENSOR_PARAMETER) {
            step(tensor, strategy->options.server_lr, arrival);
        } else if (tensor->kind == ECH_TENSOR_STATISTIC) {
            step(tensor, 1.0, arrival);
        }
    }
    memset(arrival->buffer, 0, layout->value_count * sizeof *arrival->buffer);
    arrival->buffered = 0;
}

static bool take(const ech_strategy *strategy, const ech_layout *layout, ech_arrival *arrival)
{
    const ech_async_options *options = &strategy->options.async;
    const double factor = ech_staleness_factor(options, arrival->staleness);
    for (uint64_t i = 0; i < layout->value_count; i++) {
        arrival->buffer[i] =
            (float)((double)arrival->buffer[i] + factor * (double)arrival->update[i]);
    }
    arrival->buffered++;
    if (arrival->buffered < options->buffer) {
        return false;
    }
    flush(strategy, layout, arrival);
    return true;
}

static const ech_async_rule async = {.has_buffer = true, .take = take, .flush = flush};

/* Nguyen et al., "Federated learning with buffered asynchronous aggregation" (AISTATS 2022): every
 * `buffer` differences, weighted by staleness, make one step of the server along their mean. */
const ech_strategy_rule ech_strategy_fedbuff = {
    .name = "fedbuff",
    .form = ECH_AGGREGATE_DIFFERENCE,
    .reads = ECH_READS_SERVER_LR | ECH_READS_STALENESS | ECH_READS_BUFFER,
    .defaults = {.server_lr = 1.0,
                 .async = {.staleness = ECH_STALENESS_POLYNOMIAL,
                           .staleness_a = 0.5,
                           .staleness_b = 4.0,
                           .buffer = 10}},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_samples,
    .async = &async,
};
