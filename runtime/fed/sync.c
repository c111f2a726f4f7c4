#include "runtime/fed/sync.h"

#include "runtime/base/memory.h"
#include "runtime/fed/sync_priv.h"
#include "runtime/mpi/guard.h"

enum { FLIGHT_CAPACITY = 1024, LATE_SLOTS = 2 };

/* ---- life ---- */

static ech_stations_options stations_options(ech_sync *sync)
{
    const ech_sync_options *options = &sync->options;
    return (ech_stations_options){
        .topology = options->topology,
        .placement = options->placement,
        .population = options->population,
        .pace = options->pace,
        .hostiles = sync->hostiles,
        .tiers = options->tiers != NULL ? options->tiers : &sync->alone,
        .tier_count = options->tiers != NULL ? options->tier_count : 1,
        .includes_aggregators = options->includes_aggregators,
        .apps = &sync->process->apps,
        .station_apps = &sync->station_apps,
        .replica = sync->process->replica,
        .ledger = &sync->ledger,
        .vectors = sync->vectors,
        .machine = sync->process->machine,
        .slot_count = sync->slot_count,
        .cell_count = sync->cell_count,
        .seed = options->seed,
        .epochs = options->epochs,
    };
}

static uint32_t most_selected(const ech_sync *sync)
{
    const ech_sync_options *options = &sync->options;
    return ech_roster_most(options->strategy, options->population,
                           options->includes_aggregators ? options->topology : NULL);
}

static ech_status find_room(const ech_sync *sync, ech_machine *machine, ech_stations_room *room)
{
    const ech_sync_options *options = &sync->options;
    if (!ech_sync_has_stations(sync)) {
        return ech_gather_slots(options->aggregators, options->topology, options->placement,
                                machine, &room->slots);
    }
    const ech_stations_options stations = {
        .topology = options->topology,
        .placement = options->placement,
        .population = options->population,
        .tiers = options->tiers != NULL ? options->tiers : &sync->alone,
        .tier_count = options->tiers != NULL ? options->tier_count : 1,
        .includes_aggregators = options->includes_aggregators,
    };
    return ech_stations_need(&stations, room);
}

/* Rank 0 knows the topology, and tells the others what a host must have room for. */
static ech_status agree_on_room(ech_machine *machine, ech_sync *sync)
{
    ech_comm *comm = ech_machine_comm(machine);
    ech_stations_room room = {0};
    ech_status status = ECH_OK;
    if (ech_machine_rank(machine) == 0) {
        sync->leaves_max = most_selected(sync);
        status = find_room(sync, machine, &room);
    }
    status = ech_comm_agree(comm, status);
    if (status == ECH_OK) {
        status = ech_comm_broadcast(comm, &room, sizeof room, 0);
    }
    if (status == ECH_OK) {
        status = ech_comm_broadcast(comm, &sync->leaves_max, sizeof sync->leaves_max, 0);
    }
    sync->slot_count = room.slots;
    sync->late_slot = room.slots;
    sync->cell_count = 1 + room.cells;
    return status;
}

/* Rank 0 knows which host each worker trains on. */
static ech_status list_homes(const ech_sync *sync, uint32_t **homes, uint32_t *count)
{
    const ech_sync_options *options = &sync->options;
    ech_sum_plan *plan = NULL;
    *count = ech_topology_worker_count(options->topology);
    *homes = ech_calloc(*count, sizeof **homes);
    ech_status status = *homes != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        status =
            ech_sum_plan_create(options->aggregators, options->topology, options->placement, &plan);
    }
    for (uint32_t worker = 0; worker < *count && status == ECH_OK; worker++) {
        (*homes)[worker] = ech_sum_plan_home(plan, worker);
    }
    ech_sum_plan_destroy(&plan);
    return status;
}

