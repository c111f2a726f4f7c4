/**
 * @file async_plan.h
 * Who is who in the asynchronous process: the nodes that apply updates as they come, and the units
 * that send them. A unit is a worker, or an aggregator whose workers train in step (sync below
 * async): they all train from one version, and their weighted mean is the unit's update.
 *
 * Workers without samples, and aggregators without any other below them, are left out. Pure; not
 * collective.
 */
#ifndef ECH_FED_ASYNC_PLAN_H
#define ECH_FED_ASYNC_PLAN_H

#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/select.h"
#include "runtime/fed/topology.h"

/** Node 0 is the leader; parents come before their children. */
typedef struct {
    uint32_t node;     /* of the topology */
    uint32_t parent;   /* number of an async node; ECH_NODE_NONE for the leader */
    uint32_t children; /* units and async nodes right below it */
} ech_async_node;

typedef struct {
    uint32_t node;   /* of the topology */
    uint32_t parent; /* number of an async node */
    uint32_t first;  /* its workers are `members` from here on, `count` of them */
    uint32_t count;
} ech_async_unit;

typedef struct {
    const ech_topology *topology;
    ech_async_node *nodes;
    uint32_t node_count;
    ech_async_unit *units; /* in the order of the topology's nodes */
    uint32_t unit_count;
    uint32_t *members; /* worker numbers */
    uint32_t largest_unit;
    uint32_t *unit_of; /* by node of the topology: its unit, or ECH_NODE_NONE */
} ech_async_plan;

/**
 * @param async_tiers  tiers that are async, from the leader's down: at least 1. Aggregators in
 *                     deeper tiers work in step.
 * @param topology     borrowed until the plan is cleared.
 * @return ECH_OK or ECH_ERR_MEMORY; clear the plan in any case.
 */
ech_status ech_async_plan_make(const ech_topology *topology, const ech_population *population,
                               uint32_t async_tiers, ech_async_plan *out);
void ech_async_plan_clear(ech_async_plan *plan);

#endif
