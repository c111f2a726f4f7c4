#include "apps/fit/fit_base.h"

#include <stdio.h>
#include <string.h>

#include "apps/fit/fit_start.h"
#include "runtime/base/memory.h"

enum { REASON_BYTES = 512 };

ech_status ech_fit_base_agree(const ech_fit_base *base, ech_status mine)
{
    return ech_comm_agree(base->comm, mine);
}

/* Only leader ranks read files. */
static void keep_io_on_leaders(ech_fit_base *base, ech_io **io)
{
    if (ech_machine_is_leader(base->machine)) {
        base->io = *io;
        *io = NULL;
    } else {
        ech_io_destroy(io);
    }
}

static ech_status find_machine(ech_fit_base *base, const ech_fit_arguments *arguments,
                               const ech_failure *prepared, ech_io **io)
{
    ech_status status = ech_machine_create(MPI_COMM_WORLD, &base->machine);
    if (status != ECH_OK) {
        return status;
    }
    base->comm = ech_machine_comm(base->machine);
    base->is_first = ech_machine_rank(base->machine) == 0;
    status = ech_fit_base_agree(base, ech_failure_restore(prepared));
    if (status != ECH_OK) {
        return status;
    }
    keep_io_on_leaders(base, io);
    base->arguments = arguments;
    status = ech_fit_load_config(base->machine, arguments, &base->config, &base->config_text);
    if (status == ECH_OK) {
        base->options = ech_fit_options_of(base->config);
        ech_machine_set_leader_mode(base->machine, (ech_leader_mode)base->options.leader);
    }
    return status;
}

static ech_status grow_tree(ech_fit_base *base)
{
    ech_status status = ECH_OK;
    if (base->is_first) {
        status = ech_fit_tree_grow(&base->tree, base->config, &base->options);
        if (status == ECH_OK) {
            base->worker_count = ech_topology_worker_count(base->tree.topology);
            status = ech_fit_tree_place(&base->tree, base->machine);
        }
    }
    status = ech_fit_base_agree(base, status);
    if (status != ECH_OK) {
        return status;
    }
    return ech_comm_broadcast(base->comm, &base->worker_count, sizeof base->worker_count, 0);
}

/* Different engines on different hosts would give different bits, and nobody would know. */
static ech_status compare_engines(ech_fit_base *base)
{
    char first[ECH_FIT_ENGINES_BYTES];
    memcpy(first, base->engines, sizeof first);
    const ech_status status = ech_comm_broadcast(base->comm, first, sizeof first, 0);
    if (status != ECH_OK) {
        return status;
    }
    if (strcmp(first, base->engines) == 0) {
        return ech_fit_base_agree(base, ECH_OK);
    }
    return ech_fit_base_agree(
        base, ech_fail(ECH_ERR_CONFIG,
                       "host %s runs %s, rank 0 runs %s: the same configuration would not "
                       "give the same bits (ECH_ISA sets the instruction set)",
                       ech_machine_host_name(base->machine, ech_machine_host(base->machine)),
                       base->engines, first));
}

static void describe_engines(ech_fit_base *base)
{
    const ech_fit_plugins *plugins = &base->plugins;
    const char *training = plugins->training != NULL
                               ? ech_plugin_library_description(plugins->training)
                               : ech_fit_trainer_engines(base->kernels);
    const bool has_rule = plugins->strategy != NULL;
    snprintf(base->engines, sizeof base->engines, "%s%s%s", training, has_rule ? ", strategy " : "",
             has_rule ? ech_plugin_library_description(plugins->strategy) : "");
}

static ech_status create_kernels(ech_fit_base *base)
{
    ech_status status = ech_fit_network(base->config, &base->options, base->model_text,
                                        ech_fit_data_info(base->data), &base->network);
    if (status == ECH_OK) {
        status = ech_fit_trainer_create(base->config, &base->options, base->network, base->data,
                                        &base->kernels);
    }
    if (status == ECH_OK) {
        base->trainer = ech_fit_trainer_interface(base->kernels);
    }
    return status;
}

static ech_status create_strategy(ech_fit_base *base)
{
    const ech_fit_options *options = &base->options;
    if (base->plugins.rule != NULL) {
        return ech_strategy_create_of(base->plugins.rule, &options->strategy.options, base->layout,
                                      &base->strategy);
    }
    const ech_status status = ech_strategy_create(
        options->strategy.name, &options->strategy.options, base->layout, &base->strategy);
    if (status == ECH_ERR_NOT_FOUND) {
        char reason[REASON_BYTES];
        snprintf(reason, sizeof reason, "%s", ech_status_message());
        return ech_config_fail(base->config, "strategy.name", "%s", reason);
    }
    return status;
}

