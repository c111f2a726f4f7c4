#include "runtime/task/recorder.h"

void ech_recorder_init(ech_recorder *recorder, const ech_task_record_sink *sink)
{
    recorder->count = 0;
    recorder->sink = sink != NULL ? *sink : (ech_task_record_sink){0};
    ech_ticks_begin(&recorder->scale);
}

static void convert(const ech_ticks_scale *scale, ech_task_record *record)
{
    record->queued_ns = ech_ticks_wall_ns(scale, record->queued_ns);
    record->ended_ns = ech_ticks_wall_ns(scale, record->ended_ns);
    if (record->started_ns != 0) {
        record->started_ns = ech_ticks_wall_ns(scale, record->started_ns);
    }
}

void ech_recorder_flush(ech_recorder *recorder)
{
    const size_t count = recorder->count;
    recorder->count = 0;
    if (count == 0 || recorder->sink.write == NULL) {
        return;
    }
    ech_ticks_refresh(&recorder->scale);
    for (size_t i = 0; i < count; i++) {
        convert(&recorder->scale, &recorder->batch[i]);
    }
    recorder->sink.write(recorder->sink.self, recorder->batch, count);
}
