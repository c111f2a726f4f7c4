/**
 * @file update.h
 * A site's update of a round as a sequence of chunks: first what its workers report, then the exact
 * partial sum, or in a lossy codec the mean's values and counters. The writer can begin again at
 * any chunk that it wrote before, with the same content; the reader takes each once, in order.
 *
 * Not collective; one owner each.
 */
#ifndef ECH_FED_SITE_UPDATE_H
#define ECH_FED_SITE_UPDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/exact_sum.h"
#include "runtime/fed/site/chunk.h"
#include "runtime/fed/site/codec.h"
#include "runtime/fed/site/wire.h"

/** What is sent. Borrowed for as long as the writer lives. */
typedef struct {
    const ech_layout *layout; /* of what is summed */
    const ech_wire_report *reports;
    uint32_t report_count;
    ech_codec codec;
    uint32_t keep_millionths;
    bool packs;
    ech_exact_sum *sum;      /* exact */
    const float *values;     /* lossy: of the layout */
    float *lost;             /* lossy: what sending loses of them */
    const int64_t *counters; /* lossy: of the layout */
} ech_update_content;

typedef struct ech_update_writer ech_update_writer;

ech_status ech_update_writer_create(const ech_update_content *content, ech_update_writer **out);
void ech_update_writer_destroy(ech_update_writer **writer);

/** Go on with this chunk: at most as many as were written. */
void ech_update_writer_seek(ech_update_writer *writer, uint64_t sequence);
uint64_t ech_update_writer_position(const ech_update_writer *writer);
/** Has the last one been written? */
bool ech_update_writer_is_done(const ech_update_writer *writer);

/** The next chunk. @param payload  ECH_CHUNK_PAYLOAD_MAX; aligned to 8 bytes. */
ech_status ech_update_writer_next(ech_update_writer *writer, void *payload, uint32_t *bytes);

/** What is expected of an update. */
typedef struct {
    ech_codec codec;
    uint64_t weight_bound; /* of the round */
    uint32_t worker_count; /* that were asked */
} ech_update_expectation;

typedef struct ech_update_reader ech_update_reader;

/** @param layout  borrowed. The room for an update (a model, or a sum) is made when first used. */
ech_status ech_update_reader_create(const ech_layout *layout, ech_update_reader **out);
void ech_update_reader_destroy(ech_update_reader **handle);

/** Make that room before it is needed, its pages too. @return ECH_OK; ECH_ERR_MEMORY. */
ech_status ech_update_reader_make_room(ech_update_reader *reader, ech_codec codec);

/** Forget what was taken, and expect the first chunk of an update. */
ech_status ech_update_reader_begin(ech_update_reader *reader,
                                   const ech_update_expectation *expectation);

/** The next chunk. @return ECH_OK; ECH_ERR_FORMAT, and the update is to be begun anew;
 *  ECH_ERR_UNSUPPORTED; ECH_ERR_MEMORY. */
ech_status ech_update_reader_take(ech_update_reader *reader, const ech_wire_frame *frame);

/** One for each worker that was asked, once all chunks are in; in any order. Borrowed. */
const ech_wire_report *ech_update_reader_reports(const ech_update_reader *reader, uint32_t *count);

/**
 * Add the whole update to a sum of the same weight bound.
 *
 * @param weight   that the reports say it has; 0: nothing is added.
 * @param updates  workers' updates in it.
 * @param base     lossy: what the values are differences to; NULL: none, they are what is summed.
 * @return ECH_OK; ECH_ERR_FORMAT (incomplete, or of another weight); ECH_ERR_NUMERIC;
 *         ECH_ERR_MEMORY.
 */
ech_status ech_update_reader_finish(ech_update_reader *reader, uint64_t weight, uint64_t updates,
                                    const float *base, ech_exact_sum **into);

#endif
