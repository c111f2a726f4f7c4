#include <assert.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/site/update.h"
#include "runtime/fed/site/update_priv.h"

/* Where a chunk begins. Reports come first, then the parts of the codec. */
typedef struct {
    uint32_t report;
    ech_exact_sum_cursor sum;
    ech_update_place values;
    bool has_counters; /* written before */
} mark;

struct ech_update_writer {
    ech_update_content content;
    ech_packer *packer;
    mark now;
    mark *marks; /* of the chunks that were written */
    size_t mark_count, mark_capacity;
    uint64_t sequence;
};

ech_status ech_update_writer_create(const ech_update_content *content, ech_update_writer **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->content = *content;
    const ech_status status = ech_packer_create(&(*out)->packer);
    if (status != ECH_OK) {
        ech_update_writer_destroy(out);
    }
    return status;
}

void ech_update_writer_destroy(ech_update_writer **writer)
{
    if (writer == NULL || *writer == NULL) {
        return;
    }
    ech_packer_destroy(&(*writer)->packer);
    ech_free((*writer)->marks);
    ech_free(*writer);
    *writer = NULL;
}

void ech_update_writer_seek(ech_update_writer *writer, uint64_t sequence)
{
    assert(sequence <= writer->sequence);
    if (sequence < writer->sequence) {
        writer->now = writer->marks[sequence];
        writer->sequence = sequence;
    }
}

uint64_t ech_update_writer_position(const ech_update_writer *writer)
{
    return writer->sequence;
}

bool ech_update_writer_is_done(const ech_update_writer *writer)
{
    const ech_update_content *content = &writer->content;
    const mark *now = &writer->now;
    if (now->report < content->report_count) {
        return false;
    }
    if (content->codec == ECH_CODEC_EXACT) {
        return now->sum.sequence > 0 && now->sum.tensor == content->layout->tensor_count;
    }
    return now->has_counters;
}

static ech_status remember(ech_update_writer *writer)
{
    if (writer->sequence < writer->mark_count) {
        return ECH_OK;
    }
    mark *grown =
        ech_grow(writer->marks, writer->mark_count, &writer->mark_capacity, sizeof *grown);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    writer->marks = grown;
    writer->marks[writer->mark_count++] = writer->now;
    return ECH_OK;
}

static size_t write_reports(ech_update_writer *writer, void *out)
{
    const uint32_t left = writer->content.report_count - writer->now.report;
    const uint32_t count = left < ECH_WIRE_REPORTS_A_CHUNK ? left : ECH_WIRE_REPORTS_A_CHUNK;
    const size_t bytes =
        ech_wire_put_reports(writer->content.reports + writer->now.report, count, out);
    writer->now.report += count;
    return bytes;
}

static size_t write_values(ech_update_writer *writer, void *out)
{
    const ech_update_content *content = &writer->content;
    const ech_update_piece piece = ech_update_next_piece(content->layout, &writer->now.values);
    return ech_codec_encode(content->codec, content->keep_millionths, content->values + piece.first,
                            piece.count, content->lost + piece.first, out);
}

static size_t write_counters(ech_update_writer *writer, void *out)
{
    const size_t bytes = writer->content.layout->counter_count * sizeof(int64_t);
    memcpy(out, writer->content.counters, bytes);
    writer->now.has_counters = true;
    return bytes;
}

static ech_status write_raw(ech_update_writer *writer, ech_chunk_kind *kind, void *out,
                            size_t *bytes)
{
    const ech_update_content *content = &writer->content;
    if (writer->now.report < content->report_count) {
        *kind = ECH_CHUNK_REPORTS;
        *bytes = write_reports(writer, out);
        return ECH_OK;
    }
    if (content->codec == ECH_CODEC_EXACT) {
        *kind = ECH_CHUNK_SUM;
        return ech_exact_sum_export(content->sum, &writer->now.sum, out, ECH_WIRE_CHUNK_BYTES,
                                    bytes);
    }
    const bool has_values = ech_update_has_piece(content->layout, &writer->now.values);
    *kind = has_values ? ECH_CHUNK_VALUES : ECH_CHUNK_COUNTERS;
    *bytes = has_values ? write_values(writer, out) : write_counters(writer, out);
    return ECH_OK;
}

ech_status ech_update_writer_next(ech_update_writer *writer, void *payload, uint32_t *bytes)
{
    assert(!ech_update_writer_is_done(writer));
    ech_chunk_kind kind = ECH_CHUNK_REPORTS;
    size_t raw_bytes = 0;
    ech_status status = remember(writer);
    if (status == ECH_OK) {
        status = write_raw(writer, &kind, ech_chunk_body(payload), &raw_bytes);
    }
    if (status != ECH_OK) {
        return status;
    }
    *bytes =
        (uint32_t)ech_chunk_write(writer->packer, kind, writer->content.packs, raw_bytes, payload);
    writer->sequence++;
    return ECH_OK;
}
