/* What the submitting rank does: cells out, cells back. */

#include "runtime/task/pool/pool.h"

/* Deeper lanes keep a few cells that shallower ones cannot use up, so that a task that waits for
 * its own tasks can always have them run. */
static uint32_t cells_kept_from(const ech_pool *pool, uint32_t lane)
{
    return (ECH_LOCAL_LANE - 1 - lane) * (pool->shape.own_cells / 64);
}

/* The same for the arena: lane 1 may fill half of it, lane 2 three quarters, and so on. */
static uint64_t arena_share(const ech_pool *pool, uint32_t lane)
{
    const uint64_t units = ech_pool_arena_units(&pool->arena);
    return units - (units >> lane);
}

static uint64_t host_of_key(uint64_t key, int hosts)
{
    const uint64_t mixed = (key ^ key >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return (mixed >> 32) * (uint64_t)hosts >> 32;
}

/* After a failure on a rank: the next one that runs tasks; -1 if there is no other. */
static int another_rank(const ech_pool *pool, int avoided)
{
    const int ranks = pool->executor->ranks;
    for (int i = 1; i < ranks; i++) {
        const int rank = (avoided + i) % ranks;
        if (pool->rank_runs_tasks[rank]) {
            return rank;
        }
    }
    return -1;
}

static void set_target(const ech_pool *pool, const ech_future *node, ech_cell *cell)
{
    cell->affinity = node->affinity;
    cell->target = (uint32_t)node->affinity_value;
    if (node->affinity == ECH_AFFINITY_KEY) {
        cell->affinity = ECH_AFFINITY_HOST;
        cell->target = (uint32_t)host_of_key(node->affinity_value, pool->executor->hosts);
    }
    if (node->avoid_rank != 0 && node->affinity != ECH_AFFINITY_RANK) {
        const int rank = another_rank(pool, (int)node->avoid_rank - 1);
        if (rank >= 0) {
            cell->affinity = ECH_AFFINITY_RANK;
            cell->target = (uint32_t)rank;
        }
    }
    if (node->ranks > 1) {
        cell->affinity = ECH_AFFINITY_TEAM;
        cell->target = node->ranks;
    }
}

static void fill_cell(ech_pool *pool, ech_future *node, uint32_t index, uint64_t block)
{
    ech_cell *cell = ech_pool_cell(pool, pool->self, index);
    cell->id = node->id;
    cell->walltime_ns = node->walltime_ns;
    cell->block = block;
    cell->arguments_bytes = (uint32_t)node->bytes;
    cell->payload_bytes = (uint32_t)ech_payload_bytes(node);
    cell->input_count = node->input_count;
    cell->app = node->app;
    cell->depth = node->depth;
    cell->attempt = node->attempt;
    cell->flags = (uint8_t)((node->in_team || node->ranks > 1 ? ECH_CELL_IN_TEAM : 0) |
                            (node->strict ? ECH_CELL_STRICT : 0));
    cell->priority = node->priority;
    cell->home_host = (uint32_t)pool->executor->host;
    set_target(pool, node, cell);
    ech_payload_pack(node, ech_pool_payload(pool, pool->self, cell));
    atomic_store_explicit(&cell->claim, 0, memory_order_relaxed);
}

static bool take_cell(ech_pool *pool, const ech_future *node, uint32_t lane, uint32_t *index,
                      uint64_t *block)
{
    *block = UINT64_MAX;
    if (pool->free_count <= cells_kept_from(pool, lane)) {
        return false;
    }
    const size_t bytes = ech_pool_block_bytes(
        ech_payload_bytes(node), pool->executor->apps->apps[node->app].result_bytes_max);
    if (bytes > 0) {
        *block = ech_pool_arena_take(&pool->arena, bytes, arena_share(pool, lane));
        if (*block == UINT64_MAX) {
            return false;
        }
    }
    *index = pool->free_cells[--pool->free_count];
    return true;
}

static void give_cell(ech_pool *pool, uint32_t index)
{
    const ech_cell *cell = ech_pool_cell(pool, pool->self, index);
    if (cell->block != UINT64_MAX) {
        ech_pool_arena_give(&pool->arena, cell->block);
    }
    pool->free_cells[pool->free_count++] = index;
}

/* Where a cell goes first: a queue of this host, a rank of it, or another host. */
static bool dispatch(ech_pool *pool, const ech_future *node, uint64_t ref)
{
    const ech_executor *executor = pool->executor;
    const ech_cell *cell = ech_pool_cell(pool, pool->self, ech_ref_cell(ref));
    if (node->ranks > 1) {
        return ech_pool_send_team(pool, ref);
    }
    if (cell->affinity == ECH_AFFINITY_RANK) {
        const int local = pool->local_of_rank[cell->target];
        return local >= 0 ? ech_pool_send_to_rank(pool, (uint32_t)local, ref)
                          : ech_pool_send_out(pool, ref);
    }
    if (cell->affinity == ECH_AFFINITY_HOST && cell->target != (uint32_t)executor->host) {
        return ech_pool_send_out(pool, ref);
    }
    return ech_pool_enqueue(pool, ref);
}

static bool release_node(ech_pool *pool, ech_future *node, uint32_t lane)
{
    uint32_t index = 0;
    uint64_t block = 0;
    if (!take_cell(pool, node, lane, &index, &block)) {
        return false;
    }
    fill_cell(pool, node, index, block);
    pool->nodes[index] = node;
    node->cell = index;
    const uint64_t ref =
        ech_ref(pool->self, index, lane, (uint32_t)(node->priority - ECH_PRIORITY_MIN),
                node->strict ? ECH_QUEUE_PINNED : ECH_QUEUE_SHARED);
    if (!dispatch(pool, node, ref)) {
        give_cell(pool, index);
        return false;
    }
    return true;
}

void ech_pool_release(ech_pool *pool)
{
    ech_graph *graph = &pool->executor->graph;
    for (uint32_t lane = ECH_LOCAL_LANE - 1; lane >= 1; lane--) {
        ech_future *node = NULL;
        while ((node = ech_graph_first_ready_in(graph, lane)) != NULL) {
            /* Out of the list first: once released, it may come back and be done at any time. */
            ech_graph_pop_ready(graph, node);
            node->state = ECH_NODE_RELEASED;
            if (!release_node(pool, node, lane)) {
                ech_graph_push_ready_first(graph, node);
                break;
            }
        }
    }
}

static ech_outcome outcome_of(const ech_pool *pool, ech_cell *cell)
{
    const unsigned char *large = ech_pool_large_result(pool, pool->self, cell);
    return (ech_outcome){
        .status = (ech_status)cell->status,
        .flags = cell->outcome_flags,
        .rank = cell->rank,
        .host = cell->host,
        .core = cell->core,
        .started_ticks = cell->started_ticks,
        .ended_ticks = cell->ended_ticks,
        .result = large != NULL ? large : cell->data,
        .result_bytes = cell->result_bytes,
        .message = cell->status == ECH_OK ? "" : (const char *)cell->data,
    };
}

static void collect_own(ech_pool *pool, uint32_t index)
{
    ech_future *node = pool->nodes[index];
    const ech_outcome outcome = outcome_of(pool, ech_pool_cell(pool, pool->self, index));
    pool->nodes[index] = NULL;
    ech_executor_deliver(pool->executor, node, &outcome);
    give_cell(pool, index);
}

bool ech_pool_collect(ech_pool *pool)
{
    uint64_t cells[ECH_POOL_BATCH];
    ech_ring *returns = ech_pool_returns(pool, pool->self);
    const uint32_t count = ech_ring_take(returns, pool->shape.returns_order, cells, ECH_POOL_BATCH);
    for (uint32_t i = 0; i < count; i++) {
        __builtin_prefetch(ech_pool_cell(pool, pool->self, (uint32_t)cells[i])->data - 48);
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t index = (uint32_t)cells[i];
        if (index < pool->shape.own_cells) {
            collect_own(pool, index);
        } else {
            pool->take_back(pool, index);
        }
    }
    return count > 0;
}

bool ech_pool_withdraw(ech_pool *pool, ech_future *node)
{
    ech_cell *cell = ech_pool_cell(pool, pool->self, node->cell);
    uint32_t queued = 0;
    return atomic_compare_exchange_strong_explicit(&cell->claim, &queued, ECH_CELL_WITHDRAWN,
                                                   memory_order_acq_rel, memory_order_acquire);
}
