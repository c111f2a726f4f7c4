#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "runtime/fed/topology_priv.h"

/* Vertices as they are drawn: 0 is the leader, then the aggregators, then the workers; a parent
 * comes before its children. */
typedef struct {
    uint32_t aggregators;
    uint32_t workers;
    uint32_t count;
    uint32_t *parent;
    uint32_t *first; /* count + 1: where a vertex's children begin among all children */
    uint32_t *depth;
    uint32_t *number; /* of a vertex in the tree */
    uint32_t *vertex; /* the other way round */
} drawing;

static ech_status allocate(drawing *drawn)
{
    const size_t count = drawn->count;
    drawn->parent = ech_calloc(count, sizeof *drawn->parent);
    drawn->first = ech_calloc(count + 1, sizeof *drawn->first);
    drawn->depth = ech_calloc(count, sizeof *drawn->depth);
    drawn->number = ech_calloc(count, sizeof *drawn->number);
    drawn->vertex = ech_calloc(count, sizeof *drawn->vertex);
    return drawn->parent != NULL && drawn->first != NULL && drawn->depth != NULL &&
                   drawn->number != NULL && drawn->vertex != NULL
               ? ECH_OK
               : ECH_ERR_MEMORY;
}

static void clear(drawing *drawn)
{
    ech_free(drawn->parent);
    ech_free(drawn->first);
    ech_free(drawn->depth);
    ech_free(drawn->number);
    ech_free(drawn->vertex);
}

/* Above an aggregator is one of those that leave room for it and a worker. `number` holds these
 * meanwhile: the leader is the first of them, so there is always one. */
static void draw_aggregators(drawing *drawn, uint32_t height, ech_random *stream)
{
    uint32_t *open = drawn->number;
    uint32_t open_count = 0;
    open[open_count++] = 0;
    for (uint32_t a = 1; a <= drawn->aggregators; a++) {
        const uint32_t above = open[ech_random_below(stream, open_count)];
        drawn->parent[a] = above;
        drawn->depth[a] = drawn->depth[above] + 1;
        drawn->first[above]++;
        if (drawn->depth[a] + 1 < height) {
            open[open_count++] = a;
        }
    }
}

static void hang_worker(drawing *drawn, uint32_t worker, uint32_t above)
{
    drawn->parent[worker] = above;
    drawn->depth[worker] = drawn->depth[above] + 1;
    drawn->first[above]++;
}

static void draw_workers(drawing *drawn, ech_random *stream)
{
    uint32_t next = drawn->aggregators + 1;
    for (uint32_t a = 1; a <= drawn->aggregators; a++) {
        if (drawn->first[a] == 0) {
            hang_worker(drawn, next++, a);
        }
    }
    for (; next < drawn->count; next++) {
        hang_worker(drawn, next, (uint32_t)ech_random_below(stream, drawn->aggregators + 1));
    }
}

/* From numbers of children to where they begin; then tier by tier, from the leader down. */
static void number_vertices(drawing *drawn)
{
    uint32_t begin = 0;
    for (uint32_t v = 0; v < drawn->count; v++) {
        const uint32_t children = drawn->first[v];
        drawn->first[v] = begin;
        begin += children;
    }
    drawn->first[drawn->count] = begin;
    uint32_t *children = drawn->vertex; /* for now: all children, by parent */
    for (uint32_t v = 1; v < drawn->count; v++) {
        children[drawn->first[drawn->parent[v]]++] = v;
    }
    for (uint32_t v = drawn->count; v-- > 0;) {
        drawn->first[v] = v > 0 ? drawn->first[v - 1] : 0;
    }
}

/* Take the vertices tier by tier into `order`. */
static void order_vertices(const drawing *drawn, uint32_t *order)
{
    uint32_t taken = 0;
    order[taken++] = 0;
    for (uint32_t i = 0; i < taken; i++) {
        for (uint32_t c = drawn->first[order[i]]; c < drawn->first[order[i] + 1]; c++) {
            order[taken++] = drawn->vertex[c];
        }
    }
}

static void fill_nodes(const drawing *drawn, const uint32_t *order, ech_topology *topology)
{
    uint32_t next_child = 1;
    for (uint32_t n = 0; n < drawn->count; n++) {
        const uint32_t vertex = order[n];
        const uint32_t children = drawn->first[vertex + 1] - drawn->first[vertex];
        drawn->number[vertex] = n;
        topology->nodes[n] = (ech_node){
            .parent = n == 0 ? ECH_NODE_NONE : drawn->number[drawn->parent[vertex]],
            .first_child = children > 0 ? next_child : 0,
            .child_count = children,
            .worker = ECH_NODE_NONE,
            .name = ECH_NODE_NONE,
            .tier = (uint16_t)drawn->depth[vertex],
            .kind = n == 0                         ? ECH_NODE_LEADER
                    : vertex <= drawn->aggregators ? ECH_NODE_AGGREGATOR
                                                   : ECH_NODE_WORKER,
        };
        next_child += children;
        topology->tier_begin[drawn->depth[vertex] + 1] = n + 1;
    }
    ech_topology_number_leaves(topology);
}

static ech_status build(drawing *drawn, ech_topology **out)
{
    uint32_t deepest = 0;
    for (uint32_t v = 0; v < drawn->count; v++) {
        deepest = drawn->depth[v] > deepest ? drawn->depth[v] : deepest;
    }
    number_vertices(drawn);
    uint32_t *order = ech_calloc(drawn->count, sizeof *order);
    ech_status status = order != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        status = ech_topology_allocate(drawn->count, drawn->workers, deepest + 1, out);
    }
    if (status == ECH_OK) {
        order_vertices(drawn, order);
        fill_nodes(drawn, order, *out);
    }
    ech_free(order);
    return status;
}

static ech_status check(uint32_t workers, uint32_t aggregators, uint32_t height)
{
    if (workers == 0 || height == 0 || height >= ECH_TOPOLOGY_TIERS_MAX) {
        return ech_fail(ECH_ERR_CONFIG,
                        "topology: %u workers at height %u: expected at least 1 worker and a "
                        "height of 1 to %d",
                        workers, height, ECH_TOPOLOGY_TIERS_MAX - 1);
    }
    if (aggregators > workers || (height == 1 && aggregators > 0)) {
        return ech_fail(ECH_ERR_CONFIG,
                        "topology: %u aggregators over %u workers at height %u: expected at most "
                        "one a worker, and none at height 1",
                        aggregators, workers, height);
    }
    if ((uint64_t)workers + aggregators + 1 > ECH_TOPOLOGY_NODES_MAX) {
        return ech_fail(ECH_ERR_CONFIG, "topology: %llu nodes: at most %d are possible",
                        (unsigned long long)workers + aggregators + 1, ECH_TOPOLOGY_NODES_MAX);
    }
    return ECH_OK;
}

ech_status ech_topology_random(uint32_t workers, uint32_t aggregators, uint32_t height,
                               uint64_t seed, ech_topology **out)
{
    *out = NULL;
    ech_status status = check(workers, aggregators, height);
    if (status != ECH_OK) {
        return status;
    }
    drawing drawn = {
        .aggregators = aggregators, .workers = workers, .count = workers + aggregators + 1};
    status = allocate(&drawn);
    if (status == ECH_OK) {
        ech_random stream = ech_random_stream(seed, ECH_RANDOM_TOPOLOGY, 0, 0, 0);
        draw_aggregators(&drawn, height, &stream);
        draw_workers(&drawn, &stream);
        status = build(&drawn, out);
    }
    clear(&drawn);
    return status;
}
