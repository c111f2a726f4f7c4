#include "apps/site/site_job.h"

#include <stdio.h>
#include <string.h>

#include "apps/fit/fit_base.h"
#include "apps/fit/fit_compare.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/fed/site/site.h"
#include "runtime/mpi/guard.h"

typedef struct {
    ech_fit_base base;
    ech_app_registry *apps;
    ech_executor *executor;
    ech_site *site;
    /* rank 0 */
    ech_site_list *list;
    const ech_site_entry *entry;
    ech_wire_worker *workers;
    ech_member *member;
} site_job;

/* ---- rank 0: who it is ---- */

static ech_status need_keys(const ech_config *config)
{
    static const char *const keys[] = {"site.name", "site.endpoint", "site.key", "site.leader"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!ech_config_has(config, keys[i])) {
            return ech_config_fail(config, keys[i], "missing: `echelon site` needs it");
        }
    }
    return ECH_OK;
}

static ech_status find_entry(site_job *job)
{
    const ech_fit_options *options = &job->base.options;
    ech_status status = need_keys(job->base.config);
    if (status == ECH_OK) {
        status = ech_fit_sites_list(job->base.tree.topology, options, &job->list);
    }
    if (status != ECH_OK) {
        return status;
    }
    const uint32_t index = ech_site_list_find(job->list, options->site.name);
    if (index == UINT32_MAX) {
        return ech_config_fail(job->base.config, "site.name",
                               "no node of the topology has site: %s", options->site.name);
    }
    job->entry = ech_site_list_at(job->list, index);
    return ECH_OK;
}

/* The workers of other sites are none of this one's, whatever its data say. */
static uint64_t count_own(void *user, uint32_t worker)
{
    const site_job *job = user;
    const uint32_t site = ech_site_list_of_worker(job->list, worker);
    const bool is_own = site != UINT32_MAX && ech_site_list_at(job->list, site) == job->entry;
    return is_own ? job->base.trainer->sample_count(job->base.trainer->self, worker) : 0;
}

static ech_status list_workers(site_job *job)
{
    const uint32_t count = job->entry->worker_count;
    job->workers = ech_calloc(count, sizeof *job->workers);
    if (job->workers == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t worker = job->entry->workers[i];
        job->workers[i] = (ech_wire_worker){.worker = worker, .samples = count_own(job, worker)};
    }
    return ECH_OK;
}

static ech_status read_keys(const ech_fit_options *options, ech_dialer_options *out)
{
    ech_public_key *leader = NULL;
    size_t count = 0;
    ech_status status = ech_private_key_read(options->site.key, &out->key);
    if (status == ECH_OK) {
        status = ech_public_keys_read(options->site.leader, &leader, &count);
    }
    if (status == ECH_OK && count != 1) {
        status = ech_fail(ECH_ERR_CONFIG, "%s: %zu keys: expected that of the leader alone",
                          options->site.leader, count);
    }
    if (status == ECH_OK) {
        out->leader = leader[0];
        out->endpoint = options->site.endpoint;
    }
    ech_free(leader);
    return status;
}

static ech_status create_member(site_job *job)
{
    const ech_fit_base *base = &job->base;
    ech_member_options options = {
        .join = {.worker_count = job->entry->worker_count},
        .workers = job->workers,
        .layout = base->strategy->layout,
        .wait_seconds = base->options.site.wait,
    };
    snprintf(options.join.name, sizeof options.join.name, "%s", job->entry->name);
    memcpy(options.join.engines, base->engines, sizeof base->engines);
    ech_status status = ech_fit_digest(base->config, base->tree.topology, &options.join.config);
    if (status == ECH_OK) {
        status = ech_fit_layout_digest(base->strategy->layout, &options.join.model);
    }
    if (status == ECH_OK) {
        status = read_keys(&base->options, &options.dialer);
    }
    ech_memory_reuse(); /* for messages */
    if (status == ECH_OK) {
        ech_pin_lift(&base->pinned);
        status = ech_member_create(&options, &job->member);
        ech_pin_restore(&base->pinned);
    }
    ech_private_key_clear(&options.dialer.key);
    return status;
}

static ech_status prepare_rank_0(site_job *job)
{
    if (!job->base.is_first) {
        return ECH_OK;
    }
    ech_status status = find_entry(job);
    if (status == ECH_OK) {
        status = list_workers(job);
    }
    if (status == ECH_OK) {
        status = ech_fit_tree_populate(&job->base.tree, (ech_fit_census){count_own, job});
    }
    return status == ECH_OK ? create_member(job) : status;
}

/* ---- all ranks ---- */

static ech_status create_site(site_job *job)
{
    ech_fit_base *base = &job->base;
    const ech_fit_options *fit = &base->options;
    const ech_site_options options = {
        .trainer = base->trainer,
        .strategy = base->strategy,
        .topology = base->tree.topology,
        .placement = base->tree.placement,
        .population = base->tree.population,
        .homes = fit->workers_on,
        .seed = fit->seed,
        .epochs = fit->train.epochs,
        .tells = fit->site.tells,
        .epochs_most = fit->site.epochs_most,
        .rounds_most = fit->site.rounds_most,
    };
    return ech_site_create(base->machine, &options, &job->site);
}

static ech_status create_executor(site_job *job)
{
    ech_status status = ech_app_registry_create(&job->apps);
    if (status == ECH_OK) {
        status = ech_site_register(job->site, job->apps);
    }
    status = ech_fit_base_agree(&job->base, status);
    if (status != ECH_OK) {
        return status;
    }
    const ech_executor_options options = {.kind = ECH_EXECUTOR_MPI, .machine = job->base.machine};
    return ech_executor_create(job->apps, &options, &job->executor);
}

static ech_status start(site_job *job, const ech_fit_arguments *arguments,
                        const ech_failure *prepared, ech_io **io)
{
    ech_guard_phase("start");
    ech_status status = ech_fit_base_start(&job->base, arguments, prepared, io);
    if (status == ECH_OK) {
        status = ech_fit_base_agree(&job->base, prepare_rank_0(job));
    }
    if (status == ECH_OK) {
        status = create_site(job);
    }
    return status == ECH_OK ? create_executor(job) : status;
}

static ech_status run_rounds(ech_executor *executor, void *user)
{
    site_job *job = user;
    const ech_status status = ech_site_run(job->site, executor, job->member);
    if (status == ECH_OK) {
        ech_log(ECH_LOG_INFO, "site %s: the end, after %llu rounds", job->entry->name,
                (unsigned long long)ech_site_rounds(job->site));
    }
    return status;
}

static void clear(site_job *job)
{
    ech_executor_destroy(&job->executor);
    ech_app_registry_destroy(&job->apps);
    ech_site_destroy(&job->site);
    ech_member_destroy(&job->member);
    ech_free(job->workers);
    ech_site_list_destroy(&job->list);
    ech_fit_base_clear(&job->base);
}

ech_status ech_site_job_run(const ech_fit_arguments *arguments, const ech_failure *prepared,
                            ech_io **io)
{
    site_job job = {0};
    ech_status status = start(&job, arguments, prepared, io);
    if (status == ECH_ERR_FILE) {
        status = ECH_ERR_CONFIG; /* until here only files that the user named were opened */
    }
    if (job.base.machine == NULL) {
        return status;
    }
    if (status == ECH_OK) {
        status = ech_fit_base_agree(&job.base, ech_executor_run(job.executor, run_rounds, &job));
    }
    const ech_failure failure = ech_failure_keep(status);
    clear(&job);
    return ech_failure_restore(&failure);
}
