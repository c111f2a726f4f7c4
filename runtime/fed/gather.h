/**
 * @file gather.h
 * The middle of a round: train the selected workers and bring their updates into one sum on rank
 * 0's host, along the plan of sums.
 *
 * Rank 0 drives it with tasks. A sum is opened before the first update that enters it is trained,
 * and handed to its parent when the last of its contributions is in. Workers are submitted along
 * the tree (materialised), so that few sums are open at once, or largest first (fused), so that no
 * rank is left with a long one at the end. A float32 sum has them in the order of the leaves, those
 * of a part of its halvings on one host: few parts of it wait, and a host sends hardly more than
 * one. At any time at most a fixed number of tasks is in flight.
 */
#ifndef ECH_FED_GATHER_H
#define ECH_FED_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/attack.h"
#include "runtime/fed/ledger.h"
#include "runtime/fed/placement.h"
#include "runtime/fed/roster.h"
#include "runtime/fed/round_apps.h"
#include "runtime/fed/select.h"
#include "runtime/fed/strategy.h"
#include "runtime/fed/sum_plan.h"
#include "runtime/fed/topology.h"
#include "runtime/fed/worker_states.h"
#include "runtime/task/task.h"

typedef struct {
    const ech_topology *topology;
    const ech_placement *placement;
    const ech_population *population;
    const ech_strategy *strategy;
    const ech_hostiles *hostiles; /* NULL: nobody */
    const ech_round_apps *apps;
    ech_ledger *ledger;        /* begun for each round */
    ech_worker_states *states; /* NULL where workers keep nothing */
    ech_machine *machine;
    ech_aggregators aggregators;
    ech_sum_kind sum;
    ech_homes homes;
    bool collects;       /* updates wait in a store, and are added by tasks of their own */
    ech_cutoff cutoff;   /* on the real clock: training that no rank has begun then is cancelled */
    uint32_t slot_count; /* of each host's replica, for the gather */
    uint64_t seed;
    uint32_t epochs;
} ech_gather_options;

typedef struct ech_gather ech_gather;

/** Sums that each host of this machine must have room for. @return ECH_OK or ECH_ERR_MEMORY. */
ech_status ech_gather_slots(ech_aggregators aggregators, const ech_topology *topology,
                            const ech_placement *placement, const ech_machine *machine,
                            uint32_t *out);

/** @param options  copied; what it points to is borrowed until the gather is destroyed. */
ech_status ech_gather_create(ech_executor *executor, const ech_gather_options *options,
                             ech_gather **out);
void ech_gather_destroy(ech_gather **handle);

/**
 * Train these workers and sum their updates.
 *
 * @param weight_bound          of every sum; 0: by the participants.
 * @param[in,out] participants  at least one; their places are filled in and their order changes.
 * @param[out] root_slot        slot of the complete sum on rank 0's host.
 * @return ECH_OK; ECH_ERR_LIMIT (more weight than an exact sum can bound); a task's failure.
 */
ech_status ech_gather_run(ech_gather *gather, uint64_t round, uint64_t weight_bound,
                          ech_participant *participants, uint32_t count, uint32_t *root_slot);

#endif
