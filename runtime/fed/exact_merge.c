/* Sums into sums: within a host, or in pieces that travel between hosts. */
#include <string.h>

#include "runtime/fed/exact_sum_priv.h"

/* "echpiec" and the version of a piece's format. */
#define PIECE_MAGIC UINT64_C(0x6563687069656301)

/* A piece: this, the counters if there are any in it, then segments. */
typedef struct {
    ech_sum_piece piece;
    uint64_t segment_count;
} piece_header;

/* A run of one bin of one tensor; `count` int64 follow. */
typedef struct {
    uint64_t tensor;
    uint64_t bin;
    uint64_t first;
    uint64_t count;
} segment_header;

_Static_assert(sizeof(piece_header) + sizeof(segment_header) + sizeof(int64_t) <=
                   ECH_SUM_PIECE_BYTES_MIN,
               "the smallest piece holds an element");

/* What a contributor brings besides its bins; its weight was reserved before. */
static void merge_totals(ech_exact_sum *into, uint64_t update_count, const int64_t *counters)
{
    if (counters != NULL) {
        ech_sum_counters_raise(into->counters, into->layout->counter_count, counters);
    }
    atomic_fetch_add_explicit(&into->header->totals.update_count, update_count,
                              memory_order_relaxed);
}

static ech_status merge_extent(const ech_exact_sum *into, uint64_t tensor,
                               const ech_exact_extent *extent, const ech_exact_extent *from)
{
    const uint64_t elements = into->layout->tensors[tensor].count;
    ech_status status = ECH_OK;
    for (uint64_t s = 0; s < ech_exact_stripe_count(elements) && status == ECH_OK; s++) {
        const uint64_t first = s * ECH_EXACT_STRIPE_ELEMENTS;
        const uint64_t left = elements - first;
        const uint64_t count = left < ECH_EXACT_STRIPE_ELEMENTS ? left : ECH_EXACT_STRIPE_ELEMENTS;
        if ((atomic_load_explicit(&from->stripes[s], memory_order_acquire) & ECH_EXACT_FILLED) !=
            0) {
            status =
                ech_exact_extent_merge(into, extent, elements, first, count, from->sums + first);
        }
    }
    return status;
}

/* Run over the bins of `from`: make those that `into` lacks, or merge them all. */
static ech_status for_each_bin(ech_exact_sum *into, const ech_exact_sum *from, bool merge)
{
    const uint64_t tensor_count = from->layout->tensor_count;
    ech_status status = ECH_OK;
    for (uint64_t i = 0; i < tensor_count * ECH_EXACT_BIN_COUNT && status == ECH_OK; i++) {
        const uint64_t tensor = i / ECH_EXACT_BIN_COUNT;
        const uint32_t bin = (uint32_t)(i % ECH_EXACT_BIN_COUNT);
        ech_exact_extent source;
        ech_exact_extent target;
        if (!ech_exact_extent_find(from, tensor, bin, &source)) {
            continue;
        }
        status = ech_exact_extent_claim(into, tensor, bin, &target);
        if (status == ECH_OK && merge) {
            status = merge_extent(into, tensor, &target, &source);
        }
    }
    return status;
}

ech_status ech_exact_sum_merge(ech_exact_sum *into, ech_exact_sum *from)
{
    const uint64_t weight = ech_exact_sum_weight(from);
    const ech_sum_totals *there = &from->header->totals;
    ech_status status =
        ech_sum_check_alike(&into->header->totals, there->layout_digest, there->weight_bound);
    if (status == ECH_OK) {
        status = ech_sum_weight_reserve(&into->header->totals, weight);
    }
    if (status != ECH_OK) {
        return status;
    }
    status = for_each_bin(into, from, false);
    if (status != ECH_OK) {
        ech_sum_weight_return(&into->header->totals, weight);
        return status;
    }
    status = for_each_bin(into, from, true);
    if (status == ECH_OK) {
        merge_totals(into, ech_exact_sum_update_count(from), (const int64_t *)from->counters);
    }
    return status;
}

