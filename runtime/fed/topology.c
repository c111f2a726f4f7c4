#include "runtime/fed/topology.h"

#include <math.h>
#include <stdio.h>

#include "runtime/base/memory.h"
#include "runtime/fed/topology_priv.h"

ech_status ech_topology_allocate(uint32_t node_count, uint32_t worker_count, uint32_t tier_count,
                                 ech_topology **out)
{
    *out = NULL;
    ech_topology *topology = ech_calloc(1, sizeof *topology);
    if (topology == NULL) {
        return ECH_ERR_MEMORY;
    }
    topology->node_count = node_count;
    topology->worker_count = worker_count;
    topology->tier_count = tier_count;
    topology->nodes = ech_calloc(node_count, sizeof *topology->nodes);
    topology->tier_begin = ech_calloc((size_t)tier_count + 1, sizeof *topology->tier_begin);
    topology->worker_node = ech_calloc(worker_count, sizeof *topology->worker_node);
    topology->leaf_node = ech_calloc(worker_count, sizeof *topology->leaf_node);
    if (topology->nodes == NULL || topology->tier_begin == NULL || topology->worker_node == NULL ||
        topology->leaf_node == NULL) {
        ech_topology_destroy(&topology);
        return ECH_ERR_MEMORY;
    }
    *out = topology;
    return ECH_OK;
}

void ech_topology_destroy(ech_topology **topology)
{
    if (topology == NULL || *topology == NULL) {
        return;
    }
    ech_free((*topology)->nodes);
    ech_free((*topology)->tier_begin);
    ech_free((*topology)->worker_node);
    ech_free((*topology)->leaf_node);
    ech_free((*topology)->names);
    ech_yaml_destroy(&(*topology)->document);
    ech_free(*topology);
    *topology = NULL;
}

/* Children come after their parents in the numbering, so one pass up and one down suffice. */
void ech_topology_number_leaves(ech_topology *topology)
{
    ech_node *nodes = topology->nodes;
    for (uint32_t i = topology->node_count; i-- > 1;) {
        if (nodes[i].kind == ECH_NODE_WORKER) {
            nodes[i].leaf_count = 1;
        }
        nodes[nodes[i].parent].leaf_count += nodes[i].leaf_count;
    }
    for (uint32_t i = 0; i < topology->node_count; i++) {
        uint32_t position = nodes[i].first_leaf;
        for (uint32_t c = 0; c < nodes[i].child_count; c++) {
            ech_node *child = &nodes[nodes[i].first_child + c];
            child->first_leaf = position;
            position += child->leaf_count;
        }
        if (nodes[i].kind == ECH_NODE_WORKER) {
            const uint32_t leaf = nodes[i].first_leaf;
            nodes[i].worker = nodes[i].worker == ECH_NODE_NONE ? leaf : nodes[i].worker;
            topology->leaf_node[leaf] = i;
            topology->worker_node[nodes[i].worker] = i;
        }
    }
}

static ech_status check_tiers(const uint32_t *counts, size_t count, uint64_t *node_count)
{
    if (count == 0 || count >= ECH_TOPOLOGY_TIERS_MAX) {
        return ech_fail(ECH_ERR_CONFIG, "topology: %zu tiers below the leader: expected 1 to %d",
                        count, ECH_TOPOLOGY_TIERS_MAX - 1);
    }
    *node_count = 1;
    uint32_t above = 1;
    for (size_t d = 0; d < count; d++) {
        if (counts[d] < above) {
            return ech_fail(ECH_ERR_CONFIG,
                            "topology: tier %zu has %u nodes, fewer than the %u above it", d + 1,
                            counts[d], above);
        }
        above = counts[d];
        *node_count += counts[d];
    }
    if (*node_count > ECH_TOPOLOGY_NODES_MAX) {
        return ech_fail(ECH_ERR_CONFIG, "topology: %llu nodes: at most %d are possible",
                        (unsigned long long)*node_count, ECH_TOPOLOGY_NODES_MAX);
    }
    return ECH_OK;
}

/* Fill a tier below one that is there; child j of n belongs to parent floor(j * parents / n). */
static void deal_tier(ech_topology *topology, uint32_t tier, uint32_t count)
{
    const uint32_t above = topology->tier_begin[tier - 1];
    const uint32_t begin = topology->tier_begin[tier];
    const uint64_t parent_count = begin - above;
    const int is_last = tier + 1 == topology->tier_count;
    for (uint32_t j = 0; j < count; j++) {
        const uint32_t parent = above + (uint32_t)(j * parent_count / count);
        topology->nodes[begin + j] = (ech_node){
            .parent = parent,
            .worker = ECH_NODE_NONE,
            .name = ECH_NODE_NONE,
            .tier = (uint16_t)tier,
            .kind = is_last ? ECH_NODE_WORKER : ECH_NODE_AGGREGATOR,
        };
        ech_node *node = &topology->nodes[parent];
        if (node->child_count++ == 0) {
            node->first_child = begin + j;
        }
    }
    topology->tier_begin[tier + 1] = begin + count;
}

