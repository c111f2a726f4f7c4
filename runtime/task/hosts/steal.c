/* Balance between hosts: a hungry host says so once, and gets tasks when they can be spared. */
#include "runtime/mpi/guard.h"
#include "runtime/task/hosts/links_priv.h"

enum { AHEAD_PER_RANK = 2, AHEAD_MAX = 512, AHEAD_NS = 200000 };

static uint64_t queued_in(const ech_pool *pool, ech_queue_kind kind)
{
    uint64_t queued = 0;
    for (uint32_t lane = 1; lane < ECH_LOCAL_LANE; lane++) {
        uint32_t used = atomic_load_explicit(&pool->head->used[kind][lane], memory_order_relaxed);
        for (; used != 0; used &= used - 1) {
            queued +=
                ech_ring_length(ech_pool_queue(pool, kind, lane, (uint32_t)__builtin_ctz(used)));
        }
    }
    return queued;
}

static uint64_t running_ranks(const ech_pool *pool)
{
    uint64_t ranks = 0;
    for (int i = 0; i < pool->executor->ranks; i++) {
        ranks += pool->local_of_rank[i] >= 0 && pool->rank_runs_tasks[i] ? 1 : 0;
    }
    return ranks;
}

/* Two tasks a rank, or more of those so short that fetching would take longer than running. */
static uint64_t ahead(const ech_pool *pool, uint64_t ranks)
{
    const uint64_t task_ticks =
        atomic_load_explicit(&pool->head->task_ticks, memory_order_relaxed) + 1;
    const uint64_t window = ech_ticks_of_ns(&pool->executor->recorder.scale, AHEAD_NS);
    const uint64_t short_ones = task_ticks == 1 ? 0 : ranks * (window / task_ticks);
    const uint64_t least = ranks * AHEAD_PER_RANK;
    const uint64_t most = short_ones < AHEAD_MAX ? short_ones : AHEAD_MAX;
    return most > least ? most : least;
}

/* Neighbours on a hypercube; hosts without a partner in a dimension are joined through others. */
static bool next_neighbour(const ech_links *links, int *bit, int *host)
{
    for (; (1 << *bit) < links->hosts; (*bit)++) {
        *host = links->host ^ (1 << *bit);
        if (*host < links->hosts) {
            (*bit)++;
            return true;
        }
    }
    return false;
}

static void say_hungry(ech_links *links, uint64_t want)
{
    int host = 0;
    for (int bit = 0; next_neighbour(links, &bit, &host);) {
        if (links->asked[host]) {
            continue;
        }
        uint64_t *body = ech_mailbox_begin(links->mailbox, host, ITEM_HUNGRY, sizeof want);
        if (body != NULL) {
            *body = want;
            links->asked[host] = true;
        }
    }
}

static bool take_one_to_spare(ech_links *links, uint64_t *ref)
{
    const ech_pool *pool = links->pool;
    for (uint32_t lane = 1; lane < ECH_LOCAL_LANE; lane++) {
        uint32_t used =
            atomic_load_explicit(&pool->head->used[ECH_QUEUE_SHARED][lane], memory_order_relaxed);
        while (used != 0) {
            const uint32_t priority = 31U - (uint32_t)__builtin_clz(used);
            ech_ring *queue = ech_pool_queue(pool, ECH_QUEUE_SHARED, lane, priority);
            if (ech_ring_take(queue, ECH_POOL_RING_ORDER, ref, 1) == 1) {
                return true;
            }
            used &= ~(1U << priority);
        }
    }
    return false;
}

static void grant(ech_links *links, int host, uint64_t most)
{
    uint64_t sent = 0;
    uint64_t ref = 0;
    while (sent < most && take_one_to_spare(links, &ref)) {
        if (!ech_links_claim(links, ref)) {
            continue;
        }
        if (!ech_links_send_task(links, host, ref)) {
            ech_abort(ECH_ERR_MEMORY);
        }
        sent++;
    }
    uint64_t *body =
        sent == 0 ? NULL : ech_mailbox_begin(links->mailbox, host, ITEM_GRANT, sizeof sent);
    if (body != NULL) {
        *body = sent;
        links->wanted[host] = 0;
    }
}

/* Half of what is queued beyond one task for each rank of this host. */
static void feed_hungry(ech_links *links, uint64_t ranks)
{
    for (int host = 0; host < links->hosts; host++) {
        if (links->wanted[host] == 0) {
            continue;
        }
        const uint64_t queued = queued_in(links->pool, ECH_QUEUE_SHARED);
        const uint64_t spare = ranks == 0 ? queued : queued / 2;
        const uint64_t most = spare < links->wanted[host] ? spare : links->wanted[host];
        if (most > 0) {
            grant(links, host, most);
        }
    }
}

void ech_links_balance(ech_links *links)
{
    const uint64_t ranks = running_ranks(links->pool);
    feed_hungry(links, ranks);
    const uint64_t queued =
        queued_in(links->pool, ECH_QUEUE_SHARED) + queued_in(links->pool, ECH_QUEUE_PINNED);
    const uint64_t enough = ahead(links->pool, ranks);
    if (queued < (enough + 1) / 2) {
        say_hungry(links, enough - queued);
    }
}
