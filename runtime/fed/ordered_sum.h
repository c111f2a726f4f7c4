/**
 * @file ordered_sum.h
 * The weighted mean of model states in float32, in an order that is fixed before anything comes:
 * half the bytes of an exact sum (exact_sum.h), and the same bits whoever adds what, when, and on
 * which host.
 *
 * Each contribution of a round has a number, its *leaf*: 0 to leaf_count - 1, as many as were
 * selected. The leaves are halved again and again, the first half the larger by one where they are
 * odd, and the two halves' sums are added at each split: pairwise summation (Higham, "Accuracy and
 * Stability of Numerical Algorithms", 2nd ed. 2002, section 4.2), whose error grows with
 * log2(leaf_count) float32 units in the last place. A contribution that never comes leaves its
 * sibling as it is. A leaf is the update times weight / N in double, rounded to float32 once, so no
 * sum exceeds the largest update; the end multiplies by N / (the weights that came).
 *
 * Whoever comes second to a split adds, without waiting for anybody: what came first lies in a
 * *cell*, a model in float32. So a sum holds one cell for each run of leaves that came without the
 * rest of its half: about log2(leaf_count) where leaves come nearly in order, up to half of the
 * leaves where they do not.
 *
 * Memory, life and concurrency are those of an exact sum, with one step more: after the last
 * contribution one caller settles the sum, and then it may be finished, or handed on whole.
 */
#ifndef ECH_FED_ORDERED_SUM_H
#define ECH_FED_ORDERED_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/sum_totals.h"

enum { ECH_ORDERED_SUM_CELLS_MAX = 4096 };

/** As the leaf of what another host's sum of the same leaves brings: parts of their own places. */
#define ECH_LEAF_OWN UINT32_MAX

/** One process's view of a sum. Opaque; used by one thread at a time. */
typedef struct ech_ordered_sum ech_ordered_sum;

/** Virtual size of a sum: a page-aligned number of bytes, backed when used.
 *  @param leaves_max  of any round, at least 1. */
uint64_t ech_ordered_sum_bytes(const ech_layout *layout, uint32_t leaves_max);

/**
 * Memory that a sum of so many leaves holds where they come nearly in order, from so many ranks: a
 * cell for each halving and each rank.
 *
 * @param apart  each rank brings a run of the leaves, the runs side by side: it holds a cell for
 *               each halving of its own.
 */
uint64_t ech_ordered_sum_held_bytes(const ech_layout *layout, uint32_t leaf_count, uint32_t ranks,
                                    bool apart);

/** As ech_exact_sum_format. */
ech_status ech_ordered_sum_format(void *memory, uint64_t bytes, const ech_layout *layout,
                                  uint32_t leaves_max);

/** As ech_exact_sum_attach. */
ech_status ech_ordered_sum_attach(void *memory, const ech_layout *layout, ech_ordered_sum **out);
void ech_ordered_sum_destroy(ech_ordered_sum **sum);

/** Have the pages of the first cells before the first round. ECH_ERR_MEMORY. */
ech_status ech_ordered_sum_populate(ech_ordered_sum *sum);

/**
 * Empty the sum and start a round. By one caller while nobody else uses the sum.
 *
 * @param weight_bound  N: no more weight than this will come, 1 to 2^35.
 * @param leaf_count    both are part of the result's bits: the same for all sums of these leaves.
 * @return ECH_OK; ECH_ERR_ARGUMENT.
 */
ech_status ech_ordered_sum_begin(ech_ordered_sum *sum, uint64_t weight_bound, uint32_t leaf_count);

/**
 * Add one update. Concurrent with other adds, merges and imports, of any process.
 *
 * @param leaf  of this update alone.
 * @return as ech_exact_sum_add; ECH_ERR_LIMIT where all cells are in use: nothing was changed.
 */
ech_status ech_ordered_sum_add(ech_ordered_sum *sum, ech_state_view update, uint64_t weight,
                               uint32_t leaf);

/** Add a settled sum as one leaf. Both of the same layout and weight bound. */
ech_status ech_ordered_sum_merge(ech_ordered_sum *into, const ech_ordered_sum *from, uint32_t leaf);

/** No more comes: bring what waits for leaves that never came to the end. By one caller while
 * nobody else uses the sum; a settled sum stays as it is. */
void ech_ordered_sum_settle(ech_ordered_sum *sum);

uint64_t ech_ordered_sum_weight(const ech_ordered_sum *sum);

/** As ech_exact_sum_finish, of a settled sum. */
ech_status ech_ordered_sum_finish(const ech_ordered_sum *sum, uint64_t first, uint64_t count,
                                  float *values);
ech_status ech_ordered_sum_finish_counters(const ech_ordered_sum *sum, int64_t *counters);

/** Where an export stands. Zero-initialise it to start. */
typedef struct {
    uint32_t place;
    uint64_t element;
    uint64_t sequence; /* pieces written so far */
} ech_ordered_sum_cursor;

/** As ech_exact_sum_export: the cells that are in use; of a settled sum one. */
ech_status ech_ordered_sum_export(const ech_ordered_sum *sum, ech_ordered_sum_cursor *cursor,
                                  void *piece, size_t capacity, size_t *bytes);

/**
 * Add a piece: each of an export once, in order, by one handle.
 *
 * @param leaf  that a settled sum is, or ECH_LEAF_OWN.
 * @return as ech_exact_sum_import.
 */
ech_status ech_ordered_sum_import(ech_ordered_sum *sum, const void *piece, size_t bytes,
                                  uint32_t leaf);

/** Number of the part, of 2^depth that halving makes, in which a leaf lies. */
uint32_t ech_ordered_sum_part(uint32_t leaf_count, uint32_t leaf, uint32_t depth);

#endif
