/* The parts of gathering that every rank and every host's leader rank play. */
#include "runtime/task/pool/gather.h"

#include <stdio.h>

#include "runtime/base/memory.h"
#include "runtime/mpi/guard.h"

/* An offer: the number of the gathering, and its state in the two lowest bits. */
static uint32_t offer_word(uint32_t number, ech_offer state)
{
    return number << 2 | (uint32_t)state;
}

static ech_offer state_of(uint32_t word)
{
    return (ech_offer)(word & 3);
}

/* The announcement: its number, and 1 + lane in the lowest byte; 0 there: none. */
static uint32_t announced_number(uint64_t word)
{
    return (uint32_t)(word >> 8);
}

static uint32_t announced_lane(uint64_t word)
{
    return (uint32_t)(word & 0xff);
}

void ech_gather_announce(ech_pool *pool, uint32_t number, uint32_t lane)
{
    atomic_store(&pool->head->gathering, (uint64_t)number << 8 | lane);
    ech_pool_wake_all(pool);
}

static uint32_t current_offer(const ech_pool *pool, ech_offer state)
{
    return offer_word(announced_number(atomic_load(&pool->head->gathering)), state);
}

uint32_t ech_gather_offers(const ech_pool *pool)
{
    const uint32_t made = current_offer(pool, ECH_OFFER_MADE);
    uint32_t offers = 0;
    for (uint32_t i = 0; i < pool->shape.ranks; i++) {
        offers += atomic_load(&pool->posts[i].offer) == made ? 1 : 0;
    }
    return offers;
}

uint32_t ech_gather_lock(ech_pool *pool, uint32_t most, uint32_t *ranks)
{
    const uint32_t locked = current_offer(pool, ECH_OFFER_LOCKED);
    uint32_t count = 0;
    for (int rank = 0; rank < pool->executor->ranks && count < most; rank++) {
        const int local = pool->local_of_rank[rank];
        uint32_t made = current_offer(pool, ECH_OFFER_MADE);
        if (local >= 0 &&
            atomic_compare_exchange_strong(&pool->posts[local].offer, &made, locked)) {
            ranks[count++] = (uint32_t)rank;
        }
    }
    return count;
}

void ech_gather_unlock(ech_pool *pool)
{
    for (uint32_t i = 0; i < pool->shape.ranks; i++) {
        uint32_t locked = current_offer(pool, ECH_OFFER_LOCKED);
        if (atomic_compare_exchange_strong(&pool->posts[i].offer, &locked, ECH_OFFER_NONE)) {
            ech_pool_wake_rank(pool, i);
        }
    }
}

static uint32_t local_members(const ech_pool *pool, const ech_team_order *order)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < order->count; i++) {
        count += pool->local_of_rank[order->ranks[i]] >= 0 ? 1 : 0;
    }
    return count;
}

void ech_gather_order(ech_pool *pool, const ech_team_order *order)
{
    ech_cell *cell = ech_pool_cell(pool, ech_ref_owner(order->ref), ech_ref_cell(order->ref));
    atomic_store(&cell->members_left, local_members(pool, order));
    for (uint32_t i = 0; i < order->count; i++) {
        const int local = pool->local_of_rank[order->ranks[i]];
        if (local < 0) {
            continue;
        }
        ech_team_order *mine = ech_pool_order(pool, (uint32_t)local);
        *mine = *order;
        mine->member = i;
        atomic_store(&pool->posts[local].offer, offer_word(order->number, ECH_OFFER_ORDERED));
        ech_pool_wake_rank(pool, (uint32_t)local);
    }
}

/* Members tell each other how it went: the failure of the lowest one counts. */
typedef struct {
    uint32_t status;
    char message[ECH_CELL_DATA_BYTES - 4];
} member_report;

static void agree_on_outcome(const ech_pool *pool, const ech_team *team, ech_outcome *outcome,
                             member_report *reports)
{
    member_report mine = {.status = (uint32_t)outcome->status};
    snprintf(mine.message, sizeof mine.message, "%s", outcome->message);
    const ech_status told = pool->team_finish(team, &mine, sizeof mine, reports);
    if (told != ECH_OK) {
        outcome->status = told;
        outcome->message = ech_status_message();
        return;
    }
    for (uint32_t i = 0; i < team->count; i++) {
        if (reports[i].status != ECH_OK) {
            outcome->status = (ech_status)reports[i].status;
            outcome->message = reports[i].message;
            return;
        }
    }
}

/* Only member 0 writes into the task's block. */
static unsigned char *result_of_member(const ech_pool *pool, const ech_team_order *order,
                                       const ech_cell *cell)
{
    if (order->member == 0) {
        return ech_pool_large_result(pool, ech_ref_owner(order->ref), cell);
    }
    return ech_alloc(pool->executor->apps->apps[cell->app].result_bytes_max);
}

