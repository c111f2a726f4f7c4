/**
 * @file sum_plan.h
 * Which sums a round makes and where they are merged: a small tree of sums, its leaves' updates the
 * workers', its root the leader's sum.
 *
 * - *fused*: one sum a host, whatever the topology (exact sums do not care); the hosts' sums merge
 *   along a binomial tree. A worker may train on any host and adds to that host's sum.
 * - *materialised*: one sum for each leader or aggregator of the topology that has a participant
 *   below it, on the host where the node is placed; each merges into its parent's.
 *
 * Rank 0's; not collective. Memory: O(hosts), or O(aggregators of the topology).
 */
#ifndef ECH_FED_SUM_PLAN_H
#define ECH_FED_SUM_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/placement.h"
#include "runtime/fed/topology.h"

typedef enum { ECH_AGGREGATORS_FUSED, ECH_AGGREGATORS_MATERIALISED } ech_aggregators;

#define ECH_SUM_NONE UINT32_MAX

/** One sum of the plan. Sum 0 is the root. */
typedef struct {
    uint32_t parent;     /* sum it merges into; ECH_SUM_NONE for the root */
    uint32_t host;       /* where it lives */
    uint32_t tier;       /* of its node in the topology (fused: 0 for the root, else 1) */
    uint32_t slot;       /* of the host, while open; ECH_SUM_NONE */
    uint32_t pending;    /* contributions that it still waits for */
    uint32_t leaf_count; /* contributions of the round */
    uint32_t leaf;       /* its own number among its parent's */
} ech_sum_node;

typedef struct ech_sum_plan ech_sum_plan;

/** @param topology, placement  borrowed until the plan is destroyed. */
ech_status ech_sum_plan_create(ech_aggregators kind, const ech_topology *topology,
                               const ech_placement *placement, ech_sum_plan **out);
void ech_sum_plan_destroy(ech_sum_plan **plan);

uint32_t ech_sum_plan_count(const ech_sum_plan *plan);
ech_sum_node *ech_sum_plan_node(ech_sum_plan *plan, uint32_t sum);

/** Sum that a worker's update enters; ECH_SUM_NONE where that is the sum of the host it runs on. */
uint32_t ech_sum_plan_of_worker(const ech_sum_plan *plan, uint32_t worker);

/** Host on which a worker trains if it may train on one only: that of the sum which its update
 * enters, or where it is placed. */
uint32_t ech_sum_plan_home(const ech_sum_plan *plan, uint32_t worker);

/**
 * Sums that a host must have room for at once: 1 if fused; else one for each aggregator tier and
 * two for each rank, at most the sums placed there.
 */
uint32_t ech_sum_plan_slots(const ech_sum_plan *plan, uint32_t host, uint32_t host_ranks);

#endif
