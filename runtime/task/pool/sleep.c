/* Who sleeps, who polls, and who is woken. A rank that polls for tasks counts as `spinning`; nobody
 * is woken while one does. It stops counting before it looks for the last time, so a task that was
 * queued in between is seen by one of the two. */
#include "runtime/task/pool/gather.h"
#include "runtime/task/pool/pool.h"

#if defined(__x86_64__)
#define pause_processor() __builtin_ia32_pause()
#else
#define pause_processor() ((void)0)
#endif

/* The longest sleep: a backstop for tasks left behind by one that looked short and was not. */
static const uint64_t sleep_max_ns = 100000000;
static const uint32_t sleeps_for_no_task = UINT32_MAX;
enum { POLLS_BETWEEN_CLOCKS = 16, NAPS_IN_A_ROW = 32 };

/* True for the one that ends this sleep: so it costs one system call, however many have news. */
static bool end_sleep(ech_post *post, uint32_t sleeping)
{
    return atomic_compare_exchange_strong(&post->sleeping, &sleeping, 0);
}

void ech_pool_wake_rank(ech_pool *pool, uint32_t rank)
{
    ech_post *post = &pool->posts[rank];
    atomic_thread_fence(memory_order_seq_cst);
    const uint32_t sleeping = atomic_load_explicit(&post->sleeping, memory_order_relaxed);
    if (sleeping != 0 && end_sleep(post, sleeping)) {
        ech_event_notify(&post->event, 1);
    }
}

void ech_pool_wake_all(ech_pool *pool)
{
    for (uint32_t rank = 0; rank < pool->shape.ranks; rank++) {
        ech_pool_wake_rank(pool, rank);
    }
}

static void wake_a_sleeper(ech_pool *pool, uint32_t lane)
{
    for (uint32_t rank = 0; rank < pool->shape.ranks; rank++) {
        ech_post *post = &pool->posts[rank];
        const uint32_t sleeping = atomic_load_explicit(&post->sleeping, memory_order_relaxed);
        if (sleeping != 0 && sleeping - 1 < lane && end_sleep(post, sleeping)) {
            ech_event_notify(&post->event, 1);
            return;
        }
    }
}

void ech_pool_wake_one(ech_pool *pool, uint32_t lane)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&pool->head->spinning, memory_order_relaxed) == 0 &&
        atomic_load_explicit(&pool->head->sleepers, memory_order_relaxed) > 0) {
        wake_a_sleeper(pool, lane);
    }
}

/* With every processor busy, another rank helps only if the work left takes longer than waking it.
 */
void ech_pool_wake_next(ech_pool *pool, uint32_t lane, uint64_t left)
{
    const uint32_t sleepers = atomic_load_explicit(&pool->head->sleepers, memory_order_relaxed);
    if (sleepers == 0) {
        return;
    }
    const uint32_t awake = pool->shape.ranks > sleepers ? pool->shape.ranks - sleepers : 1;
    if (awake < pool->shape.cores || left * pool->task_ticks > awake * pool->batch_ticks) {
        ech_pool_wake_one(pool, lane);
    }
}