/* Where an export writes. */
typedef struct {
    char *begin;
    char *at;
    char *end;
} writer;

static uint64_t room_elements(const writer *out)
{
    const size_t room = (size_t)(out->end - out->at);
    return room <= sizeof(segment_header) ? 0 : (room - sizeof(segment_header)) / sizeof(int64_t);
}

static void write_segment(writer *out, const ech_exact_extent *extent,
                          const ech_exact_sum_cursor *cursor, uint64_t count)
{
    const segment_header header = {
        .tensor = cursor->tensor, .bin = cursor->bin, .first = cursor->element, .count = count};
    memcpy(out->at, &header, sizeof header);
    out->at += sizeof header;
    ech_exact_extent_read(extent, cursor->element, count, (int64_t *)(void *)out->at);
    out->at += count * sizeof(int64_t);
}

static void next_bin(ech_exact_sum_cursor *cursor)
{
    cursor->element = 0;
    if (++cursor->bin == ECH_EXACT_BIN_COUNT) {
        cursor->bin = 0;
        cursor->tensor++;
    }
}

/* Fill the piece with segments from where the cursor stands. */
static uint64_t write_segments(const ech_exact_sum *sum, ech_exact_sum_cursor *cursor, writer *out)
{
    uint64_t segment_count = 0;
    while (cursor->tensor < sum->layout->tensor_count) {
        ech_exact_extent extent;
        if (!ech_exact_extent_find(sum, cursor->tensor, (uint32_t)cursor->bin, &extent)) {
            next_bin(cursor);
            continue;
        }
        const uint64_t left = sum->layout->tensors[cursor->tensor].count - cursor->element;
        const uint64_t room = room_elements(out);
        const uint64_t count = left < room ? left : room;
        if (count == 0) {
            break;
        }
        write_segment(out, &extent, cursor, count);
        segment_count++;
        cursor->element += count;
        if (count == left) {
            next_bin(cursor);
        }
    }
    return segment_count;
}

ech_status ech_exact_sum_export(ech_exact_sum *sum, ech_exact_sum_cursor *cursor, void *piece,
                                size_t capacity, size_t *bytes)
{
    *bytes = 0;
    const ech_sum_totals *totals = &sum->header->totals;
    const uint64_t counter_count = sum->layout->counter_count;
    const ech_status status =
        ech_sum_piece_check_room(piece, capacity, sizeof(piece_header), counter_count,
                                 sizeof(segment_header) + sizeof(int64_t));
    if (status != ECH_OK) {
        return status;
    }
    if (cursor->sequence > 0 && cursor->tensor == sum->layout->tensor_count) {
        return ECH_OK;
    }
    writer out = {.begin = piece, .at = piece, .end = (char *)piece + capacity};
    out.at += sizeof(piece_header);
    piece_header header = {.piece = ech_sum_piece_of(totals, PIECE_MAGIC)};
    if (cursor->sequence == 0) {
        ech_sum_piece_add_totals(&header.piece, totals, sum->counters, counter_count, out.at);
        out.at += counter_count * sizeof(int64_t);
    }
    header.segment_count = write_segments(sum, cursor, &out);
    header.piece.bytes = (uint64_t)(out.at - out.begin);
    memcpy(piece, &header, sizeof header);
    cursor->sequence++;
    *bytes = header.piece.bytes;
    return ECH_OK;
}

/* Where an import reads; bounds were checked before. */
typedef struct {
    const char *at;
    const char *end;
} reader;

static bool take(reader *in, uint64_t count, uint64_t size, const void **out)
{
    if (count > (uint64_t)(in->end - in->at) / size) {
        return false;
    }
    *out = in->at;
    in->at += count * size;
    return true;
}

