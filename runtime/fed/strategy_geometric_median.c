/* Pillutla, Kakade and Harchaoui, "Robust aggregation for federated learning" (IEEE Transactions on
 * Signal Processing 70, 2022): the point z of the least sum of n_k |w_k - z|, by the smoothed
 * Weiszfeld algorithm from the weighted mean,
 *
 *     beta_k = alpha_k / max(nu, |w_k - z|),   z = sum beta_k w_k / sum beta_k,
 *
 * with alpha_k the share of the samples and the paper's nu = 1e-6 and three iterations. z is always
 * a mean of the updates, with shares s that add up to 1, so that its distances follow from theirs
 * to each other: |w_k - z|^2 = sum_j s_j D_kj - 1/2 sum_ij s_i s_j D_ij. */
#include <math.h>

#include "runtime/base/memory.h"
#include "runtime/fed/strategy_rules.h"

/* The squared distances of all updates to their mean by these shares. */
static void find_distances(const double *squares, uint32_t count, const double *shares,
                           double *distances)
{
    double spread = 0.0;
    for (uint32_t k = 0; k < count; k++) {
        distances[k] = 0.0;
        for (uint32_t j = 0; j < count; j++) {
            distances[k] += shares[j] * squares[(size_t)k * count + j];
        }
        spread += shares[k] * distances[k];
    }
    for (uint32_t k = 0; k < count; k++) {
        distances[k] -= spread / 2.0;
    }
}

static void normalise(double *shares, uint32_t count)
{
    double sum = 0.0;
    for (uint32_t k = 0; k < count; k++) {
        sum += shares[k];
    }
    for (uint32_t k = 0; k < count; k++) {
        shares[k] /= sum;
    }
}

static ech_status weigh(const ech_strategy *strategy, const double *squares,
                        const uint64_t *weights, uint32_t count, double *shares)
{
    const ech_collect_options *options = &strategy->options.collect;
    double *distances = ech_calloc(count, sizeof *distances);
    if (distances == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t k = 0; k < count; k++) {
        shares[k] = (double)weights[k];
    }
    normalise(shares, count);
    for (uint32_t i = 0; i < options->iterations; i++) {
        find_distances(squares, count, shares, distances);
        for (uint32_t k = 0; k < count; k++) {
            const double distance = sqrt(fmax(distances[k], 0.0));
            shares[k] = (double)weights[k] / fmax(options->smoothing, distance);
        }
        normalise(shares, count);
    }
    ech_free(distances);
    return ECH_OK;
}

static const ech_collect_rule collect = {.weigh = weigh};

const ech_strategy_rule ech_strategy_geometric_median = {
    .name = "geometric-median",
    .form = ECH_AGGREGATE_STATE,
    .reads = ECH_READS_SMOOTHING | ECH_READS_ITERATIONS,
    .defaults = {.collect = {.smoothing = 1e-6, .iterations = 3}},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_samples,
    .collect = &collect,
};
