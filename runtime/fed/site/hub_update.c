/* Updates of a hub's sites: room for them, their chunks, and what becomes of them. */
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/fed/site/hub_priv.h"

/* Credit is given again when so much of it has been used. */
enum { CREDIT_EVERY = ECH_WIRE_WINDOW / 4 };

/* ---- slots for updates ---- */

void ech_hub_free_slot(ech_hub *hub, ech_hub_site *site)
{
    if (site->slot != ECH_HUB_NO_SLOT) {
        hub->slot_taken[site->slot] = false;
        site->slot = ECH_HUB_NO_SLOT;
    }
    site->is_ready = false;
}

static int find_slot(const ech_hub *hub)
{
    for (int slot = 0; slot < ECH_HUB_SLOTS; slot++) {
        if (!hub->slot_taken[slot]) {
            return slot;
        }
    }
    return ECH_HUB_NO_SLOT;
}

/* Its update begins at the first chunk again. */
ech_status ech_hub_begin_update(ech_hub *hub, ech_hub_site *site)
{
    const ech_update_expectation expectation = {
        .codec = site->entry->compression.codec,
        .weight_bound = hub->round.weight_bound,
        .worker_count = site->asked,
    };
    site->update_next = 0;
    site->update_limit = ECH_WIRE_WINDOW;
    return ech_update_reader_begin(hub->readers[site->slot], &expectation);
}

bool ech_hub_take_slot(ech_hub *hub, ech_hub_site *site)
{
    site->slot = find_slot(hub);
    if (site->slot == ECH_HUB_NO_SLOT) {
        return false;
    }
    hub->slot_taken[site->slot] = true;
    site->is_ready = false;
    if (ech_hub_begin_update(hub, site) != ECH_OK) {
        ech_hub_leave_out(hub, site, ech_status_message());
        return false;
    }
    return true;
}

static void send_credit(ech_hub *hub, ech_hub_site *site)
{
    const ech_wire_frame frame = {.type = ECH_WIRE_CREDIT,
                                  .round = hub->round.round,
                                  .sequence = site->update_next,
                                  .argument = site->update_limit};
    ech_hub_send(hub, site, &frame);
}

/* A site that went away with a slot gives it up where another is waiting, and begins anew. */
static void take_back_slot(ech_hub *hub)
{
    for (uint32_t s = 0; s < hub->site_count; s++) {
        ech_hub_site *site = &hub->sites[s];
        if (site->slot != ECH_HUB_NO_SLOT && site->route.count == 0) {
            ech_hub_free_slot(hub, site);
            site->update_next = 0;
            site->update_limit = 0;
            return;
        }
    }
}

static void grant_slots(ech_hub *hub)
{
    for (uint32_t s = 0; s < hub->site_count; s++) {
        ech_hub_site *site = &hub->sites[s];
        if (!site->is_ready || site->route.count == 0) {
            continue;
        }
        if (find_slot(hub) == ECH_HUB_NO_SLOT) {
            take_back_slot(hub);
        }
        if (ech_hub_take_slot(hub, site)) {
            send_credit(hub, site);
        }
    }
}

void ech_hub_take_ready(ech_hub *hub, ech_hub_site *site)
{
    if (site->slot == ECH_HUB_NO_SLOT) {
        site->is_ready = true;
        grant_slots(hub);
    } else {
        send_credit(hub, site);
    }
}

/* ---- the end of a site's part ---- */

static void send_done(ech_hub *hub, ech_hub_site *site)
{
    const ech_wire_frame frame = {.type = ECH_WIRE_DONE,
                                  .round = hub->round.round,
                                  .argument = site->part == ECH_PART_COUNTED};
    ech_hub_send(hub, site, &frame);
}

static void end_part(ech_hub *hub, ech_hub_site *site, ech_part_state part)
{
    site->part = part;
    site->totals.counts = part == ECH_PART_COUNTED;
    site->totals.seconds = ech_clock_seconds(ech_clock_ns() - hub->start_ns);
    ech_hub_free_slot(hub, site);
    if (site->has_round) {
        send_done(hub, site);
    }
    grant_slots(hub);
}

