/**
 * @file sum_totals.h
 * What sums of every kind have: the weights that came, the counters, pages made when needed, and
 * the start of the pieces in which they travel.
 *
 * It lies in memory that processes of a host share, free of addresses. Not collective.
 */
#ifndef ECH_FED_SUM_TOTALS_H
#define ECH_FED_SUM_TOTALS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/hash.h"
#include "runtime/base/layout.h"
#include "runtime/base/status.h"

enum {
    ECH_SUM_WEIGHT_BITS_MAX = 35, /* of the weights of a round: N <= 2^35 */
    ECH_SUM_PIECE_BYTES_MIN = 4096,
};

/** The start of a sum's memory. */
typedef struct {
    uint64_t magic; /* of the kind of sum */
    ech_hash128 layout_digest;
    uint64_t weight_bound;
    _Atomic uint64_t weight;
    _Atomic uint64_t update_count;
} ech_sum_totals;

/** Fingerprint of what a sum needs to know of a layout. */
ech_hash128 ech_sum_layout_digest(const ech_layout *layout);

uint64_t ech_sum_rounded_up(uint64_t bytes, uint64_t unit);

/** ECH_ERR_ARGUMENT unless `memory` is aligned to a page and has the bytes that are needed. */
ech_status ech_sum_check_memory(const void *memory, uint64_t bytes, uint64_t needed_bytes);

/** ECH_ERR_FORMAT unless a sum of this kind and layout lies there. */
ech_status ech_sum_check_formatted(const ech_sum_totals *totals, uint64_t magic,
                                   const ech_layout *layout);

/** ECH_ERR_ARGUMENT for a weight bound outside 1 to 2^ECH_SUM_WEIGHT_BITS_MAX. */
ech_status ech_sum_check_bound(uint64_t weight_bound);

/** ECH_ERR_FORMAT unless another sum is of the same model and weight bound. */
ech_status ech_sum_check_alike(const ech_sum_totals *totals, ech_hash128 layout_digest,
                               uint64_t weight_bound);

/** ECH_ERR_ARGUMENT where nothing was added: there is no mean. */
ech_status ech_sum_refuse_empty(const ech_sum_totals *totals);

/** Nothing has come. */
void ech_sum_totals_clear(ech_sum_totals *totals);

/** Take part of the weight bound. ECH_ERR_ARGUMENT if that much is not left. */
ech_status ech_sum_weight_reserve(ech_sum_totals *totals, uint64_t weight);
void ech_sum_weight_return(ech_sum_totals *totals, uint64_t weight);

static inline uint64_t ech_sum_weight_of(const ech_sum_totals *totals)
{
    return atomic_load_explicit(&totals->weight, memory_order_relaxed);
}

static inline uint64_t ech_sum_update_count_of(const ech_sum_totals *totals)
{
    return atomic_load_explicit(&totals->update_count, memory_order_relaxed);
}

/** Counters before any contributor's. */
void ech_sum_counters_clear(_Atomic int64_t *counters, uint64_t count);

/** Raise the counters to those of a contributor. */
void ech_sum_counters_raise(_Atomic int64_t *counters, uint64_t count, const int64_t *more);

void ech_sum_counters_read(const _Atomic int64_t *counters, uint64_t count, int64_t *out);

/** The start of every piece of an export, 8-byte aligned, little-endian. What the totals hold
 *  travels in the first. */
typedef struct {
    uint64_t magic; /* of the kind of sum, and the version of its pieces */
    ech_hash128 layout_digest;
    uint64_t weight_bound;
    uint64_t bytes; /* of the whole piece */
    uint64_t weight;
    uint64_t update_count;
    uint64_t counter_count; /* int64 each, behind the kind's own header; 0: none in this piece */
} ech_sum_piece;

/** ECH_ERR_ARGUMENT unless a piece of a header, the counters and `more_bytes` has room there. */
ech_status ech_sum_piece_check_room(const void *piece, size_t capacity, size_t header_bytes,
                                    uint64_t counter_count, size_t more_bytes);

/** A piece without totals. */
ech_sum_piece ech_sum_piece_of(const ech_sum_totals *totals, uint64_t magic);

/** The totals too; the counters go to `at`. */
void ech_sum_piece_add_totals(ech_sum_piece *piece, const ech_sum_totals *totals,
                              const _Atomic int64_t *counters, uint64_t counter_count, void *at);

/** ECH_ERR_FORMAT unless it begins one whole piece of so many bytes, of a sum like this one. */
ech_status ech_sum_piece_check(const ech_sum_piece *piece, uint64_t magic, size_t bytes,
                               const ech_sum_totals *totals);

/** Make pages writable now. ECH_ERR_MEMORY where touching them would kill the process. */
ech_status ech_sum_populate_pages(void *begin, uint64_t bytes);

#endif
