#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/fed/site/hub_priv.h"

/* A leader that trains looks in between batches: what happened meanwhile is nobody's silence. */
static const uint64_t silence_ns = UINT64_C(30000000000);
static const uint64_t own_pause_ns = UINT64_C(1000000000);

/* How long sites may take to say that they have heard of the end. */
static const uint64_t goodbye_ns = UINT64_C(5000000000);

enum { MESSAGES_A_CALL = 256, GOODBYE_POLL_MS = 50 };

/* ---- life ---- */

static ech_status find_peer(const ech_hub *hub, ech_hub_site *site)
{
    const ech_listener_options *listener = &hub->options.listener;
    for (size_t i = 0; i < listener->admitted_count; i++) {
        if (strcmp(listener->admitted[i].name, site->entry->name) == 0) {
            site->peer = (uint32_t)i;
            return ECH_OK;
        }
    }
    return ech_fail(ECH_ERR_CONFIG, "the topology's site %s has no key among those admitted",
                    site->entry->name);
}

static ech_status create_sites(ech_hub *hub)
{
    hub->site_count = ech_site_list_count(hub->options.sites);
    hub->sites = ech_calloc(hub->site_count, sizeof *hub->sites);
    ech_status status = hub->sites != NULL ? ECH_OK : ECH_ERR_MEMORY;
    for (uint32_t s = 0; s < hub->site_count && status == ECH_OK; s++) {
        ech_hub_site *site = &hub->sites[s];
        site->entry = ech_site_list_at(hub->options.sites, s);
        site->slot = ECH_HUB_NO_SLOT;
        site->away_ns = ech_clock_ns();
        site->samples = ech_calloc(site->entry->worker_count, sizeof *site->samples);
        status = site->samples != NULL ? find_peer(hub, site) : ECH_ERR_MEMORY;
    }
    return status;
}

/* For a round of all sites, while nobody waits for it. */
static ech_status make_room(ech_hub *hub)
{
    ech_status status = ech_exact_sum_populate(hub->total);
    for (uint32_t s = 0; s < hub->site_count && s < ECH_HUB_SLOTS && status == ECH_OK; s++) {
        status =
            ech_update_reader_make_room(hub->readers[s], hub->sites[s].entry->compression.codec);
    }
    return status;
}

