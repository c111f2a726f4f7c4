/* Rounds that remote sites take part in: their workers' updates come as one exact sum a site. */
#include "runtime/base/memory.h"
#include "runtime/fed/sync_priv.h"

enum { WAIT_MS = 50 };

static const uint64_t serve_every_ns = 1000000;

static bool serve_hub(void *user)
{
    return ech_hub_serve(user);
}

ech_status ech_sync_prepare_sites(ech_sync *sync, ech_executor *executor)
{
    ech_hub *hub = sync->options.hub;
    if (hub == NULL) {
        return ECH_OK;
    }
    sync->executor = executor;
    sync->site_reports = ech_calloc(ech_hub_site_count(hub), sizeof *sync->site_reports);
    ech_executor_look_after(executor, (ech_service){serve_hub, hub, serve_every_ns});
    return sync->site_reports != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

void ech_sync_release_sites(ech_sync *sync)
{
    if (sync->executor != NULL) {
        ech_executor_look_after(sync->executor, (ech_service){0});
        ech_free(sync->site_reports);
        sync->site_reports = NULL;
        sync->executor = NULL;
    }
}

/* Those whom this job trains first. @return how many. */
static uint32_t part_participants(const ech_sync *sync)
{
    const ech_roster *roster = &sync->roster;
    uint32_t own = 0;
    for (uint32_t i = 0; i < roster->count; i++) {
        const ech_participant who = roster->participants[i];
        if (!ech_hub_trains(sync->options.hub, who.worker)) {
            roster->participants[i] = roster->participants[own];
            roster->participants[own++] = who;
        }
    }
    return own;
}

static uint64_t weigh(const ech_sync *sync)
{
    const ech_strategy *strategy = sync->options.strategy;
    uint64_t weight = 0;
    for (uint32_t i = 0; i < sync->roster.count; i++) {
        weight += strategy->rule->weight(strategy, sync->roster.participants[i].samples);
    }
    return weight;
}

static ech_status begin(ech_sync *sync, uint64_t round, uint64_t bound, uint32_t own)
{
    const ech_hub_round begun = {
        .round = round,
        .weight_bound = bound,
        .epochs = sync->options.epochs,
        .model = ech_replica_model_view(sync->process->replica),
        .strategy = sync->options.strategy,
        .deadline = ech_sync_real_cutoff(sync).deadline,
    };
    return ech_hub_begin(sync->options.hub, &begun, sync->roster.participants + own,
                         sync->roster.count - own);
}

static ech_status train_own(ech_sync *sync, uint64_t round, uint64_t bound, uint32_t own,
                            uint32_t *slot)
{
    if (own > 0) {
        return ech_gather_run(sync->gather, round, bound, sync->roster.participants, own, slot);
    }
    *slot = 0;
    return ech_sync_open(sync, *slot, bound);
}

/* Updates of sites that end the round. */
static uint64_t enough_of_sites(const ech_sync *sync)
{
    const uint32_t quorum = ech_sync_real_cutoff(sync).quorum;
    const uint64_t here = sync->process->report.contributed;
    if (quorum == 0) {
        return UINT64_MAX;
    }
    return quorum > here ? quorum - here : 0;
}

static ech_status wait_for_sites(ech_sync *sync)
{
    ech_hub *hub = sync->options.hub;
    bool over = false;
    ech_status status = ech_hub_settle(hub, enough_of_sites(sync), &over);
    while (status == ECH_OK && !over) {
        if (ech_process_must_stop(sync->process)) {
            return ech_fail(ECH_ERR_INTERRUPTED,
                            ECH_RUN_STOPPED "while round %llu waited for its sites",
                            (unsigned long long)sync->process->report.round);
        }
        status = ech_hub_wait(hub, WAIT_MS);
        if (status == ECH_OK) {
            status = ech_hub_settle(hub, enough_of_sites(sync), &over);
        }
    }
    return status;
}

static ech_train_outcome outcome_of(const ech_wire_report *report)
{
    return (ech_train_outcome){
        .train = {.samples = report->samples,
                  .steps = report->steps,
                  .loss = report->loss,
                  .accuracy = report->accuracy},
        .start_ns = report->start_ns,
        .end_ns = report->end_ns,
        .rank = -1,
        .host = -1,
        .refused = report->refused,
        .reason = "its site says that its update is not finite",
    };
}

static ech_status tell_workers(ech_sync *sync, uint32_t own)
{
    ech_status status = ECH_OK;
    for (uint32_t i = own; i < sync->roster.count && status == ECH_OK; i++) {
        ech_participant *who = &sync->roster.participants[i];
        const ech_wire_report *report = ech_hub_report(sync->options.hub, who->worker);
        if (report == NULL) {
            sync->process->report.late++;
        } else {
            const ech_train_outcome outcome = outcome_of(report);
            status = ech_ledger_add_training(&sync->ledger, who, &outcome);
        }
    }
    return status;
}

static void tell_sites(ech_sync *sync)
{
    ech_round_report *report = &sync->process->report;
    report->sites = sync->site_reports;
    report->site_count = ech_hub_site_count(sync->options.hub);
    for (uint32_t s = 0; s < report->site_count; s++) {
        const ech_site_report part = ech_hub_part_of(sync->options.hub, s);
        const uint32_t tier = ech_topology_node(sync->options.topology, part.node)->tier;
        sync->process->tiers[tier].wire_down += part.wire_down;
        sync->process->tiers[tier].wire_up += part.wire_up;
        sync->site_reports[s] = part;
    }
}

ech_status ech_sync_gather_sites(ech_sync *sync, uint64_t round, uint32_t *slot)
{
    if (sync->roster.count == 0) {
        return ECH_OK;
    }
    const uint32_t own = part_participants(sync);
    const uint64_t bound = weigh(sync);
    ech_status status = begin(sync, round, bound, own);
    if (status == ECH_OK) {
        status = train_own(sync, round, bound, own, slot);
    }
    if (status == ECH_OK) {
        status = wait_for_sites(sync);
    }
    if (status == ECH_OK) {
        status = ech_hub_collect(sync->options.hub,
                                 ech_sum_exact(ech_replica_sum(sync->process->replica, *slot)));
    }
    if (status == ECH_OK) {
        status = tell_workers(sync, own);
    }
    if (status == ECH_OK) {
        tell_sites(sync);
    }
    return status;
}
