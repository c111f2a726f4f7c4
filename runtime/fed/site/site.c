#include "runtime/fed/site/site.h"

#include <math.h>
#include <stdio.h>

#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/fed/gather.h"
#include "runtime/fed/process.h"
#include "runtime/mpi/guard.h"

enum { REFUSAL_BYTES = 160 };

static const uint64_t serve_every_ns = UINT64_C(200000000);

struct ech_site {
    ech_site_options options;
    ech_process *process;
    uint32_t slot_count;
    /* rank 0, while it runs */
    ech_ledger ledger;
    ech_gather *gather;
    ech_participant *participants;
    ech_wire_report *reports;
    uint32_t report_count;
    uint32_t worker_count; /* room for so many */
    uint64_t rounds, counted;
    /* lossy updates */
    float *values, *lost, *carried; /* carried: what the update before lost */
    int64_t *counters;
};

/* ---- life ---- */

static ech_status agree_on_slots(ech_machine *machine, ech_site *site)
{
    const ech_site_options *options = &site->options;
    ech_comm *comm = ech_machine_comm(machine);
    ech_status status = ECH_OK;
    if (ech_machine_rank(machine) == 0) {
        status = ech_gather_slots(ECH_AGGREGATORS_FUSED, options->topology, options->placement,
                                  machine, &site->slot_count);
    }
    status = ech_comm_agree(comm, status);
    return status == ECH_OK
               ? ech_comm_broadcast(comm, &site->slot_count, sizeof site->slot_count, 0)
               : status;
}

ech_status ech_site_create(ech_machine *machine, const ech_site_options *options, ech_site **out)
{
    *out = NULL;
    ech_site *site = NULL;
    ech_status status = ech_process_allocate(machine, sizeof *site, (void **)&site);
    if (status != ECH_OK) {
        return status;
    }
    site->options = *options;
    status = agree_on_slots(machine, site);
    if (status == ECH_OK) {
        const ech_process_options process = {
            .trainer = options->trainer,
            .strategy = options->strategy,
            .topology = options->topology,
            .slot_count = site->slot_count,
            .cell_count = 1,
        };
        status = ech_process_create(machine, &process, &site->process);
    }
    if (status != ECH_OK) {
        ech_site_destroy(&site);
        return status;
    }
    *out = site;
    return ECH_OK;
}

void ech_site_destroy(ech_site **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_process_destroy(&(*handle)->process);
    ech_free(*handle);
    *handle = NULL;
}

ech_status ech_site_register(ech_site *site, ech_app_registry *registry)
{
    return ech_process_register(site->process, registry);
}

uint64_t ech_site_rounds(const ech_site *site)
{
    return site->counted;
}

/* ---- a round ---- */

/* What leaves the site of a worker's training. */
static ech_status keep_report(void *self, const ech_worker_report *report)
{
    ech_site *site = self;
    const uint32_t tells = site->options.tells;
    const bool times = (tells & ECH_SITE_TELLS_TIMES) != 0;
    site->reports[site->report_count++] = (ech_wire_report){
        .worker = report->worker,
        .refused = report->refused,
        .samples = report->samples,
        .steps = times ? report->steps : 0,
        .loss = (tells & ECH_SITE_TELLS_LOSS) != 0 ? report->loss : NAN,
        .accuracy = (tells & ECH_SITE_TELLS_ACCURACY) != 0 ? report->accuracy : NAN,
        .start_ns = times ? report->start_ns : 0,
        .end_ns = times ? report->end_ns : 0,
    };
    return ECH_OK;
}

/* Why the site does not do a round; NULL: it does. */
static const char *exceeds(const ech_site *site, const ech_wire_round *about,
                           char reason[REFUSAL_BYTES])
{
    const ech_site_options *options = &site->options;
    if (options->epochs_most > 0 && about->epochs > options->epochs_most) {
        snprintf(reason, REFUSAL_BYTES, "it trains at most %u epochs a round, not %u",
                 options->epochs_most, about->epochs);
        return reason;
    }
    if (about->epochs != options->epochs) {
        snprintf(reason, REFUSAL_BYTES, "it is configured for %u epochs, not %u", options->epochs,
                 about->epochs);
        return reason;
    }
    return NULL;
}

