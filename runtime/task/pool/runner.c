/* What a rank does that looks for tasks: take some, run them, hand them back. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/task/pool/pool.h"

enum { FIRST_BOUND = 64, KEY_LANE_SHIFT = 56, KEY_PRIORITY_SHIFT = 48, DECAY = 8 };
static const uint64_t age_mask = (UINT64_C(1) << KEY_PRIORITY_SHIFT) - 1;

bool ech_pool_enqueue(ech_pool *pool, uint64_t ref)
{
    const ech_queue_kind kind = ech_ref_kind(ref);
    const uint32_t lane = ech_ref_lane(ref);
    const uint32_t bit = 1U << ech_ref_priority(ref);
    _Atomic uint32_t *used = &pool->head->used[kind][lane];
    if ((atomic_load_explicit(used, memory_order_relaxed) & bit) == 0) {
        atomic_fetch_or(used, bit);
    }
    ech_ring *queue = ech_pool_queue(pool, kind, lane, ech_ref_priority(ref));
    if (ech_ring_put(queue, ECH_POOL_RING_ORDER, &ref, 1) == 0) {
        return false;
    }
    ech_pool_wake_one(pool, lane);
    return true;
}

bool ech_pool_send_to_rank(ech_pool *pool, uint32_t rank, uint64_t ref)
{
    if (ech_ring_put(ech_pool_inbox(pool, rank), ECH_POOL_RING_ORDER, &ref, 1) == 0) {
        return false;
    }
    ech_pool_wake_rank(pool, rank);
    return true;
}

bool ech_pool_send_out(ech_pool *pool, uint64_t ref)
{
    if (ech_ring_put(ech_pool_outbound(pool), ECH_POOL_RING_ORDER, &ref, 1) == 0) {
        return false;
    }
    ech_pool_wake_rank(pool, 0);
    return true;
}

bool ech_pool_send_team(ech_pool *pool, uint64_t ref)
{
    if (ech_ring_put(ech_pool_teams(pool), ECH_POOL_RING_ORDER, &ref, 1) == 0) {
        return false;
    }
    ech_pool_wake_rank(pool, 0);
    return true;
}

/* Bound tasks: a private binary heap, filled from the inbox. */

static void sift_up(ech_bound_task *heap, uint32_t at)
{
    while (at > 0 && heap[at].key > heap[(at - 1) / 2].key) {
        const ech_bound_task parent = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = heap[at];
        heap[at] = parent;
        at = (at - 1) / 2;
    }
}

static void sift_down(ech_bound_task *heap, uint32_t count)
{
    uint32_t at = 0;
    for (;;) {
        uint32_t largest = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++) {
            largest = heap[child].key > heap[largest].key ? child : largest;
        }
        if (largest == at) {
            return;
        }
        const ech_bound_task moved = heap[at];
        heap[at] = heap[largest];
        heap[largest] = moved;
        at = largest;
    }
}

static bool make_room_for_bound(ech_pool *pool)
{
    if (pool->bound_count < pool->bound_capacity) {
        return true;
    }
    const uint32_t capacity = pool->bound_capacity == 0 ? FIRST_BOUND : 2 * pool->bound_capacity;
    ech_bound_task *larger = ech_realloc(pool->bound, capacity, sizeof *larger);
    if (larger == NULL) {
        return false;
    }
    pool->bound = larger;
    pool->bound_capacity = capacity;
    return true;
}

static void drain_inbox(ech_pool *pool)
{
    ech_ring *inbox = ech_pool_inbox(pool, pool->self);
    uint64_t ref = 0;
    while (ech_ring_length(inbox) > 0 && make_room_for_bound(pool) &&
           ech_ring_take(inbox, ECH_POOL_RING_ORDER, &ref, 1) == 1) {
        const uint64_t key = (uint64_t)ech_ref_lane(ref) << KEY_LANE_SHIFT |
                             (uint64_t)ech_ref_priority(ref) << KEY_PRIORITY_SHIFT |
                             (age_mask - pool->bound_age++);
        pool->bound[pool->bound_count] = (ech_bound_task){.key = key, .ref = ref};
        sift_up(pool->bound, pool->bound_count++);
    }
}

static uint64_t pop_bound(ech_pool *pool)
{
    const uint64_t ref = pool->bound[0].ref;
    pool->bound[0] = pool->bound[--pool->bound_count];
    sift_down(pool->bound, pool->bound_count);
    return ref;
}

/* Rank of a place in the order of execution: lane, then priority. */
static uint32_t place(uint32_t lane, uint32_t priority)
{
    return lane << 8 | priority;
}

static uint32_t best_bound(const ech_pool *pool, uint32_t depth)
{
    if (pool->bound_count == 0 || ech_ref_lane(pool->bound[0].ref) <= depth) {
        return 0;
    }
    return place(ech_ref_lane(pool->bound[0].ref), ech_ref_priority(pool->bound[0].ref));
}

