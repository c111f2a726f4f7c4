/* Ordered sums into ordered sums: within a host, or in pieces that travel between hosts. */
#include <assert.h>
#include <fenv.h>
#include <string.h>

#include "runtime/fed/ordered_sum_priv.h"

/* "echordp" and the version of a piece's format. */
#define PIECE_MAGIC UINT64_C(0x6563686f72647001)

/* A piece: this, the counters if there are any in it, then `count` float32 of one cell. */
typedef struct {
    ech_sum_piece piece;
    uint32_t leaf_count;
    uint32_t place; /* where the cell waits */
    uint64_t first; /* value of the cell */
    uint64_t count;
} piece_header;

ech_status ech_ordered_sum_merge(ech_ordered_sum *into, const ech_ordered_sum *from, uint32_t leaf)
{
    assert(leaf < into->header->leaf_count);
    const ech_sum_totals *there = &from->header->totals;
    ech_sum_totals *here = &into->header->totals;
    const uint64_t weight = ech_sum_weight_of(there);
    ech_status status = ech_sum_check_alike(here, there->layout_digest, there->weight_bound);
    if (status != ECH_OK || weight == 0) {
        return status;
    }
    const uint32_t whole = ech_ordered_waiting(from, ECH_ORDERED_END);
    assert(whole != ECH_ORDERED_NONE);
    status = ech_sum_weight_reserve(here, weight);
    if (status != ECH_OK) {
        return status;
    }
    fenv_t environment;
    fegetenv(&environment);
    fesetenv(FE_DFL_ENV);
    status = ech_ordered_bring(into, ech_ordered_cell(from, whole), 1.0,
                               ech_ordered_place_of_leaf(into, leaf));
    fesetenv(&environment);
    if (status == ECH_OK) {
        ech_ordered_add_totals(into, ech_sum_update_count_of(there),
                               (const int64_t *)from->counters);
    } else {
        ech_sum_weight_return(here, weight);
    }
    return status;
}

/* ---- pieces ---- */

/* The next place where a cell waits; the leaf count past the last. */
static uint32_t next_waiting(const ech_ordered_sum *sum, uint32_t place)
{
    while (place < sum->header->leaf_count && ech_ordered_waiting(sum, place) == ECH_ORDERED_NONE) {
        place++;
    }
    return place;
}

/* A run of the cell at the cursor, as much as there is room for. */
static void write_run(const ech_ordered_sum *sum, ech_ordered_sum_cursor *cursor,
                      piece_header *header, char *at, size_t room_bytes)
{
    header->place = cursor->place;
    header->first = cursor->element;
    if (cursor->place == sum->header->leaf_count) {
        return;
    }
    const uint64_t left = sum->layout->value_count - cursor->element;
    const uint64_t room = room_bytes / sizeof(float);
    header->count = left < room ? left : room;
    const float *cell = ech_ordered_cell(sum, ech_ordered_waiting(sum, cursor->place));
    memcpy(at, cell + cursor->element, header->count * sizeof *cell);
    cursor->element += header->count;
    if (header->count == left) {
        cursor->element = 0;
        cursor->place = next_waiting(sum, cursor->place + 1);
    }
}

ech_status ech_ordered_sum_export(const ech_ordered_sum *sum, ech_ordered_sum_cursor *cursor,
                                  void *piece, size_t capacity, size_t *bytes)
{
    *bytes = 0;
    const ech_sum_totals *totals = &sum->header->totals;
    const uint64_t counter_count = sum->layout->counter_count;
    const ech_status status = ech_sum_piece_check_room(piece, capacity, sizeof(piece_header),
                                                       counter_count, sizeof(float));
    if (status != ECH_OK) {
        return status;
    }
    if (cursor->sequence == 0) {
        cursor->place = next_waiting(sum, ECH_ORDERED_END);
    } else if (cursor->place == sum->header->leaf_count) {
        return ECH_OK;
    }
    piece_header header = {.piece = ech_sum_piece_of(totals, PIECE_MAGIC),
                           .leaf_count = sum->header->leaf_count};
    char *at = (char *)piece + sizeof header;
    if (cursor->sequence == 0) {
        ech_sum_piece_add_totals(&header.piece, totals, sum->counters, counter_count, at);
        at += counter_count * sizeof(int64_t);
    }
    write_run(sum, cursor, &header, at, (size_t)((char *)piece + capacity - at));
    header.piece.bytes = (uint64_t)(at - (char *)piece) + header.count * sizeof(float);
    memcpy(piece, &header, sizeof header);
    cursor->sequence++;
    *bytes = header.piece.bytes;
    return ECH_OK;
}

