/* A round of a hub: the model out, updates in. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/fed/site/hub_priv.h"

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- the model ---- */

static size_t model_bytes_at(const ech_hub *hub, uint64_t sequence)
{
    const uint64_t offset = sequence * ECH_WIRE_CHUNK_BYTES;
    return (size_t)smaller(hub->model_bytes - offset, ECH_WIRE_CHUNK_BYTES);
}

/* The values, and the counters behind them. */
static size_t read_model(const ech_hub *hub, uint64_t sequence, uint8_t *out)
{
    const uint64_t value_bytes = hub->options.layout->value_count * sizeof(float);
    const uint64_t offset = sequence * ECH_WIRE_CHUNK_BYTES;
    const size_t bytes = model_bytes_at(hub, sequence);
    const size_t of_values =
        offset < value_bytes ? (size_t)smaller(value_bytes - offset, bytes) : 0;
    if (of_values > 0) {
        memcpy(out, (const uint8_t *)hub->round.model.values + offset, of_values);
    }
    if (of_values < bytes) {
        memcpy(out + of_values,
               (const uint8_t *)hub->round.model.counters + (offset + of_values - value_bytes),
               bytes - of_values);
    }
    return bytes;
}

/* A chunk of the model, which is the same for all sites that take it packed, or not. */
static ech_status make_chunk(ech_hub *hub, uint64_t sequence, bool packs, ech_message **out)
{
    const ech_status status = ech_message_create(ECH_CHUNK_PAYLOAD_MAX, out);
    if (status != ECH_OK) {
        return status;
    }
    void *payload = ech_message_payload(*out);
    const size_t bytes = read_model(hub, sequence, ech_chunk_body(payload));
    const ech_wire_frame frame = {
        .type = ECH_WIRE_MODEL,
        .session = hub->session,
        .round = hub->round.round,
        .sequence = sequence,
        .payload_bytes =
            (uint32_t)ech_chunk_write(hub->packer, ECH_CHUNK_MODEL, packs, bytes, payload),
    };
    ech_message_seal(*out, &frame);
    return ECH_OK;
}

/* Sites are at about the same place: what was made for one is kept for the others for a while. */
static ech_status find_chunk(ech_hub *hub, uint64_t sequence, bool packs, ech_message **out)
{
    ech_hub_chunk *kept = &hub->chunks[packs][sequence % ECH_WIRE_WINDOW];
    if (kept->message == NULL || kept->sequence != sequence) {
        ech_message_release(&kept->message);
        const ech_status status = make_chunk(hub, sequence, packs, &kept->message);
        if (status != ECH_OK) {
            return status;
        }
        kept->sequence = sequence;
    }
    *out = ech_message_hold(kept->message);
    if (!hub->keeps_chunks) {
        ech_message_release(&kept->message);
    }
    return ECH_OK;
}

void ech_hub_forget_chunks(ech_hub *hub)
{
    for (int packs = 0; packs < 2; packs++) {
        for (int i = 0; i < ECH_WIRE_WINDOW; i++) {
            ech_message_release(&hub->chunks[packs][i].message);
        }
    }
}

static bool send_chunk(ech_hub *hub, ech_hub_site *site)
{
    ech_message *message = NULL;
    size_t bytes = 0;
    if (find_chunk(hub, site->model_next, site->entry->compression.packs, &message) != ECH_OK) {
        ech_hub_leave_out(hub, site, ech_status_message());
        return false;
    }
    const bool is_sent = ech_hub_send_message(hub, site, message);
    if (is_sent) {
        (void)ech_message_bytes(message, &bytes);
        site->totals.raw_down += model_bytes_at(hub, site->model_next);
        site->totals.wire_down += bytes - ECH_WIRE_HEADER_BYTES;
        site->model_next++;
    }
    ech_message_release(&message);
    return is_sent;
}

static void send_model(ech_hub *hub, ech_hub_site *site)
{
    bool is_sent = true;
    while (is_sent && site->has_round && site->part == ECH_PART_OPEN &&
           site->model_next < smaller(site->model_limit, hub->model_chunks)) {
        is_sent = send_chunk(hub, site);
    }
}

void ech_hub_take_credit(ech_hub *hub, ech_hub_site *site, const ech_wire_frame *frame)
{
    if (frame->sequence > site->model_next || frame->sequence < site->model_acked ||
        frame->argument > frame->sequence + ECH_WIRE_WINDOW) {
        ech_hub_complain(site, "credit that cannot be");
        return;
    }
    site->model_acked = frame->sequence;
    if (frame->sequence == hub->model_chunks) {
        site->totals.down_seconds = ech_clock_seconds(ech_clock_ns() - hub->start_ns);
    }
    site->model_limit = frame->argument > site->model_limit ? frame->argument : site->model_limit;
    send_model(hub, site);
}

