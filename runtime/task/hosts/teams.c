/* Multi-rank tasks across hosts: what the gatherer on host 0 asks, and what the others answer. */
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/mpi/guard.h"
#include "runtime/task/hosts/links_priv.h"

/* An item of this kind is too small to fail but for want of memory, which ends the job. */
static void *begin_item(ech_links *links, int host, item_kind kind, size_t bytes)
{
    void *body = ech_mailbox_begin(links->mailbox, host, kind, bytes);
    if (body == NULL) {
        ech_abort(ECH_ERR_MEMORY);
    }
    return body;
}

static void send_pair(ech_links *links, int host, item_kind kind, uint32_t number, uint32_t value)
{
    team_pair *pair = begin_item(links, host, kind, sizeof *pair);
    *pair = (team_pair){.number = number, .value = value};
}

/* The gatherer's questions. */

static void announce(void *self, uint32_t number, uint32_t lane)
{
    ech_links *links = self;
    for (int host = 1; host < links->hosts; host++) {
        send_pair(links, host, ITEM_ANNOUNCE, number, lane);
    }
}

static void lock(void *self, int host, uint32_t number, uint32_t most)
{
    send_pair(self, host, ITEM_LOCK, number, most);
}

static void unlock(void *self, int host, uint32_t number)
{
    send_pair(self, host, ITEM_UNLOCK, number, 0);
}

static bool has_member(const ech_links *links, const ech_team_order *order, int host)
{
    for (uint32_t i = 0; i < order->count; i++) {
        if (ech_machine_host_of(links->machine, (int)order->ranks[i]) == host) {
            return true;
        }
    }
    return false;
}

static void send_order(ech_links *links, int host, const ech_team_order *order,
                       const ech_cell *cell, bool with_outcome)
{
    const size_t ranks_bytes = order->count * sizeof *order->ranks;
    const size_t payload_at = sizeof(order_item) + ech_pool_padded(ranks_bytes);
    unsigned char *body = begin_item(links, host, ITEM_ORDER, payload_at + cell->payload_bytes);
    order_item item = {.task = ech_links_item_of(links, cell, order->ref),
                       .number = order->number,
                       .count = order->count};
    if (!with_outcome) {
        item.task.flags |= ECH_CELL_NO_OUTCOME;
    }
    memcpy(body, &item, sizeof item);
    memcpy(body + sizeof item, order->ranks, ranks_bytes);
    memcpy(body + payload_at, ech_pool_payload(links->pool, ech_ref_owner(order->ref), cell),
           cell->payload_bytes);
}

static void order(void *self, const ech_team_order *what, bool keeps)
{
    ech_links *links = self;
    const ech_cell *cell =
        ech_pool_cell(links->pool, ech_ref_owner(what->ref), ech_ref_cell(what->ref));
    const int first_host = ech_machine_host_of(links->machine, (int)what->ranks[0]);
    for (int host = 0; host < links->hosts; host++) {
        if (host != links->host && has_member(links, what, host)) {
            send_order(links, host, what, cell, host == first_host);
        }
    }
    if (!keeps) {
        ech_links_forget_guest(links, what->ref);
    }
}

ech_gather_hosts ech_links_gather_hosts(ech_links *links)
{
    return (ech_gather_hosts){
        .self = links, .announce = announce, .lock = lock, .unlock = unlock, .order = order};
}

/* The other hosts' answers. */

static void answer_lock(ech_links *links, const team_pair *pair)
{
    uint32_t ranks[ECH_TEAM_RANKS_MAX];
    const uint32_t count = ech_gather_lock(links->pool, pair->value, ranks);
    team_pair *answer = begin_item(links, 0, ITEM_LOCKED, sizeof *answer + count * sizeof *ranks);
    *answer = (team_pair){.number = pair->number, .value = count};
    memcpy(answer + 1, ranks, count * sizeof *ranks);
}

static bool admit_order(ech_links *links, const order_item *item)
{
    const size_t ranks_bytes = item->count * sizeof(uint32_t);
    const unsigned char *ranks = (const unsigned char *)(item + 1);
    ech_team_order what = {.number = item->number, .count = item->count};
    memcpy(what.ranks, ranks, ranks_bytes);
    if (!ech_links_make_guest(links, &item->task, ranks + ech_pool_padded(ranks_bytes),
                              &what.ref)) {
        return false;
    }
    ech_gather_order(links->pool, &what);
    return true;
}

/* The members are locked: the order waits for room, in private memory. */
static ech_status keep_order(ech_links *links, const order_item *item, size_t bytes)
{
    waiting_order *kept = ech_alloc(sizeof *kept + bytes);
    if (kept == NULL) {
        return ECH_ERR_MEMORY;
    }
    memcpy(kept->item, item, bytes);
    kept->next = links->waiting_orders;
    links->waiting_orders = kept;
    return ECH_OK;
}

bool ech_links_admit_orders(ech_links *links)
{
    bool any = false;
    waiting_order **link = &links->waiting_orders;
    while (*link != NULL) {
        waiting_order *kept = *link;
        if (!admit_order(links, (const order_item *)(const void *)kept->item)) {
            link = &kept->next;
            continue;
        }
        *link = kept->next;
        ech_free(kept);
        any = true;
    }
    return any;
}

ech_status ech_links_take_team_item(ech_links *links, int from_host, item_kind kind,
                                    const void *body, size_t bytes)
{
    const team_pair *pair = body;
    switch (kind) {
    case ITEM_ANNOUNCE:
        links->told_offers = 0;
        links->announced = *pair;
        ech_gather_announce(links->pool, pair->number, pair->value);
        return ECH_OK;
    case ITEM_OFFERS:
        ech_gatherer_offers(links->pool->gatherer, from_host, pair->number, pair->value);
        return ECH_OK;
    case ITEM_LOCK:
        answer_lock(links, pair);
        return ECH_OK;
    case ITEM_LOCKED:
        ech_gatherer_locked(links->pool->gatherer, from_host, pair->number,
                            (const uint32_t *)(pair + 1), pair->value);
        return ECH_OK;
    case ITEM_UNLOCK:
        links->told_offers = 0;
        ech_gather_unlock(links->pool);
        return ECH_OK;
    default:
        return admit_order(links, body) ? ECH_OK : keep_order(links, body, bytes);
    }
}

/* Tell the gatherer when the number of offers changes. */
void ech_links_tell_offers(ech_links *links)
{
    if (links->host == 0) {
        return; /* the gatherer counts by itself */
    }
    links->pool->offers_seen =
        atomic_load_explicit(&links->pool->head->offers_made, memory_order_acquire);
    if (links->announced.value == 0) {
        return;
    }
    const uint32_t offers = ech_gather_offers(links->pool);
    if (offers != links->told_offers) {
        links->told_offers = offers;
        send_pair(links, 0, ITEM_OFFERS, links->announced.number, offers);
    }
}