static ech_status create_states(ech_machine *machine, ech_sync *sync)
{
    if (sync->options.strategy->rule->kept_name == NULL) {
        return ECH_OK;
    }
    uint32_t *homes = NULL;
    uint32_t count = 0;
    ech_status status = ECH_OK;
    if (ech_machine_rank(machine) == 0) {
        status = list_homes(sync, &homes, &count);
    }
    status = ech_comm_agree(ech_machine_comm(machine), status);
    if (status == ECH_OK) {
        status = ech_worker_states_create(machine, sync->options.strategy->value_count, homes,
                                          count, &sync->states);
    }
    ech_free(homes);
    return status;
}

static bool rules_have_vectors(const ech_sync_options *options)
{
    bool have = false;
    for (uint32_t tier = 1; options->tiers != NULL && tier < options->tier_count; tier++) {
        have |= options->tiers[tier].strategy->rule->vector_names[0] != NULL;
    }
    return have;
}

/* A vector of all a rule's vectors, one behind the other, for each aggregator. */
static ech_status create_vectors(ech_machine *machine, ech_sync *sync)
{
    if (!rules_have_vectors(&sync->options)) {
        return ECH_OK;
    }
    uint32_t *homes = NULL;
    uint32_t count = 0;
    ech_status status = ECH_OK;
    if (ech_machine_rank(machine) == 0) {
        const ech_stations_options options = stations_options(sync);
        status = ech_stations_homes(&options, &homes, &count);
    }
    status = ech_comm_agree(ech_machine_comm(machine), status);
    if (status == ECH_OK) {
        const uint64_t value_count = ech_sync_station_values(sync);
        status = ech_worker_states_create(machine, value_count, homes, count, &sync->vectors);
    }
    ech_free(homes);
    return status;
}

uint64_t ech_sync_station_values(const ech_sync *sync)
{
    return ECH_STRATEGY_VECTORS_MAX * sync->options.strategy->value_count;
}

static ech_status list_strategies(ech_sync *sync)
{
    const ech_sync_options *options = &sync->options;
    const uint32_t count = options->tiers != NULL ? options->tier_count : 1;
    sync->alone = (ech_tier_rule){.rounds = 1, .strategy = options->strategy};
    sync->strategies = ech_calloc(count, sizeof(const ech_strategy *));
    if (sync->strategies == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t tier = 0; tier < count; tier++) {
        sync->strategies[tier] =
            options->tiers != NULL ? options->tiers[tier].strategy : options->strategy;
    }
    return ECH_OK;
}

static ech_status create_process(ech_machine *machine, ech_sync *sync)
{
    const ech_sync_options *options = &sync->options;
    const ech_process_options process = {
        .trainer = options->trainer,
        .strategy = options->strategy,
        .strategies = sync->strategies,
        .attack = options->attack,
        .topology = options->topology,
        .sums = {.kind = options->sum, .leaves_max = sync->leaves_max},
        .slot_count = sync->slot_count + (ech_sync_keeps_late(sync) ? LATE_SLOTS : 0),
        .cell_count = 1,
        .reserve_count = sync->cell_count - 1,
        .transfer = options->transfer,
        .rounds = options->rounds,
        .evaluate_every = options->evaluate_every,
    };
    return ech_process_create(machine, &process, &sync->process);
}

static ech_status find_hostiles(ech_sync *sync)
{
    const ech_sync_options *options = &sync->options;
    return options->attack.workers == 0
               ? ECH_OK
               : ech_hostiles_create(options->population,
                                     ech_topology_worker_count(options->topology),
                                     options->attack.workers, options->seed, &sync->hostiles);
}

static void weigh_population(ech_sync *sync)
{
    const ech_strategy *strategy = sync->options.strategy;
    const ech_population *population = sync->options.population;
    sync->weight_all = 0;
    for (uint32_t i = 0; i < ech_population_count(population); i++) {
        const uint32_t worker = ech_population_worker(population, i);
        sync->weight_all +=
            strategy->rule->weight(strategy, ech_population_samples(population, worker));
    }
}

