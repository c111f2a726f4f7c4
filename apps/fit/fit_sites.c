#include "apps/fit/fit_sites.h"

#include "apps/fit/fit_compare.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/mpi/interrupt.h"

/* The other ranks hear in such turns that rank 0 still waits: no call of theirs lasts for long. */
enum { TURN_MS = 500, NAMES_BYTES = 400 };

ech_status ech_fit_sites_list(const ech_topology *topology, const ech_fit_options *options,
                              ech_site_list **out)
{
    return ech_site_list_create(topology, options->sites.compression, out);
}

static ech_status check_list(const ech_fit_sites *sites, const ech_fit_sites_run *run)
{
    const uint32_t count = ech_site_list_count(sites->list);
    if (count > 0 && run->options->sites.listen == NULL) {
        return ech_config_fail(run->config, "topology.file",
                               "it names the site %s: expected sites.listen, on which sites join",
                               ech_site_list_at(sites->list, 0)->name);
    }
    if (count == 0 && run->options->sites.listen != NULL) {
        return ech_config_fail(run->config, "sites.listen",
                               "expected a node with site: NAME in the topology's file");
    }
    for (uint32_t s = 0; s < count; s++) {
        const ech_site_entry *entry = ech_site_list_at(sites->list, s);
        if (entry->compression.codec != ECH_CODEC_EXACT &&
            run->strategy->rule->extra != ECH_EXTRA_NONE) {
            return ech_config_fail(run->config, "sites.compression",
                                   "site %s: expected none or zstd with strategy %s, whose updates "
                                   "are more than a model",
                                   entry->name, run->strategy->rule->name);
        }
    }
    return ECH_OK;
}

static ech_status create_hub(ech_fit_sites *sites, const ech_fit_sites_run *run)
{
    ech_private_key key;
    size_t admitted = 0;
    ech_hub_options options = {
        .sites = sites->list,
        .layout = run->strategy->layout,
        .engines = run->engines,
        .wait_seconds = run->options->sites.wait,
    };
    ech_status status = ech_private_key_read(run->options->sites.key, &key);
    if (status == ECH_OK) {
        status = ech_public_keys_read(run->options->sites.admitted, &sites->admitted, &admitted);
    }
    if (status == ECH_OK) {
        status = ech_fit_digest(run->config, run->topology, &options.config);
    }
    if (status == ECH_OK) {
        status = ech_fit_layout_digest(run->strategy->layout, &options.model);
    }
    if (status == ECH_OK) {
        options.listener = (ech_listener_options){.endpoint = run->options->sites.listen,
                                                  .key = &key,
                                                  .admitted = sites->admitted,
                                                  .admitted_count = admitted};
        status = ech_hub_create(&options, &sites->hub);
    }
    ech_private_key_clear(&key);
    return status;
}

static ech_status open_on_rank_0(ech_fit_sites *sites, const ech_fit_sites_run *run)
{
    ech_status status = ech_fit_sites_list(run->topology, run->options, &sites->list);
    if (status == ECH_OK) {
        status = check_list(sites, run);
    }
    if (status != ECH_OK || ech_site_list_count(sites->list) == 0) {
        return status;
    }
    ech_memory_reuse(); /* for messages */
    ech_pin_lift(run->pinned);
    status = create_hub(sites, run);
    ech_pin_restore(run->pinned);
    if (status == ECH_OK) {
        const uint32_t count = ech_site_list_count(sites->list);
        ech_log(ECH_LOG_INFO, "waiting for %u site%s on %s", count, count == 1 ? "" : "s",
                ech_hub_endpoint(sites->hub));
    }
    return status;
}

/* One turn of rank 0's. @param[in,out] waits  not all have joined. */
static ech_status await(const ech_fit_sites *sites, double wait_seconds, uint64_t start_ns,
                        uint32_t *waits)
{
    char missing[NAMES_BYTES];
    *waits = sites->hub != NULL && !ech_hub_is_complete(sites->hub, missing, sizeof missing);
    if (*waits == 0) {
        return ECH_OK;
    }
    if (ech_interrupt_requested()) {
        return ech_fail(ECH_ERR_INTERRUPTED, "stopped while waiting for the sites %s", missing);
    }
    if (ech_clock_seconds(ech_clock_ns() - start_ns) > wait_seconds) {
        return ech_fail(ECH_ERR_TIMEOUT,
                        "after %.0f s (sites.wait) these sites have not joined: %s", wait_seconds,
                        missing);
    }
    const uint64_t until_ns = ech_clock_ns() + TURN_MS * UINT64_C(1000000);
    ech_status status = ECH_OK;
    while (status == ECH_OK && ech_clock_ns() < until_ns &&
           !ech_hub_is_complete(sites->hub, missing, sizeof missing)) {
        status = ech_hub_wait(sites->hub, TURN_MS / 10);
    }
    return status;
}

ech_status ech_fit_sites_open(ech_fit_sites *sites, ech_machine *machine,
                              const ech_fit_sites_run *run)
{
    ech_comm *comm = ech_machine_comm(machine);
    const bool is_first = ech_machine_rank(machine) == 0;
    ech_status status = is_first ? open_on_rank_0(sites, run) : ECH_OK;
    const uint64_t start_ns = ech_clock_ns();
    uint32_t waits = 1;
    while (true) {
        if (is_first && status == ECH_OK) {
            status = await(sites, run->options->sites.wait, start_ns, &waits);
        }
        status = ech_comm_agree(comm, status);
        if (status == ECH_OK) {
            status = ech_comm_broadcast(comm, &waits, sizeof waits, 0);
        }
        if (status != ECH_OK || waits == 0) {
            return status;
        }
    }
}

void ech_fit_sites_clear(ech_fit_sites *sites)
{
    ech_hub_destroy(&sites->hub);
    ech_site_list_destroy(&sites->list);
    ech_free(sites->admitted);
    sites->admitted = NULL;
}