static ech_status list_participants(ech_site *site, const ech_member_round *round)
{
    for (uint32_t i = 0; i < round->about.worker_count; i++) {
        const uint32_t worker = round->workers[i];
        if (worker >= ech_topology_worker_count(site->options.topology) ||
            !ech_population_holds(site->options.population, worker)) {
            return ech_fail(ECH_ERR_FORMAT, "worker %u is none of this site's, or has no samples",
                            worker);
        }
        site->participants[i] = (ech_participant){
            .worker = worker,
            .samples = ech_population_samples(site->options.population, worker),
        };
    }
    return ECH_OK;
}

static ech_status train(ech_site *site, const ech_member_round *round, uint32_t *slot)
{
    ech_process *process = site->process;
    ech_guard_phase("round %llu", (unsigned long long)round->round);
    ech_process_begin_round(process, round->round);
    ech_ledger_begin(&site->ledger, &process->report, process->tiers);
    site->report_count = 0;
    ech_status status = ech_process_broadcast(process);
    if (status == ECH_OK) {
        status = ech_gather_run(site->gather, round->round, round->about.weight_bound,
                                site->participants, round->about.worker_count, slot);
    }
    ech_ledger_end(&site->ledger);
    return status;
}

/* ---- lossy updates ---- */

static ech_status make_lossy_room(ech_site *site)
{
    const ech_layout *layout = site->process->layout;
    if (site->values != NULL) {
        return ECH_OK;
    }
    site->lost = ech_calloc(layout->value_count, sizeof *site->lost);
    site->carried = ech_calloc(layout->value_count, sizeof *site->carried);
    site->counters = ech_calloc(layout->counter_count, sizeof *site->counters);
    site->values = ech_calloc(layout->value_count, sizeof *site->values);
    return site->lost != NULL && site->carried != NULL && site->counters != NULL &&
                   site->values != NULL
               ? ECH_OK
               : ECH_ERR_MEMORY;
}

/* The mean, less the model where updates are whole models, and what the update before lost. */
static ech_status form_values(ech_site *site, ech_exact_sum *sum)
{
    const ech_layout *layout = site->process->layout;
    const bool is_state = site->options.strategy->rule->form == ECH_AGGREGATE_STATE;
    const float *model = ech_replica_model_view(site->process->replica).values;
    ech_status status = make_lossy_room(site);
    if (status != ECH_OK || ech_exact_sum_weight(sum) == 0) {
        return status; /* nobody's update: what is sent counts for nothing */
    }
    status = ech_exact_sum_finish(sum, 0, layout->value_count, site->values);
    if (status == ECH_OK) {
        status = ech_exact_sum_finish_counters(sum, site->counters);
    }
    for (uint64_t i = 0; i < layout->value_count && status == ECH_OK; i++) {
        site->values[i] += site->carried[i] - (is_state ? model[i] : 0.0F);
    }
    return status;
}

static void carry_over(ech_site *site)
{
    float *kept = site->carried;
    site->carried = site->lost;
    site->lost = kept;
}

/* ---- the update ---- */

static ech_status send_update(ech_site *site, ech_member *member, const ech_member_round *round,
                              uint32_t slot)
{
    ech_exact_sum *sum = ech_sum_exact(ech_replica_sum(site->process->replica, slot));
    const bool is_lossy = round->about.codec != ECH_CODEC_EXACT;
    ech_status status = is_lossy ? form_values(site, sum) : ECH_OK;
    if (status != ECH_OK) {
        return status;
    }
    const ech_update_content content = {
        .layout = site->process->layout,
        .reports = site->reports,
        .report_count = site->report_count,
        .codec = (ech_codec)round->about.codec,
        .keep_millionths = round->about.keep_millionths,
        .packs = round->about.packs != 0,
        .sum = sum,
        .values = site->values,
        .lost = site->lost,
        .counters = site->counters,
    };
    bool counted = false;
    status = ech_member_send(member, &content, &counted);
    if (status == ECH_OK && counted) {
        site->counted++;
        if (is_lossy) {
            carry_over(site);
        }
    }
    return status;
}