void ech_hub_leave_out(ech_hub *hub, ech_hub_site *site, const char *why)
{
    if (!hub->is_open || site->part != ECH_PART_OPEN) {
        return;
    }
    ech_log(ECH_LOG_WARNING, "round %llu: site %s is left out (%u workers): %s",
            (unsigned long long)hub->round.round, site->entry->name, site->asked, why);
    end_part(hub, site, ECH_PART_LEFT_OUT);
}

/* ---- updates ---- */

ech_hub_worker *ech_hub_find_worker(const ech_hub *hub, const ech_hub_site *site, uint32_t worker)
{
    uint32_t low = site->first;
    uint32_t high = site->first + site->asked;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (hub->workers[middle].worker < worker) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < site->first + site->asked && hub->workers[low].worker == worker
               ? &hub->workers[low]
               : NULL;
}

/* Match the reports to the workers that were asked, each once. */
static ech_status take_reports(ech_hub *hub, ech_hub_site *site, uint64_t *weight,
                               uint64_t *updates)
{
    uint32_t count = 0;
    const ech_wire_report *reports = ech_update_reader_reports(hub->readers[site->slot], &count);
    for (uint32_t i = site->first; i < site->first + site->asked; i++) {
        hub->workers[i].has_report = false;
    }
    for (uint32_t i = 0; i < count; i++) {
        ech_hub_worker *worker = ech_hub_find_worker(hub, site, reports[i].worker);
        if (worker == NULL || worker->has_report) {
            return ech_fail(ECH_ERR_FORMAT, "a report of worker %u, which was not asked for",
                            reports[i].worker);
        }
        worker->has_report = true;
        worker->report = reports[i];
        *weight += reports[i].refused == 0 ? worker->weight : 0;
        *updates += reports[i].refused == 0;
    }
    return ECH_OK;
}

static ech_status add_update(ech_hub *hub, ech_hub_site *site)
{
    uint64_t weight = 0;
    uint64_t updates = 0;
    const bool is_state = hub->round.strategy->rule->form == ECH_AGGREGATE_STATE;
    ech_status status = take_reports(hub, site, &weight, &updates);
    if (status == ECH_OK) {
        status = ech_update_reader_finish(hub->readers[site->slot], weight, updates,
                                          is_state ? hub->round.model.values : NULL, &hub->total);
    }
    if (status == ECH_OK) {
        hub->has_total = hub->has_total || weight > 0;
        hub->contributed += updates;
    }
    return status;
}

static void complete(ech_hub *hub, ech_hub_site *site)
{
    if (add_update(hub, site) == ECH_OK) {
        end_part(hub, site, ECH_PART_COUNTED);
    } else {
        ech_hub_leave_out(hub, site, ech_status_message());
    }
}

void ech_hub_take_update(ech_hub *hub, ech_hub_site *site, const ech_wire_frame *frame)
{
    if (frame->sequence < site->update_next) {
        return; /* it is here already */
    }
    if (site->slot == ECH_HUB_NO_SLOT || frame->sequence != site->update_next ||
        frame->sequence >= site->update_limit) {
        ech_hub_complain(site, "a chunk of its update out of order or without credit");
        return;
    }
    site->totals.wire_up += frame->payload_bytes;
    if (ech_update_reader_take(hub->readers[site->slot], frame) != ECH_OK) {
        ech_hub_leave_out(hub, site, ech_status_message());
        return;
    }
    if (site->update_next++ == 0) {
        site->update_ns = ech_clock_ns();
    }
    if (frame->argument == 1) {
        site->totals.up_seconds = ech_clock_seconds(ech_clock_ns() - site->update_ns);
        complete(hub, site);
    } else if (site->update_next % CREDIT_EVERY == 0) {
        site->update_limit = site->update_next + ECH_WIRE_WINDOW;
        send_credit(hub, site);
    }
}
