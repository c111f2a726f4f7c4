/**
 * @file collect_rule.h
 * Rules that look at every update of a round instead of a sum of them.
 *
 * Such a rule works in one of two ways: by the elements of all updates in ascending order, one
 * element of the model at a time (median, trimmed mean); or by the distances between whole updates,
 * from which each gets a share in a weighted mean (Krum, geometric median). The arithmetic is
 * float64, rounded to float32 once an element; updates stand in the order of their workers'
 * numbers, whatever order they came in: the same bits on any ranks.
 *
 * Not collective.
 */
#ifndef ECH_FED_COLLECT_RULE_H
#define ECH_FED_COLLECT_RULE_H

#include <stdint.h>

#include "runtime/base/status.h"

struct ech_strategy;

enum {
    ECH_COLLECT_UPDATES_MAX = 16384,
    ECH_COLLECT_WIDTH = 64, /* elements of the model that are put in order at a time */
};

#define ECH_HOSTILE_MOST UINT32_MAX

typedef struct {
    double trim;         /* trimmed-mean: share of the updates that is cut off at each end */
    uint32_t hostile;    /* krum, multi-krum: f; ECH_HOSTILE_MOST: as many as the updates admit */
    uint32_t chosen;     /* multi-krum: m; 0: all but f */
    double smoothing;    /* geometric-median: nu, the least distance that is divided by */
    uint32_t iterations; /* geometric-median: of Weiszfeld's */
} ech_collect_options;

/** Exactly one of the two. */
typedef struct {
    /**
     * By order. `rows` holds `count` rows of ECH_COLLECT_WIDTH elements, each column ascending;
     * one number a column goes to `out`.
     */
    void (*pick)(const struct ech_strategy *strategy, const float *rows, uint32_t count,
                 float out[ECH_COLLECT_WIDTH]);
    /**
     * By distance. The share of each update in the mean, adding up to 1.
     *
     * @param squares  squared Euclidean distances, count by count.
     * @param weights  of the updates, by the rule's own weights.
     * @return ECH_OK; ECH_ERR_LIMIT (too few updates for the rule's options); ECH_ERR_MEMORY.
     */
    ech_status (*weigh)(const struct ech_strategy *strategy, const double *squares,
                        const uint64_t *weights, uint32_t count, double *shares);
} ech_collect_rule;

/** Squared distances of the updates of rows [first, end) to those of the rows before them, in
 * `squares`: row `first` first, `row` numbers for each. */
void ech_collect_squares(const float *const *updates, uint64_t value_count, uint32_t first,
                         uint32_t end, double *squares);

/** Elements [first, first + count) of what the rule makes of the updates.
 *  @param shares  of a rule by distance; else NULL.
 *  @return ECH_OK or ECH_ERR_MEMORY. */
ech_status ech_collect_combine(const struct ech_strategy *strategy, const float *const *updates,
                               uint32_t update_count, const double *shares, uint64_t first,
                               uint64_t count, float *out);

#endif
