/**
 * @file fit_output.h
 * What a run writes while it goes: the run record, checkpoints, progress, and its totals. Rank 0's.
 */
#ifndef ECH_APPS_FIT_OUTPUT_H
#define ECH_APPS_FIT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/fit/fit_deadline.h"
#include "apps/fit/fit_kept.h"
#include "apps/fit/fit_totals.h"
#include "io/checkpoint.h"
#include "io/record.h"
#include "io/service.h"
#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/round.h"
#include "runtime/fed/strategy.h"
#include "runtime/task/record.h"

/** Names of the blobs that hold the record's mark, and the network and engines that the bits come
 *  from, in a checkpoint. */
#define ECH_FIT_MARK_BLOB "record/mark"
#define ECH_FIT_ENGINES_BLOB "kernels"

typedef struct {
    const char *folder;  /* exists */
    const char *config;  /* effective, as YAML */
    const char *engines; /* ech_fit_trainer_engines */
    const ech_record_fact *machine;
    size_t machine_count;
    const char *const *app_names;
    size_t app_count;
    const ech_record_mark *resume; /* NULL: a new record */
    const ech_layout *layout;
    const ech_strategy *strategy; /* its vectors go into checkpoints */
    ech_fit_keepers keepers;      /* what they keep does too */
    uint64_t rounds_done;
    uint64_t rounds;
    uint64_t checkpoint_every; /* rounds; 0: at the end only */
    double checkpoint_seconds; /* at least, from one to the next */
    bool goes_on;              /* when a checkpoint or the record cannot be written */
    uint32_t checkpoint_keep;
    uint32_t epochs;
    ech_fit_deadline *deadline; /* its rounds are added, and it may stop the run */
    uint64_t start_ns;          /* wall clock at which the run began; 0 on the virtual clock */
    ech_fit_totals *totals;
} ech_fit_output_options;

/** Opaque. */
typedef struct ech_fit_output ech_fit_output;

/** @param options  copied; what it points to is borrowed until the output is destroyed. */
ech_status ech_fit_output_create(ech_io *io, const ech_fit_output_options *options,
                                 ech_fit_output **out);
void ech_fit_output_destroy(ech_fit_output **output);

/** For the process that runs the rounds. */
ech_round_observer ech_fit_output_observer(ech_fit_output *output);

/** For the executor: task records go into the run record. Borrowed, lives as long as the output. */
const ech_task_record_sink *ech_fit_output_sink(const ech_fit_output *output);

/** Make the model of the last whole round safe: a last checkpoint if there is none of it. */
ech_status ech_fit_output_save(ech_fit_output *output, ech_state_view model);

/** Publish the record, with the totals' memory. @param complete  the run came to its end; else it
 * can be resumed. */
ech_status ech_fit_output_finish(ech_fit_output *output, bool complete);

/** Paths of the newest checkpoint (NULL if none) and of the record; borrowed. */
const char *ech_fit_output_checkpoint(const ech_fit_output *output);
const char *ech_fit_output_record(const ech_fit_output *output);

#endif