bool ech_pool_queue_has_tasks(const ech_pool *pool, uint32_t depth)
{
    for (uint32_t lane = ECH_LOCAL_LANE - 1; lane > depth; lane--) {
        for (uint32_t kind = 0; kind < ECH_QUEUE_KINDS; kind++) {
            uint32_t used =
                atomic_load_explicit(&pool->head->used[kind][lane], memory_order_relaxed);
            for (; used != 0; used &= used - 1) {
                const uint32_t priority = (uint32_t)__builtin_ctz(used);
                if (ech_ring_length(ech_pool_queue(pool, kind, lane, priority)) > 0) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* What concerns a leader rank only. */
static bool leader_has_news(const ech_pool *pool)
{
    return ech_ring_length(ech_pool_outbound(pool)) > 0 ||
           ech_ring_length(ech_pool_teams(pool)) > 0 ||
           atomic_load_explicit(&pool->head->records_waiting, memory_order_relaxed) != 0 ||
           atomic_load_explicit(&pool->head->offers_made, memory_order_relaxed) !=
               pool->offers_seen;
}

static bool has_news(const ech_pool *pool, uint32_t depth)
{
    return ech_ring_length(ech_pool_returns(pool, pool->self)) > 0 ||
           ech_ring_length(ech_pool_inbox(pool, pool->self)) > 0 ||
           atomic_load_explicit(&pool->head->stopping, memory_order_relaxed) != 0 ||
           ech_gather_has_news(pool, depth) || (pool->self == 0 && leader_has_news(pool));
}

/* Poll until there is something to do; true if there is. After a nap in which nothing happened, one
 * look is enough. */
static bool poll_for_work(ech_pool *pool, uint32_t depth)
{
    const uint32_t floor = ech_gather_floor(pool, depth);
    const uint64_t begin = ech_ticks();
    const uint64_t poll_ticks = pool->quiet ? 0 : pool->poll_ticks;
    do {
        for (int i = 0; i < (pool->quiet ? 1 : POLLS_BETWEEN_CLOCKS); i++) {
            if (has_news(pool, depth) ||
                (pool->runs_tasks && ech_pool_queue_has_tasks(pool, floor)) ||
                (pool->serve != NULL && pool->serve(pool))) {
                return true;
            }
            pause_processor();
        }
    } while (ech_ticks() - begin < poll_ticks);
    return false;
}

static bool poll_counted(ech_pool *pool, uint32_t depth)
{
    if (!pool->runs_tasks || depth > 0) {
        return poll_for_work(pool, depth);
    }
    atomic_fetch_add(&pool->head->spinning, 1);
    const bool found = poll_for_work(pool, depth);
    atomic_fetch_sub(&pool->head->spinning, 1);
    if (found && has_news(pool, depth) && ech_pool_queue_has_tasks(pool, depth)) {
        ech_pool_wake_one(pool, ECH_LOCAL_LANE - 1); /* I am going to do something else first */
    }
    return found;
}

/* How long it may sleep, by its messages and by what else it looks after. */
static uint64_t longest_sleep_ns(ech_pool *pool)
{
    const uint64_t sleep_ns = pool->nap_ns != NULL ? pool->nap_ns(pool) : sleep_max_ns;
    const ech_service *service = &pool->executor->service;
    return service->call != NULL && service->every_ns < sleep_ns ? service->every_ns : sleep_ns;
}

static void sleep_unless_work(ech_pool *pool, uint32_t depth)
{
    const uint32_t floor = ech_gather_floor(pool, depth);
    const uint64_t nap_ns = longest_sleep_ns(pool);
    if (nap_ns == 0) {
        return;
    }
    ech_recorder_flush(&pool->executor->recorder);
    ech_post *post = &pool->posts[pool->self];
    const uint32_t ticket = ech_event_prepare(&post->event);
    atomic_store(&post->sleeping, pool->runs_tasks ? floor + 1 : sleeps_for_no_task);
    atomic_fetch_add(&pool->head->sleepers, 1);
    atomic_thread_fence(memory_order_seq_cst);
    if (has_news(pool, depth) || (pool->runs_tasks && ech_pool_queue_has_tasks(pool, floor))) {
        ech_event_cancel(&post->event);
        pool->quiet = false;
    } else {
        pool->quiet = !ech_event_wait(&post->event, ticket, nap_ns);
    }
    atomic_fetch_sub(&pool->head->sleepers, 1);
    const bool chosen = atomic_exchange(&post->sleeping, 0) == 0;
    if (pool->runs_tasks && chosen && has_news(pool, depth) &&
        ech_pool_queue_has_tasks(pool, depth)) {
        ech_pool_wake_one(pool, ECH_LOCAL_LANE - 1); /* woken for a task, but busy with others */
    }
}

/* A leader rank that naps looks at its messages only in between; the rest is looked at after as
 * many naps as make a sleep. */
void ech_pool_idle(ech_pool *pool, uint32_t depth)
{
    pool->last_ticks = 0;
    for (uint32_t nap = 0; nap < NAPS_IN_A_ROW; nap++) {
        if (poll_counted(pool, depth)) {
            pool->quiet = false;
            return;
        }
        sleep_unless_work(pool, depth);
        if (!pool->quiet || pool->nap_ns == NULL || pool->executor->service.call != NULL) {
            return;
        }
    }
}
