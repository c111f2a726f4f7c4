/**
 * @file exact_sum.h
 * The exact weighted mean of model states: integers only on the way, so that neither order nor
 * grouping nor the tree can change a bit of the result.
 *
 * An update's tensor, with e the binary exponent of its largest magnitude (2^(e-1) <= max < 2^e),
 * belongs to bin b = floor((e - 1) / 4). Element w with weight n enters that bin's int64
 * accumulator as n * llrint(w * 2^s), s = 62 - ceil(log2 N) - 4 (b + 1), where N bounds the sum of
 * all weights: nothing can overflow, and a tensor's error stays below a float32 unit in the last
 * place of its largest element. A tensor of zeros needs no bin. The end adds the bins in ascending
 * order in double and divides once by the weights that came. Binned summation (Demmel and Nguyen,
 * "Parallel Reproducible Summation", 2015) with a bin for a tensor instead of a number. Counters
 * (`num_batches_tracked`) become the largest of the contributors'.
 *
 * A sum lives in memory that the caller gives, free of addresses, so that several processes of a
 * host may share it wherever they map it. Most of that memory is a reserve for bins that hardly
 * ever exist: it costs nothing until used. Each process (and each thread) attaches a handle of its
 * own. Life: format once; then, each round, one caller begins, any number add, merge and import at
 * the same time, and when all of them have returned (the caller's to ensure) any number finish
 * slices and export. Not collective: no call communicates. Every wait is bounded.
 */
#ifndef ECH_FED_EXACT_SUM_H
#define ECH_FED_EXACT_SUM_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/sum_totals.h"

enum {
    ECH_EXACT_SUM_BIN_MIN = -38,
    ECH_EXACT_SUM_BIN_MAX = 31,
};

/** One process's view of a sum. Opaque; used by one thread at a time. */
typedef struct ech_exact_sum ech_exact_sum;

/** Virtual size of a sum of this layout: a page-aligned number of bytes, hardly any of it touched.
 */
uint64_t ech_exact_sum_bytes(const ech_layout *layout);

/**
 * Lay an empty sum out in memory, whatever it holds. By one process, before any attaches.
 *
 * @param memory  aligned to a page; at least `ech_exact_sum_bytes` bytes, not reserved for others.
 * @return ECH_OK; ECH_ERR_ARGUMENT (too small or misaligned); ECH_ERR_LIMIT (model too large for
 *         this format); ECH_ERR_MEMORY (the host has no pages left).
 */
ech_status ech_exact_sum_format(void *memory, uint64_t bytes, const ech_layout *layout);

/**
 * View a formatted sum. `memory` and `layout` are borrowed until the handle is destroyed.
 *
 * @return ECH_OK; ECH_ERR_FORMAT (no sum of this layout there); ECH_ERR_MEMORY.
 */
ech_status ech_exact_sum_attach(void *memory, const ech_layout *layout, ech_exact_sum **out);

/** Memory that a sum of this layout holds in nearly every round: one bin a tensor. */
uint64_t ech_exact_sum_populated_bytes(const ech_layout *layout);

/**
 * Have the pages of one bin a tensor, where nearly every round ends, before the first round: made
 * by the first process that asks, and mapped in each. ECH_ERR_MEMORY.
 */
ech_status ech_exact_sum_populate(ech_exact_sum *sum);

/** A sum in memory of its own, formatted, for one process. */
ech_status ech_exact_sum_create(const ech_layout *layout, ech_exact_sum **out);

/** Free the handle and, if made by create, the sum. */
void ech_exact_sum_destroy(ech_exact_sum **sum);

/**
 * Empty the sum and start a round. By one caller while nobody else uses the sum.
 *
 * @param weight_bound  N: no more weight than this will come, 1 to 2^35. Part of the result's bits:
 *                      the same for all sums of a round.
 */
ech_status ech_exact_sum_begin(ech_exact_sum *sum, uint64_t weight_bound);

/**
 * Add one update. Concurrent with other adds, merges and imports, of any process.
 *
 * @param weight  at least 1.
 * @return ECH_OK; ECH_ERR_NUMERIC (a value is NaN or infinite; names the tensor), ECH_ERR_ARGUMENT
 *         (weight 0, or more weight than bound), ECH_ERR_MEMORY (no pages left for a new bin):
 *         nothing was changed; ECH_ERR_TIMEOUT: the sum is spoilt (another process died in it).
 */
ech_status ech_exact_sum_add(ech_exact_sum *sum, ech_state_view update, uint64_t weight);

/** Add all that `from` holds. Both of the same layout and weight bound; `from` is at rest. */
ech_status ech_exact_sum_merge(ech_exact_sum *into, ech_exact_sum *from);

/** Sum of the weights that came, and number of updates. */
uint64_t ech_exact_sum_weight(const ech_exact_sum *sum);
uint64_t ech_exact_sum_update_count(const ech_exact_sum *sum);

/**
 * The weighted mean of a slice of the values; slices may be computed anywhere, with the same bits.
 *
 * @param values  room for all of the layout's values; [first, first + count) is written.
 * @return ECH_OK; ECH_ERR_ARGUMENT if nothing was added.
 */
ech_status ech_exact_sum_finish(ech_exact_sum *sum, uint64_t first, uint64_t count, float *values);

/** The counters: each the largest of the contributors'. */
ech_status ech_exact_sum_finish_counters(ech_exact_sum *sum, int64_t *counters);

/** Where an export stands. Zero-initialise it to start. */
typedef struct {
    uint64_t tensor;
    uint64_t bin;
    uint64_t element;
    uint64_t sequence; /* pieces written so far */
} ech_exact_sum_cursor;

/**
 * Cut what the sum holds into pieces for another host: used bins only, packed back to back.
 *
 * @param capacity    bytes at `piece`, at least ECH_SUM_PIECE_BYTES_MIN and room for all
 *                    counters; the same in every call of one export. 8-byte aligned.
 * @param[out] bytes  of this piece; 0 when all was exported before. A sum without updates gives one
 *                    piece too.
 */
ech_status ech_exact_sum_export(ech_exact_sum *sum, ech_exact_sum_cursor *cursor, void *piece,
                                size_t capacity, size_t *bytes);

/**
 * Add a piece. Each piece of an export exactly once, in any order, then the sums are merged.
 *
 * @return ECH_OK; ECH_ERR_FORMAT (not a piece of a sum of this layout and weight bound; nothing was
 *         changed); otherwise as `ech_exact_sum_add`.
 */
ech_status ech_exact_sum_import(ech_exact_sum *sum, const void *piece, size_t bytes);

#endif