static bool segment_fits(const ech_exact_sum *sum, const segment_header *segment)
{
    if (segment->tensor >= sum->layout->tensor_count || segment->bin >= ECH_EXACT_BIN_COUNT) {
        return false;
    }
    const ech_tensor *tensor = &sum->layout->tensors[segment->tensor];
    return tensor->kind != ECH_TENSOR_COUNTER && segment->first <= tensor->count &&
           segment->count <= tensor->count - segment->first;
}

/* The next segment and its integers; false if the piece does not hold one that fits. */
static bool take_segment(const ech_exact_sum *sum, reader *in, const segment_header **segment,
                         const int64_t **sums)
{
    const void *header = NULL;
    const void *values = NULL;
    if (!take(in, 1, sizeof **segment, &header)) {
        return false;
    }
    *segment = header;
    if (!segment_fits(sum, *segment) || !take(in, (*segment)->count, sizeof **sums, &values)) {
        return false;
    }
    *sums = values;
    return true;
}

/* Check all of a piece before any of it is used. `in` is left at the first segment. */
static ech_status open_piece(const ech_exact_sum *sum, const void *piece, size_t bytes,
                             piece_header *header, const int64_t **counters, reader *in)
{
    *in = (reader){.at = piece, .end = (const char *)piece + bytes};
    const void *start = NULL;
    if (!take(in, 1, sizeof *header, &start)) {
        return ech_fail(ECH_ERR_FORMAT, "exact sum: a piece of %zu bytes has no header", bytes);
    }
    memcpy(header, start, sizeof *header);
    const ech_status status =
        ech_sum_piece_check(&header->piece, PIECE_MAGIC, bytes, &sum->header->totals);
    if (status != ECH_OK) {
        return status;
    }
    const void *totals = NULL;
    const uint64_t counter_count = header->piece.counter_count;
    bool sound = (counter_count == 0 || counter_count == sum->layout->counter_count) &&
                 take(in, counter_count, sizeof(int64_t), &totals);
    *counters = counter_count == 0 ? NULL : totals;
    reader ahead = *in;
    const segment_header *segment = NULL;
    const int64_t *sums = NULL;
    for (uint64_t i = 0; i < header->segment_count && sound; i++) {
        sound = take_segment(sum, &ahead, &segment, &sums);
    }
    if (!sound || ahead.at != ahead.end) {
        return ech_fail(ECH_ERR_FORMAT, "exact sum: a piece of %zu bytes is damaged", bytes);
    }
    return ECH_OK;
}

/* Run over the segments of a sound piece: make the bins that they need, or add them all. */
static ech_status for_each_segment(ech_exact_sum *sum, reader in, bool merge)
{
    ech_status status = ECH_OK;
    const segment_header *segment = NULL;
    const int64_t *sums = NULL;
    while (status == ECH_OK && in.at < in.end && take_segment(sum, &in, &segment, &sums)) {
        ech_exact_extent extent;
        status = ech_exact_extent_claim(sum, segment->tensor, (uint32_t)segment->bin, &extent);
        if (status == ECH_OK && merge) {
            status =
                ech_exact_extent_merge(sum, &extent, sum->layout->tensors[segment->tensor].count,
                                       segment->first, segment->count, sums);
        }
    }
    return status;
}

ech_status ech_exact_sum_import(ech_exact_sum *sum, const void *piece, size_t bytes)
{
    piece_header header;
    const int64_t *counters = NULL;
    reader in;
    ech_status status = open_piece(sum, piece, bytes, &header, &counters, &in);
    if (status == ECH_OK) {
        status = ech_sum_weight_reserve(&sum->header->totals, header.piece.weight);
    }
    if (status != ECH_OK) {
        return status;
    }
    status = for_each_segment(sum, in, false);
    if (status != ECH_OK) {
        ech_sum_weight_return(&sum->header->totals, header.piece.weight);
        return status;
    }
    status = for_each_segment(sum, in, true);
    if (status == ECH_OK) {
        merge_totals(sum, header.piece.update_count, counters);
    }
    return status;
}