/* A short batch of short tasks, and never more than a fair part of what there is. */
static uint32_t batch_size(const ech_pool *pool, uint64_t length)
{
    const uint64_t fits = pool->batch_ticks / (pool->task_ticks + 1);
    const uint64_t fair = length / pool->shape.ranks + 1;
    const uint64_t size = fits < fair ? fits : fair;
    return size < 1 ? 1 : size > ECH_POOL_BATCH ? ECH_POOL_BATCH : (uint32_t)size;
}

static bool take_from_queue(ech_pool *pool, ech_queue_kind kind, uint32_t lane, uint32_t priority,
                            uint64_t *ref)
{
    ech_ring *queue = ech_pool_queue(pool, kind, lane, priority);
    const uint64_t length = ech_ring_length(queue);
    if (length == 0) {
        return false;
    }
    uint64_t refs[ECH_POOL_BATCH];
    const uint32_t taken =
        ech_ring_take(queue, ECH_POOL_RING_ORDER, refs, batch_size(pool, length));
    if (taken == 0) {
        return false;
    }
    *ref = refs[0];
    if (taken > 1) {
        pool->stashed = ech_ring_put(ech_pool_stash(pool, pool->self), ECH_POOL_STASH_ORDER,
                                     &refs[1], taken - 1);
        assert(pool->stashed == taken - 1);
        pool->stash_place = place(lane, priority);
    }
    if (length > taken) {
        ech_pool_wake_next(pool, lane, length - taken);
    }
    return true;
}

static bool take_from_queues(ech_pool *pool, uint32_t depth, uint32_t above, uint64_t *ref)
{
    const ech_pool_head *head = pool->head;
    for (uint32_t lane = ECH_LOCAL_LANE - 1; lane > depth; lane--) {
        uint32_t used =
            atomic_load_explicit(&head->used[ECH_QUEUE_PINNED][lane], memory_order_relaxed) |
            atomic_load_explicit(&head->used[ECH_QUEUE_SHARED][lane], memory_order_relaxed);
        while (used != 0) {
            const uint32_t priority = 31U - (uint32_t)__builtin_clz(used);
            if (place(lane, priority) < above) {
                return false;
            }
            if (take_from_queue(pool, ECH_QUEUE_PINNED, lane, priority, ref) ||
                take_from_queue(pool, ECH_QUEUE_SHARED, lane, priority, ref)) {
                return true;
            }
            used &= ~(1U << priority);
        }
    }
    return false;
}

static bool take_from_own_stash(ech_pool *pool, uint64_t *ref)
{
    if (ech_ring_take(ech_pool_stash(pool, pool->self), ECH_POOL_STASH_ORDER, ref, 1) == 0) {
        pool->stashed = 0; /* others have taken the rest */
        return false;
    }
    pool->stashed--;
    return true;
}

/* A task that waits cannot run what lies in the stash: give it to the others. */
static void return_stash(ech_pool *pool)
{
    uint64_t ref = 0;
    while (pool->stashed > 0 && take_from_own_stash(pool, &ref)) {
        if (!ech_pool_enqueue(pool, ref)) {
            ech_ring_put(ech_pool_stash(pool, pool->self), ECH_POOL_STASH_ORDER, &ref, 1);
            pool->stashed++;
            return;
        }
    }
}

/* Tasks that another rank has claimed and not begun; of any depth, so only for one that runs any.
 */
static bool take_from_stashes(ech_pool *pool, uint64_t *ref)
{
    for (uint32_t i = 1; i < pool->shape.ranks; i++) {
        ech_ring *stash = ech_pool_stash(pool, (pool->self + i) % pool->shape.ranks);
        if (ech_ring_length(stash) > 0 && ech_ring_take(stash, ECH_POOL_STASH_ORDER, ref, 1) == 1) {
            return true;
        }
    }
    return false;
}

/* A rank that runs no tasks has its inbox only. */
static bool take(ech_pool *pool, uint32_t depth, uint64_t *ref)
{
    drain_inbox(pool);
    const uint32_t bound = best_bound(pool, depth);
    if (pool->stashed > 0 && pool->stash_place >> 8 <= depth) {
        return_stash(pool);
    }
    if (pool->stashed > 0 && pool->stash_place >> 8 > depth && pool->stash_place >= bound &&
        take_from_own_stash(pool, ref)) {
        return true;
    }
    if (pool->runs_tasks && pool->stashed == 0 && take_from_queues(pool, depth, bound, ref)) {
        return true;
    }
    if (bound > 0) {
        *ref = pop_bound(pool);
        return true;
    }
    return pool->runs_tasks && depth == 0 && take_from_stashes(pool, ref);
}

/* What a node of my own that found no room in the pool could not be given: I can run it here. */
static bool run_own_ready(ech_pool *pool, uint32_t depth)
{
    ech_executor *executor = pool->executor;
    ech_future *node = ech_graph_first_ready(&executor->graph, ech_lane_of_depth(depth + 1));
    if (node == NULL || !pool->runs_tasks || node->ranks > 1) {
        return false;
    }
    const bool elsewhere =
        (node->affinity == ECH_AFFINITY_RANK && node->affinity_value != (uint64_t)executor->rank) ||
        (node->affinity == ECH_AFFINITY_HOST && node->strict &&
         node->affinity_value != (uint64_t)executor->host);
    if (elsewhere) {
        return false;
    }
    ech_graph_pop_ready(&executor->graph, node);
    ech_executor_run_here(executor, node);
    return true;
}

