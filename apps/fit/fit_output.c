#include "apps/fit/fit_output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/fit/fit_trainer.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/base/progress.h"
#include "runtime/mpi/interrupt.h"

enum { PATH_BYTES = 4096, NUMBER_BYTES = 24 };
enum { BLOBS_MAX = 3 + ECH_STRATEGY_VECTORS_MAX + ECH_FIT_KEPT_BLOBS_MAX };

#define NO_ROUND UINT64_MAX

struct ech_fit_output {
    ech_fit_output_options options;
    ech_record_writer *record;
    ech_checkpoint_writer *checkpoints;
    ech_progress *progress;
    ech_task_record_sink sink;
    ech_failure task_failure; /* the first of writing task records */
    ech_failure told;         /* the last that the run goes on after */
    uint64_t saved_ns;        /* when the newest checkpoint was begun, or the run */
    uint64_t saved_round;     /* of the newest checkpoint begun; NO_ROUND */
    char record_path[PATH_BYTES];
};

/* May the run go on after this? Told once, not each round while a disk is full. */
static ech_status tolerate(ech_fit_output *output, ech_status status)
{
    if (!output->options.goes_on || (status != ECH_ERR_FILE && status != ECH_ERR_HDF5)) {
        return status;
    }
    if (strcmp(output->told.message, ech_status_message()) != 0) {
        output->told = ech_failure_keep(status);
        ech_log(ECH_LOG_ERROR, "%s; the run goes on (checkpoint.on_error)", output->told.message);
    }
    return ECH_OK;
}

/* A failure is told at the end: the sink has nobody to tell it to. */
static void write_tasks(void *self, const ech_task_record *records, size_t count)
{
    ech_fit_output *output = self;
    for (size_t i = 0; i < count; i++) {
        const ech_task_record *record = &records[i];
        const ech_task_row row = {
            .id = record->task,
            .app = record->app,
            .attempt = record->attempt,
            .rank = (int32_t)record->rank,
            .host = record->host,
            .core = record->core,
            .status = record->status,
            .queued_ns = record->queued_ns,
            .started_ns = record->started_ns,
            .ended_ns = record->ended_ns,
            .bytes = record->argument_bytes + record->result_bytes,
        };
        const ech_status status =
            tolerate(output, ech_record_append(output->record, ECH_RECORD_TASKS, &row, 1));
        if (status != ECH_OK && output->task_failure.status == ECH_OK) {
            output->task_failure = ech_failure_keep(status);
        }
    }
}

ech_status ech_fit_output_create(ech_io *io, const ech_fit_output_options *options,
                                 ech_fit_output **out)
{
    *out = NULL;
    ech_fit_output *output = ech_calloc(1, sizeof *output);
    if (output == NULL) {
        return ECH_ERR_MEMORY;
    }
    output->options = *options;
    output->sink = (ech_task_record_sink){.self = output, .write = write_tasks};
    output->saved_round = options->rounds_done > 0 ? options->rounds_done : NO_ROUND;
    output->saved_ns = ech_clock_ns();
    const int length = snprintf(output->record_path, PATH_BYTES, "%s/run.h5", options->folder);
    ech_status status =
        length < PATH_BYTES ? ECH_OK : ech_fail(ECH_ERR_CONFIG, "--out: the path is too long");
    if (status == ECH_OK) {
        const ech_record_options record = {
            .path = output->record_path,
            .config = options->config,
            .machine = options->machine,
            .machine_count = options->machine_count,
            .app_names = options->app_names,
            .app_count = options->app_count,
            .resume = options->resume,
        };
        status = ech_record_writer_create(io, &record, &output->record);
    }
    if (status == ECH_OK) {
        status = ech_checkpoint_writer_create(io, options->folder, options->layout,
                                              options->checkpoint_keep, &output->checkpoints);
    }
    if (status == ECH_OK) {
        status = ech_progress_create(options->rounds_done, options->rounds, &output->progress);
    }
    if (status != ECH_OK) {
        ech_fit_output_destroy(&output);
        return status;
    }
    *out = output;
    return ECH_OK;
}

void ech_fit_output_destroy(ech_fit_output **output)
{
    if (output == NULL || *output == NULL) {
        return;
    }
    ech_progress_destroy(&(*output)->progress);
    ech_checkpoint_writer_destroy(&(*output)->checkpoints);
    ech_record_writer_destroy(&(*output)->record);
    ech_free(*output);
    *output = NULL;
}

static double since_start(const ech_fit_output *output, uint64_t wall_ns)
{
    return (double)(int64_t)(wall_ns - output->options.start_ns) * 1e-9;
}

static ech_status write_worker(void *self, const ech_worker_report *report)
{
    ech_fit_output *output = self;
    const bool trained = report->steps > 0 && !report->refused;
    const ech_history_row row = {
        .round = (uint32_t)report->round,
        .node = report->node,
        .parent = report->parent,
        .staleness = (uint32_t)report->staleness,
        .samples = report->samples,
        .loss = trained ? report->loss : NAN,
        .accuracy = trained ? report->accuracy : NAN,
        .start = since_start(output, report->start_ns),
        .end = since_start(output, report->end_ns),
    };
    return tolerate(output, ech_record_append(output->record, ECH_RECORD_HISTORY, &row, 1));
}

