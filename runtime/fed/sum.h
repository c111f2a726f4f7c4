/**
 * @file sum.h
 * A round's sum, of one of two kinds: exact (exact_sum.h), or float32 in a fixed order
 * (ordered_sum.h). What is said there of memory, life, concurrency and errors holds here.
 *
 * Each contribution has a leaf, its number among those that the sum was begun for; an exact sum
 * ignores it. Not collective.
 */
#ifndef ECH_FED_SUM_H
#define ECH_FED_SUM_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/fed/exact_sum.h"
#include "runtime/fed/ordered_sum.h"

typedef enum { ECH_SUM_EXACT, ECH_SUM_FLOAT32 } ech_sum_kind;

/** What sums a federation makes: the same on every rank. */
typedef struct {
    ech_sum_kind kind;
    uint32_t leaves_max; /* of a float32 sum, in any round */
} ech_sum_options;

/** One process's view of a sum. Opaque; used by one thread at a time. */
typedef struct ech_sum ech_sum;

uint64_t ech_sum_bytes(const ech_sum_options *options, const ech_layout *layout);
ech_status ech_sum_format(const ech_sum_options *options, void *memory, uint64_t bytes,
                          const ech_layout *layout);
ech_status ech_sum_attach(const ech_sum_options *options, void *memory, const ech_layout *layout,
                          ech_sum **out);
void ech_sum_destroy(ech_sum **sum);
ech_status ech_sum_populate(ech_sum *sum);

/** Bytes that a model with its counters takes in such a sum, as it is added or sent. */
uint64_t ech_sum_state_bytes(ech_sum_kind kind, const ech_layout *layout);

ech_sum_kind ech_sum_kind_of(const ech_sum *sum);

/** The exact sum that it is; NULL if it is of another kind. Borrowed. */
ech_exact_sum *ech_sum_exact(const ech_sum *sum);

ech_status ech_sum_begin(ech_sum *sum, uint64_t weight_bound, uint32_t leaf_count);
ech_status ech_sum_add(ech_sum *sum, ech_state_view update, uint64_t weight, uint32_t leaf);

/** Add a settled sum as one leaf of another of its kind. */
ech_status ech_sum_merge(ech_sum *into, ech_sum *from, uint32_t leaf);

/** No more comes: before it is finished, or handed on as one leaf. By one caller while nobody else
 * uses the sum. */
void ech_sum_settle(ech_sum *sum);

uint64_t ech_sum_weight(const ech_sum *sum);
ech_status ech_sum_finish(ech_sum *sum, uint64_t first, uint64_t count, float *values);
ech_status ech_sum_finish_counters(ech_sum *sum, int64_t *counters);

/** Where an export stands. Zero-initialise it to start. */
typedef union {
    ech_exact_sum_cursor exact;
    ech_ordered_sum_cursor ordered;
} ech_sum_cursor;

ech_status ech_sum_export(ech_sum *sum, ech_sum_cursor *cursor, void *piece, size_t capacity,
                          size_t *bytes);
/** @param leaf  of a settled sum; ECH_LEAF_OWN: what is exported has the leaves of this sum. */
ech_status ech_sum_import(ech_sum *sum, const void *piece, size_t bytes, uint32_t leaf);

#endif