static ech_status do_round(ech_site *site, ech_member *member, const ech_member_round *round)
{
    char reason[REFUSAL_BYTES];
    const char *why = exceeds(site, &round->about, reason);
    if (why == NULL && list_participants(site, round) != ECH_OK) {
        why = ech_status_message();
    }
    if (why != NULL) {
        ech_log(ECH_LOG_WARNING, "round %llu is refused: %s", (unsigned long long)round->round,
                why);
        ech_member_refuse(member, why);
        return ECH_OK;
    }
    site->rounds++;
    uint32_t slot = 0;
    const ech_status status = train(site, round, &slot);
    return status == ECH_OK ? send_update(site, member, round, slot) : status;
}

/* ---- the run ---- */

static bool serve_member(void *user)
{
    return ech_member_serve(user);
}

static ech_status create_gather(ech_site *site, ech_executor *executor)
{
    const ech_site_options *options = &site->options;
    const ech_gather_options gather = {
        .topology = options->topology,
        .placement = options->placement,
        .population = options->population,
        .strategy = options->strategy,
        .apps = &site->process->apps,
        .ledger = &site->ledger,
        .machine = site->process->machine,
        .aggregators = ECH_AGGREGATORS_FUSED,
        .homes = options->homes,
        .slot_count = site->slot_count,
        .seed = options->seed,
        .epochs = options->epochs,
    };
    return ech_gather_create(executor, &gather, &site->gather);
}

static ech_status prepare_run(ech_site *site, ech_executor *executor, ech_member *member)
{
    ech_process *process = site->process;
    ech_status status = ech_process_begin(process, executor);
    site->worker_count = ech_topology_worker_count(site->options.topology);
    site->participants = ech_calloc(site->worker_count, sizeof *site->participants);
    site->reports = ech_calloc(site->worker_count, sizeof *site->reports);
    if (site->participants == NULL || site->reports == NULL) {
        return ECH_ERR_MEMORY;
    }
    process->observer = (ech_round_observer){.self = site, .worker_done = keep_report};
    site->ledger = (ech_ledger){.topology = site->options.topology, .observer = &process->observer};
    if (status == ECH_OK) {
        status = create_gather(site, executor);
    }
    ech_executor_look_after(executor, (ech_service){serve_member, member, serve_every_ns});
    return status;
}

static void end_run(ech_site *site, ech_executor *executor)
{
    ech_executor_look_after(executor, (ech_service){0});
    ech_gather_destroy(&site->gather);
    ech_process_end(site->process);
    ech_free(site->participants);
    ech_free(site->reports);
    ech_free(site->values);
    ech_free(site->lost);
    ech_free(site->carried);
    ech_free(site->counters);
    site->values = NULL;
}

ech_status ech_site_run(ech_site *site, ech_executor *executor, ech_member *member)
{
    ech_member_round round = {.round = 1};
    ech_status status = prepare_run(site, executor, member);
    while (status == ECH_OK && round.round > 0) {
        if (site->options.rounds_most > 0 && site->rounds >= site->options.rounds_most) {
            ech_member_leave(member, "it takes part in no more rounds (site.limits.rounds)");
            break;
        }
        ech_guard_phase("waiting for a round");
        status = ech_member_next(member, ech_replica_model(site->process->replica), &round);
        if (status == ECH_OK && round.round > 0) {
            status = do_round(site, member, &round);
        }
    }
    if (status != ECH_OK && status != ECH_ERR_TIMEOUT && status != ECH_ERR_CONFIG) {
        const ech_failure failure = ech_failure_keep(status);
        ech_member_leave(member,
                         status == ECH_ERR_INTERRUPTED ? "it was asked to stop" : "it failed");
        ech_failure_restore(&failure);
    }
    end_run(site, executor);
    return status;
}
