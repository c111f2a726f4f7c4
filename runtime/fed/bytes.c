#include "runtime/fed/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/memory.h"

static int compare_positions(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* Count the edges of a leaf's path up to where it joins that of the leaf before it. */
static void count_path(const ech_topology *topology, uint32_t leaf, uint32_t previous,
                       ech_tier_traffic *tiers)
{
    const ech_node *own = ech_topology_node(topology, ech_topology_leaf_node(topology, leaf));
    while (own->parent != ECH_NODE_NONE) {
        const int is_new = previous == ECH_NODE_NONE || previous < own->first_leaf;
        tiers[own->tier].edges += (uint64_t)is_new;
        tiers[own->tier].updates++;
        own = ech_topology_node(topology, own->parent);
    }
}

ech_status ech_bytes_count(const ech_topology *topology, const uint32_t *workers, uint32_t count,
                           ech_tier_traffic *tiers)
{
    memset(tiers, 0, ech_topology_tier_count(topology) * sizeof *tiers);
    const uint32_t leaf_count = workers != NULL ? count : ech_topology_worker_count(topology);
    uint32_t *leaves = ech_calloc(leaf_count, sizeof *leaves);
    if (leaves == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t i = 0; i < leaf_count; i++) {
        leaves[i] =
            workers == NULL
                ? i
                : ech_topology_node(topology, ech_topology_worker_node(topology, workers[i]))
                      ->first_leaf;
    }
    qsort(leaves, leaf_count, sizeof *leaves, compare_positions);
    for (uint32_t i = 0; i < leaf_count; i++) {
        count_path(topology, leaves[i], i > 0 ? leaves[i - 1] : ECH_NODE_NONE, tiers);
    }
    ech_free(leaves);
    return ECH_OK;
}