/* ---- joining within a round ---- */

static void send_round(ech_hub *hub, ech_hub_site *site)
{
    const ech_compression *compression = &site->entry->compression;
    const ech_wire_round round = {
        .weight_bound = hub->round.weight_bound,
        .model_bytes = hub->model_bytes,
        .epochs = hub->round.epochs,
        .codec = compression->codec,
        .packs = compression->packs,
        .keep_millionths = compression->keep_millionths,
        .worker_count = site->asked,
    };
    uint32_t *numbers = ech_calloc(site->asked, sizeof *numbers);
    if (numbers == NULL) {
        ech_hub_leave_out(hub, site, ech_status_message());
        return;
    }
    for (uint32_t i = 0; i < site->asked; i++) {
        numbers[i] = hub->workers[site->first + i].worker;
    }
    const ech_wire_frame frame = {
        .type = ECH_WIRE_ROUND,
        .round = hub->round.round,
        .argument = site->update_limit,
        .payload = hub->payload,
        .payload_bytes = (uint32_t)ech_wire_put_round(&round, numbers, hub->payload),
    };
    ech_free(numbers);
    site->model_next = 0;
    site->model_acked = 0;
    site->has_round = ech_hub_send(hub, site, &frame);
    send_model(hub, site);
}

/* What the hub has of its update goes with the site that knew of it. */
static void begin_again(ech_hub *hub, ech_hub_site *site)
{
    if (site->slot != ECH_HUB_NO_SLOT && ech_hub_begin_update(hub, site) != ECH_OK) {
        ech_hub_leave_out(hub, site, ech_status_message());
    }
}

void ech_hub_resume_site(ech_hub *hub, ech_hub_site *site, const ech_wire_frame *join)
{
    const bool is_asked = hub->is_open && site->part == ECH_PART_OPEN;
    const bool goes_on = is_asked && site->has_round && join->session == hub->session &&
                         join->round == hub->round.round && join->sequence <= hub->model_chunks;
    site->model_limit = smaller(join->argument, ECH_WIRE_WINDOW);
    if (is_asked && !goes_on) {
        begin_again(hub, site);
    }
    const ech_wire_frame welcome = {.type = ECH_WIRE_WELCOME,
                                    .round = goes_on ? hub->round.round : 0,
                                    .sequence = site->update_next,
                                    .argument = site->update_limit};
    ech_hub_send(hub, site, &welcome);
    if (goes_on) {
        site->model_next = join->sequence;
        site->model_acked = join->sequence;
        site->model_limit += join->sequence;
        send_model(hub, site);
    } else if (is_asked) {
        send_round(hub, site);
    } else if (hub->is_ended) {
        ech_hub_send(hub, site, &(ech_wire_frame){.type = ECH_WIRE_END});
    }
}

/* ---- the round ---- */

static int by_site(const void *left, const void *right)
{
    const ech_hub_worker *a = left;
    const ech_hub_worker *b = right;
    if (a->site != b->site) {
        return a->site < b->site ? -1 : 1;
    }
    return (a->worker > b->worker) - (a->worker < b->worker);
}

static ech_status list_workers(ech_hub *hub, const ech_participant *participants, uint32_t count)
{
    if (count > hub->worker_capacity) {
        ech_hub_worker *grown = ech_realloc(hub->workers, count, sizeof *grown);
        if (grown == NULL) {
            return ECH_ERR_MEMORY;
        }
        hub->workers = grown;
        hub->worker_capacity = count;
    }
    const ech_strategy *strategy = hub->round.strategy;
    for (uint32_t i = 0; i < count; i++) {
        hub->workers[i] = (ech_hub_worker){
            .site = ech_site_list_of_worker(hub->options.sites, participants[i].worker),
            .worker = participants[i].worker,
            .weight = strategy->rule->weight(strategy, participants[i].samples),
        };
    }
    hub->worker_count = count;
    qsort(hub->workers, count, sizeof *hub->workers, by_site);
    return ECH_OK;
}

static void open_part(ech_hub *hub, ech_hub_site *site)
{
    const uint64_t room = site->route.count > 0 ? ECH_WIRE_WINDOW : 0;
    ech_hub_free_slot(hub, site);
    site->has_round = false;
    site->asked = 0;
    site->part = ECH_PART_NONE;
    site->update_next = 0;
    site->update_limit = 0;
    site->model_limit = room;
    site->totals = (ech_site_report){.name = site->entry->name, .node = site->entry->node};
}

