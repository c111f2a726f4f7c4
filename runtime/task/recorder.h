/**
 * @file recorder.h
 * Collects records on one rank and hands them on in batches. Times are kept in ticks until then.
 */
#ifndef ECH_TASK_RECORDER_H
#define ECH_TASK_RECORDER_H

#include <stdbool.h>

#include "runtime/task/record.h"
#include "runtime/task/ticks.h"

enum { ECH_RECORDER_BATCH = 256 };

typedef struct {
    ech_task_record_sink sink; /* write == NULL: records are dropped */
    ech_ticks_scale scale;
    size_t count;
    ech_task_record batch[ECH_RECORDER_BATCH]; /* times in ticks */
} ech_recorder;

void ech_recorder_init(ech_recorder *recorder, const ech_task_record_sink *sink);
void ech_recorder_flush(ech_recorder *recorder);

/** Where the next record goes, its times in ticks; valid until the next call. */
static inline ech_task_record *ech_recorder_next(ech_recorder *recorder)
{
    if (recorder->count == ECH_RECORDER_BATCH) {
        ech_recorder_flush(recorder);
    }
    return &recorder->batch[recorder->count++];
}

#endif
