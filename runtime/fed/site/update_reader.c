#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/site/update.h"
#include "runtime/fed/site/update_priv.h"

struct ech_update_reader {
    const ech_layout *layout;
    ech_packer *packer;
    ech_update_expectation expectation;
    ech_wire_report *reports;
    uint32_t report_count, report_capacity;
    ech_exact_sum *sum; /* exact */
    ech_state values;   /* lossy */
    ech_update_place place;
    bool has_counters;
};

ech_status ech_update_reader_create(const ech_layout *layout, ech_update_reader **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->layout = layout;
    const ech_status status = ech_packer_create(&(*out)->packer);
    if (status != ECH_OK) {
        ech_update_reader_destroy(out);
    }
    return status;
}

void ech_update_reader_destroy(ech_update_reader **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_update_reader *reader = *handle;
    ech_packer_destroy(&reader->packer);
    ech_exact_sum_destroy(&reader->sum);
    ech_free(reader->values.values);
    ech_free(reader->values.counters);
    ech_free(reader->reports);
    ech_free(reader);
    *handle = NULL;
}

static ech_status make_report_room(ech_update_reader *reader, uint32_t count)
{
    if (count <= reader->report_capacity) {
        return ECH_OK;
    }
    ech_wire_report *grown = ech_realloc(reader->reports, count, sizeof *grown);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    reader->reports = grown;
    reader->report_capacity = count;
    return ECH_OK;
}

static ech_status make_sum_room(ech_update_reader *reader)
{
    const ech_status status =
        reader->sum == NULL ? ech_exact_sum_create(reader->layout, &reader->sum) : ECH_OK;
    return status == ECH_OK ? ech_exact_sum_populate(reader->sum) : status;
}

static ech_status make_value_room(ech_update_reader *reader)
{
    if (reader->values.values == NULL) {
        reader->values.values = ech_calloc(reader->layout->value_count, sizeof(float));
        reader->values.counters = ech_calloc(reader->layout->counter_count, sizeof(int64_t));
    }
    return reader->values.values != NULL && reader->values.counters != NULL ? ECH_OK
                                                                            : ECH_ERR_MEMORY;
}

ech_status ech_update_reader_make_room(ech_update_reader *reader, ech_codec codec)
{
    return codec == ECH_CODEC_EXACT ? make_sum_room(reader) : make_value_room(reader);
}

ech_status ech_update_reader_begin(ech_update_reader *reader,
                                   const ech_update_expectation *expectation)
{
    reader->expectation = *expectation;
    reader->report_count = 0;
    reader->place = (ech_update_place){0};
    reader->has_counters = false;
    ech_status status = make_report_room(reader, expectation->worker_count);
    if (status == ECH_OK) {
        status = ech_update_reader_make_room(reader, expectation->codec);
    }
    if (status == ECH_OK && expectation->codec == ECH_CODEC_EXACT) {
        status = ech_exact_sum_begin(reader->sum, expectation->weight_bound);
    }
    return status;
}

static ech_status take_reports(ech_update_reader *reader, const void *raw, size_t bytes)
{
    const size_t count = bytes / ECH_WIRE_REPORT_BYTES;
    if (count * ECH_WIRE_REPORT_BYTES != bytes ||
        count > reader->expectation.worker_count - reader->report_count) {
        return ech_fail(ECH_ERR_FORMAT, "%zu bytes of reports for %u workers", bytes,
                        reader->expectation.worker_count - reader->report_count);
    }
    for (uint32_t i = 0; i < count; i++) {
        reader->reports[reader->report_count++] = ech_wire_report_at(raw, i);
    }
    return ECH_OK;
}

static ech_status take_values(ech_update_reader *reader, const void *raw, size_t bytes)
{
    if (!ech_update_has_piece(reader->layout, &reader->place)) {
        return ech_fail(ECH_ERR_FORMAT, "more values than the model has");
    }
    const ech_update_piece piece = ech_update_next_piece(reader->layout, &reader->place);
    return ech_codec_decode(reader->expectation.codec, raw, bytes,
                            reader->values.values + piece.first, piece.count);
}