static ech_status write_arrival(void *self, const ech_arrival_report *report)
{
    ech_fit_output *output = self;
    const ech_arrival_row row = {
        .node = report->node,
        .parent = report->parent,
        .round = (uint32_t)report->round,
        .staleness = (uint32_t)report->staleness,
        .version = report->version,
    };
    return tolerate(output, ech_record_append(output->record, ECH_RECORD_ARRIVALS, &row, 1));
}

static ech_status write_tiers(ech_fit_output *output, const ech_round_report *report)
{
    ech_status status = ECH_OK;
    for (uint32_t tier = 1; tier < report->tier_count && status == ECH_OK; tier++) {
        const ech_tier_bytes *bytes = &report->tiers[tier];
        const ech_tier_row row = {
            .round = (uint32_t)report->round,
            .tier = tier,
            .logical_up_bytes = bytes->logical_up,
            .logical_down_bytes = bytes->logical_down,
            .wire_up_bytes = bytes->wire_up,
            .wire_down_bytes = bytes->wire_down,
        };
        status = ech_record_append(output->record, ECH_RECORD_TIERS, &row, 1);
    }
    return status;
}

static ech_status write_sites(ech_fit_output *output, const ech_round_report *report)
{
    ech_status status = ECH_OK;
    for (uint32_t s = 0; s < report->site_count && status == ECH_OK; s++) {
        const ech_site_report *site = &report->sites[s];
        ech_site_row row = {
            .round = (uint32_t)report->round,
            .node = site->node,
            .workers = site->workers,
            .counted = site->counts,
            .seconds = site->seconds,
            .down_seconds = site->down_seconds,
            .up_seconds = site->up_seconds,
            .raw_up_bytes = site->raw_up,
            .raw_down_bytes = site->raw_down,
            .wire_up_bytes = site->wire_up,
            .wire_down_bytes = site->wire_down,
        };
        snprintf(row.name, sizeof row.name, "%s", site->name);
        status = site->workers > 0 ? ech_record_append(output->record, ECH_RECORD_SITES, &row, 1)
                                   : ECH_OK;
    }
    return status;
}

static ech_status write_round(ech_fit_output *output, const ech_round_report *report)
{
    const uint32_t ranks = output->options.totals->ranks;
    const ech_tier_bytes bytes = ech_fit_all_tiers(report->tiers, report->tier_count);
    const ech_round_row row = {
        .round = (uint32_t)report->round,
        .selected = (uint32_t)report->selected,
        .contributed = (uint32_t)report->contributed,
        .late = (uint32_t)report->late,
        .test_accuracy = report->evaluated ? report->test_accuracy : NAN,
        .test_loss = report->evaluated ? report->test_loss : NAN,
        .train_loss = report->train_loss,
        .start = since_start(output, report->start_ns),
        .total_seconds = report->clock_seconds,
        .send_seconds = report->phase_seconds[ECH_PHASE_SEND] / ranks,
        .train_seconds = report->phase_seconds[ECH_PHASE_TRAIN] / ranks,
        .aggregate_seconds = report->phase_seconds[ECH_PHASE_AGGREGATE] / ranks,
        .evaluate_seconds = report->phase_seconds[ECH_PHASE_EVALUATE] / ranks,
        .wait_seconds = ech_fit_wait_seconds(report, ranks),
        .logical_up_bytes = bytes.logical_up,
        .logical_down_bytes = bytes.logical_down,
        .wire_up_bytes = bytes.wire_up,
        .wire_down_bytes = bytes.wire_down,
    };
    ech_status status = ech_record_append(output->record, ECH_RECORD_ROUNDS, &row, 1);
    if (status == ECH_OK) {
        status = write_tiers(output, report);
    }
    return status == ECH_OK ? write_sites(output, report) : status;
}

/* Wait for the checkpoint in flight. */
static ech_status finish_save(ech_fit_output *output)
{
    const ech_status status = ech_checkpoint_writer_finish(output->checkpoints);
    if (status != ECH_OK) {
        output->saved_round = NO_ROUND;
    }
    return status;
}