/* At once, also within a batch: the next task may take long. */
void ech_pool_hand_back(ech_pool *pool, uint64_t ref)
{
    const uint32_t owner = ech_ref_owner(ref);
    const uint64_t cell = ech_ref_cell(ref);
    const uint32_t put =
        ech_ring_put(ech_pool_returns(pool, owner), pool->shape.returns_order, &cell, 1);
    assert(put == 1); /* the ring has room for all cells of its rank */
    (void)put;
    if (owner != pool->self) {
        ech_pool_wake_rank(pool, owner);
    }
}

void ech_pool_write_outcome(ech_cell *cell, const ech_outcome *outcome, bool result_in_cell)
{
    cell->rank = outcome->rank;
    cell->host = outcome->host;
    cell->core = outcome->core;
    cell->started_ticks = outcome->started_ticks;
    cell->ended_ticks = outcome->ended_ticks;
    cell->result_bytes = outcome->result_bytes;
    cell->status = (uint8_t)outcome->status;
    cell->outcome_flags = outcome->flags;
    if (outcome->status != ECH_OK) {
        snprintf((char *)cell->data, sizeof cell->data, "%s", outcome->message);
    } else if (result_in_cell && outcome->result_bytes > 0) {
        memcpy(cell->data, outcome->result, outcome->result_bytes);
    }
}

void ech_pool_call_cell(ech_pool *pool, uint32_t owner, const ech_cell *cell, const ech_team *team,
                        unsigned char *result, ech_outcome *outcome)
{
    const ech_call call = {
        .id = cell->id,
        .walltime_ns = cell->walltime_ns,
        .app = cell->app,
        .depth = cell->depth,
        .attempt = cell->attempt,
        .in_team = (cell->flags & ECH_CELL_IN_TEAM) != 0,
        .input_count = cell->input_count,
        .arguments_bytes = cell->arguments_bytes,
        .payload = ech_pool_payload(pool, owner, cell),
        .result = result,
        .result_capacity = pool->executor->apps->apps[cell->app].result_bytes_max,
        .team = team,
    };
    ech_run_call(pool->executor, &call, pool->last_ticks != 0 ? pool->last_ticks : ech_ticks(),
                 outcome);
}

static void run_cell(ech_pool *pool, uint32_t owner, ech_cell *cell)
{
    _Alignas(16) unsigned char small_result[ECH_CELL_DATA_BYTES];
    unsigned char *large = ech_pool_large_result(pool, owner, cell);
    ech_outcome outcome;
    ech_pool_call_cell(pool, owner, cell, NULL, large != NULL ? large : small_result, &outcome);
    ech_pool_write_outcome(cell, &outcome, large == NULL);
    const uint64_t ticks = outcome.ended_ticks - outcome.started_ticks;
    pool->task_ticks =
        ticks > pool->task_ticks ? ticks : pool->task_ticks - (pool->task_ticks - ticks) / DECAY;
    pool->last_ticks = outcome.ended_ticks;
}

bool ech_pool_claim(ech_cell *cell)
{
    uint32_t queued = 0;
    return atomic_compare_exchange_strong_explicit(&cell->claim, &queued, ECH_CELL_RUNS,
                                                   memory_order_acq_rel, memory_order_acquire);
}

static void run_ref(ech_pool *pool, uint64_t ref)
{
    const uint32_t owner = ech_ref_owner(ref);
    ech_cell *cell = ech_pool_cell(pool, owner, ech_ref_cell(ref));
    if (ech_pool_claim(cell)) {
        run_cell(pool, owner, cell);
    }
    ech_pool_hand_back(pool, ref);
}

/* Others take from it at depth 0 only: who waits for one of these tasks waits for this rank. */
static bool stash_has_tasks(const ech_pool *pool, uint32_t depth)
{
    return pool->stashed > 0 && pool->stash_place >> 8 > depth &&
           ech_ring_length(ech_pool_stash(pool, pool->self)) > 0;
}

bool ech_pool_has_tasks(ech_pool *pool, uint32_t depth)
{
    drain_inbox(pool);
    return best_bound(pool, depth) > 0 || stash_has_tasks(pool, depth) ||
           ech_pool_queue_has_tasks(pool, depth) ||
           ech_graph_first_ready(&pool->executor->graph, ech_lane_of_depth(depth + 1)) != NULL;
}

bool ech_pool_run_some(ech_pool *pool, uint32_t depth)
{
    uint64_t ref = 0;
    if (depth == ECH_POOL_NO_DEPTH) {
        return false; /* about to take part in a multi-rank task */
    }
    if (!take(pool, depth, &ref)) {
        return run_own_ready(pool, depth);
    }
    const uint64_t begin = pool->last_ticks;
    run_ref(pool, ref);
    while (pool->stashed > 0 && pool->last_ticks - begin < pool->batch_ticks &&
           take(pool, depth, &ref)) {
        run_ref(pool, ref);
    }
    atomic_store_explicit(&pool->head->task_ticks, pool->task_ticks, memory_order_relaxed);
    return true;
}