static ech_status prepare_rank_0(ech_machine *machine, ech_sync *sync)
{
    ech_status status = ECH_OK;
    if (ech_machine_rank(machine) == 0) {
        weigh_population(sync);
        status = find_hostiles(sync);
        if (status == ECH_OK && ech_sync_keeps_late(sync) &&
            ech_sync_late_bound(sync) > (uint64_t)1 << ECH_SUM_WEIGHT_BITS_MAX) {
            status =
                ech_fail(ECH_ERR_LIMIT,
                         "twice the weights of all workers are %llu, more than 2^%d: late "
                         "updates cannot be kept",
                         (unsigned long long)ech_sync_late_bound(sync), ECH_SUM_WEIGHT_BITS_MAX);
        }
    }
    return ech_comm_agree(ech_machine_comm(machine), status);
}

ech_status ech_sync_create(ech_machine *machine, const ech_sync_options *options, ech_sync **out)
{
    *out = NULL;
    ech_sync *sync = NULL;
    ech_status status = ech_process_allocate(machine, sizeof *sync, (void **)&sync);
    if (status != ECH_OK) {
        return status;
    }
    sync->options = *options;
    status = ech_comm_agree(ech_machine_comm(machine), list_strategies(sync));
    if (status == ECH_OK) {
        status = prepare_rank_0(machine, sync);
    }
    if (status == ECH_OK) {
        status = agree_on_room(machine, sync);
    }
    if (status == ECH_OK) {
        status = create_process(machine, sync);
    }
    if (status == ECH_OK) {
        status = create_states(machine, sync);
    }
    if (status == ECH_OK) {
        status = create_vectors(machine, sync);
    }
    if (status != ECH_OK) {
        ech_sync_destroy(&sync);
        return status;
    }
    sync->process->is_virtual = options->pace != NULL;
    sync->process->rank.states = sync->states;
    sync->station_rank =
        (ech_station_rank){.round = &sync->process->rank, .vectors = sync->vectors};
    *out = sync;
    return ECH_OK;
}

void ech_sync_destroy(ech_sync **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_sync *sync = *handle;
    ech_worker_states_destroy(&sync->vectors);
    ech_worker_states_destroy(&sync->states);
    ech_process_destroy(&sync->process);
    ech_hostiles_destroy(&sync->hostiles);
    ech_roster_clear(&sync->roster);
    ech_free((void *)sync->strategies);
    ech_free(sync);
    *handle = NULL;
}

ech_status ech_sync_register(ech_sync *sync, ech_app_registry *registry)
{
    const ech_status status = ech_process_register(sync->process, registry);
    return status == ECH_OK && ech_sync_has_stations(sync)
               ? ech_station_apps_register(registry, &sync->station_rank, &sync->station_apps)
               : status;
}

void ech_sync_observe(ech_sync *sync, ech_round_observer observer)
{
    sync->process->observer = observer;
}

ech_worker_states *ech_sync_worker_states(const ech_sync *sync)
{
    return sync->states;
}

ech_worker_states *ech_sync_station_vectors(const ech_sync *sync)
{
    return sync->vectors;
}

ech_state ech_sync_model(const ech_sync *sync)
{
    return ech_replica_model(sync->process->replica);
}

/* ---- the run ---- */

static void begin_round(ech_sync *sync, uint64_t round)
{
    ech_process_begin_round(sync->process, round);
    if (sync->options.pace != NULL) {
        sync->process->report.start_ns = sync->now_ns;
    }
}

static ech_status run_round(ech_sync *sync, uint64_t round)
{
    ech_process *process = sync->process;
    ech_guard_phase("round %llu", (unsigned long long)round);
    begin_round(sync, round);
    ech_status status = ech_sync_train_and_update(sync, round);
    if (status == ECH_OK) {
        status = ech_process_broadcast(process);
    }
    if (status == ECH_OK && ech_process_evaluates(process, round)) {
        status = ech_process_evaluate(process, NULL);
    }
    return status == ECH_OK
               ? ech_process_end_round(process, ech_replica_model_view(process->replica))
               : status;
}

