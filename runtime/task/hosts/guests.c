/* Tasks that leave a host, tasks that arrive, and outcomes on their way home. */
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/mpi/guard.h"
#include "runtime/task/hosts/links_priv.h"

static const ech_ticks_scale *scale_of(const ech_links *links)
{
    return &links->pool->executor->recorder.scale;
}

int ech_links_destination(const ech_links *links, const ech_cell *cell)
{
    if (cell->affinity == ECH_AFFINITY_RANK) {
        return ech_machine_host_of(links->machine, (int)cell->target);
    }
    if (cell->affinity == ECH_AFFINITY_HOST) {
        return (int)cell->target;
    }
    return -1;
}

static void give_guest(ech_links *links, uint32_t index)
{
    const ech_cell *cell = ech_pool_cell(links->pool, links->pool->self, index);
    if (cell->block != UINT64_MAX) {
        ech_pool_arena_give(&links->pool->arena, cell->block);
    }
    links->free_guests[links->free_guest_count++] = index;
}

static bool is_guest(const ech_links *links, uint64_t ref)
{
    return ech_ref_owner(ref) == links->pool->self &&
           ech_ref_cell(ref) >= links->pool->shape.own_cells;
}

task_item ech_links_item_of(const ech_links *links, const ech_cell *cell, uint64_t ref)
{
    return (task_item){
        .id = cell->id,
        .walltime_ns = cell->walltime_ns,
        .home = is_guest(links, ref) ? cell->home : ref,
        .arguments_bytes = cell->arguments_bytes,
        .payload_bytes = cell->payload_bytes,
        .input_count = cell->input_count,
        .target = cell->target,
        .home_host = cell->home_host,
        .app = cell->app,
        .depth = cell->depth,
        .attempt = cell->attempt,
        .flags = cell->flags,
        .priority = cell->priority,
        .affinity = cell->affinity,
    };
}

void ech_links_forget_guest(ech_links *links, uint64_t ref)
{
    if (is_guest(links, ref)) {
        give_guest(links, ech_ref_cell(ref));
    }
}

bool ech_links_claim(ech_links *links, uint64_t ref)
{
    if (ech_pool_claim(ech_pool_cell(links->pool, ech_ref_owner(ref), ech_ref_cell(ref)))) {
        return true;
    }
    ech_pool_hand_back(links->pool, ref);
    return false;
}

bool ech_links_send_task(ech_links *links, int host, uint64_t ref)
{
    ech_pool *pool = links->pool;
    const uint32_t owner = ech_ref_owner(ref);
    ech_cell *cell = ech_pool_cell(pool, owner, ech_ref_cell(ref));
    unsigned char *body =
        ech_mailbox_begin(links->mailbox, host, ITEM_TASK, sizeof(task_item) + cell->payload_bytes);
    if (body == NULL) {
        return false;
    }
    const task_item item = ech_links_item_of(links, cell, ref);
    memcpy(body, &item, sizeof item);
    memcpy(body + sizeof item, ech_pool_payload(pool, owner, cell), cell->payload_bytes);
    ech_links_forget_guest(links, ref);
    return true;
}

static bool take_guest(ech_links *links, const task_item *item, uint32_t *index, uint64_t *block)
{
    ech_pool *pool = links->pool;
    *block = UINT64_MAX;
    if (links->free_guest_count == 0) {
        return false;
    }
    const size_t bytes = ech_pool_block_bytes(
        item->payload_bytes, pool->executor->apps->apps[item->app].result_bytes_max);
    if (bytes > 0) {
        *block = ech_pool_arena_take(&pool->arena, bytes, ech_pool_arena_units(&pool->arena));
        if (*block == UINT64_MAX) {
            return false;
        }
    }
    *index = links->free_guests[--links->free_guest_count];
    return true;
}

static void fill_guest(ech_links *links, const task_item *item, const void *payload, uint32_t index,
                       uint64_t block)
{
    ech_pool *pool = links->pool;
    ech_cell *cell = ech_pool_cell(pool, pool->self, index);
    cell->id = item->id;
    cell->walltime_ns = item->walltime_ns;
    cell->block = block;
    cell->home = item->home;
    cell->arguments_bytes = item->arguments_bytes;
    cell->payload_bytes = item->payload_bytes;
    cell->input_count = item->input_count;
    cell->target = item->target;
    cell->home_host = item->home_host;
    cell->app = item->app;
    cell->depth = item->depth;
    cell->attempt = item->attempt;
    cell->flags = item->flags;
    cell->priority = item->priority;
    cell->affinity = item->affinity;
    memcpy(ech_pool_payload(pool, pool->self, cell), payload, item->payload_bytes);
    atomic_store_explicit(&cell->claim, 0, memory_order_relaxed);
}

