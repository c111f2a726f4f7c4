/* The functions of an executor's table that threads and mpi have in common. */
#include "runtime/base/clock.h"
#include "runtime/mpi/comm.h"
#include "runtime/task/pool/gather.h"
#include "runtime/task/pool/pool.h"

static const uint64_t leave_nap_ns = 100000;

static ech_pool *pool_of(const ech_executor *executor)
{
    return executor->backend;
}

enum { RELEASES_BETWEEN_COLLECTS = 16 };

/* A program that submits for long without waiting gets its results taken in on the way. */
void ech_pool_variant_release(ech_executor *executor)
{
    ech_pool *pool = pool_of(executor);
    if (++pool->releases % RELEASES_BETWEEN_COLLECTS == 0 && executor->continuing == NULL) {
        ech_pool_serve(pool);
        if (ech_pool_collect(pool)) {
            ech_executor_settle(executor);
        }
    }
    ech_pool_release(pool);
}

bool ech_pool_serve(ech_pool *pool)
{
    if (pool->self != 0) {
        return false;
    }
    /* First, so that what they have to say is sent before this rank itself takes part in a task. */
    const bool gathered = pool->gatherer != NULL && ech_gatherer_step(pool->gatherer);
    const bool read =
        atomic_load_explicit(&pool->head->records_waiting, memory_order_relaxed) != 0 &&
        ech_pool_read_records(pool);
    const ech_service *service = &pool->executor->service;
    const bool looked_after = service->call != NULL && service->call(service->user);
    return (pool->serve != NULL && pool->serve(pool)) || gathered || read || looked_after;
}

/* What has come back goes first: whoever waits for it should see it before another task begins. */
bool ech_pool_variant_step(ech_executor *executor, bool run)
{
    ech_pool *pool = pool_of(executor);
    const uint64_t ended_before = executor->graph.ended_count;
    bool did = ech_pool_collect(pool);
    did = ech_pool_serve(pool) || did;
    ech_executor_settle(executor);
    ech_pool_release(pool);
    did = did || executor->graph.ended_count != ended_before;
    if (did || !run) {
        return did;
    }
    uint32_t below = 0;
    return ech_gather_take_part(pool, ech_executor_depth(executor), &below) ||
           ech_pool_run_some(pool, below);
}

void ech_pool_variant_idle(ech_executor *executor)
{
    ech_pool_idle(pool_of(executor), ech_executor_depth(executor));
}

bool ech_pool_variant_withdraw(ech_executor *executor, ech_future *node)
{
    return ech_pool_withdraw(pool_of(executor), node);
}

void ech_pool_variant_yield(ech_executor *executor)
{
    ech_pool_serve(pool_of(executor));
}

void ech_pool_variant_retract(ech_executor *executor)
{
    ech_gather_retract(pool_of(executor));
}

ech_status ech_pool_variant_check_team(const ech_executor *executor, uint32_t ranks)
{
    uint32_t able = 0;
    for (int i = 0; i < executor->ranks; i++) {
        able += pool_of(executor)->rank_runs_tasks[i] ? 1 : 0;
    }
    if (ranks > able || ranks > ECH_TEAM_RANKS_MAX) {
        return ech_fail(ECH_ERR_LIMIT, "a task of %u ranks, where %u run tasks and %d is the limit",
                        ranks, able, ECH_TEAM_RANKS_MAX);
    }
    return ECH_OK;
}

size_t ech_pool_variant_bytes_max(const ech_executor *executor)
{
    return ech_pool_arena_units(&pool_of(executor)->arena) * ECH_ARENA_UNIT_BYTES / 2;
}

void ech_pool_serve_run(ech_executor *executor)
{
    ech_pool *pool = pool_of(executor);
    while (atomic_load_explicit(&pool->head->stopping, memory_order_acquire) == 0) {
        if (!ech_pool_variant_step(executor, true)) {
            ech_pool_idle(pool, 0);
        }
    }
    ech_recorder_flush(&executor->recorder);
    if (pool->self != 0) {
        ech_pool_end_records(pool);
        atomic_fetch_add(&pool->head->left, 1);
        ech_pool_wake_rank(pool, 0);
    }
}

void ech_pool_begin_run(ech_pool *pool)
{
    atomic_store(&pool->head->stopping, 0);
    atomic_store(&pool->head->left, 0);
}

void ech_pool_stop(ech_pool *pool, ech_status program_status)
{
    pool->head->program_status = (uint32_t)program_status;
    atomic_store_explicit(&pool->head->stopping, 1, memory_order_release);
    ech_pool_wake_all(pool);
}

ech_status ech_pool_await_leaving(ech_pool *pool, uint32_t others)
{
    uint64_t until = ech_clock_ns() + ECH_COMM_TIMEOUT_NS;
    while (atomic_load(&pool->head->left) < others) {
        if (ech_pool_serve(pool)) {
            until = ech_clock_ns() + ECH_COMM_TIMEOUT_NS;
        } else {
            ech_clock_sleep_ns(leave_nap_ns);
        }
        if (ech_clock_ns() > until) {
            return ech_fail(ECH_ERR_TIMEOUT, "%u of %u ranks of this host did not end the run",
                            others - atomic_load(&pool->head->left), others);
        }
    }
    return ECH_OK;
}
