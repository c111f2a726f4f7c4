/**
 * @file member.h
 * A site's side of its leader: joins, stays in touch, gets rounds and their models, sends updates,
 * and joins again when the connection breaks, by the protocol of docs/protocol.md.
 *
 * An event loop without a thread. Rank 0's; not collective. Every wait ends: with no leader for
 * `wait_seconds` the calls that wait return ECH_ERR_TIMEOUT, when asked to stop (interrupt.h)
 * ECH_ERR_INTERRUPTED, and when the leader refuses the site ECH_ERR_CONFIG with its reason.
 */
#ifndef ECH_FED_SITE_MEMBER_H
#define ECH_FED_SITE_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/site/dialer.h"
#include "runtime/fed/site/site_list.h"
#include "runtime/fed/site/update.h"

typedef struct {
    ech_dialer_options dialer;
    ech_wire_join join;             /* what it says of itself */
    const ech_wire_worker *workers; /* join.worker_count; borrowed */
    const ech_layout *layout;       /* of what is summed; borrowed */
    double wait_seconds;
} ech_member_options;

typedef struct ech_member ech_member;

ech_status ech_member_create(const ech_member_options *options, ech_member **out);
void ech_member_destroy(ech_member **handle);

/** What the leader asks for. */
typedef struct {
    uint64_t round; /* 0: the federation has ended */
    ech_wire_round about;
    const uint32_t *workers; /* borrowed until the next round */
} ech_member_round;

/** Wait for a round and its model. @param model  filled in. @return ECH_OK; see above. */
ech_status ech_member_next(ech_member *member, ech_state model, ech_member_round *out);

/** While the site trains: say that it is there. Cheap. Messages are left for later. */
bool ech_member_serve(ech_member *member);

/** Send the update of the round. @param content  borrowed by the call. @param[out] counted  it is
 * in the round's sum; else the round went on without it. @return ECH_OK; see above. */
ech_status ech_member_send(ech_member *member, const ech_update_content *content, bool *counted);

/** The site does not do this round. */
void ech_member_refuse(ech_member *member, const char *why);

/** The site goes for good; waits up to 5 s until the leader has heard it. */
void ech_member_leave(ech_member *member, const char *why);

#endif
