#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/fed/async_priv.h"
#include "runtime/mpi/guard.h"

enum { CELLS_FOR_EVALUATION = 1 };

bool ech_async_is_replay(const ech_async *async)
{
    return async->options.replay != NULL;
}

bool ech_async_is_virtual(const ech_async *async)
{
    return async->options.pace != NULL && !ech_async_is_replay(async);
}

const ech_async_rule *ech_async_rule_of(const ech_async *async)
{
    return async->options.strategy->rule->async;
}

/* ---- life ---- */

static uint32_t count_lanes(const ech_async *async, const ech_machine *machine)
{
    const uint32_t units = async->plan.unit_count;
    if (ech_async_is_virtual(async) || ech_async_is_replay(async)) {
        return units;
    }
    uint32_t ranks = 0;
    for (int host = 0; host < ech_machine_host_count(machine); host++) {
        ranks += ech_async_training_ranks(machine, host);
    }
    return ranks < units ? ranks : units;
}

/* On rank 0's host: a version and a base a node, one on its way up a tier, a base and an update a
 * lane. Elsewhere less, and one to evaluate. */
static ech_status agree_on_room(ech_async *async, ech_machine *machine, uint32_t *cell_count)
{
    ech_comm *comm = ech_machine_comm(machine);
    const ech_async_process_options *options = &async->options;
    ech_status status = ECH_OK;
    uint32_t room[2] = {0, 0};
    if (ech_machine_rank(machine) == 0) {
        status = ech_async_plan_make(options->topology, options->population, options->async_tiers,
                                     &async->plan);
        if (status == ECH_OK && ech_async_is_replay(async)) {
            status = ech_async_log_check(options, &async->plan);
        }
        room[0] = count_lanes(async, machine);
        room[1] = CELLS_FOR_EVALUATION + 2 * room[0] + 2 * async->plan.node_count +
                  (status == ECH_OK ? ech_topology_tier_count(options->topology) : 0);
    }
    status = ech_comm_agree(comm, status);
    if (status == ECH_OK) {
        status = ech_comm_broadcast(comm, room, sizeof room, 0);
    }
    async->lane_count = room[0];
    *cell_count = room[1];
    return status;
}

static ech_status create_node(ech_async *async, uint32_t number)
{
    const ech_layout *layout = async->process->layout;
    ech_async_node_state *node = &async->nodes[number];
    const bool has_buffer = ech_async_rule_of(async)->has_buffer;
    node->counters = ech_calloc(layout->counter_count, sizeof *node->counters);
    if (has_buffer) {
        node->buffer = ech_calloc(layout->value_count, sizeof *node->buffer);
    }
    if (node->counters == NULL || (has_buffer && node->buffer == NULL)) {
        return ECH_ERR_MEMORY;
    }
    node->cell = 0;
    node->base_cell = number == 0 ? ECH_CELL_NONE : 0;
    return ECH_OK;
}

/* Every node stands at the initial model, which is in cell 0: the first that is taken. */
static ech_status create_state(ech_async *async)
{
    const ech_async_plan *plan = &async->plan;
    async->nodes = ech_calloc(plan->node_count, sizeof *async->nodes);
    async->units = ech_calloc(plan->unit_count, sizeof *async->units);
    ech_status status = async->nodes != NULL && async->units != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        status = ech_versions_create(async->process, &async->versions);
    }
    if (status == ECH_OK) {
        ech_versions_take(async->versions, 0);
    }
    for (uint32_t n = 0; n < plan->node_count && status == ECH_OK; n++) {
        status = create_node(async, n);
        for (int held = 0; status == ECH_OK && n > 0 && held < 2; held++) {
            ech_versions_hold(async->versions, 0, 0);
        }
    }
    for (uint32_t u = 0; u < plan->unit_count && status == ECH_OK; u++) {
        async->units[u] = (ech_async_unit_state){.base_cell = ECH_CELL_NONE, .lane = ECH_LANE_NONE};
    }
    return status;
}

static ech_status create_on_rank_0(ech_async *async)
{
    ech_status status = create_state(async);
    if (status == ECH_OK) {
        status = ech_async_lanes_create(async);
    }
    return status == ECH_OK ? ech_async_turns_create(async) : status;
}

static ech_status create_parts(ech_machine *machine, ech_async *async)
{
    const ech_async_process_options *options = &async->options;
    uint32_t cell_count = 0;
    ech_status status = agree_on_room(async, machine, &cell_count);
    if (status != ECH_OK) {
        return status;
    }
    const ech_process_options process = {
        .trainer = options->trainer,
        .strategy = options->strategy,
        .topology = options->topology,
        .slot_count = async->lane_count,
        .cell_count = cell_count,
        .rounds = options->rounds,
        .evaluate_every = options->evaluate_every,
    };
    status = ech_process_create(machine, &process, &async->process);
    if (status != ECH_OK) {
        return status;
    }
    async->process->is_virtual = ech_async_is_virtual(async);
    return ech_comm_agree(ech_machine_comm(machine),
                          ech_machine_rank(machine) == 0 ? create_on_rank_0(async) : ECH_OK);
}

ech_status ech_async_create(ech_machine *machine, const ech_async_process_options *options,
                            ech_async **out)
{
    ech_async *async = NULL;
    ech_status status = ech_process_allocate(machine, sizeof *async, (void **)&async);
    if (status == ECH_OK) {
        async->options = *options;
        status = create_parts(machine, async);
    }
    if (status != ECH_OK) {
        ech_async_destroy(&async);
    }
    *out = async;
    return status;
}

