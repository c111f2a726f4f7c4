/**
 * @file topology_priv.h
 * The inside of topology.h, for the files that build trees.
 */
#ifndef ECH_FED_TOPOLOGY_PRIV_H
#define ECH_FED_TOPOLOGY_PRIV_H

#include "runtime/fed/topology.h"

struct ech_topology {
    ech_node *nodes; /* tier by tier */
    uint32_t node_count;
    uint32_t worker_count;
    uint32_t tier_count;
    uint32_t *tier_begin;  /* tier_count + 1 */
    uint32_t *worker_node; /* by worker number */
    uint32_t *leaf_node;   /* by position */
    char *names;           /* strings back to back; NULL in generated trees */
    size_t names_bytes;
    ech_yaml *document; /* kept only if a node has keys of the user's own */
};

/** Room for a tree; all nodes zero. */
ech_status ech_topology_allocate(uint32_t node_count, uint32_t worker_count, uint32_t tier_count,
                                 ech_topology **out);

/**
 * Number the leaves from left to right, once kinds, parents and children are set. Workers whose
 * number is ECH_NODE_NONE get their position as number.
 */
void ech_topology_number_leaves(ech_topology *topology);

#endif
