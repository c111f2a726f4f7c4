/**
 * @file gather.h
 * Multi-rank tasks: how free ranks are gathered.
 *
 * One rank, the leader rank of host 0, gathers for one task at a time, so that tasks never hold
 * ranks that another one waits for. It announces a depth; a rank that runs nothing at that depth or
 * deeper *offers* itself, and takes only deeper tasks from then on, for which it takes its offer
 * back first. When enough have offered, they are *locked*, host by host; a rank that took its offer
 * back in between makes the round fail, and the locked ones are let go. When all are locked, each
 * gets its *order*, and the next task can be gathered.
 */
#ifndef ECH_TASK_GATHER_H
#define ECH_TASK_GATHER_H

#include "runtime/task/pool/pool.h"
#include "runtime/task/team.h"

typedef enum { ECH_OFFER_NONE, ECH_OFFER_MADE, ECH_OFFER_LOCKED, ECH_OFFER_ORDERED } ech_offer;

/* The leader rank of each host. */

/** Announce: 1 + lane from now on; 0: no task is gathered for. */
void ech_gather_announce(ech_pool *pool, uint32_t number, uint32_t lane);
/** Ranks of this host that offer themselves. */
uint32_t ech_gather_offers(const ech_pool *pool);
/** Lock up to `most`; their numbers in the job in `ranks`. Returns how many. */
uint32_t ech_gather_lock(ech_pool *pool, uint32_t most, uint32_t *ranks);
/** Let the locked ones go. */
void ech_gather_unlock(ech_pool *pool);
/** Give those members that are of this host their orders. */
void ech_gather_order(ech_pool *pool, const ech_team_order *order);

/* The gathering rank. */

/** Opaque: the tasks that wait for ranks, and the one that is gathered for. */
typedef struct ech_gatherer ech_gatherer;

/** What the gatherer asks of other hosts; NULL where there is one host. */
typedef struct {
    void *self;
    void (*announce)(void *self, uint32_t number, uint32_t lane); /* to all other hosts */
    void (*lock)(void *self, int host, uint32_t number, uint32_t most);
    void (*unlock)(void *self, int host, uint32_t number);
    /* To the hosts of the members, but the own one; `keeps` if a member is of the own host. */
    void (*order)(void *self, const ech_team_order *order, bool keeps);
} ech_gather_hosts;

ech_status ech_gatherer_create(ech_pool *pool, const ech_gather_hosts *hosts, ech_gatherer **out);
void ech_gatherer_destroy(ech_gatherer **gatherer);
/** A task that came from another host. */
ech_status ech_gatherer_add(ech_gatherer *gatherer, uint64_t ref);
/** Go on with gathering; true if something happened. */
bool ech_gatherer_step(ech_gatherer *gatherer);
/** Answers of other hosts. */
void ech_gatherer_offers(ech_gatherer *gatherer, int host, uint32_t number, uint32_t offers);
void ech_gatherer_locked(ech_gatherer *gatherer, int host, uint32_t number, const uint32_t *ranks,
                         uint32_t count);

/* Every rank. */

/** Offer oneself, or take part in a task that was ordered; true if something happened. May run the
 *  task. `*below` becomes the depth below which nothing may be run now. */
bool ech_gather_take_part(ech_pool *pool, uint32_t depth, uint32_t *below);
/** Is there anything to do for `ech_gather_take_part`? */
bool ech_gather_has_news(const ech_pool *pool, uint32_t depth);
/** The depth below which an idle rank looks for tasks, given what it has offered. */
uint32_t ech_gather_floor(const ech_pool *pool, uint32_t depth);
/** Leave a wait: no offer stands any more. May take part in a task first. */
void ech_gather_retract(ech_pool *pool);

#endif