static ech_status allocate(ech_hub *hub)
{
    hub->payload = ech_alloc(ECH_WIRE_PAYLOAD_MAX);
    if (hub->payload == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ech_packer_create(&hub->packer);
    if (status == ECH_OK) {
        status = ech_exact_sum_create(hub->options.layout, &hub->total);
    }
    for (int slot = 0; slot < ECH_HUB_SLOTS && status == ECH_OK; slot++) {
        status = ech_update_reader_create(hub->options.layout, &hub->readers[slot]);
    }
    return status == ECH_OK ? make_room(hub) : status;
}

/* 0 stands for none. */
static ech_status draw_session(ech_hub *hub)
{
    if (getrandom(&hub->session, sizeof hub->session, 0) != (ssize_t)sizeof hub->session) {
        return ech_fail(ECH_ERR_SYSTEM, "the system has no random numbers");
    }
    hub->session += hub->session == 0;
    return ECH_OK;
}

ech_status ech_hub_create(const ech_hub_options *options, ech_hub **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_hub *hub = *out;
    hub->options = *options;
    ech_status status = create_sites(hub);
    if (status == ECH_OK) {
        status = allocate(hub);
    }
    if (status == ECH_OK) {
        status = draw_session(hub);
    }
    if (status == ECH_OK) {
        status = ech_listener_create(&options->listener, &hub->listener);
    }
    if (status != ECH_OK) {
        const ech_failure failure = ech_failure_keep(status);
        ech_hub_destroy(out);
        return ech_failure_restore(&failure);
    }
    hub->served_ns = ech_clock_ns();
    return ECH_OK;
}

void ech_hub_destroy(ech_hub **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_hub *hub = *handle;
    ech_listener_destroy(&hub->listener);
    ech_hub_forget_chunks(hub);
    for (int slot = 0; slot < ECH_HUB_SLOTS; slot++) {
        ech_update_reader_destroy(&hub->readers[slot]);
    }
    for (uint32_t s = 0; hub->sites != NULL && s < hub->site_count; s++) {
        ech_free(hub->sites[s].samples);
    }
    ech_exact_sum_destroy(&hub->total);
    ech_packer_destroy(&hub->packer);
    ech_free(hub->sites);
    ech_free(hub->workers);
    ech_free(hub->payload);
    ech_free(hub);
    *handle = NULL;
}

const char *ech_hub_endpoint(const ech_hub *hub)
{
    return ech_listener_endpoint(hub->listener);
}

/* ---- connections ---- */

void ech_hub_lose(ech_hub_site *site, const char *why)
{
    if (site->route.count == 0) {
        return;
    }
    site->route.count = 0;
    site->away_ns = ech_clock_ns();
    ech_log(ECH_LOG_WARNING, "site %s is away: %s", site->entry->name, why);
}

bool ech_hub_send_message(ech_hub *hub, ech_hub_site *site, ech_message *message)
{
    if (site->route.count == 0) {
        return false;
    }
    const ech_status status = ech_listener_send(hub->listener, &site->route, message);
    if (status != ECH_OK) {
        ech_hub_lose(site, ech_status_message());
    }
    return status == ECH_OK;
}

bool ech_hub_send(ech_hub *hub, ech_hub_site *site, const ech_wire_frame *frame)
{
    ech_message *message = NULL;
    ech_wire_frame sent = *frame;
    sent.session = hub->session;
    if (ech_message_of(&sent, &message) != ECH_OK) {
        ech_hub_lose(site, ech_status_message());
        return false;
    }
    const bool is_sent = ech_hub_send_message(hub, site, message);
    ech_message_release(&message);
    return is_sent;
}

void ech_hub_complain(ech_hub_site *site, const char *what)
{
    if (site->told < ECH_HUB_TOLD_MAX) {
        site->told++;
        ech_log(ECH_LOG_WARNING, "site %s: refused: %s%s", site->entry->name, what,
                site->told == ECH_HUB_TOLD_MAX ? " (further ones are not told)" : "");
    }
}

/* ---- the loop ---- */

static void excuse_own_pause(ech_hub *hub)
{
    const uint64_t pause_ns = ech_clock_ns() - hub->served_ns;
    for (uint32_t s = 0; pause_ns > own_pause_ns && s < hub->site_count; s++) {
        hub->sites[s].heard_ns += pause_ns;
    }
}

static void watch_silence(ech_hub *hub)
{
    hub->served_ns = ech_clock_ns();
    for (uint32_t s = 0; s < hub->site_count; s++) {
        ech_hub_site *site = &hub->sites[s];
        if (site->route.count > 0 && hub->served_ns > site->heard_ns + silence_ns) {
            ech_hub_lose(site, "it is silent");
        }
    }
}

static ech_status take_all(ech_hub *hub, int timeout_ms, bool *any)
{
    *any = false;
    for (int i = 0; i < MESSAGES_A_CALL; i++) {
        ech_heard heard;
        bool got = false;
        const ech_status status =
            ech_listener_receive(hub->listener, i == 0 ? timeout_ms : 0, &heard, &got);
        if (status != ECH_OK || !got) {
            return status;
        }
        *any = true;
        ech_hub_take(hub, &heard);
    }
    return ECH_OK;
}

ech_status ech_hub_wait(ech_hub *hub, int timeout_ms)
{
    bool any = false;
    excuse_own_pause(hub);
    const ech_status status = take_all(hub, timeout_ms, &any);
    watch_silence(hub);
    return status;
}

bool ech_hub_serve(ech_hub *hub)
{
    bool any = false;
    excuse_own_pause(hub);
    if (take_all(hub, 0, &any) != ECH_OK) {
        ech_log(ECH_LOG_WARNING, "%s", ech_status_message());
    }
    watch_silence(hub);
    return any;
}

bool ech_hub_is_complete(const ech_hub *hub, char *missing, size_t bytes)
{
    bool complete = true;
    size_t used = 0;
    missing[0] = '\0';
    for (uint32_t s = 0; s < hub->site_count; s++) {
        const ech_hub_site *site = &hub->sites[s];
        if (site->has_joined) {
            continue;
        }
        if (used < bytes) {
            used += (size_t)snprintf(missing + used, bytes - used, "%s%s", complete ? "" : ", ",
                                     site->entry->name);
        }
        complete = false;
    }
    return complete;
}

bool ech_hub_trains(const ech_hub *hub, uint32_t worker)
{
    return ech_site_list_of_worker(hub->options.sites, worker) != UINT32_MAX;
}

uint32_t ech_hub_site_count(const ech_hub *hub)
{
    return hub->site_count;
}

uint64_t ech_hub_samples(const ech_hub *hub, uint32_t worker)
{
    const uint32_t s = ech_site_list_of_worker(hub->options.sites, worker);
    const ech_hub_site *site = &hub->sites[s];
    uint32_t i = 0;
    while (site->entry->workers[i] != worker) {
        i++;
    }
    return site->samples[i];
}

static bool is_anyone_there(const ech_hub *hub)
{
    for (uint32_t s = 0; s < hub->site_count; s++) {
        if (hub->sites[s].route.count > 0) {
            return true;
        }
    }
    return false;
}

/* What was sent is lost where a connection breaks, or is closed while its peer still sends: so each
 * site answers by leaving, and one that joins again meanwhile is told again. */
void ech_hub_end(ech_hub *hub)
{
    const ech_wire_frame frame = {.type = ECH_WIRE_END};
    const uint64_t until_ns = ech_clock_ns() + goodbye_ns;
    hub->is_ended = true;
    for (uint32_t s = 0; s < hub->site_count; s++) {
        ech_hub_send(hub, &hub->sites[s], &frame);
    }
    while (is_anyone_there(hub) && ech_clock_ns() < until_ns &&
           ech_hub_wait(hub, GOODBYE_POLL_MS) == ECH_OK) {
    }
}