static void run_as_member(ech_pool *pool, const ech_team_order *order, ech_cell *cell)
{
    _Alignas(16) unsigned char small_result[ECH_CELL_DATA_BYTES];
    member_report *reports = ech_calloc(order->count, sizeof *reports);
    unsigned char *result = result_of_member(pool, order, cell);
    ech_team team = {.member = order->member, .count = order->count};
    if (reports == NULL || (result == NULL && order->member != 0)) {
        ech_abort(ECH_ERR_MEMORY); /* the other members would wait for ever */
    }
    if (pool->team_enter(pool, order, &team) != ECH_OK) {
        ech_abort(ECH_ERR_MPI);
    }
    ech_outcome outcome;
    ech_pool_call_cell(pool, ech_ref_owner(order->ref), cell, &team,
                       result != NULL ? result : small_result, &outcome);
    agree_on_outcome(pool, &team, &outcome, reports);
    pool->team_leave(&team);
    if (order->member == 0) {
        ech_pool_write_outcome(cell, &outcome, result == NULL);
    } else {
        ech_free(result);
    }
    ech_free(reports);
}

static void take_order(ech_pool *pool)
{
    ech_team_order order = *ech_pool_order(pool, pool->self);
    ech_cell *cell = ech_pool_cell(pool, ech_ref_owner(order.ref), ech_ref_cell(order.ref));
    atomic_store(&pool->posts[pool->self].offer, ECH_OFFER_NONE);
    run_as_member(pool, &order, cell);
    pool->last_ticks = 0;
    if (atomic_fetch_sub(&cell->members_left, 1) == 1) {
        ech_pool_hand_back(pool, order.ref);
    }
}

static bool may_offer(const ech_pool *pool, uint64_t announced, uint32_t depth)
{
    return pool->runs_tasks && announced_lane(announced) > depth;
}

bool ech_gather_take_part(ech_pool *pool, uint32_t depth, uint32_t *below)
{
    _Atomic uint32_t *offer = &pool->posts[pool->self].offer;
    uint32_t word = atomic_load_explicit(offer, memory_order_acquire);
    const uint64_t announced = atomic_load_explicit(&pool->head->gathering, memory_order_acquire);
    *below = depth;
    if (word == ECH_OFFER_NONE && announced_lane(announced) == 0) {
        return false;
    }
    if (state_of(word) == ECH_OFFER_ORDERED) {
        take_order(pool);
        return true;
    }
    if (state_of(word) == ECH_OFFER_LOCKED) {
        *below = ECH_POOL_NO_DEPTH; /* nothing, until it is decided */
        return false;
    }
    const uint32_t made = offer_word(announced_number(announced), ECH_OFFER_MADE);
    if (!may_offer(pool, announced, depth)) {
        if (state_of(word) == ECH_OFFER_MADE) {
            atomic_compare_exchange_strong(offer, &word, ECH_OFFER_NONE);
        }
        return false;
    }
    if (ech_pool_has_tasks(pool, announced_lane(announced))) {
        /* Deeper tasks come first: those who wait for them may hold ranks. */
        const bool free = state_of(word) != ECH_OFFER_MADE ||
                          atomic_compare_exchange_strong(offer, &word, ECH_OFFER_NONE);
        *below = free ? announced_lane(announced) : ECH_POOL_NO_DEPTH;
        return false;
    }
    *below = ECH_POOL_NO_DEPTH;
    if (word == made || !atomic_compare_exchange_strong(offer, &word, made)) {
        return false;
    }
    atomic_fetch_add(&pool->head->offers_made, 1);
    ech_pool_wake_rank(pool, 0);
    return true;
}

bool ech_gather_has_news(const ech_pool *pool, uint32_t depth)
{
    const uint32_t word =
        atomic_load_explicit(&pool->posts[pool->self].offer, memory_order_relaxed);
    const uint64_t announced = atomic_load_explicit(&pool->head->gathering, memory_order_relaxed);
    switch (state_of(word)) {
    case ECH_OFFER_ORDERED:
        return true;
    case ECH_OFFER_LOCKED:
        return false;
    default:
        return may_offer(pool, announced, depth)
                   ? word != offer_word(announced_number(announced), ECH_OFFER_MADE)
                   : state_of(word) == ECH_OFFER_MADE;
    }
}

uint32_t ech_gather_floor(const ech_pool *pool, uint32_t depth)
{
    const uint32_t word =
        atomic_load_explicit(&pool->posts[pool->self].offer, memory_order_relaxed);
    switch (state_of(word)) {
    case ECH_OFFER_NONE:
        return depth;
    case ECH_OFFER_MADE: {
        const uint32_t lane = announced_lane(atomic_load(&pool->head->gathering));
        return lane > depth ? lane : depth;
    }
    default:
        return ECH_POOL_NO_DEPTH;
    }
}

void ech_gather_retract(ech_pool *pool)
{
    _Atomic uint32_t *offer = &pool->posts[pool->self].offer;
    uint32_t word = atomic_load_explicit(offer, memory_order_acquire);
    while (word != ECH_OFFER_NONE) {
        if (state_of(word) == ECH_OFFER_MADE &&
            atomic_compare_exchange_strong(offer, &word, ECH_OFFER_NONE)) {
            return;
        }
        /* Locked or ordered: it is decided within one exchange of messages. */
        uint32_t below = 0;
        if (!ech_gather_take_part(pool, ECH_POOL_NO_DEPTH, &below)) {
            ech_pool_serve(pool);
            ech_pool_idle(pool, ECH_POOL_NO_DEPTH);
        }
        word = atomic_load_explicit(offer, memory_order_acquire);
    }
}
