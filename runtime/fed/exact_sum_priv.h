/**
 * @file exact_sum_priv.h
 * The inside of exact_sum.h: how a sum lies in memory, and its extents.
 *
 * Memory holds a header, one slot for each (tensor, bin), the counters, and an arena. A bin that is
 * used gets an extent from the arena's front: a state word for each stripe of the tensor, then one
 * int64 an element. A round starts with the arena empty, so the same pages serve round after round,
 * whichever bins they hold. A stripe is locked while one process adds to it.
 */
#ifndef ECH_FED_EXACT_SUM_PRIV_H
#define ECH_FED_EXACT_SUM_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>

#include "runtime/fed/exact_kernels.h"
#include "runtime/fed/exact_sum.h"
#include "runtime/fed/sum_totals.h"

enum {
    ECH_EXACT_BIN_COUNT = ECH_EXACT_SUM_BIN_MAX - ECH_EXACT_SUM_BIN_MIN + 1,
    ECH_EXACT_BIN_EXPONENTS = 4,      /* powers of two that share a bin */
    ECH_EXACT_BIN_NONE = 255,         /* a tensor of zeros */
    ECH_EXACT_STRIPE_ELEMENTS = 8192, /* 64 KiB of sums: half of a small second-level cache */
    ECH_EXACT_EXTENT_ALIGNMENT = 256, /* a slot counts in these */
};

/* A slot: these, or the extent's place in the arena, in units, plus ECH_EXACT_SLOT_FIRST. */
enum { ECH_EXACT_SLOT_EMPTY, ECH_EXACT_SLOT_MAKING, ECH_EXACT_SLOT_FIRST };

/* A stripe's state word: bits. */
enum { ECH_EXACT_LOCKED = 1, ECH_EXACT_WAITED_FOR = 2, ECH_EXACT_FILLED = 4 };

typedef struct {
    ech_sum_totals totals;
    uint64_t arena_offset; /* from the header */
    uint64_t arena_bytes;
    _Atomic uint64_t arena_used_bytes;
} ech_exact_header;

struct ech_exact_sum {
    ech_exact_header *header; /* borrowed, or owned if `mapped_bytes` is not 0 */
    uint64_t mapped_bytes;
    const ech_layout *layout;
    const ech_exact_kernels *kernels;
    _Atomic uint32_t *slots;   /* [tensor][bin] */
    _Atomic int64_t *counters; /* of the layout; INT64_MIN before the first update */
    uint64_t populated_bytes;  /* of the arena, by this process */
    uint64_t start;            /* where the next add begins its way around the model */
    /* Scratch, an entry a tensor: of the update at hand its bin and largest magnitude so far, and
     * the bin of the update before it. */
    uint8_t *bins;
    uint8_t *expected;
    uint32_t *magnitudes;
};

/* One bin of one tensor in this process' address space. */
typedef struct {
    _Atomic uint32_t *stripes;
    int64_t *sums;
} ech_exact_extent;

static inline uint64_t ech_exact_stripe_count(uint64_t elements)
{
    return (elements + ECH_EXACT_STRIPE_ELEMENTS - 1) / ECH_EXACT_STRIPE_ELEMENTS;
}

/** log2 of the factor from a bin's values to its integers: s = 62 - ceil(log2 N) - 4 (b + 1). */
static inline int ech_exact_bin_scale(const ech_exact_sum *sum, uint32_t bin)
{
    const uint64_t bound = sum->header->totals.weight_bound;
    const int weight_bits = bound == 1 ? 0 : 64 - __builtin_clzll(bound - 1);
    return 62 - weight_bits - ECH_EXACT_BIN_EXPONENTS * (ECH_EXACT_SUM_BIN_MIN + (int)bin + 1);
}

/** Arena bytes of one extent of a tensor. */
uint64_t ech_exact_extent_bytes(uint64_t elements);

/** The extent of a bin if it is in use: false if not. */
bool ech_exact_extent_find(const ech_exact_sum *sum, uint64_t tensor, uint32_t bin,
                           ech_exact_extent *out);

/** The extent of a bin, made if need be, its pages populated. ECH_ERR_MEMORY, ECH_ERR_TIMEOUT. */
ech_status ech_exact_extent_claim(ech_exact_sum *sum, uint64_t tensor, uint32_t bin,
                                  ech_exact_extent *out);

/** Lock a stripe. `*filled`: it holds sums; else rubbish, and the holder must fill all of it. */
ech_status ech_exact_stripe_lock(_Atomic uint32_t *stripe, bool *filled);

/** Unlock a stripe, filled. */
void ech_exact_stripe_unlock(_Atomic uint32_t *stripe);

/** Add integers to elements [first, first + count) of an extent of a tensor of `elements`. */
ech_status ech_exact_extent_merge(const ech_exact_sum *sum, const ech_exact_extent *extent,
                                  uint64_t elements, uint64_t first, uint64_t count,
                                  const int64_t *more);

/** Copy elements [first, first + count); stripes that nobody filled read as zeros. */
void ech_exact_extent_read(const ech_exact_extent *extent, uint64_t first, uint64_t count,
                           int64_t *out);

#endif