static ech_status create_trainer(ech_fit_base *base)
{
    ech_status status = ech_fit_load_model(base->machine, &base->options, &base->model_text);
    if (status != ECH_OK) {
        return status;
    }
    status = ech_fit_plugins_load(&base->plugins, base->config, &base->options);
    if (status == ECH_OK && base->plugins.trainer != NULL) {
        base->trainer = ech_plugin_adapter_interface(base->plugins.trainer);
    } else if (status == ECH_OK) {
        status = create_kernels(base);
    }
    if (status == ECH_OK) {
        base->layout = base->trainer->layout(base->trainer->self);
        describe_engines(base);
        status = create_strategy(base);
    }
    status = ech_fit_base_agree(base, status);
    return status == ECH_OK ? compare_engines(base) : status;
}

ech_status ech_fit_base_start(ech_fit_base *base, const ech_fit_arguments *arguments,
                              const ech_failure *prepared, ech_io **io)
{
    ech_status status = find_machine(base, arguments, prepared, io);
    if (status == ECH_OK) {
        status = ech_pin_ranks(base->machine, base->options.threads, &base->pinned);
    }
    if (status == ECH_OK) {
        status = grow_tree(base);
    }
    if (status == ECH_OK) {
        const ech_fit_data_source source = {
            .machine = base->machine,
            .config = base->config,
            .options = &base->options,
            .io = base->io,
            .worker_count = base->worker_count,
            .placement = base->tree.placement,
        };
        status = ech_fit_data_create(&source, &base->data);
    }
    return status == ECH_OK ? create_trainer(base) : status;
}

ech_status ech_fit_base_open_sites(ech_fit_base *base)
{
    const ech_fit_sites_run run = {
        .config = base->config,
        .options = &base->options,
        .topology = base->tree.topology,
        .strategy = base->strategy,
        .engines = base->engines,
        .pinned = &base->pinned,
    };
    return ech_fit_sites_open(&base->sites, base->machine, &run);
}

/* A site says itself what its workers have. */
static uint64_t count_samples(void *user, uint32_t worker)
{
    const ech_fit_base *base = user;
    const ech_hub *hub = base->sites.hub;
    return hub != NULL && ech_hub_trains(hub, worker)
               ? ech_hub_samples(hub, worker)
               : base->trainer->sample_count(base->trainer->self, worker);
}

ech_status ech_fit_base_create_process(ech_fit_base *base, uint64_t rounds_done,
                                       ech_fit_process_handle **out)
{
    *out = NULL;
    ech_status status = ECH_OK;
    if (base->is_first) {
        status = ech_fit_tree_populate(&base->tree, (ech_fit_census){count_samples, base});
    }
    status = ech_fit_base_agree(base, status);
    if (status != ECH_OK) {
        return status;
    }
    const ech_fit_options *options = &base->options;
    status = ech_transfer_create(base->machine, &options->transfer, &base->transfer);
    if (status != ECH_OK) {
        return status;
    }
    const ech_sync_options common = {
        .trainer = base->trainer,
        .strategy = base->strategy,
        .topology = base->tree.topology,
        .placement = base->tree.placement,
        .population = base->tree.population,
        .hub = base->sites.hub,
        .aggregators = options->aggregators == ECH_FIT_FUSED ? ECH_AGGREGATORS_FUSED
                                                             : ECH_AGGREGATORS_MATERIALISED,
        .sum = options->strategy.sum,
        .homes = options->workers_on,
        .transfer = base->transfer,
        .seed = options->seed,
        .rounds_done = rounds_done,
        .rounds = options->rounds,
        .evaluate_every = options->evaluate_every,
        .epochs = options->train.epochs,
    };
    return ech_fit_process_create(base->machine, options, base->io, &common, out);
}

ech_status ech_fit_base_measure_memory(const ech_fit_base *base, ech_fit_totals *totals)
{
    totals->peak_rss_bytes = ech_memory_peak_rss_bytes();
    totals->host_pss_bytes = ech_memory_pss_bytes();
    ech_comm *host = ech_machine_host_comm(base->machine);
    ech_status status =
        ech_fit_base_agree(base, ech_comm_sum_u64(host, &totals->host_pss_bytes, 1));
    if (status == ECH_OK) {
        status = ech_comm_max_u64(base->comm, &totals->host_pss_bytes, 1);
    }
    return status == ECH_OK ? ech_comm_max_u64(base->comm, &totals->peak_rss_bytes, 1) : status;
}

void ech_fit_base_clear(ech_fit_base *base)
{
    ech_transfer_destroy(&base->transfer);
    ech_fit_sites_clear(&base->sites);
    ech_strategy_destroy(&base->strategy);
    ech_fit_trainer_destroy(&base->kernels);
    ech_network_destroy(&base->network);
    ech_fit_plugins_clear(&base->plugins);
    ech_free(base->model_text);
    ech_fit_data_destroy(&base->data);
    ech_fit_tree_clear(&base->tree);
    ech_config_destroy(&base->config);
    ech_free(base->config_text);
    ech_machine_destroy(&base->machine);
    ech_io_destroy(&base->io);
    base->model_text = NULL;
    base->config_text = NULL;
}