/* The model that the first round starts from; a resumed run has told about it before. */
static ech_status run_start(ech_sync *sync)
{
    ech_process *process = sync->process;
    begin_round(sync, sync->options.rounds_done);
    ech_strategy_publish(sync->options.strategy, ech_replica_model(process->replica).values);
    ech_status status = ech_process_broadcast(process);
    if (status != ECH_OK || sync->options.rounds_done > 0) {
        return status;
    }
    if (sync->options.evaluate_every > 0) {
        status = ech_process_evaluate(process, NULL);
    }
    return status == ECH_OK
               ? ech_process_end_round(process, ech_replica_model_view(process->replica))
               : status;
}

ech_cutoff ech_sync_real_cutoff(const ech_sync *sync)
{
    const ech_sync_options *options = &sync->options;
    if (options->pace != NULL) {
        return (ech_cutoff){0};
    }
    ech_cutoff cutoff = options->cutoff;
    const ech_select_rule *selection = &options->strategy->options.selection;
    if (cutoff.quorum == 0 && selection->more > 0.0) {
        cutoff.quorum = ech_select_goal(options->population, selection);
    }
    return cutoff;
}

static ech_status create_gather(ech_sync *sync, ech_executor *executor)
{
    const ech_sync_options *options = &sync->options;
    const ech_gather_options gather = {
        .states = sync->states,
        .topology = options->topology,
        .placement = options->placement,
        .population = options->population,
        .strategy = options->strategy,
        .hostiles = sync->hostiles,
        .apps = &sync->process->apps,
        .ledger = &sync->ledger,
        .machine = sync->process->machine,
        .aggregators = options->aggregators,
        .sum = options->sum,
        .homes = options->homes,
        .collects = options->transfer != NULL && ech_transfer_stores(options->transfer),
        .cutoff = ech_sync_real_cutoff(sync),
        .slot_count = sync->slot_count,
        .seed = options->seed,
        .epochs = options->epochs,
    };
    return ech_gather_create(executor, &gather, &sync->gather);
}

static ech_status prepare_run(ech_sync *sync, ech_executor *executor)
{
    ech_process *process = sync->process;
    ech_status status = ech_process_begin(process, executor);
    if (status != ECH_OK) {
        return status;
    }
    sync->traffic = ech_calloc(process->tier_count, sizeof *sync->traffic);
    if (sync->traffic == NULL) {
        return ECH_ERR_MEMORY;
    }
    status = ech_sync_prepare_sites(sync, executor);
    if (status != ECH_OK) {
        return status;
    }
    sync->ledger = (ech_ledger){
        .topology = sync->options.topology,
        .pace = sync->options.pace,
        .observer = &process->observer,
        .states = sync->states,
    };
    if (ech_sync_has_stations(sync)) {
        const ech_stations_options options = stations_options(sync);
        status = ech_stations_create(executor, &options, &sync->stations);
    } else {
        status = create_gather(sync, executor);
    }
    return status == ECH_OK
               ? ech_flight_create(executor, FLIGHT_CAPACITY, ech_sync_land, sync, &sync->flight)
               : status;
}

static void end_run(ech_sync *sync)
{
    ech_flight_destroy(&sync->flight);
    ech_gather_destroy(&sync->gather);
    ech_stations_destroy(&sync->stations);
    ech_free(sync->traffic);
    sync->traffic = NULL;
    ech_sync_release_sites(sync);
    ech_process_end(sync->process);
}

ech_status ech_sync_run(ech_sync *sync, ech_executor *executor)
{
    ech_status status = prepare_run(sync, executor);
    if (status == ECH_OK) {
        status = run_start(sync);
    }
    uint64_t round = sync->options.rounds_done;
    while (status == ECH_OK && round < sync->options.rounds) {
        status = ech_process_go_on(sync->process, round);
        if (status == ECH_OK) {
            status = run_round(sync, ++round);
        }
    }
    if (status == ECH_OK && sync->options.hub != NULL) {
        ech_hub_end(sync->options.hub);
    }
    end_run(sync);
    return status;
}
