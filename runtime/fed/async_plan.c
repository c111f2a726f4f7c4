#include "runtime/fed/async_plan.h"

#include <assert.h>

#include "runtime/base/memory.h"

typedef struct {
    ech_async_plan *plan;
    const ech_population *population;
    uint32_t async_tiers;
    uint32_t *before;      /* workers with samples at the positions before one */
    uint32_t *number_of;   /* by node of the topology: its async node, or ECH_NODE_NONE */
    uint32_t member_count; /* so far */
} planner;

static ech_status allocate(planner *making)
{
    ech_async_plan *plan = making->plan;
    const uint32_t nodes = ech_topology_node_count(plan->topology);
    const uint32_t workers = ech_topology_worker_count(plan->topology);
    plan->nodes = ech_calloc(nodes, sizeof *plan->nodes);
    plan->units = ech_calloc(nodes, sizeof *plan->units);
    plan->members = ech_calloc(workers, sizeof *plan->members);
    plan->unit_of = ech_calloc(nodes, sizeof *plan->unit_of);
    making->before = ech_calloc((size_t)workers + 1, sizeof *making->before);
    making->number_of = ech_calloc(nodes, sizeof *making->number_of);
    const bool made = plan->nodes != NULL && plan->units != NULL && plan->members != NULL &&
                      plan->unit_of != NULL && making->before != NULL && making->number_of != NULL;
    return made ? ECH_OK : ECH_ERR_MEMORY;
}

static uint32_t worker_at(const planner *making, uint32_t position)
{
    const ech_topology *topology = making->plan->topology;
    return ech_topology_node(topology, ech_topology_leaf_node(topology, position))->worker;
}

static bool trains(const planner *making, uint32_t worker)
{
    return ech_population_samples(making->population, worker) > 0;
}

static void count_workers(planner *making)
{
    const uint32_t workers = ech_topology_worker_count(making->plan->topology);
    for (uint32_t position = 0; position < workers; position++) {
        making->before[position + 1] =
            making->before[position] + (trains(making, worker_at(making, position)) ? 1 : 0);
    }
}

static void add_unit(planner *making, uint32_t number, const ech_node *node, uint32_t parent)
{
    ech_async_plan *plan = making->plan;
    ech_async_unit *unit = &plan->units[plan->unit_count];
    plan->unit_of[number] = plan->unit_count++;
    *unit = (ech_async_unit){.node = number, .parent = parent, .first = making->member_count};
    for (uint32_t i = 0; i < node->leaf_count; i++) {
        const uint32_t worker = worker_at(making, node->first_leaf + i);
        if (trains(making, worker)) {
            plan->members[making->member_count++] = worker;
            unit->count++;
        }
    }
    plan->largest_unit = unit->count > plan->largest_unit ? unit->count : plan->largest_unit;
}

/* Below an async node is a unit, an async node, or nobody; nothing is below a unit. */
static void place(planner *making, uint32_t number)
{
    ech_async_plan *plan = making->plan;
    const ech_node *node = ech_topology_node(plan->topology, number);
    making->number_of[number] = ECH_NODE_NONE;
    plan->unit_of[number] = ECH_NODE_NONE;
    const uint32_t parent =
        node->parent == ECH_NODE_NONE ? ECH_NODE_NONE : making->number_of[node->parent];
    const bool is_leader = node->kind == ECH_NODE_LEADER;
    const uint32_t trained =
        making->before[node->first_leaf + node->leaf_count] - making->before[node->first_leaf];
    if (trained == 0 || (parent == ECH_NODE_NONE && !is_leader)) {
        return;
    }
    if (parent != ECH_NODE_NONE) {
        plan->nodes[parent].children++;
    }
    if (node->kind != ECH_NODE_WORKER && node->tier < making->async_tiers) {
        making->number_of[number] = plan->node_count;
        plan->nodes[plan->node_count++] = (ech_async_node){.node = number, .parent = parent};
    } else {
        add_unit(making, number, node, parent);
    }
}

ech_status ech_async_plan_make(const ech_topology *topology, const ech_population *population,
                               uint32_t async_tiers, ech_async_plan *out)
{
    assert(async_tiers >= 1);
    *out = (ech_async_plan){.topology = topology};
    planner making = {.plan = out, .population = population, .async_tiers = async_tiers};
    const ech_status status = allocate(&making);
    if (status == ECH_OK) {
        count_workers(&making);
        for (uint32_t node = 0; node < ech_topology_node_count(topology); node++) {
            place(&making, node);
        }
    }
    ech_free(making.before);
    ech_free(making.number_of);
    return status;
}

void ech_async_plan_clear(ech_async_plan *plan)
{
    ech_free(plan->nodes);
    ech_free(plan->units);
    ech_free(plan->members);
    ech_free(plan->unit_of);
    *plan = (ech_async_plan){0};
}
