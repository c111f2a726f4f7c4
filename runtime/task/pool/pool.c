/* How a host's shared memory is laid out. */
#include "runtime/task/pool/pool.h"

#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/task/pool/spill.h"

_Static_assert(sizeof(ech_cell) == 320, "a cell takes five cache lines");

enum { LINE = 64, PAGE = 4096, POLL_US = 50, POLL_CROWDED_US = 10, BATCH_US = 50 };

static uint64_t rounded(uint64_t bytes, uint64_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* Sections, each at a page of its own; behind `outbound` the ring of multi-rank tasks. */
typedef struct {
    uint64_t posts, orders, outbound, queues, rank_rings, cells, records, arenas, end;
    uint64_t queue_bytes, rings_bytes, cells_bytes, records_bytes; /* of one queue or rank */
} pool_layout;

static uint64_t rings_of_rank(const ech_pool_shape *shape)
{
    return ech_ring_bytes(ECH_POOL_RING_ORDER) + ech_ring_bytes(ECH_POOL_STASH_ORDER) +
           ech_ring_bytes(shape->returns_order);
}

static pool_layout layout_of(const ech_pool_shape *shape)
{
    pool_layout layout = {.posts = rounded(sizeof(ech_pool_head), PAGE)};
    layout.queue_bytes = rounded(ech_ring_bytes(ECH_POOL_RING_ORDER), LINE);
    layout.rings_bytes = rounded(rings_of_rank(shape), LINE);
    layout.cells_bytes =
        rounded((uint64_t)(shape->own_cells + shape->guest_cells) * sizeof(ech_cell), PAGE);
    layout.orders = layout.posts + rounded(shape->ranks * sizeof(ech_post), PAGE);
    layout.outbound = layout.orders + rounded(shape->ranks * sizeof(ech_team_order), PAGE);
    layout.queues = layout.outbound + rounded(2 * layout.queue_bytes, PAGE);
    layout.rank_rings =
        layout.queues +
        rounded((uint64_t)ECH_QUEUE_KINDS * ECH_LANES * ECH_PRIORITIES * layout.queue_bytes, PAGE);
    layout.cells = layout.rank_rings + rounded(shape->ranks * layout.rings_bytes, PAGE);
    layout.records_bytes = rounded(ech_pool_records_bytes(), PAGE);
    layout.records = layout.cells + shape->ranks * layout.cells_bytes;
    layout.arenas = layout.records + shape->ranks * layout.records_bytes;
    layout.end = layout.arenas + shape->ranks * rounded(shape->arena_bytes, PAGE);
    return layout;
}

uint64_t ech_pool_bytes(const ech_pool_shape *shape)
{
    return layout_of(shape).end;
}

ech_ring *ech_pool_queue(const ech_pool *pool, ech_queue_kind kind, uint32_t lane,
                         uint32_t priority)
{
    const uint64_t index = ((uint64_t)kind * ECH_LANES + lane) * ECH_PRIORITIES + priority;
    return (ech_ring *)(void *)(pool->queues + index * pool->queue_bytes);
}

ech_ring *ech_pool_inbox(const ech_pool *pool, uint32_t rank)
{
    return (ech_ring *)(void *)(pool->rank_rings + rank * pool->rings_bytes);
}

ech_ring *ech_pool_stash(const ech_pool *pool, uint32_t rank)
{
    return (ech_ring *)(void *)(pool->rank_rings + rank * pool->rings_bytes +
                                ech_ring_bytes(ECH_POOL_RING_ORDER));
}

ech_ring *ech_pool_returns(const ech_pool *pool, uint32_t rank)
{
    return (ech_ring *)(void *)(pool->rank_rings + rank * pool->rings_bytes +
                                ech_ring_bytes(ECH_POOL_RING_ORDER) +
                                ech_ring_bytes(ECH_POOL_STASH_ORDER));
}

ech_ring *ech_pool_outbound(const ech_pool *pool)
{
    return (ech_ring *)(void *)pool->outbound;
}

ech_ring *ech_pool_teams(const ech_pool *pool)
{
    return (ech_ring *)(void *)(pool->outbound + pool->queue_bytes);
}

ech_team_order *ech_pool_order(const ech_pool *pool, uint32_t rank)
{
    return (ech_team_order *)(void *)pool->orders + rank;
}

ech_cell *ech_pool_cell(const ech_pool *pool, uint32_t owner, uint32_t cell)
{
    return (ech_cell *)(void *)(pool->cells + owner * pool->cells_bytes) + cell;
}

unsigned char *ech_pool_block(const ech_pool *pool, uint32_t owner, uint64_t block)
{
    return pool->arenas + owner * rounded(pool->shape.arena_bytes, PAGE) + block;
}

unsigned char *ech_pool_payload(const ech_pool *pool, uint32_t owner, const ech_cell *cell)
{
    return cell->payload_bytes > ECH_CELL_DATA_BYTES ? ech_pool_block(pool, owner, cell->block)
                                                     : (unsigned char *)cell->data;
}

unsigned char *ech_pool_large_result(const ech_pool *pool, uint32_t owner, const ech_cell *cell)
{
    if (pool->executor->apps->apps[cell->app].result_bytes_max <= ECH_CELL_DATA_BYTES) {
        return NULL;
    }
    const size_t before =
        cell->payload_bytes > ECH_CELL_DATA_BYTES ? ech_pool_padded(cell->payload_bytes) : 0;
    return ech_pool_block(pool, owner, cell->block + before);
}

static void find_sections(ech_pool *pool, void *base)
{
    const pool_layout layout = layout_of(&pool->shape);
    unsigned char *bytes = base;
    pool->head = base;
    pool->posts = (ech_post *)(void *)(bytes + layout.posts);
    pool->orders = bytes + layout.orders;
    pool->outbound = bytes + layout.outbound;
    pool->queues = bytes + layout.queues;
    pool->rank_rings = bytes + layout.rank_rings;
    pool->cells = bytes + layout.cells;
    pool->records = bytes + layout.records;
    pool->arenas = bytes + layout.arenas;
    pool->queue_bytes = layout.queue_bytes;
    pool->rings_bytes = layout.rings_bytes;
    pool->cells_bytes = layout.cells_bytes;
    pool->records_bytes = layout.records_bytes;
}

static void set_times(ech_pool *pool)
{
    const ech_ticks_scale *scale = &pool->executor->recorder.scale;
    const bool crowded = pool->shape.ranks > pool->shape.cores;
    const uint32_t poll_us = pool->executor->options.poll_us != 0 ? pool->executor->options.poll_us
                             : crowded                            ? POLL_CROWDED_US
                                                                  : POLL_US;
    pool->batch_ticks = ech_ticks_of_ns(scale, (uint64_t)BATCH_US * 1000);
    pool->poll_ticks = ech_ticks_of_ns(scale, (uint64_t)poll_us * 1000);
    pool->task_ticks = pool->batch_ticks; /* unknown: one at a time */
}

/* The first cells come out first, and the last one given back again before them: few pages. */
static void fill_free_cells(ech_pool *pool)
{
    for (uint32_t i = 0; i < pool->shape.own_cells; i++) {
        pool->free_cells[i] = pool->shape.own_cells - 1 - i;
    }
    pool->free_count = pool->shape.own_cells;
}

static ech_status allocate(ech_pool *pool, size_t ranks)
{
    const ech_status status = ech_pool_arena_init(&pool->arena, pool->shape.arena_bytes);
    if (status != ECH_OK) {
        return status;
    }
    pool->nodes = ech_calloc(pool->shape.own_cells, sizeof(ech_future *));
    pool->free_cells = ech_calloc(pool->shape.own_cells, sizeof *pool->free_cells);
    pool->rank_runs_tasks = ech_calloc(ranks, sizeof *pool->rank_runs_tasks);
    pool->local_of_rank = ech_calloc(ranks, sizeof *pool->local_of_rank);
    return pool->nodes != NULL && pool->free_cells != NULL && pool->rank_runs_tasks != NULL &&
                   pool->local_of_rank != NULL
               ? ECH_OK
               : ECH_ERR_MEMORY;
}

ech_status ech_pool_open(ech_pool *pool, ech_executor *executor, const ech_pool_shape *shape,
                         void *base, const ech_pool_ranks *ranks)
{
    const size_t count = (size_t)executor->ranks;
    pool->executor = executor;
    pool->shape = *shape;
    pool->self = ranks->self;
    find_sections(pool, base);
    set_times(pool);
    const ech_status status = allocate(pool, count);
    if (status != ECH_OK) {
        ech_pool_close(pool);
        return status;
    }
    memcpy(pool->rank_runs_tasks, ranks->runs_tasks, count * sizeof *ranks->runs_tasks);
    memcpy(pool->local_of_rank, ranks->local_of_rank, count * sizeof *ranks->local_of_rank);
    pool->runs_tasks = ranks->runs_tasks[executor->rank];
    fill_free_cells(pool);
    return ECH_OK;
}

void ech_pool_close(ech_pool *pool)
{
    ech_spill_destroy(&pool->spill);
    ech_pool_arena_clear(&pool->arena);
    ech_free(pool->nodes);
    ech_free(pool->free_cells);
    ech_free(pool->rank_runs_tasks);
    ech_free(pool->local_of_rank);
    ech_free(pool->bound);
    pool->nodes = NULL;
    pool->free_cells = NULL;
    pool->rank_runs_tasks = NULL;
    pool->local_of_rank = NULL;
    pool->bound = NULL;
}
