/**
 * @file placement.h
 * Which host a node of the topology belongs to: workers by contiguous runs of leaves in proportion
 * to the hosts' ranks, aggregators with most of their leaves.
 *
 * Pure and deterministic: every rank computes the same placement. It decides where work starts, not
 * where it may end (an idle host steals), and never a result's bits. Not collective.
 */
#ifndef ECH_FED_PLACEMENT_H
#define ECH_FED_PLACEMENT_H

#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/topology.h"

typedef struct ech_placement ech_placement;

/** Where a worker may train. */
typedef enum {
    ECH_HOMES_ANY,  /* on its own host first; an idle host may steal it */
    ECH_HOMES_HOST, /* on its own host */
    ECH_HOMES_RANK, /* on its own rank */
} ech_homes;

/**
 * Cut the leaves into one run a host. Each cut goes to the boundary of the largest subtree that is
 * not further from its even place than an eighth of the smaller neighbour's share, so that few
 * aggregators have leaves on two hosts.
 *
 * @param topology    borrowed until the placement is destroyed.
 * @param host_ranks  ranks of each host, at least 1; copied.
 */
ech_status ech_placement_create(const ech_topology *topology, const uint32_t *host_ranks,
                                uint32_t host_count, ech_placement **out);
void ech_placement_destroy(ech_placement **placement);

uint32_t ech_placement_host_count(const ech_placement *placement);
/** Positions of leaves that belong to a host: [*first, *first + count). @return the count. */
uint32_t ech_placement_leaves(const ech_placement *placement, uint32_t host, uint32_t *first);

/** Host of a worker, by worker number. */
uint32_t ech_placement_worker_host(const ech_placement *placement, uint32_t worker);
/** Number of a worker's rank among the ranks of its host: they share its leaves evenly. */
uint32_t ech_placement_worker_rank(const ech_placement *placement, uint32_t worker);
/** Host of any node: of the leader 0; of an aggregator the host with most of its leaves, the lowest
 * of equals. */
uint32_t ech_placement_node_host(const ech_placement *placement, uint32_t node);

#endif
