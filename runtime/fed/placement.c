#include "runtime/fed/placement.h"

#include <string.h>

#include "runtime/base/memory.h"

enum { CUT_TOLERANCE = 8 }; /* a cut may move by this part of a host's share */

struct ech_placement {
    const ech_topology *topology;
    uint32_t host_count;
    uint32_t *first_leaf; /* host_count + 1 */
    uint32_t *host_ranks;
};

/* The child of a node below which a position lies. */
static const ech_node *child_at(const ech_topology *topology, const ech_node *node,
                                uint32_t position)
{
    uint32_t low = node->first_child;
    uint32_t high = node->first_child + node->child_count;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (ech_topology_node(topology, middle)->first_leaf <= position) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return ech_topology_node(topology, low);
}

/* The boundary of the largest subtree that is at most `tolerance` leaves away from an even cut. At
 * the latest a worker has one: its own position. */
static uint32_t best_cut(const ech_topology *topology, uint32_t even, uint32_t tolerance)
{
    const ech_node *node = ech_topology_node(topology, 0);
    for (;;) {
        node = child_at(topology, node, even);
        const uint32_t before = even - node->first_leaf;
        const uint32_t after = node->leaf_count - before;
        if (before <= tolerance && before <= after) {
            return node->first_leaf;
        }
        if (after <= tolerance) {
            return node->first_leaf + node->leaf_count;
        }
    }
}

static void cut_leaves(ech_placement *placement)
{
    const uint32_t *host_ranks = placement->host_ranks;
    const uint64_t leaves = ech_topology_worker_count(placement->topology);
    uint64_t rank_count = 0;
    for (uint32_t h = 0; h < placement->host_count; h++) {
        rank_count += host_ranks[h];
    }
    uint64_t ranks_before = 0;
    for (uint32_t h = 1; h < placement->host_count; h++) {
        ranks_before += host_ranks[h - 1];
        const uint64_t even = leaves * ranks_before / rank_count;
        const uint64_t smaller =
            host_ranks[h - 1] < host_ranks[h] ? host_ranks[h - 1] : host_ranks[h];
        const uint64_t tolerance = leaves * smaller / rank_count / CUT_TOLERANCE;
        placement->first_leaf[h] =
            best_cut(placement->topology, (uint32_t)even, (uint32_t)tolerance);
    }
    placement->first_leaf[placement->host_count] = (uint32_t)leaves;
}

ech_status ech_placement_create(const ech_topology *topology, const uint32_t *host_ranks,
                                uint32_t host_count, ech_placement **out)
{
    *out = NULL;
    ech_placement *placement = ech_calloc(1, sizeof *placement);
    if (placement == NULL) {
        return ECH_ERR_MEMORY;
    }
    placement->topology = topology;
    placement->host_count = host_count;
    placement->first_leaf = ech_calloc((size_t)host_count + 1, sizeof *placement->first_leaf);
    placement->host_ranks = ech_calloc(host_count, sizeof *placement->host_ranks);
    if (placement->first_leaf == NULL || placement->host_ranks == NULL) {
        ech_placement_destroy(&placement);
        return ECH_ERR_MEMORY;
    }
    memcpy(placement->host_ranks, host_ranks, host_count * sizeof *host_ranks);
    cut_leaves(placement);
    *out = placement;
    return ECH_OK;
}

void ech_placement_destroy(ech_placement **placement)
{
    if (placement == NULL || *placement == NULL) {
        return;
    }
    ech_free((*placement)->first_leaf);
    ech_free((*placement)->host_ranks);
    ech_free(*placement);
    *placement = NULL;
}

uint32_t ech_placement_host_count(const ech_placement *placement)
{
    return placement->host_count;
}

uint32_t ech_placement_leaves(const ech_placement *placement, uint32_t host, uint32_t *first)
{
    *first = placement->first_leaf[host];
    return placement->first_leaf[host + 1] - *first;
}

/* The last host whose run begins at or before the position: the one that is not empty. */
static uint32_t leaf_host(const ech_placement *placement, uint32_t position)
{
    uint32_t low = 0;
    uint32_t high = placement->host_count;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (placement->first_leaf[middle] <= position) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t ech_placement_worker_host(const ech_placement *placement, uint32_t worker)
{
    return ech_placement_node_host(placement,
                                   ech_topology_worker_node(placement->topology, worker));
}

uint32_t ech_placement_worker_rank(const ech_placement *placement, uint32_t worker)
{
    const uint32_t node = ech_topology_worker_node(placement->topology, worker);
    const uint32_t leaf = ech_topology_node(placement->topology, node)->first_leaf;
    const uint32_t host = leaf_host(placement, leaf);
    uint32_t first = 0;
    const uint64_t leaves = ech_placement_leaves(placement, host, &first);
    return (uint32_t)((uint64_t)(leaf - first) * placement->host_ranks[host] / leaves);
}

uint32_t ech_placement_node_host(const ech_placement *placement, uint32_t node)
{
    if (node == 0) {
        return 0;
    }
    const ech_node *item = ech_topology_node(placement->topology, node);
    const uint32_t end = item->first_leaf + item->leaf_count;
    const uint32_t last = leaf_host(placement, end - 1);
    uint32_t best = leaf_host(placement, item->first_leaf);
    uint32_t most = 0;
    for (uint32_t host = best; host <= last; host++) {
        const uint32_t run_begin = placement->first_leaf[host];
        const uint32_t run_end = placement->first_leaf[host + 1];
        const uint32_t from = run_begin > item->first_leaf ? run_begin : item->first_leaf;
        const uint32_t to = run_end < end ? run_end : end;
        if (to > from && to - from > most) {
            most = to - from;
            best = host;
        }
    }
    return best;
}
