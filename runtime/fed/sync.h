/**
 * @file sync.h
 * The synchronous process: in each round select workers, train them, aggregate up the tree, update
 * the global model, evaluate it (McMahan et al. 2017 for the round; Flight, arXiv 2409.16495, for
 * the tree).
 *
 * Every rank makes the same federation (collective), registers its tasks, and gives it to the
 * executor's program on rank 0, which runs the rounds. The final model depends on the options, the
 * data and the kernels alone: not on ranks, hosts, threads, the tree, or the order of arrival; with
 * float32 sums and materialised aggregators on the tree too.
 *
 *     ech_sync_create(machine, &options, &sync);                        (collective)
 *     ech_sync_register(sync, registry);                                (every rank)
 *     ... executor of the registry ...
 *     ech_sync_run(sync, executor)                                      (in the program, rank 0)
 *     ech_sync_destroy(&sync);                                          (collective)
 */
#ifndef ECH_FED_SYNC_H
#define ECH_FED_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/attack.h"
#include "runtime/fed/pace.h"
#include "runtime/fed/placement.h"
#include "runtime/fed/roster.h"
#include "runtime/fed/round.h"
#include "runtime/fed/select.h"
#include "runtime/fed/site/hub.h"
#include "runtime/fed/stations.h"
#include "runtime/fed/strategy.h"
#include "runtime/fed/sum_plan.h"
#include "runtime/fed/topology.h"
#include "runtime/fed/trainer.h"
#include "runtime/fed/transfer.h"
#include "runtime/fed/worker_states.h"
#include "runtime/mpi/machine.h"
#include "runtime/task/task.h"

typedef struct {
    /* Each rank's own; borrowed. */
    const ech_trainer *trainer;
    ech_strategy *strategy;
    /* Rank 0's, borrowed; ignored on the others. */
    const ech_topology *topology;
    const ech_placement *placement;
    const ech_population *population;
    const ech_pace *pace; /* the virtual clock; NULL: the real one */
    ech_hub *hub;         /* remote sites, with the real clock and without tiers; NULL: none */
    /* The same everywhere. */
    const ech_tier_rule *tiers; /* by rank; NULL: none of their own; [0] is the leader's strategy */
    uint32_t tier_count;
    ech_attack_options attack;
    bool includes_aggregators; /* always all of them */
    ech_aggregators aggregators;
    ech_sum_kind sum;
    ech_cutoff cutoff; /* kept latecomers: only with a pace and exact sums, and neither tiers nor a
                          rule that looks at every update */
    ech_homes homes;
    ech_transfer *transfer; /* each rank's own, borrowed; NULL: all is shared */
    uint64_t seed;
    uint64_t rounds_done;    /* of a resumed run */
    uint64_t rounds;         /* number of the last round */
    uint64_t evaluate_every; /* 0: never; else also after the last round */
    uint32_t epochs;
} ech_sync_options;

typedef struct ech_sync ech_sync;

/** Collective. @return the same status on every rank. */
ech_status ech_sync_create(ech_machine *machine, const ech_sync_options *options, ech_sync **out);
/** Collective. */
void ech_sync_destroy(ech_sync **handle);

ech_status ech_sync_register(ech_sync *sync, ech_app_registry *registry);

/** What lasts between rounds beside the model, for checkpoints: what workers keep, and the vectors
 * of aggregators' rules, by station. NULL where there is nothing. Borrowed. */
ech_worker_states *ech_sync_worker_states(const ech_sync *sync);
ech_worker_states *ech_sync_station_vectors(const ech_sync *sync);

/** Floats of an aggregator's vectors there. */
uint64_t ech_sync_station_values(const ech_sync *sync);

/** What else decides the next round, as bytes for a checkpoint: the virtual time, and updates that
 * are kept. Rank 0, between rounds. @param[out] bytes  the caller's: ech_free. */
ech_status ech_sync_save(const ech_sync *sync, void **bytes, size_t *count);
/** The same again, before the run. @return ECH_OK; ECH_ERR_FORMAT; ECH_ERR_MEMORY. */
ech_status ech_sync_restore(ech_sync *sync, const void *bytes, size_t count);

/** Who hears of the rounds; nobody until then. Rank 0, before the run. */
void ech_sync_observe(ech_sync *sync, ech_round_observer observer);

/** The host's global model: on rank 0, fill it before the run (initial values, or a checkpoint's)
 *  and read it afterwards. Borrowed. */
ech_state ech_sync_model(const ech_sync *sync);

/**
 * Run the rounds. In the executor's program, on rank 0.
 *
 * @return ECH_OK; ECH_ERR_INTERRUPTED if the observer asked to stop before the last round (the
 *         model is that of the last whole round); otherwise the first failure.
 */
ech_status ech_sync_run(ech_sync *sync, ech_executor *executor);

#endif