static ech_status take_counters(ech_update_reader *reader, const void *raw, size_t bytes)
{
    if (bytes != reader->layout->counter_count * sizeof(int64_t) || reader->has_counters) {
        return ech_fail(ECH_ERR_FORMAT, "%zu bytes of counters", bytes);
    }
    memcpy(reader->values.counters, raw, bytes);
    reader->has_counters = true;
    return ECH_OK;
}

ech_status ech_update_reader_take(ech_update_reader *reader, const ech_wire_frame *frame)
{
    ech_chunk_kind kind = ECH_CHUNK_MODEL;
    const void *raw = NULL;
    size_t bytes = 0;
    const ech_status status = ech_chunk_read(reader->packer, frame, &kind, &raw, &bytes);
    if (status != ECH_OK) {
        return status;
    }
    const bool is_exact = reader->expectation.codec == ECH_CODEC_EXACT;
    if (kind == ECH_CHUNK_REPORTS) {
        return take_reports(reader, raw, bytes);
    }
    if (kind == ECH_CHUNK_SUM && is_exact) {
        return ech_exact_sum_import(reader->sum, raw, bytes);
    }
    if (kind == ECH_CHUNK_VALUES && !is_exact) {
        return take_values(reader, raw, bytes);
    }
    if (kind == ECH_CHUNK_COUNTERS && !is_exact) {
        return take_counters(reader, raw, bytes);
    }
    return ech_fail(ECH_ERR_FORMAT, "a chunk of kind %d in this update", (int)kind);
}

const ech_wire_report *ech_update_reader_reports(const ech_update_reader *reader, uint32_t *count)
{
    *count = reader->report_count;
    return reader->reports;
}

/* The first to come is the total. */
static ech_status merge_sum(ech_update_reader *reader, ech_exact_sum **into)
{
    if (ech_exact_sum_update_count(*into) > 0) {
        return ech_exact_sum_merge(*into, reader->sum);
    }
    ech_exact_sum *empty = *into;
    *into = reader->sum;
    reader->sum = empty;
    return ECH_OK;
}

static ech_status finish_sum(ech_update_reader *reader, uint64_t weight, uint64_t updates,
                             ech_exact_sum **into)
{
    const uint64_t got = ech_exact_sum_weight(reader->sum);
    const uint64_t got_updates = ech_exact_sum_update_count(reader->sum);
    if (got != weight || got_updates != updates) {
        return ech_fail(ECH_ERR_FORMAT,
                        "a sum of %llu updates of weight %llu, where the reports name %llu of "
                        "weight %llu",
                        (unsigned long long)got_updates, (unsigned long long)got,
                        (unsigned long long)updates, (unsigned long long)weight);
    }
    return weight > 0 ? merge_sum(reader, into) : ECH_OK;
}

static ech_status finish_values(ech_update_reader *reader, uint64_t weight, const float *base,
                                ech_exact_sum *into)
{
    if (ech_update_has_piece(reader->layout, &reader->place) || !reader->has_counters) {
        return ech_fail(ECH_ERR_FORMAT, "an update without its last chunks");
    }
    for (uint64_t i = 0; base != NULL && i < reader->layout->value_count; i++) {
        reader->values.values[i] += base[i];
    }
    const ech_state_view view = {reader->values.values, reader->values.counters};
    return weight > 0 ? ech_exact_sum_add(into, view, weight) : ECH_OK;
}

ech_status ech_update_reader_finish(ech_update_reader *reader, uint64_t weight, uint64_t updates,
                                    const float *base, ech_exact_sum **into)
{
    if (reader->report_count != reader->expectation.worker_count) {
        return ech_fail(ECH_ERR_FORMAT, "reports of %u workers, where %u were asked",
                        reader->report_count, reader->expectation.worker_count);
    }
    return reader->expectation.codec == ECH_CODEC_EXACT
               ? finish_sum(reader, weight, updates, into)
               : finish_values(reader, weight, base, *into);
}