/* The record's rows are on disk before the checkpoint that counts on them. */
static ech_status save(ech_fit_output *output, uint64_t round, ech_state_view model)
{
    ech_record_mark mark;
    ech_status status = ech_record_take_mark(output->record, &mark);
    if (status != ECH_OK) {
        return status;
    }
    const ech_strategy *strategy = output->options.strategy;
    ech_blob blobs[BLOBS_MAX] = {
        {ECH_FIT_MARK_BLOB, &mark, sizeof mark},
        {ECH_FIT_ENGINES_BLOB, output->options.engines, ECH_FIT_ENGINES_BYTES},
        {ECH_FIT_DEADLINE_BLOB, &output->options.deadline->longest_ns, sizeof(uint64_t)},
    };
    char names[ECH_STRATEGY_VECTORS_MAX][ECH_CHECKPOINT_BLOB_NAME_BYTES];
    size_t count = 3;
    for (int v = 0; strategy->rule->vector_names[v] != NULL; v++) {
        snprintf(names[v], sizeof names[v], "strategy/%s", strategy->rule->vector_names[v]);
        blobs[count++] =
            (ech_blob){names[v], strategy->vectors[v], strategy->value_count * sizeof(float)};
    }
    ech_fit_kept kept = {0};
    status = ech_fit_kept_pack(&output->options.keepers, &kept, blobs, &count);
    const ech_checkpoint_content content = {
        .round = round,
        .config = output->options.config,
        .model = model,
        .blobs = blobs,
        .blob_count = count,
        .precondition = ech_record_check_mark,
        .precondition_argument = output->record,
    };
    if (status == ECH_OK) {
        output->saved_round = round;
        output->saved_ns = ech_clock_ns();
        status = ech_checkpoint_writer_begin(output->checkpoints, &content);
    }
    ech_fit_kept_clear(&kept);
    return status;
}

static bool checkpoint_is_due(const ech_fit_output *output, uint64_t round)
{
    const uint64_t every = output->options.checkpoint_every;
    return every > 0 && round > 0 && round % every == 0 &&
           ech_clock_seconds(ech_clock_ns() - output->saved_ns) >=
               output->options.checkpoint_seconds;
}

/* One write at a time: the one before is waited for, and its failure is met here. */
static ech_status save_if_due(ech_fit_output *output, uint64_t round, ech_state_view model)
{
    if (!checkpoint_is_due(output, round)) {
        return ECH_OK;
    }
    const ech_status status = tolerate(output, finish_save(output));
    return status == ECH_OK ? tolerate(output, save(output, round, model)) : status;
}

static ech_status end_round(void *self, const ech_round_report *report, ech_state_view global)
{
    ech_fit_output *output = self;
    const uint64_t ended_ns = ech_clock_ns();
    ech_fit_totals_add(output->options.totals, report, output->options.epochs);
    ech_status status = tolerate(output, write_round(output, report));
    if (status == ECH_OK) {
        status = tolerate(output, ech_record_tick(output->record));
    }
    if (status == ECH_OK) {
        status = save_if_due(output, report->round, global);
    }
    const ech_progress_round shown = {
        .round = report->round,
        .evaluated = report->evaluated,
        .accuracy = report->test_accuracy,
        .loss = report->train_loss,
    };
    ech_progress_show(output->progress, &shown);
    ech_fit_deadline_add(output->options.deadline,
                         (uint64_t)llround(report->seconds * 1e9) + ech_clock_ns() - ended_ns);
    return status;
}

static bool must_stop(void *self)
{
    const ech_fit_output *output = self;
    return ech_interrupt_requested() || ech_fit_deadline_stops(output->options.deadline);
}

ech_round_observer ech_fit_output_observer(ech_fit_output *output)
{
    return (ech_round_observer){
        .self = output,
        .worker_done = write_worker,
        .update_arrived = write_arrival,
        .round_done = end_round,
        .should_stop = must_stop,
    };
}

const ech_task_record_sink *ech_fit_output_sink(const ech_fit_output *output)
{
    return &output->sink;
}

ech_status ech_fit_output_save(ech_fit_output *output, ech_state_view model)
{
    ech_progress_destroy(&output->progress);
    ech_status status = finish_save(output);
    if (output->saved_round != output->options.totals->rounds) {
        status = tolerate(output, status);
        if (status == ECH_OK) {
            status = save(output, output->options.totals->rounds, model);
        }
        if (status == ECH_OK) {
            status = finish_save(output);
        }
    }
    return status;
}

static ech_status add_bytes_fact(ech_fit_output *output, const char *name, uint64_t bytes)
{
    char text[NUMBER_BYTES];
    snprintf(text, sizeof text, "%llu", (unsigned long long)bytes);
    return ech_record_add_fact(output->record, name, text);
}

ech_status ech_fit_output_finish(ech_fit_output *output, bool complete)
{
    if (output->task_failure.status != ECH_OK) {
        return ech_failure_restore(&output->task_failure);
    }
    const ech_fit_totals *totals = output->options.totals;
    ech_status status = add_bytes_fact(output, "peak_rss_bytes", totals->peak_rss_bytes);
    if (status == ECH_OK) {
        status = add_bytes_fact(output, "host_pss_bytes", totals->host_pss_bytes);
    }
    return status == ECH_OK ? ech_record_finish(output->record, complete) : status;
}

const char *ech_fit_output_checkpoint(const ech_fit_output *output)
{
    return ech_checkpoint_writer_path(output->checkpoints);
}

const char *ech_fit_output_record(const ech_fit_output *output)
{
    return output->record_path;
}