/* Every number of a header is within the sum before any is used. */
static bool fits(const ech_ordered_sum *sum, const piece_header *header, uint32_t leaf)
{
    const ech_layout *layout = sum->layout;
    const uint64_t values = layout->value_count;
    const bool own = leaf == ECH_LEAF_OWN;
    const uint32_t end = own ? sum->header->leaf_count - 1 : ECH_ORDERED_END;
    return (header->piece.counter_count == 0 ||
            header->piece.counter_count == layout->counter_count) &&
           header->first <= values && header->count <= values - header->first &&
           (!own || header->leaf_count == sum->header->leaf_count) &&
           (header->count == 0 || header->place <= end) &&
           header->piece.bytes == sizeof *header + header->piece.counter_count * sizeof(int64_t) +
                                      header->count * sizeof(float) &&
           (header->count == 0 || header->first == sum->arriving_count);
}

static ech_status open_piece(const ech_ordered_sum *sum, const void *piece, size_t bytes,
                             uint32_t leaf, piece_header *header)
{
    if (bytes < sizeof *header) {
        return ech_fail(ECH_ERR_FORMAT, "sum: a piece of %zu bytes has no header", bytes);
    }
    memcpy(header, piece, sizeof *header);
    const ech_status status =
        ech_sum_piece_check(&header->piece, PIECE_MAGIC, bytes, &sum->header->totals);
    if (status != ECH_OK || fits(sum, header, leaf)) {
        return status;
    }
    return ech_fail(ECH_ERR_FORMAT, "sum: a piece of %zu bytes is damaged or out of turn", bytes);
}

/* A run goes to the cell that arrives; the last of a cell brings it to its place. */
static ech_status take_run(ech_ordered_sum *sum, const piece_header *header, const char *values,
                           uint32_t leaf)
{
    ech_status status = ECH_OK;
    if (header->first == 0) {
        status = ech_ordered_claim(sum, &sum->arriving_cell);
    }
    if (status != ECH_OK) {
        return status;
    }
    memcpy(ech_ordered_cell(sum, sum->arriving_cell) + header->first, values,
           header->count * sizeof(float));
    sum->arriving_count += header->count;
    if (sum->arriving_count == sum->layout->value_count) {
        sum->arriving_count = 0;
        const uint32_t place =
            leaf == ECH_LEAF_OWN ? header->place : ech_ordered_place_of_leaf(sum, leaf);
        fenv_t environment;
        fegetenv(&environment);
        fesetenv(FE_DFL_ENV);
        ech_ordered_rise(sum, sum->arriving_cell, place);
        fesetenv(&environment);
    }
    return ECH_OK;
}

ech_status ech_ordered_sum_import(ech_ordered_sum *sum, const void *piece, size_t bytes,
                                  uint32_t leaf)
{
    assert(leaf == ECH_LEAF_OWN || leaf < sum->header->leaf_count);
    piece_header header;
    ech_sum_totals *totals = &sum->header->totals;
    ech_status status = open_piece(sum, piece, bytes, leaf, &header);
    if (status == ECH_OK) {
        status = ech_sum_weight_reserve(totals, header.piece.weight);
    }
    if (status != ECH_OK) {
        return status;
    }
    const char *counters = (const char *)piece + sizeof header;
    const char *values = counters + header.piece.counter_count * sizeof(int64_t);
    if (header.count > 0) {
        status = take_run(sum, &header, values, leaf);
    }
    if (status != ECH_OK) {
        ech_sum_weight_return(totals, header.piece.weight);
        return status;
    }
    if (header.piece.counter_count > 0) {
        ech_sum_counters_raise(sum->counters, header.piece.counter_count,
                               (const int64_t *)(const void *)counters);
    }
    atomic_fetch_add_explicit(&totals->update_count, header.piece.update_count,
                              memory_order_relaxed);
    return ECH_OK;
}
