/* Who is which leaf of which sum, and where each trains. */
#include <stdlib.h>

#include "runtime/fed/gather_priv.h"

enum { PARTS_A_HOST = 8 /* at least, so that hosts of any number get even shares */ };

static bool is_fused(const ech_gather *gather)
{
    return gather->options.aggregators == ECH_AGGREGATORS_FUSED;
}

static int by_position(const void *left, const void *right)
{
    const ech_participant *a = left;
    const ech_participant *b = right;
    return (a->position > b->position) - (a->position < b->position);
}

static int by_size(const void *left, const void *right)
{
    const ech_participant *a = left;
    const ech_participant *b = right;
    if (a->samples != b->samples) {
        return a->samples < b->samples ? 1 : -1;
    }
    return (a->worker > b->worker) - (a->worker < b->worker);
}

/* All hosts' sums have the same leaves, the participants. */
static void number_fused(ech_gather *gather)
{
    for (uint32_t i = 0; i < gather->participant_count; i++) {
        gather->participants[i].leaf = i;
    }
    for (uint32_t sum = 0; sum < ech_sum_plan_count(gather->plan); sum++) {
        ech_sum_node *node = ech_sum_plan_node(gather->plan, sum);
        node->leaf_count = gather->participant_count;
        node->leaf = ECH_LEAF_OWN;
    }
}

/* A sum that gets its first leaf becomes one of its parent's. */
static uint32_t next_leaf(ech_gather *gather, uint32_t sum)
{
    ech_sum_node *node = ech_sum_plan_node(gather->plan, sum);
    const uint32_t leaf = node->leaf_count++;
    while (node->leaf_count == 1 && node->parent != ECH_SUM_NONE) {
        ech_sum_node *parent = ech_sum_plan_node(gather->plan, node->parent);
        node->leaf = parent->leaf_count++;
        node = parent;
    }
    return leaf;
}

/* Participants stand by position: so each sum's leaves are numbered along the tree. */
static void number_materialised(ech_gather *gather)
{
    for (uint32_t sum = 0; sum < ech_sum_plan_count(gather->plan); sum++) {
        ech_sum_plan_node(gather->plan, sum)->leaf_count = 0;
    }
    for (uint32_t i = 0; i < gather->participant_count; i++) {
        ech_participant *who = &gather->participants[i];
        who->leaf = next_leaf(gather, who->sum);
    }
}

void ech_gather_place_participants(ech_gather *gather)
{
    const ech_topology *topology = gather->options.topology;
    for (uint32_t i = 0; i < gather->participant_count; i++) {
        ech_participant *who = &gather->participants[i];
        const uint32_t node = ech_topology_worker_node(topology, who->worker);
        who->sum = ech_sum_plan_of_worker(gather->plan, who->worker);
        who->position = ech_topology_node(topology, node)->first_leaf;
    }
    const bool largest_first = is_fused(gather) && gather->options.sum == ECH_SUM_EXACT;
    qsort(gather->participants, gather->participant_count, sizeof *gather->participants,
          largest_first ? by_size : by_position);
    if (is_fused(gather)) {
        number_fused(gather);
    } else {
        number_materialised(gather);
    }
}

static uint64_t ranks_of(const ech_gather *gather, uint32_t host)
{
    int count = 0;
    ech_machine_ranks_of(gather->options.machine, (int)host, &count);
    return (uint64_t)count;
}

/* The host of the part of the halved leaves in which this one lies: each host has a run of parts,
 * by its ranks; where hosts are alike and a power of two, just one whole part. */
static uint32_t host_of_part(const ech_gather *gather, uint32_t leaf)
{
    uint32_t depth = 0;
    while ((uint64_t)1 << depth < (uint64_t)PARTS_A_HOST * gather->host_count) {
        depth++;
    }
    const uint64_t part = ech_ordered_sum_part(gather->participant_count, leaf, depth);
    const uint64_t ranks = (uint64_t)ech_machine_rank_count(gather->options.machine);
    const uint64_t middle = ((2 * part + 1) * ranks) >> (depth + 1); /* of the part, in ranks */
    uint32_t host = 0;
    for (uint64_t end = ranks_of(gather, 0); middle >= end; end += ranks_of(gather, host)) {
        host++;
    }
    return host;
}

ech_task_options ech_gather_home_of(const ech_gather *gather, const ech_participant *who)
{
    const ech_gather_options *options = &gather->options;
    const uint32_t placed = ech_placement_worker_host(options->placement, who->worker);
    ech_task_options task = {.affinity = ECH_AFFINITY_HOST, .affinity_value = placed};
    task.strict = options->homes != ECH_HOMES_ANY;
    if (!task.strict && options->sum == ECH_SUM_FLOAT32) {
        task.affinity_value = host_of_part(gather, who->leaf);
        task.strict = true;
    }
    if (options->states != NULL) {
        task.affinity_value = ech_worker_states_home(options->states, who->worker);
        task.strict = true;
    }
    if (who->sum != ECH_SUM_NONE) {
        task.affinity_value = ech_sum_plan_node(gather->plan, who->sum)->host;
        task.strict = true;
    }
    if (options->homes == ECH_HOMES_RANK && task.affinity_value == placed) {
        int count = 0;
        const int *ranks = ech_machine_ranks_of(options->machine, (int)placed, &count);
        const uint32_t own = ech_placement_worker_rank(options->placement, who->worker);
        task.affinity = ECH_AFFINITY_RANK;
        task.affinity_value = (uint64_t)ranks[own];
    }
    return task;
}
