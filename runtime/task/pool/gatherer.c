/* The rank that gathers: which task is next, who has offered, who is locked. */
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/task/pool/gather.h"

typedef enum { GATHER_IDLE, GATHER_ANNOUNCED, GATHER_LOCKING } gather_state;

struct ech_gatherer {
    ech_pool *pool;
    ech_gather_hosts hosts;
    uint64_t *waiting; /* references, in no order */
    uint32_t waiting_count;
    size_t waiting_capacity;
    gather_state state;
    uint64_t ref;
    uint32_t number;
    uint32_t needed;
    uint32_t *offers; /* by host */
    uint32_t replies_due;
    uint32_t locked_count;
    uint32_t locked[ECH_TEAM_RANKS_MAX];
};

ech_status ech_gatherer_create(ech_pool *pool, const ech_gather_hosts *hosts, ech_gatherer **out)
{
    ech_gatherer *gatherer = ech_calloc(1, sizeof *gatherer);
    *out = gatherer;
    if (gatherer == NULL) {
        return ECH_ERR_MEMORY;
    }
    gatherer->pool = pool;
    if (hosts != NULL) {
        gatherer->hosts = *hosts;
    }
    gatherer->offers = ech_calloc((size_t)pool->executor->hosts, sizeof *gatherer->offers);
    if (gatherer->offers == NULL) {
        ech_gatherer_destroy(out);
        return ECH_ERR_MEMORY;
    }
    return ECH_OK;
}

void ech_gatherer_destroy(ech_gatherer **gatherer)
{
    if (gatherer == NULL || *gatherer == NULL) {
        return;
    }
    ech_free((*gatherer)->waiting);
    ech_free((*gatherer)->offers);
    ech_free(*gatherer);
    *gatherer = NULL;
}

ech_status ech_gatherer_add(ech_gatherer *gatherer, uint64_t ref)
{
    uint64_t *grown = ech_grow(gatherer->waiting, gatherer->waiting_count,
                               &gatherer->waiting_capacity, sizeof *grown);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    gatherer->waiting = grown;
    gatherer->waiting[gatherer->waiting_count++] = ref;
    return ECH_OK;
}

/* Tasks of this host's ranks arrive in the team ring; while there is no memory they stay there. */
static bool take_in(ech_gatherer *gatherer)
{
    ech_pool *pool = gatherer->pool;
    uint64_t ref = 0;
    bool any = false;
    while (ech_ring_length(ech_pool_teams(pool)) > 0 &&
           ech_ring_take(ech_pool_teams(pool), ECH_POOL_RING_ORDER, &ref, 1) == 1) {
        if (ech_gatherer_add(gatherer, ref) != ECH_OK) {
            ech_ring_put(ech_pool_teams(pool), ECH_POOL_RING_ORDER, &ref, 1);
            break;
        }
        any = true;
    }
    return any;
}

static uint64_t order_of(uint64_t ref)
{
    return (uint64_t)ech_ref_lane(ref) << 8 | ech_ref_priority(ref);
}

/* The deepest and most important one, the oldest of equals. */
static uint64_t take_next(ech_gatherer *gatherer)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < gatherer->waiting_count; i++) {
        if (order_of(gatherer->waiting[i]) > order_of(gatherer->waiting[best])) {
            best = i;
        }
    }
    const uint64_t ref = gatherer->waiting[best];
    gatherer->waiting_count--;
    memmove(&gatherer->waiting[best], &gatherer->waiting[best + 1],
            (gatherer->waiting_count - best) * sizeof ref);
    return ref;
}

static void announce(ech_gatherer *gatherer, uint32_t lane)
{
    memset(gatherer->offers, 0, (size_t)gatherer->pool->executor->hosts * sizeof(uint32_t));
    ech_gather_announce(gatherer->pool, gatherer->number, lane);
    if (gatherer->hosts.announce != NULL) {
        gatherer->hosts.announce(gatherer->hosts.self, gatherer->number, lane);
    }
}

static bool begin_next(ech_gatherer *gatherer)
{
    while (gatherer->waiting_count > 0) {
        const uint64_t ref = take_next(gatherer);
        ech_cell *cell = ech_pool_cell(gatherer->pool, ech_ref_owner(ref), ech_ref_cell(ref));
        if (!ech_pool_claim(cell)) {
            ech_pool_hand_back(gatherer->pool, ref); /* withdrawn */
            continue;
        }
        gatherer->ref = ref;
        gatherer->needed = cell->target;
        gatherer->number = (gatherer->number + 1) & 0xffffff;
        gatherer->state = GATHER_ANNOUNCED;
        announce(gatherer, ech_ref_lane(ref));
        return true;
    }
    return false;
}

