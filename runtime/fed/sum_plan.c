#include "runtime/fed/sum_plan.h"

#include <assert.h>

#include "runtime/base/memory.h"

struct ech_sum_plan {
    ech_aggregators kind;
    const ech_topology *topology;
    const ech_placement *placement;
    ech_sum_node *nodes;
    uint32_t count;
    uint32_t *sum_of_node; /* materialised: by topology node; ECH_SUM_NONE for workers */
};

/* Binomial tree: host h hands its sum to the host whose number lacks h's lowest set bit, so that a
 * merge of H hosts takes log2 H steps. */
static ech_status plan_fused(ech_sum_plan *plan)
{
    plan->count = ech_placement_host_count(plan->placement);
    plan->nodes = ech_calloc(plan->count, sizeof *plan->nodes);
    if (plan->nodes == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t host = 0; host < plan->count; host++) {
        plan->nodes[host] = (ech_sum_node){
            .parent = host == 0 ? ECH_SUM_NONE : (host & (host - 1)),
            .host = host,
            .tier = host == 0 ? 0 : 1,
            .slot = ECH_SUM_NONE,
        };
    }
    return ECH_OK;
}

static uint32_t count_inner_nodes(const ech_topology *topology)
{
    return ech_topology_node_count(topology) - ech_topology_worker_count(topology);
}

static ech_status plan_materialised(ech_sum_plan *plan)
{
    const ech_topology *topology = plan->topology;
    const uint32_t node_count = ech_topology_node_count(topology);
    plan->count = count_inner_nodes(topology);
    plan->nodes = ech_calloc(plan->count, sizeof *plan->nodes);
    plan->sum_of_node = ech_calloc(node_count, sizeof *plan->sum_of_node);
    if (plan->nodes == NULL || plan->sum_of_node == NULL) {
        return ECH_ERR_MEMORY;
    }
    uint32_t next = 0;
    for (uint32_t n = 0; n < node_count; n++) {
        const ech_node *node = ech_topology_node(topology, n);
        if (node->kind == ECH_NODE_WORKER) {
            plan->sum_of_node[n] = ECH_SUM_NONE;
            continue;
        }
        plan->sum_of_node[n] = next;
        plan->nodes[next++] = (ech_sum_node){
            .parent =
                node->parent == ECH_NODE_NONE ? ECH_SUM_NONE : plan->sum_of_node[node->parent],
            .host = ech_placement_node_host(plan->placement, n),
            .tier = node->tier,
            .slot = ECH_SUM_NONE,
        };
    }
    return ECH_OK;
}

ech_status ech_sum_plan_create(ech_aggregators kind, const ech_topology *topology,
                               const ech_placement *placement, ech_sum_plan **out)
{
    *out = NULL;
    ech_sum_plan *plan = ech_calloc(1, sizeof *plan);
    if (plan == NULL) {
        return ECH_ERR_MEMORY;
    }
    plan->kind = kind;
    plan->topology = topology;
    plan->placement = placement;
    const ech_status status =
        kind == ECH_AGGREGATORS_FUSED ? plan_fused(plan) : plan_materialised(plan);
    if (status != ECH_OK) {
        ech_sum_plan_destroy(&plan);
        return status;
    }
    *out = plan;
    return ECH_OK;
}

void ech_sum_plan_destroy(ech_sum_plan **plan)
{
    if (plan == NULL || *plan == NULL) {
        return;
    }
    ech_free((*plan)->nodes);
    ech_free((*plan)->sum_of_node);
    ech_free(*plan);
    *plan = NULL;
}

uint32_t ech_sum_plan_count(const ech_sum_plan *plan)
{
    return plan->count;
}

ech_sum_node *ech_sum_plan_node(ech_sum_plan *plan, uint32_t sum)
{
    assert(sum < plan->count);
    return &plan->nodes[sum];
}

uint32_t ech_sum_plan_of_worker(const ech_sum_plan *plan, uint32_t worker)
{
    if (plan->kind == ECH_AGGREGATORS_FUSED) {
        return ECH_SUM_NONE;
    }
    const uint32_t leaf = ech_topology_worker_node(plan->topology, worker);
    return plan->sum_of_node[ech_topology_node(plan->topology, leaf)->parent];
}

uint32_t ech_sum_plan_home(const ech_sum_plan *plan, uint32_t worker)
{
    const uint32_t sum = ech_sum_plan_of_worker(plan, worker);
    return sum != ECH_SUM_NONE ? plan->nodes[sum].host
                               : ech_placement_worker_host(plan->placement, worker);
}

uint32_t ech_sum_plan_slots(const ech_sum_plan *plan, uint32_t host, uint32_t host_ranks)
{
    if (plan->kind == ECH_AGGREGATORS_FUSED) {
        return 1;
    }
    uint32_t placed = 0;
    for (uint32_t sum = 0; sum < plan->count; sum++) {
        placed += plan->nodes[sum].host == host;
    }
    const uint32_t wanted = ech_topology_tier_count(plan->topology) - 1 + 2 * host_ranks;
    return placed < wanted ? placed : wanted;
}
