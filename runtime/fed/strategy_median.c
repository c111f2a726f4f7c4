/* Yin, Chen, Ramchandran and Bartlett, "Byzantine-robust distributed learning: towards optimal
 * statistical rates" (ICML 2018): each element of the model is the median of the workers', or the
 * mean of what is left when a share of the largest and as many of the smallest are cut off. All
 * workers count the same. A share of 0.2 is this project's default: the paper leaves it open. */
#include "runtime/fed/strategy_rules.h"

/* Of an even number the mean of the middle two. */
static void pick_median(const ech_strategy *strategy, const float *rows, uint32_t count,
                        float out[ECH_COLLECT_WIDTH])
{
    (void)strategy;
    const float *low = rows + (size_t)((count - 1) / 2) * ECH_COLLECT_WIDTH;
    const float *high = rows + (size_t)(count / 2) * ECH_COLLECT_WIDTH;
    for (int i = 0; i < ECH_COLLECT_WIDTH; i++) {
        out[i] = (float)(((double)low[i] + (double)high[i]) / 2.0);
    }
}

static void pick_trimmed_mean(const ech_strategy *strategy, const float *rows, uint32_t count,
                              float out[ECH_COLLECT_WIDTH])
{
    const uint32_t cut = (uint32_t)(strategy->options.collect.trim * (double)count);
    double sums[ECH_COLLECT_WIDTH] = {0.0};
    for (uint32_t row = cut; row < count - cut; row++) {
        for (int i = 0; i < ECH_COLLECT_WIDTH; i++) {
            sums[i] += (double)rows[(size_t)row * ECH_COLLECT_WIDTH + (size_t)i];
        }
    }
    for (int i = 0; i < ECH_COLLECT_WIDTH; i++) {
        out[i] = (float)(sums[i] / (double)(count - 2 * cut));
    }
}

static const ech_collect_rule median = {.pick = pick_median};
static const ech_collect_rule trimmed_mean = {.pick = pick_trimmed_mean};

const ech_strategy_rule ech_strategy_median = {
    .name = "median",
    .form = ECH_AGGREGATE_STATE,
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_equally,
    .collect = &median,
};

const ech_strategy_rule ech_strategy_trimmed_mean = {
    .name = "trimmed-mean",
    .form = ECH_AGGREGATE_STATE,
    .reads = ECH_READS_TRIM,
    .defaults = {.collect = {.trim = 0.2}},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_equally,
    .collect = &trimmed_mean,
};
