/**
 * @file hub.h
 * The leader's side of its remote sites: who is there, and a round's models out and updates in, by
 * the protocol of docs/protocol.md.
 *
 * An event loop without a thread: it goes on when `ech_hub_serve` or `ech_hub_wait` is called, and
 * never waits longer than it is told. Room for the updates of ECH_HUB_SLOTS sites at a time,
 * whatever the number of sites. Rank 0's; not collective.
 */
#ifndef ECH_FED_SITE_HUB_H
#define ECH_FED_SITE_HUB_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/exact_sum.h"
#include "runtime/fed/ledger.h"
#include "runtime/fed/round.h"
#include "runtime/fed/site/listener.h"
#include "runtime/fed/site/site_list.h"
#include "runtime/fed/strategy.h"

enum { ECH_HUB_SLOTS = 4 };

typedef struct {
    ech_listener_options listener; /* the key is used by the call only */
    const ech_site_list *sites;    /* borrowed */
    const ech_layout *layout;      /* of what is summed; borrowed */
    ech_hash128 config;            /* what a site's has to be */
    ech_hash128 model;
    const char *engines; /* borrowed */
    double wait_seconds; /* longest that a round waits for a site that is away */
} ech_hub_options;

typedef struct ech_hub ech_hub;

/** Listen. @return ECH_OK; ECH_ERR_CONFIG (a site without a key); what the listener returns. */
ech_status ech_hub_create(const ech_hub_options *options, ech_hub **out);
/** Sites are not told: they wait for a leader that goes on. */
void ech_hub_destroy(ech_hub **handle);

/** Where it listens. Borrowed. */
const char *ech_hub_endpoint(const ech_hub *hub);

/** Take in what has come; true if something had. A few microseconds if nothing has. */
bool ech_hub_serve(ech_hub *hub);

/** The same, waiting for at most so long until something comes. @return ECH_OK; ECH_ERR_SYSTEM. */
ech_status ech_hub_wait(ech_hub *hub, int timeout_ms);

/** Have all sites joined since the hub was made? Names of those that have not in `missing`. */
bool ech_hub_is_complete(const ech_hub *hub, char *missing, size_t bytes);

/** Is this worker a site's? */
bool ech_hub_trains(const ech_hub *hub, uint32_t worker);
uint32_t ech_hub_site_count(const ech_hub *hub);

/** Samples of a site's worker, as it told when it joined. */
uint64_t ech_hub_samples(const ech_hub *hub, uint32_t worker);

/** Tell the sites that it is over, and wait until those that are there have heard it, for at most
 * 5 s. */
void ech_hub_end(ech_hub *hub);

/* ---- a round ---- */

typedef struct {
    uint64_t round;
    uint64_t weight_bound; /* of all that take part */
    uint32_t epochs;
    ech_state_view model;         /* stays as it is until the round's end */
    const ech_strategy *strategy; /* weights; borrowed */
    double deadline;              /* seconds; 0: none */
} ech_hub_round;

/** Send the round to the sites of these workers, each of which belongs to one.
 *  @param participants  borrowed until the end. */
ech_status ech_hub_begin(ech_hub *hub, const ech_hub_round *round,
                         const ech_participant *participants, uint32_t count);

/** Is there nothing more to wait for? Sites that are late are left out then. @param enough  updates
 * of sites' workers that end the round. @return ECH_OK; ECH_ERR_TIMEOUT (a site is away for too
 * long, by name). */
ech_status ech_hub_settle(ech_hub *hub, uint64_t enough, bool *over);

/** Add what has come to a sum. */
ech_status ech_hub_collect(ech_hub *hub, ech_exact_sum *into);

/** What a worker of a site did; NULL: its site is left out. */
const ech_wire_report *ech_hub_report(const ech_hub *hub, uint32_t worker);

/** A site's part in the round, until the next begins. */
ech_site_report ech_hub_part_of(const ech_hub *hub, uint32_t site);

#endif
