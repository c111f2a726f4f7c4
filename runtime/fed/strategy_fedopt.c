/* Reddi et al., "Adaptive federated optimization" (ICLR 2021), algorithm 2: with Delta the mean
 * difference,
 *
 *     m = beta_1 m + (1 - beta_1) Delta
 *     v = v + Delta^2                                       FedAdagrad
 *     v = v - (1 - beta_2) Delta^2 sign(v - Delta^2)        FedYogi
 *     v = beta_2 v + (1 - beta_2) Delta^2                   FedAdam
 *     x = x + eta m / (sqrt(v) + tau)
 *
 * from m = 0 and v = tau^2, without correction of the bias. The paper has beta_1 = 0.9,
 * beta_2 = 0.99, for FedAdagrad beta_1 = 0, and tunes eta and tau: 10^-2 and 10^-3 are among its
 * good ones. */
#include <math.h>

#include "runtime/fed/strategy_rules.h"

enum { FIRST_MOMENT, SECOND_MOMENT };

static void start(ech_strategy *strategy)
{
    const double tau = strategy->options.server_tau;
    for (uint64_t i = 0; i < strategy->value_count; i++) {
        strategy->vectors[SECOND_MOMENT][i] = (float)(tau * tau);
    }
}

/* The step that all three take once v is up to date. */
static void take_step(ech_strategy *strategy, const ech_aggregate *aggregate, float *global,
                      uint64_t first, uint64_t count)
{
    const float *mean = aggregate->mean;
    const double beta1 = strategy->options.server_momentum;
    const double lr = strategy->options.server_lr;
    const double tau = strategy->options.server_tau;
    float *m = strategy->vectors[FIRST_MOMENT];
    const float *v = strategy->vectors[SECOND_MOMENT];
    for (uint64_t i = first; i < first + count; i++) {
        m[i] = (float)(beta1 * (double)m[i] + (1.0 - beta1) * (double)mean[i]);
        global[i] = (float)((double)global[i] + lr * (double)m[i] / (sqrt((double)v[i]) + tau));
    }
}

static void step_adagrad(ech_strategy *strategy, const ech_aggregate *aggregate, float *global,
                         uint64_t first, uint64_t count)
{
    const float *mean = aggregate->mean;
    float *v = strategy->vectors[SECOND_MOMENT];
    for (uint64_t i = first; i < first + count; i++) {
        v[i] = (float)((double)v[i] + (double)mean[i] * (double)mean[i]);
    }
    take_step(strategy, aggregate, global, first, count);
}

static void step_yogi(ech_strategy *strategy, const ech_aggregate *aggregate, float *global,
                      uint64_t first, uint64_t count)
{
    const float *mean = aggregate->mean;
    const double beta2 = strategy->options.server_beta2;
    float *v = strategy->vectors[SECOND_MOMENT];
    for (uint64_t i = first; i < first + count; i++) {
        const double square = (double)mean[i] * (double)mean[i];
        const double sign = (double)(((double)v[i] > square) - ((double)v[i] < square));
        v[i] = (float)((double)v[i] - (1.0 - beta2) * square * sign);
    }
    take_step(strategy, aggregate, global, first, count);
}

static void step_adam(ech_strategy *strategy, const ech_aggregate *aggregate, float *global,
                      uint64_t first, uint64_t count)
{
    const float *mean = aggregate->mean;
    const double beta2 = strategy->options.server_beta2;
    float *v = strategy->vectors[SECOND_MOMENT];
    for (uint64_t i = first; i < first + count; i++) {
        const double square = (double)mean[i] * (double)mean[i];
        v[i] = (float)(beta2 * (double)v[i] + (1.0 - beta2) * square);
    }
    take_step(strategy, aggregate, global, first, count);
}

const ech_strategy_rule ech_strategy_fedadagrad = {
    .name = "fedadagrad",
    .form = ECH_AGGREGATE_DIFFERENCE,
    .vector_names = {[FIRST_MOMENT] = "first_moment", [SECOND_MOMENT] = "second_moment"},
    .reads = ECH_READS_SERVER_LR | ECH_READS_SERVER_MOMENTUM | ECH_READS_SERVER_TAU,
    .defaults = {.server_lr = 1e-2, .server_tau = 1e-3},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_samples,
    .start = start,
    .step = step_adagrad,
};

const ech_strategy_rule ech_strategy_fedyogi = {
    .name = "fedyogi",
    .form = ECH_AGGREGATE_DIFFERENCE,
    .vector_names = {[FIRST_MOMENT] = "first_moment", [SECOND_MOMENT] = "second_moment"},
    .reads = ECH_READS_SERVER_LR | ECH_READS_SERVER_MOMENTUM | ECH_READS_SERVER_TAU |
             ECH_READS_SERVER_BETA2,
    .defaults = {.server_lr = 1e-2,
                 .server_momentum = 0.9,
                 .server_beta2 = 0.99,
                 .server_tau = 1e-3},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_samples,
    .start = start,
    .step = step_yogi,
};

const ech_strategy_rule ech_strategy_fedadam = {
    .name = "fedadam",
    .form = ECH_AGGREGATE_DIFFERENCE,
    .vector_names = {[FIRST_MOMENT] = "first_moment", [SECOND_MOMENT] = "second_moment"},
    .reads = ECH_READS_SERVER_LR | ECH_READS_SERVER_MOMENTUM | ECH_READS_SERVER_TAU |
             ECH_READS_SERVER_BETA2,
    .defaults = {.server_lr = 1e-2,
                 .server_momentum = 0.9,
                 .server_beta2 = 0.99,
                 .server_tau = 1e-3},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_samples,
    .start = start,
    .step = step_adam,
};
