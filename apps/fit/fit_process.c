#include "apps/fit/fit_process.h"

#include "io/record.h"
#include "runtime/base/memory.h"

struct ech_fit_process_handle {
    ech_sync *sync;       /* one of the two */
    ech_tier_rule *tiers; /* of the synchronous one, the leader's first; NULL: no rules but that */
    uint32_t tier_count;
    ech_async *async;
    /* rank 0's, of the asynchronous one */
    ech_availability *availability;
    ech_pace *pace;
    ech_arrival_report *log;
    uint64_t log_count;
};

static ech_status convert_log(ech_fit_process_handle *process, ech_record *record)
{
    const uint64_t count = ech_record_describe(record)->rows[ECH_RECORD_ARRIVALS];
    ech_arrival_row *rows = ech_calloc(count + 1, sizeof *rows);
    process->log = ech_calloc(count + 1, sizeof *process->log);
    ech_status status = rows != NULL && process->log != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK && count > 0) {
        status = ech_record_read(record, ECH_RECORD_ARRIVALS, 0, count, rows);
    }
    for (uint64_t i = 0; i < count && status == ECH_OK; i++) {
        process->log[i] = (ech_arrival_report){
            .node = rows[i].node,
            .parent = rows[i].parent,
            .round = rows[i].round,
            .version = rows[i].version,
            .staleness = rows[i].staleness,
        };
    }
    process->log_count = count;
    ech_free(rows);
    return status;
}

static ech_status read_log(ech_fit_process_handle *process, ech_io *io, const char *path)
{
    ech_record *record = NULL;
    ech_status status = ech_record_open(io, path, &record);
    if (status == ECH_OK) {
        status = convert_log(process, record);
    }
    ech_record_close(&record);
    return status;
}

static ech_status make_pace(ech_fit_process_handle *process, const ech_fit_options *options,
                            const ech_sync_options *common)
{
    ech_status status = ECH_OK;
    if (options->async.trace != NULL) {
        status =
            ech_availability_load(options->async.trace, ech_topology_worker_count(common->topology),
                                  &process->availability);
    }
    if (status != ECH_OK) {
        return status;
    }
    const ech_pace_work work = {
        .seed = common->seed,
        .topology = common->topology,
        .population = common->population,
        .availability = process->availability,
        .model_bytes = ech_layout_state_bytes(common->trainer->layout(common->trainer->self)),
        .epochs = common->epochs,
    };
    return ech_pace_create(&options->async.pace, &work, &process->pace);
}

static ech_status create_async(ech_fit_process_handle *process, ech_machine *machine,
                               const ech_fit_options *options, ech_io *io,
                               const ech_sync_options *common)
{
    ech_status status = ECH_OK;
    const bool is_first = ech_machine_rank(machine) == 0;
    if (is_first && options->async.replay != NULL) {
        status = read_log(process, io, options->async.replay);
    } else if (is_first && options->async.is_virtual) {
        status = make_pace(process, options, common);
    }
    status = ech_comm_agree(ech_machine_comm(machine), status);
    if (status != ECH_OK) {
        return status;
    }
    const ech_async_process_options async = {
        .trainer = common->trainer,
        .strategy = common->strategy,
        .topology = common->topology,
        .placement = common->placement,
        .population = common->population,
        .pace = process->pace,
        .replay = process->log,
        .replay_count = process->log_count,
        .async_tiers = options->async.tiers,
        .seed = common->seed,
        .rounds_done = common->rounds_done,
        .rounds = common->rounds,
        .evaluate_every = common->evaluate_every,
        .epochs = common->epochs,
    };
    return ech_async_create(machine, &async, &process->async);
}