static void destroy_state(ech_async *async)
{
    for (uint32_t n = 0; async->nodes != NULL && n < async->plan.node_count; n++) {
        ech_event_queue_clear(&async->nodes[n].waiting);
        ech_free(async->nodes[n].buffer);
        ech_free(async->nodes[n].counters);
    }
    ech_versions_destroy(&async->versions);
    ech_free(async->nodes);
    ech_free(async->units);
}

void ech_async_destroy(ech_async **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_async_turns_destroy(*handle);
    ech_async_lanes_destroy(*handle);
    destroy_state(*handle);
    ech_async_plan_clear(&(*handle)->plan);
    ech_process_destroy(&(*handle)->process);
    ech_free(*handle);
    *handle = NULL;
}

ech_status ech_async_register(ech_async *async, ech_app_registry *registry)
{
    return ech_process_register(async->process, registry);
}

void ech_async_observe(ech_async *async, ech_round_observer observer)
{
    async->process->observer = observer;
}

/* Rank 0 knows where the newest version lies; elsewhere, and at first, it is cell 0. */
ech_state ech_async_model(const ech_async *async)
{
    return ech_replica_cell(async->process->replica,
                            async->nodes != NULL ? async->nodes[0].cell : 0);
}

/* ---- rounds ---- */

static void begin_round(ech_async *async, uint64_t round)
{
    ech_process_begin_round(async->process, round);
    async->loss_sum = 0.0;
    async->correct_sum = 0.0;
    async->round_begin_ns = async->now_ns;
    if (ech_async_is_virtual(async)) {
        async->process->report.start_ns = async->now_ns;
    }
}

/* The newest version goes to every host that has ranks to evaluate it. */
static ech_status evaluate(ech_async *async)
{
    const uint32_t hosts = (uint32_t)ech_machine_host_count(async->process->machine);
    ech_host_cell *copies = ech_calloc(hosts, sizeof *copies);
    ech_status status = copies != NULL ? ECH_OK : ECH_ERR_MEMORY;
    uint32_t made = 0;
    while (status == ECH_OK && made < hosts) {
        status = ech_versions_copy(async->versions, async->nodes[0].cell, made, &copies[made].cell,
                                   &copies[made].fetching);
        made += status == ECH_OK ? 1 : 0;
    }
    if (status == ECH_OK) {
        status = ech_process_evaluate(async->process, copies);
    }
    for (uint32_t host = 0; host < made; host++) {
        const ech_status released = ech_versions_release(async->versions, host, copies[host].cell);
        status = status == ECH_OK ? released : status;
    }
    ech_free(copies);
    return status;
}

static ech_state_view model_view(const ech_async *async)
{
    return ech_replica_cell_view(async->process->replica, async->nodes[0].cell);
}

static ech_status end_round(ech_async *async, uint64_t round)
{
    ech_process *process = async->process;
    ech_round_report *report = &process->report;
    ech_status status = ECH_OK;
    if (report->samples > 0) {
        report->train_loss = async->loss_sum / (double)report->samples;
        report->train_accuracy = async->correct_sum / (double)report->samples;
    }
    if (ech_process_evaluates(process, round)) {
        status = evaluate(async);
    }
    if (ech_async_is_virtual(async)) {
        report->clock_seconds = ech_clock_seconds(async->now_ns - async->round_begin_ns);
    }
    return status == ECH_OK ? ech_process_end_round(process, model_view(async)) : status;
}

/* ---- the run ---- */

/* Counters are not averaged: a node keeps the largest that came, from the initial model's on. */
static void start_counters(ech_async *async)
{
    const int64_t *initial = ech_async_model(async).counters;
    const size_t bytes = async->process->layout->counter_count * sizeof *initial;
    for (uint32_t n = 0; n < async->plan.node_count; n++) {
        memcpy(async->nodes[n].counters, initial, bytes);
    }
}

static ech_status run_round(ech_async *async, uint64_t round)
{
    ech_guard_phase("round %llu", (unsigned long long)round);
    begin_round(async, round);
    const uint64_t last = round * async->plan.nodes[0].children;
    ech_status status = ECH_OK;
    while (status == ECH_OK && async->nodes[0].arrivals < last) {
        uint32_t unit = 0;
        status = ech_async_turns_next(async, &unit);
        if (status == ECH_OK) {
            status = ech_async_arrive(async, unit);
        }
        if (status == ECH_OK) {
            status = ech_async_turns_go_on(async, unit);
        }
    }
    return status == ECH_OK ? end_round(async, round) : status;
}

/* The model that the first round starts from; a restored run has told about it before. */
static ech_status run_start(ech_async *async)
{
    begin_round(async, async->options.rounds_done);
    if (async->is_restored) {
        return ECH_OK;
    }
    start_counters(async);
    const ech_status status = async->options.evaluate_every > 0 ? evaluate(async) : ECH_OK;
    return status == ECH_OK ? ech_process_end_round(async->process, model_view(async)) : status;
}

static ech_status run_rounds(ech_async *async)
{
    const ech_async_process_options *options = &async->options;
    ech_status status = run_start(async);
    if (status == ECH_OK) {
        status = ech_async_turns_begin(async);
    }
    for (uint64_t round = options->rounds_done + 1; status == ECH_OK && round <= options->rounds;
         round++) {
        status = ech_process_go_on(async->process, round - 1);
        if (status == ECH_OK) {
            status = run_round(async, round);
        }
    }
    return status;
}

ech_status ech_async_run(ech_async *async, ech_executor *executor)
{
    ech_status status = ech_process_begin(async->process, executor);
    if (status == ECH_OK) {
        status = run_rounds(async);
        ech_async_lanes_stop(async);
    }
    ech_process_end(async->process);
    return status;
}
