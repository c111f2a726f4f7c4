/**
 * @file async.h
 * The asynchronous process: aggregators apply updates as they come, weighted by their staleness,
 * and workers go on from the newest model without waiting for each other (Xie et al. 2019; Nguyen
 * et al. 2022 for the buffer).
 *
 * A unit (a worker, or an aggregator whose workers train in step) trains exactly `rounds` times,
 * each time from the version that is current when it starts; its own update is applied before it
 * starts again. An asynchronous aggregator below the leader does the same with its children; after
 * as many updates as it has children it hands its model to its parent, and goes on from the
 * parent's. A round of the reports is as many updates of the leader as it has children.
 *
 * The order of the updates decides the model, bit for bit. It comes from the virtual clock, which
 * depends on the options alone; from the real clock, where it is whatever happens; or from the log
 * of an earlier run. The calls are those of sync.h.
 */
#ifndef ECH_FED_ASYNC_H
#define ECH_FED_ASYNC_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/pace.h"
#include "runtime/fed/placement.h"
#include "runtime/fed/round.h"
#include "runtime/fed/select.h"
#include "runtime/fed/strategy.h"
#include "runtime/fed/topology.h"
#include "runtime/fed/trainer.h"
#include "runtime/mpi/machine.h"
#include "runtime/task/task.h"

typedef struct {
    /* Each rank's own; borrowed. */
    const ech_trainer *trainer;
    const ech_strategy *strategy; /* of an asynchronous rule */
    /* Rank 0's, borrowed; ignored on the others. */
    const ech_topology *topology;
    const ech_placement *placement;
    const ech_population *population;
    const ech_pace *pace;             /* the virtual clock; NULL: the real one */
    const ech_arrival_report *replay; /* the log to follow; NULL: none */
    uint64_t replay_count;
    uint32_t async_tiers; /* from the leader's down, at least 1; deeper ones work in step */
    /* The same everywhere. */
    uint64_t seed;
    uint64_t rounds_done; /* of a resumed run: it is restored before it runs */
    uint64_t rounds;
    uint64_t evaluate_every; /* 0: never; else also after the last round */
    uint32_t epochs;
} ech_async_process_options;

typedef struct ech_async ech_async;

/** Collective. @return the same on every rank: ECH_OK; ECH_ERR_CONFIG (a log that does not fit the
 *  other options, naming its line); ECH_ERR_MEMORY; ECH_ERR_MPI. */
ech_status ech_async_create(ech_machine *machine, const ech_async_process_options *options,
                            ech_async **out);
/** Collective. */
void ech_async_destroy(ech_async **handle);

ech_status ech_async_register(ech_async *async, ech_app_registry *registry);
void ech_async_observe(ech_async *async, ech_round_observer observer);

/** The host's global model: on rank 0, fill it before the run and read it afterwards. Borrowed. */
ech_state ech_async_model(const ech_async *async);

/** What a run goes on from beside the model: an array of each kind, as bytes. */
enum { ECH_ASYNC_PARTS = 8 };
typedef struct {
    const char *name; /* as in a checkpoint */
    void *data;
    size_t bytes;
} ech_async_part;

/**
 * All that the process stands at after a whole round: versions of the models that are in use,
 * buffers, the units' rounds, events and time of the virtual clock. Trainings that are in flight
 * are not waited for: a restored run does them again, on the virtual clock and in a replay from the
 * same versions, on the real clock from the newest. Rank 0, in the observer's `round_done` or after
 * the run.
 *
 * @param[out] parts  the caller's; ech_async_parts_clear frees them, also after a failure.
 * @return ECH_OK or ECH_ERR_MEMORY.
 */
ech_status ech_async_save(const ech_async *async, ech_async_part parts[ECH_ASYNC_PARTS]);

/** Go on from there: rank 0, before the run, with the same topology, population and strategy.
 *  @return ECH_OK; ECH_ERR_CONFIG (other rounds than then); ECH_ERR_FORMAT (the parts do not fit).
 */
ech_status ech_async_restore(ech_async *async, const ech_async_part parts[ECH_ASYNC_PARTS]);

/** Empty parts by their names, for a restore to be filled. */
void ech_async_parts_name(ech_async_part parts[ECH_ASYNC_PARTS]);
void ech_async_parts_clear(ech_async_part parts[ECH_ASYNC_PARTS]);

/** Run it. In the executor's program, on rank 0. @return as ech_sync_run, and ECH_ERR_CONFIG if a
 *  worker's trace ends before its rounds do. */
ech_status ech_async_run(ech_async *async, ech_executor *executor);

#endif
