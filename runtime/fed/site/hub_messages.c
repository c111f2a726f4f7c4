/* What sites say, and whether it may be believed. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/fed/site/hub_priv.h"

static ech_hub_site *site_of_peer(const ech_hub *hub, uint32_t peer)
{
    for (uint32_t s = 0; s < hub->site_count; s++) {
        if (hub->sites[s].peer == peer) {
            return &hub->sites[s];
        }
    }
    return NULL;
}

/* ---- joining ---- */

static void refuse_join(ech_hub *hub, ech_hub_site *site, const ech_heard *heard, const char *why)
{
    ech_message *message = NULL;
    ech_hub_complain(site, why);
    const ech_wire_frame frame = {.type = ECH_WIRE_REFUSE,
                                  .payload = hub->payload,
                                  .payload_bytes = (uint32_t)ech_wire_put_text(why, hub->payload)};
    if (ech_message_of(&frame, &message) == ECH_OK) {
        (void)ech_listener_send(hub->listener, &heard->route, message);
    }
    ech_message_release(&message);
}

/* Why a site would not give this federation's bits; NULL: it would. */
static const char *differs(const ech_hub *hub, const ech_hub_site *site, const ech_wire_join *join,
                           char reason[ECH_WIRE_TEXT_BYTES])
{
    if (strcmp(join->name, site->entry->name) != 0) {
        snprintf(reason, ECH_WIRE_TEXT_BYTES, "it calls itself %s, but its key is that of %s",
                 join->name, site->entry->name);
    } else if (!ech_hash_equal(join->model, hub->options.model)) {
        snprintf(reason, ECH_WIRE_TEXT_BYTES, "its model is not this federation's");
    } else if (!ech_hash_equal(join->config, hub->options.config)) {
        snprintf(reason, ECH_WIRE_TEXT_BYTES,
                 "its configuration differs in keys that decide the model's bits, or its topology "
                 "does");
    } else if (strcmp(join->engines, hub->options.engines) != 0) {
        snprintf(reason, ECH_WIRE_TEXT_BYTES,
                 "it runs %.150s, the leader %.150s: not the same bits", join->engines,
                 hub->options.engines);
    } else {
        return NULL;
    }
    return reason;
}

static bool take_workers(ech_hub_site *site, const ech_wire_frame *frame, const ech_wire_join *join)
{
    bool same = join->worker_count == site->entry->worker_count;
    for (uint32_t i = 0; i < join->worker_count && same; i++) {
        const ech_wire_worker worker = ech_wire_join_worker(frame, i);
        same = worker.worker == site->entry->workers[i] &&
               (!site->has_joined || worker.samples == site->samples[i]);
        site->samples[i] = same ? worker.samples : site->samples[i];
    }
    return same;
}

static void take_join(ech_hub *hub, ech_hub_site *site, const ech_heard *heard,
                      const ech_wire_frame *frame)
{
    ech_wire_join join;
    char reason[ECH_WIRE_TEXT_BYTES];
    const char *why = ech_wire_take_join(frame, &join) != ECH_OK
                          ? ech_status_message()
                          : differs(hub, site, &join, reason);
    if (why == NULL && !take_workers(site, frame, &join)) {
        why = "its workers or their samples are not those of its node";
    }
    if (why != NULL) {
        refuse_join(hub, site, heard, why);
        return;
    }
    ech_log(ECH_LOG_INFO, "site %s has joined%s: %u workers", site->entry->name,
            site->has_joined ? " again" : "", site->entry->worker_count);
    site->route = heard->route;
    site->has_joined = true;
    site->has_left = false;
    site->heard_ns = ech_clock_ns();
    ech_hub_resume_site(hub, site, frame);
}

/* ---- everything else ---- */

static void take_refusal(ech_hub *hub, ech_hub_site *site, const ech_wire_frame *frame)
{
    char text[ECH_WIRE_TEXT_BYTES];
    ech_wire_take_text(frame, text);
    ech_hub_leave_out(hub, site, text);
}

static void take_leave(ech_hub *hub, ech_hub_site *site, const ech_wire_frame *frame)
{
    char text[ECH_WIRE_TEXT_BYTES];
    site->has_left = true;
    if (hub->is_ended) {
        site->route.count = 0;
        return;
    }
    ech_wire_take_text(frame, text);
    ech_hub_leave_out(hub, site, text);
    ech_hub_send(hub, site, &(ech_wire_frame){.type = ECH_WIRE_END});
    ech_hub_lose(site, text);
}

/* What a site says of the round that runs. */
static void take_of_round(ech_hub *hub, ech_hub_site *site, const ech_wire_frame *frame)
{
    switch (frame->type) {
    case ECH_WIRE_CREDIT:
        ech_hub_take_credit(hub, site, frame);
        break;
    case ECH_WIRE_READY:
        ech_hub_take_ready(hub, site);
        break;
    case ECH_WIRE_UPDATE:
        ech_hub_take_update(hub, site, frame);
        break;
    default:
        take_refusal(hub, site, frame);
        break;
    }
}

/* A round that is over for the site: it hears so, however often it asks. */
static void pass_over(ech_hub *hub, ech_hub_site *site, const ech_wire_frame *frame)
{
    if (frame->session == hub->session &&
        (frame->type == ECH_WIRE_READY || frame->type == ECH_WIRE_UPDATE)) {
        const ech_wire_frame done = {.type = ECH_WIRE_DONE,
                                     .round = frame->round,
                                     .argument = frame->round == hub->round.round &&
                                                 site->part == ECH_PART_COUNTED};
        ech_hub_send(hub, site, &done);
    }
}

static void take_frame(ech_hub *hub, ech_hub_site *site, const ech_wire_frame *frame)
{
    site->heard_ns = ech_clock_ns();
    switch (frame->type) {
    case ECH_WIRE_BEAT:
        ech_hub_send(hub, site, &(ech_wire_frame){.type = ECH_WIRE_BEAT});
        return;
    case ECH_WIRE_LEAVE:
        take_leave(hub, site, frame);
        return;
    case ECH_WIRE_CREDIT:
    case ECH_WIRE_READY:
    case ECH_WIRE_UPDATE:
    case ECH_WIRE_REFUSE:
        if (hub->is_open && frame->session == hub->session && frame->round == hub->round.round &&
            site->part == ECH_PART_OPEN) {
            take_of_round(hub, site, frame);
        } else {
            pass_over(hub, site, frame);
        }
        return;
    default:
        ech_hub_complain(site, "a message that only a leader sends");
    }
}

static bool is_current(const ech_hub_site *site, const ech_route *route)
{
    return site->route.count == route->count &&
           memcmp(site->route.bytes, route->bytes, route->count) == 0;
}

void ech_hub_take(ech_hub *hub, const ech_heard *heard)
{
    ech_hub_site *site = site_of_peer(hub, heard->peer);
    if (site == NULL) {
        return; /* an admitted key that no node names */
    }
    ech_wire_frame frame;
    const ech_status status = ech_wire_decode(heard->bytes, heard->count, &frame);
    if (status == ECH_ERR_UNSUPPORTED) {
        refuse_join(hub, site, heard, ech_status_message());
    } else if (status != ECH_OK) {
        ech_hub_complain(site, ech_status_message());
    } else if (frame.type == ECH_WIRE_JOIN) {
        take_join(hub, site, heard, &frame);
    } else if (is_current(site, &heard->route)) {
        take_frame(hub, site, &frame);
    }
}