/* The own host's ranks first: member 0, whose value is the task's, is then among them if any is. */
static void begin_locking(ech_gatherer *gatherer)
{
    ech_pool *pool = gatherer->pool;
    gatherer->state = GATHER_LOCKING;
    gatherer->locked_count = ech_gather_lock(pool, gatherer->needed, gatherer->locked);
    gatherer->replies_due = 0;
    uint32_t missing = gatherer->needed - gatherer->locked_count;
    for (int host = 0; host < pool->executor->hosts && missing > 0; host++) {
        const uint32_t offered = host == pool->executor->host ? 0 : gatherer->offers[host];
        const uint32_t asked = offered < missing ? offered : missing;
        if (asked > 0) {
            gatherer->hosts.lock(gatherer->hosts.self, host, gatherer->number, asked);
            gatherer->replies_due++;
            missing -= asked;
        }
    }
}

static bool enough_offers(ech_gatherer *gatherer)
{
    ech_pool *pool = gatherer->pool;
    uint64_t offers = 0;
    gatherer->offers[pool->executor->host] = ech_gather_offers(pool);
    for (int host = 0; host < pool->executor->hosts; host++) {
        offers += gatherer->offers[host];
    }
    return offers >= gatherer->needed;
}

static void give_orders(ech_gatherer *gatherer)
{
    ech_pool *pool = gatherer->pool;
    ech_team_order order = {
        .ref = gatherer->ref, .number = gatherer->number, .count = gatherer->needed};
    memcpy(order.ranks, gatherer->locked, gatherer->needed * sizeof *order.ranks);
    const bool keeps = pool->local_of_rank[order.ranks[0]] >= 0;
    if (pool->team_prepare != NULL) {
        pool->team_prepare(&order);
    }
    if (keeps) {
        ech_gather_order(pool, &order);
    }
    if (gatherer->hosts.order != NULL) {
        gatherer->hosts.order(gatherer->hosts.self, &order, keeps);
    }
}

/* All have answered: either all needed ranks are locked, or all are let go. */
static void end_locking(ech_gatherer *gatherer)
{
    ech_pool *pool = gatherer->pool;
    if (gatherer->locked_count == gatherer->needed) {
        give_orders(gatherer);
        announce(gatherer, 0);
        gatherer->state = GATHER_IDLE;
        return;
    }
    ech_gather_unlock(pool);
    for (int host = 0; host < pool->executor->hosts; host++) {
        if (host != pool->executor->host && gatherer->offers[host] > 0) {
            gatherer->hosts.unlock(gatherer->hosts.self, host, gatherer->number);
            gatherer->offers[host] = 0; /* it will tell again */
        }
    }
    gatherer->state = GATHER_ANNOUNCED;
}

bool ech_gatherer_step(ech_gatherer *gatherer)
{
    gatherer->pool->offers_seen =
        atomic_load_explicit(&gatherer->pool->head->offers_made, memory_order_acquire);
    bool any = take_in(gatherer);
    if (gatherer->state == GATHER_IDLE && begin_next(gatherer)) {
        any = true;
    }
    if (gatherer->state == GATHER_ANNOUNCED && enough_offers(gatherer)) {
        begin_locking(gatherer);
        any = true;
    }
    if (gatherer->state == GATHER_LOCKING && gatherer->replies_due == 0) {
        end_locking(gatherer);
        any = true;
    }
    return any;
}

void ech_gatherer_offers(ech_gatherer *gatherer, int host, uint32_t number, uint32_t offers)
{
    if (number == gatherer->number) {
        gatherer->offers[host] = offers;
    }
}

void ech_gatherer_locked(ech_gatherer *gatherer, int host, uint32_t number, const uint32_t *ranks,
                         uint32_t count)
{
    (void)host;
    if (number != gatherer->number || gatherer->state != GATHER_LOCKING) {
        return;
    }
    memcpy(&gatherer->locked[gatherer->locked_count], ranks, count * sizeof *ranks);
    gatherer->locked_count += count;
    gatherer->replies_due--;
}