static uint32_t ask_sites(ech_hub *hub)
{
    uint32_t asked = 0;
    for (uint32_t i = 0; i < hub->worker_count; i++) {
        ech_hub_site *site = &hub->sites[hub->workers[i].site];
        if (site->asked++ == 0) {
            site->first = i;
            site->part = ECH_PART_OPEN;
            asked++;
        }
    }
    return asked;
}

ech_status ech_hub_begin(ech_hub *hub, const ech_hub_round *round,
                         const ech_participant *participants, uint32_t count)
{
    const ech_layout *layout = hub->options.layout;
    hub->round = *round;
    hub->start_ns = ech_clock_ns();
    hub->model_bytes =
        layout->value_count * sizeof(float) + layout->counter_count * sizeof(int64_t);
    hub->model_chunks = (hub->model_bytes + ECH_WIRE_CHUNK_BYTES - 1) / ECH_WIRE_CHUNK_BYTES;
    hub->contributed = 0;
    hub->has_total = false;
    ech_status status = ech_exact_sum_begin(hub->total, round->weight_bound);
    if (status == ECH_OK) {
        status = list_workers(hub, participants, count);
    }
    if (status != ECH_OK) {
        return status;
    }
    hub->is_open = true;
    for (uint32_t s = 0; s < hub->site_count; s++) {
        open_part(hub, &hub->sites[s]);
    }
    const uint32_t asked = ask_sites(hub);
    const bool has_room_for_all = asked <= ECH_HUB_SLOTS;
    ech_hub_forget_chunks(hub);
    hub->keeps_chunks = asked > 1;
    for (uint32_t s = 0; s < hub->site_count; s++) {
        ech_hub_site *site = &hub->sites[s];
        site->totals.workers = site->asked;
        if (site->part == ECH_PART_OPEN && site->has_left) {
            ech_hub_leave_out(hub, site, "it has left");
        }
        if (site->part == ECH_PART_OPEN && has_room_for_all) {
            (void)ech_hub_take_slot(hub, site);
        }
        if (site->part == ECH_PART_OPEN && site->route.count > 0) {
            send_round(hub, site);
        }
    }
    return ECH_OK;
}

static ech_status check_away(const ech_hub *hub, const ech_hub_site *site)
{
    const uint64_t since_ns = site->away_ns > hub->start_ns ? site->away_ns : hub->start_ns;
    if (site->route.count > 0 ||
        ech_clock_seconds(ech_clock_ns() - since_ns) < hub->options.wait_seconds) {
        return ECH_OK;
    }
    return ech_fail(ECH_ERR_TIMEOUT,
                    "round %llu: site %s has been away for %.0f s (sites.wait); --resume goes on "
                    "when it is back",
                    (unsigned long long)hub->round.round, site->entry->name,
                    hub->options.wait_seconds);
}

static const char *end_of_round(const ech_hub *hub, uint64_t enough)
{
    const double seconds = ech_clock_seconds(ech_clock_ns() - hub->start_ns);
    if (hub->round.deadline > 0.0 && seconds >= hub->round.deadline) {
        return "the deadline (cutoff.deadline) has passed";
    }
    return hub->contributed >= enough ? "the quorum (cutoff.quorum) is there" : NULL;
}

ech_status ech_hub_settle(ech_hub *hub, uint64_t enough, bool *over)
{
    const char *end = end_of_round(hub, enough);
    ech_status status = ECH_OK;
    *over = true;
    for (uint32_t s = 0; s < hub->site_count && status == ECH_OK; s++) {
        ech_hub_site *site = &hub->sites[s];
        if (site->part != ECH_PART_OPEN) {
            continue;
        }
        if (end != NULL) {
            ech_hub_leave_out(hub, site, end);
        } else {
            *over = false;
            status = hub->round.deadline > 0.0 ? ECH_OK : check_away(hub, site);
        }
    }
    return status;
}

ech_status ech_hub_collect(ech_hub *hub, ech_exact_sum *into)
{
    hub->is_open = false;
    ech_hub_forget_chunks(hub);
    return hub->has_total ? ech_exact_sum_merge(into, hub->total) : ECH_OK;
}

const ech_wire_report *ech_hub_report(const ech_hub *hub, uint32_t worker)
{
    const ech_hub_site *site = &hub->sites[ech_site_list_of_worker(hub->options.sites, worker)];
    const ech_hub_worker *found =
        site->part == ECH_PART_COUNTED ? ech_hub_find_worker(hub, site, worker) : NULL;
    return found != NULL ? &found->report : NULL;
}

ech_site_report ech_hub_part_of(const ech_hub *hub, uint32_t site)
{
    ech_site_report part = hub->sites[site].totals;
    part.raw_up = part.counts
                      ? (hub->options.layout->value_count + hub->options.layout->counter_count) *
                            sizeof(int64_t)
                      : 0;
    return part;
}