ech_status ech_topology_tiers(const uint32_t *counts, size_t count, ech_topology **out)
{
    *out = NULL;
    uint64_t node_count = 0;
    ech_status status = check_tiers(counts, count, &node_count);
    if (status == ECH_OK) {
        status = ech_topology_allocate((uint32_t)node_count, counts[count - 1], (uint32_t)count + 1,
                                       out);
    }
    if (status != ECH_OK) {
        return status;
    }
    (*out)->nodes[0] = (ech_node){.parent = ECH_NODE_NONE,
                                  .worker = ECH_NODE_NONE,
                                  .name = ECH_NODE_NONE,
                                  .kind = ECH_NODE_LEADER};
    (*out)->tier_begin[1] = 1;
    for (uint32_t tier = 1; tier <= count; tier++) {
        deal_tier(*out, tier, counts[tier - 1]);
    }
    ech_topology_number_leaves(*out);
    return ECH_OK;
}

ech_status ech_topology_shape(const uint32_t *counts, size_t count, uint32_t workers,
                              ech_topology **out)
{
    *out = NULL;
    uint32_t *all = ech_calloc(count + 1, sizeof *all);
    if (all == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t d = 0; d < count; d++) {
        all[d] = counts[d];
    }
    all[count] = workers;
    const ech_status status = ech_topology_tiers(all, count + 1, out);
    ech_free(all);
    return status;
}

ech_status ech_topology_balanced(uint32_t workers, uint32_t height, ech_topology **out)
{
    *out = NULL;
    if (workers == 0 || height == 0 || height >= ECH_TOPOLOGY_TIERS_MAX) {
        return ech_fail(
            ECH_ERR_CONFIG,
            "topology: %u workers at height %u: expected at least 1 worker and a height "
            "of 1 to %d",
            workers, height, ECH_TOPOLOGY_TIERS_MAX - 1);
    }
    uint32_t *counts = ech_calloc(height, sizeof *counts);
    if (counts == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t d = 1; d <= height; d++) {
        const double nodes = pow((double)workers, (double)d / (double)height);
        counts[d - 1] = d == height ? workers : (uint32_t)llround(nodes);
    }
    const ech_status status = ech_topology_tiers(counts, height, out);
    ech_free(counts);
    return status;
}

uint32_t ech_topology_node_count(const ech_topology *topology)
{
    return topology->node_count;
}

uint32_t ech_topology_worker_count(const ech_topology *topology)
{
    return topology->worker_count;
}

uint32_t ech_topology_tier_count(const ech_topology *topology)
{
    return topology->tier_count;
}

uint32_t ech_topology_tier_begin(const ech_topology *topology, uint32_t tier)
{
    return topology->tier_begin[tier];
}

const ech_node *ech_topology_node(const ech_topology *topology, uint32_t node)
{
    return &topology->nodes[node];
}

uint32_t ech_topology_worker_node(const ech_topology *topology, uint32_t worker)
{
    return topology->worker_node[worker];
}

uint32_t ech_topology_leaf_node(const ech_topology *topology, uint32_t position)
{
    return topology->leaf_node[position];
}

const char *ech_topology_name(const ech_topology *topology, uint32_t node,
                              char buffer[ECH_TOPOLOGY_NAME_BYTES])
{
    const ech_node *item = &topology->nodes[node];
    if (item->name != ECH_NODE_NONE) {
        return topology->names + item->name;
    }
    if (item->kind == ECH_NODE_LEADER) {
        snprintf(buffer, ECH_TOPOLOGY_NAME_BYTES, "leader");
    } else if (item->kind == ECH_NODE_AGGREGATOR) {
        snprintf(buffer, ECH_TOPOLOGY_NAME_BYTES, "aggregator-%u.%u", (unsigned)item->tier,
                 node - topology->tier_begin[item->tier]);
    } else {
        snprintf(buffer, ECH_TOPOLOGY_NAME_BYTES, "worker-%u", item->worker);
    }
    return buffer;
}

const ech_yaml_node *ech_topology_extra(const ech_topology *topology, uint32_t node,
                                        const char *key)
{
    if (topology->document == NULL) {
        return NULL;
    }
    const char *name = topology->names + topology->nodes[node].name;
    return ech_yaml_find(ech_yaml_find(ech_yaml_root(topology->document), name), key);
}

size_t ech_topology_memory_bytes(const ech_topology *topology)
{
    return sizeof *topology + topology->node_count * sizeof *topology->nodes +
           (topology->tier_count + (size_t)1) * sizeof *topology->tier_begin +
           topology->worker_count * (sizeof *topology->worker_node + sizeof *topology->leaf_node) +
           topology->names_bytes;
}
