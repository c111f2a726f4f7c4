/* Blanchard, El Mhamdi, Guerraoui and Stainer, "Machine learning with adversaries: Byzantine
 * tolerant gradient descent" (NeurIPS 2017): of n updates, f of them hostile, each scores the sum
 * of its squared distances to the n - f - 2 nearest others. Krum takes the update of the lowest
 * score, multi-Krum the mean of the m lowest; of equal scores the lower worker first. The paper's
 * proof needs n > 2 f + 2. */
#include <stdlib.h>

#include "runtime/base/memory.h"
#include "runtime/fed/strategy_rules.h"

typedef struct {
    double value;
    uint32_t update;
} score;

static int by_value(const void *left, const void *right)
{
    const score *a = left;
    const score *b = right;
    if (a->value != b->value) {
        return a->value < b->value ? -1 : 1;
    }
    return (a->update > b->update) - (a->update < b->update);
}

/* @param[out] others  scratch for `count` distances. */
static double score_of(const double *squares, uint32_t count, uint32_t update, uint32_t nearest,
                       score *others)
{
    uint32_t found = 0;
    for (uint32_t other = 0; other < count; other++) {
        if (other != update) {
            others[found++] =
                (score){.value = squares[(size_t)update * count + other], .update = other};
        }
    }
    qsort(others, found, sizeof *others, by_value);
    double sum = 0.0;
    for (uint32_t i = 0; i < nearest && i < found; i++) {
        sum += others[i].value;
    }
    return sum;
}

/* The f that is asked for, or the largest that so many updates admit. */
static ech_status count_hostile(const ech_strategy *strategy, uint32_t count, uint32_t *hostile)
{
    const uint32_t most = count > 2 ? (count - 3) / 2 : 0;
    *hostile = strategy->options.collect.hostile;
    if (*hostile == ECH_HOSTILE_MOST) {
        *hostile = most;
    }
    return *hostile <= most
               ? ECH_OK
               : ech_fail(ECH_ERR_LIMIT, "%s with %u hostile workers needs %u updates, %u came",
                          strategy->rule->name, *hostile, 2 * *hostile + 3, count);
}

static ech_status share_lowest(const double *squares, uint32_t count, uint32_t chosen,
                               uint32_t hostile, double *shares)
{
    score *scores = ech_calloc(2 * (size_t)count, sizeof *scores);
    if (scores == NULL) {
        return ECH_ERR_MEMORY;
    }
    const uint32_t nearest = count > hostile + 2 ? count - hostile - 2 : 1;
    for (uint32_t u = 0; u < count; u++) {
        scores[u] =
            (score){.value = score_of(squares, count, u, nearest, scores + count), .update = u};
        shares[u] = 0.0;
    }
    qsort(scores, count, sizeof *scores, by_value);
    chosen = chosen < count ? chosen : count;
    for (uint32_t i = 0; i < chosen; i++) {
        shares[scores[i].update] = 1.0 / (double)chosen;
    }
    ech_free(scores);
    return ECH_OK;
}

static ech_status weigh_krum(const ech_strategy *strategy, const double *squares,
                             const uint64_t *weights, uint32_t count, double *shares)
{
    (void)weights;
    uint32_t hostile = 0;
    const ech_status status = count_hostile(strategy, count, &hostile);
    return status == ECH_OK ? share_lowest(squares, count, 1, hostile, shares) : status;
}

static ech_status weigh_multi_krum(const ech_strategy *strategy, const double *squares,
                                   const uint64_t *weights, uint32_t count, double *shares)
{
    (void)weights;
    uint32_t hostile = 0;
    const ech_status status = count_hostile(strategy, count, &hostile);
    const uint32_t asked = strategy->options.collect.chosen;
    return status == ECH_OK
               ? share_lowest(squares, count, asked > 0 ? asked : count - hostile, hostile, shares)
               : status;
}

static const ech_collect_rule krum = {.weigh = weigh_krum};
static const ech_collect_rule multi_krum = {.weigh = weigh_multi_krum};

const ech_strategy_rule ech_strategy_krum = {
    .name = "krum",
    .form = ECH_AGGREGATE_STATE,
    .defaults = {.collect = {.hostile = ECH_HOSTILE_MOST}},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_equally,
    .collect = &krum,
};

const ech_strategy_rule ech_strategy_multi_krum = {
    .name = "multi-krum",
    .form = ECH_AGGREGATE_STATE,
    .defaults = {.collect = {.hostile = ECH_HOSTILE_MOST}},
    .select = ech_strategy_select,
    .weight = ech_strategy_weight_equally,
    .collect = &multi_krum,
};