static ech_status create_tiers(ech_fit_process_handle *process, const ech_fit_options *options,
                               const ech_sync_options *common)
{
    if (options->tier_count == 0) {
        return ECH_OK;
    }
    process->tiers = ech_calloc(options->tier_count + 1, sizeof *process->tiers);
    if (process->tiers == NULL) {
        return ECH_ERR_MEMORY;
    }
    process->tiers[process->tier_count++] =
        (ech_tier_rule){.rounds = 1, .strategy = common->strategy};
    ech_status status = ECH_OK;
    for (uint32_t t = 0; t < options->tier_count && status == ECH_OK; t++) {
        const ech_fit_tier *tier = &options->tiers[t];
        ech_tier_rule *rule = &process->tiers[process->tier_count++];
        rule->rounds = tier->rounds;
        status =
            ech_strategy_create(tier->name, &tier->strategy,
                                common->trainer->layout(common->trainer->self), &rule->strategy);
    }
    return status;
}

static void free_tiers(ech_fit_process_handle *process)
{
    for (uint32_t t = 1; t < process->tier_count; t++) {
        ech_strategy_destroy(&process->tiers[t].strategy);
    }
    ech_free(process->tiers);
}

static ech_status create_sync(ech_fit_process_handle *process, ech_machine *machine,
                              const ech_fit_options *options, const ech_sync_options *common)
{
    ech_status status = create_tiers(process, options, common);
    if (status == ECH_OK && ech_machine_rank(machine) == 0 && options->async.is_virtual) {
        status = make_pace(process, options, common);
    }
    status = ech_comm_agree(ech_machine_comm(machine), status);
    if (status != ECH_OK) {
        return status;
    }
    ech_sync_options sync = *common;
    sync.pace = process->pace;
    sync.tiers = process->tiers;
    sync.tier_count = process->tier_count;
    sync.cutoff = options->cutoff;
    sync.attack = options->attack;
    sync.includes_aggregators = options->strategy.always_include_aggregators;
    return ech_sync_create(machine, &sync, &process->sync);
}

ech_status ech_fit_process_create(ech_machine *machine, const ech_fit_options *options, ech_io *io,
                                  const ech_sync_options *common, ech_fit_process_handle **out)
{
    *out = ech_calloc(1, sizeof **out);
    ech_status status =
        ech_comm_agree(ech_machine_comm(machine), *out != NULL ? ECH_OK : ECH_ERR_MEMORY);
    if (status == ECH_OK && *out != NULL) {
        status = options->process == ECH_FIT_PROCESS_ASYNC
                     ? create_async(*out, machine, options, io, common)
                     : create_sync(*out, machine, options, common);
    }
    if (status != ECH_OK) {
        ech_fit_process_destroy(out);
    }
    return status;
}

void ech_fit_process_destroy(ech_fit_process_handle **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_fit_process_handle *process = *handle;
    ech_sync_destroy(&process->sync);
    ech_async_destroy(&process->async);
    ech_pace_destroy(&process->pace);
    ech_availability_destroy(&process->availability);
    free_tiers(process);
    ech_free(process->log);
    ech_free(process);
    *handle = NULL;
}

ech_status ech_fit_process_register(ech_fit_process_handle *process, ech_app_registry *registry)
{
    return process->sync != NULL ? ech_sync_register(process->sync, registry)
                                 : ech_async_register(process->async, registry);
}

void ech_fit_process_observe(ech_fit_process_handle *process, ech_round_observer observer)
{
    if (process->sync != NULL) {
        ech_sync_observe(process->sync, observer);
    } else {
        ech_async_observe(process->async, observer);
    }
}

ech_sync *ech_fit_process_sync(const ech_fit_process_handle *process)
{
    return process->sync;
}

ech_async *ech_fit_process_async(const ech_fit_process_handle *process)
{
    return process->async;
}

ech_state ech_fit_process_model(const ech_fit_process_handle *process)
{
    return process->sync != NULL ? ech_sync_model(process->sync) : ech_async_model(process->async);
}

ech_status ech_fit_process_run(ech_fit_process_handle *process, ech_executor *executor)
{
    return process->sync != NULL ? ech_sync_run(process->sync, executor)
                                 : ech_async_run(process->async, executor);
}