bool ech_links_make_guest(ech_links *links, const task_item *item, const void *payload,
                          uint64_t *ref)
{
    uint32_t index = 0;
    uint64_t block = 0;
    if (!take_guest(links, item, &index, &block)) {
        return false;
    }
    fill_guest(links, item, payload, index, block);
    const bool strict = (item->flags & ECH_CELL_STRICT) != 0;
    *ref = ech_ref(links->pool->self, index, ech_lane_of_depth(item->depth),
                   (uint32_t)(item->priority - ECH_PRIORITY_MIN),
                   strict ? ECH_QUEUE_PINNED : ECH_QUEUE_SHARED);
    return true;
}

static bool queue_guest(ech_links *links, const task_item *item, uint64_t ref)
{
    ech_pool *pool = links->pool;
    switch ((int)item->affinity) {
    case ECH_AFFINITY_RANK:
        return ech_pool_send_to_rank(pool, (uint32_t)pool->local_of_rank[item->target], ref);
    case ECH_AFFINITY_TEAM:
        return ech_gatherer_add(pool->gatherer, ref) == ECH_OK;
    default:
        return ech_pool_enqueue(pool, ref);
    }
}

static bool admit_now(ech_links *links, const task_item *item, const void *payload)
{
    uint64_t ref = 0;
    if (!ech_links_make_guest(links, item, payload, &ref)) {
        return false;
    }
    if (!queue_guest(links, item, ref)) {
        give_guest(links, ech_ref_cell(ref));
        return false;
    }
    return true;
}

/* Never refused: what finds no room waits in private memory. Its number is bounded by the cells of
 * those who submitted it, and messages behind it are still read, so no circle of waits can close.
 */
ech_status ech_links_admit(ech_links *links, const task_item *item, const void *payload)
{
    if (links->first_waiting == NULL && admit_now(links, item, payload)) {
        return ECH_OK;
    }
    waiting_guest *guest = ech_alloc(sizeof *guest + item->payload_bytes);
    if (guest == NULL) {
        return ECH_ERR_MEMORY;
    }
    guest->next = NULL;
    guest->item = *item;
    memcpy(guest->payload, payload, item->payload_bytes);
    if (links->first_waiting == NULL) {
        links->first_waiting = guest;
    } else {
        links->last_waiting->next = guest;
    }
    links->last_waiting = guest;
    return ECH_OK;
}

bool ech_links_admit_waiting(ech_links *links)
{
    bool any = false;
    while (links->first_waiting != NULL) {
        waiting_guest *first = links->first_waiting;
        if (!admit_now(links, &first->item, first->payload)) {
            break;
        }
        links->first_waiting = first->next;
        ech_free(first);
        any = true;
    }
    return any;
}

/* A guest has been run: its outcome goes home. */
void ech_links_take_back(ech_pool *pool, uint32_t index)
{
    ech_links *links = pool->links;
    ech_cell *cell = ech_pool_cell(pool, pool->self, index);
    if ((cell->flags & ECH_CELL_NO_OUTCOME) != 0) {
        give_guest(links, index);
        return;
    }
    const unsigned char *large = ech_pool_large_result(pool, pool->self, cell);
    const bool failed = cell->status != ECH_OK;
    const void *data = failed || large == NULL ? cell->data : large;
    const uint64_t bytes = failed ? strlen((const char *)cell->data) + 1 : cell->result_bytes;
    unsigned char *body = ech_mailbox_begin(links->mailbox, (int)cell->home_host, ITEM_DONE,
                                            sizeof(done_item) + bytes);
    if (body == NULL) {
        ech_abort(ECH_ERR_MEMORY);
    }
    const done_item item = {
        .home = cell->home,
        .started_ns = ech_ticks_wall_ns(scale_of(links), cell->started_ticks),
        .ended_ns = ech_ticks_wall_ns(scale_of(links), cell->ended_ticks),
        .bytes = bytes,
        .rank = cell->rank,
        .host = cell->host,
        .core = cell->core,
        .status = cell->status,
        .flags = cell->outcome_flags,
    };
    memcpy(body, &item, sizeof item);
    memcpy(body + sizeof item, data, bytes);
    give_guest(links, index);
}

/* The outcome of a task of this host that ran elsewhere: into its cell, and back to its owner. */
void ech_links_take_done(ech_links *links, const done_item *item, const void *data)
{
    ech_pool *pool = links->pool;
    const uint32_t owner = ech_ref_owner(item->home);
    ech_cell *cell = ech_pool_cell(pool, owner, ech_ref_cell(item->home));
    unsigned char *large = ech_pool_large_result(pool, owner, cell);
    cell->rank = item->rank;
    cell->host = item->host;
    cell->core = item->core;
    cell->started_ticks = ech_ticks_of_wall_ns(scale_of(links), item->started_ns);
    cell->ended_ticks = ech_ticks_of_wall_ns(scale_of(links), item->ended_ns);
    cell->result_bytes = item->status == ECH_OK ? item->bytes : 0;
    cell->status = item->status;
    cell->outcome_flags = item->flags;
    memcpy(item->status != ECH_OK || large == NULL ? cell->data : large, data, item->bytes);
    ech_pool_hand_back(pool, item->home);
}
