/**
 * @file ordered_sum_priv.h
 * The inside of ordered_sum.h: how a sum lies in memory, and its cells (ordered_sum.c); how sums
 * travel (ordered_merge.c).
 *
 * Memory holds a header, a bit for each cell in use, a word for each place, the counters, and the
 * cells. A *place* is a split, by the number of the first leaf behind it; place 0 is the end, where
 * the whole sum arrives. Its word tells which cell waits there for the other half.
 */
#ifndef ECH_FED_ORDERED_SUM_PRIV_H
#define ECH_FED_ORDERED_SUM_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>

#include "runtime/fed/exact_kernels.h"
#include "runtime/fed/ordered_sum.h"

#define ECH_ORDERED_NONE UINT32_MAX /* no cell */

enum { ECH_ORDERED_END = 0 /* the place of the whole sum */ };

typedef struct {
    ech_sum_totals totals;
    uint64_t counters_offset; /* from the header, as the others */
    uint64_t words_offset;
    uint64_t cells_offset;
    uint64_t cell_bytes;
    uint32_t cell_count;
    uint32_t leaves_max;
    uint32_t leaf_count;
} ech_ordered_header;

struct ech_ordered_sum {
    ech_ordered_header *header; /* borrowed */
    const ech_layout *layout;
    const ech_exact_kernels *kernels;
    _Atomic uint64_t *in_use;  /* a bit a cell */
    _Atomic uint32_t *words;   /* of the places: 0, or 1 + the cell that waits there */
    _Atomic int64_t *counters; /* of the layout */
    uint64_t *populated;       /* by this process, a bit a cell */
    uint32_t arriving_cell;    /* of the import that runs */
    uint64_t arriving_count;   /* values that are in it */
};

float *ech_ordered_cell(const ech_ordered_sum *sum, uint32_t cell);

/** A cell of one's own, its pages made. ECH_ERR_LIMIT, ECH_ERR_MEMORY. */
ech_status ech_ordered_claim(ech_ordered_sum *sum, uint32_t *cell);

/** The cell that waits at a place; ECH_ORDERED_NONE. */
uint32_t ech_ordered_waiting(const ech_ordered_sum *sum, uint32_t place);

uint32_t ech_ordered_place_of_leaf(const ech_ordered_sum *sum, uint32_t leaf);

/** Bring a filled cell to a place, and what becomes of it as far as it goes. */
void ech_ordered_rise(ech_ordered_sum *sum, uint32_t cell, uint32_t place);

/** Bring values times a factor to a place. */
ech_status ech_ordered_bring(ech_ordered_sum *sum, const float *values, double factor,
                             uint32_t place);

/** What a contributor brings beside its values; its weight was reserved before. */
void ech_ordered_add_totals(ech_ordered_sum *sum, uint64_t update_count, const int64_t *counters);

#endif
