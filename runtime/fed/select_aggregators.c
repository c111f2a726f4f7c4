/* Selection that leaves no aggregator out. */
#include <stdlib.h>

#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "runtime/fed/select.h"

typedef struct {
    const ech_topology *topology;
    const ech_population *population;
    uint8_t *reached; /* by node: a worker below it is selected */
} search;

static void reach(search *all, uint32_t worker)
{
    uint32_t node = ech_topology_worker_node(all->topology, worker);
    while (node != ECH_NODE_NONE && !all->reached[node]) {
        all->reached[node] = 1;
        node = ech_topology_node(all->topology, node)->parent;
    }
}

/* Worker `which` of those of this parent that may be selected; ECH_NODE_NONE beyond the last. */
static uint32_t eligible_child(const search *all, uint32_t parent, uint64_t which)
{
    const ech_node *node = ech_topology_node(all->topology, parent);
    for (uint32_t leaf = node->first_leaf; leaf < node->first_leaf + node->leaf_count; leaf++) {
        const ech_node *own =
            ech_topology_node(all->topology, ech_topology_leaf_node(all->topology, leaf));
        if (own->parent == parent && ech_population_holds(all->population, own->worker) &&
            which-- == 0) {
            return own->worker;
        }
    }
    return ECH_NODE_NONE;
}

static uint64_t count_eligible(const search *all, uint32_t parent)
{
    uint64_t count = 0;
    const ech_node *node = ech_topology_node(all->topology, parent);
    for (uint32_t leaf = node->first_leaf; leaf < node->first_leaf + node->leaf_count; leaf++) {
        const ech_node *own =
            ech_topology_node(all->topology, ech_topology_leaf_node(all->topology, leaf));
        count += own->parent == parent && ech_population_holds(all->population, own->worker);
    }
    return count;
}

static int ascending(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* From the deepest tier up, so that one added below serves those above. */
static ech_status add_missing(search *all, uint64_t seed, uint64_t round, ech_selection *selection)
{
    ech_status status = ECH_OK;
    for (uint32_t n = ech_topology_node_count(all->topology); n-- > 1 && status == ECH_OK;) {
        if (ech_topology_node(all->topology, n)->kind == ECH_NODE_WORKER || all->reached[n]) {
            continue;
        }
        const uint64_t eligible = count_eligible(all, n);
        if (eligible == 0) {
            continue;
        }
        ech_random stream = ech_random_stream(seed, ECH_RANDOM_SELECT, round, n, 1);
        const uint32_t worker = eligible_child(all, n, ech_random_below(&stream, eligible));
        status = ech_selection_reserve(selection, selection->count + 1);
        if (status == ECH_OK) {
            selection->workers[selection->count++] = worker;
            reach(all, worker);
        }
    }
    return status;
}

ech_status ech_select_aggregators(const ech_topology *topology, const ech_population *population,
                                  uint64_t seed, uint64_t round, ech_selection *selection)
{
    search all = {.topology = topology, .population = population};
    all.reached = ech_calloc(ech_topology_node_count(topology), sizeof *all.reached);
    if (all.reached == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t i = 0; i < selection->count; i++) {
        reach(&all, selection->workers[i]);
    }
    const ech_status status = add_missing(&all, seed, round, selection);
    qsort(selection->workers, selection->count, sizeof *selection->workers, ascending);
    ech_free(all.reached);
    return status;
}
