/**
 * @file gather.h
 * The middle of a round: train the selected workers and bring their updates into one sum on rank
 * 0's host, along the plan of sums.
 *
 * Rank 0 drives it with tasks. A sum is opened before the first update that enters it is trained,
 * and handed to its parent when the last of its contributions is in. Workers are submitted along
 * the tree (materialised), so that few sums are open at once, or largest first (fused), so that no
 * rank is left with a long one at the end. At any time at most a fixed number of tasks is in
 * flight.
 */
#ifndef ECH_FED_GATHER_H
#define ECH_FED_GATHER_H

#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/pace.h"
#include "runtime/fed/placement.h"
#include "runtime/fed/round.h"
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
    const ech_pace *pace; /* the virtual clock; NULL: the real one */
    const ech_strategy *strategy;
    const ech_round_apps *apps;
    const ech_round_observer *observer;
    ech_worker_states *states; /* NULL where workers keep nothing */
    ech_machine *machine;
    ech_aggregators aggregators;
    uint32_t slot_count; /* of each host's replica */
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
 * Run it for one round.
 *
 * @param[in,out] report  on the virtual clock its start_ns says when the round begins, and its
 *                        clock_seconds become those of the slowest worker's turn; its counts,
 * means, phase seconds and `tiers` (wire_up, wire_down) grow.
 * @param[out] root_slot  slot of the complete sum on rank 0's host.
 * @return ECH_OK; ECH_ERR_LIMIT (more weight than an exact sum can bound); a task's failure.
 */
ech_status ech_gather_run(ech_gather *gather, uint64_t round, const ech_selection *selection,
                          ech_round_report *report, ech_tier_bytes *tiers, uint32_t *root_slot);

#endif
