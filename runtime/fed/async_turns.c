#include "runtime/base/memory.h"
#include "runtime/fed/async_priv.h"

enum event_kind { EVENT_START, EVENT_ARRIVE };

/* ---- the log ---- */

static ech_status refuse_log(uint64_t row, const char *reason)
{
    return ech_fail(ECH_ERR_CONFIG,
                    "the log of arrivals does not fit this configuration: row %llu %s",
                    (unsigned long long)row, reason);
}

ech_status ech_async_log_check(const ech_async_process_options *options, const ech_async_plan *plan)
{
    uint64_t *rounds = ech_calloc(plan->unit_count, sizeof *rounds);
    ech_status status = rounds != NULL ? ECH_OK : ECH_ERR_MEMORY;
    uint64_t used = 0;
    for (uint64_t row = 0; row < options->replay_count && status == ECH_OK; row++) {
        const ech_arrival_report *arrival = &options->replay[row];
        if (arrival->node >= ech_topology_node_count(plan->topology)) {
            status = refuse_log(row, "names a node that is not in the topology");
        } else if (plan->unit_of[arrival->node] != ECH_NODE_NONE) {
            used++;
            if (arrival->round != ++rounds[plan->unit_of[arrival->node]]) {
                status = refuse_log(row, "is not its node's next round");
            }
        }
    }
    ech_free(rounds);
    if (status == ECH_OK && used != plan->unit_count * options->rounds) {
        status = refuse_log(options->replay_count, "is not the last: not every worker trained in "
                                                   "each round");
    }
    return status;
}

/* Link each unit's rows, from the row that comes next on. */
static ech_status chain_log(ech_async *async)
{
    const ech_async_process_options *options = &async->options;
    async->row_after = ech_calloc(options->replay_count, sizeof *async->row_after);
    if (async->row_after == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t u = 0; u < async->plan.unit_count; u++) {
        async->units[u].next_row = options->replay_count;
    }
    for (uint64_t row = options->replay_count; row-- > async->row;) {
        const uint32_t unit = async->plan.unit_of[options->replay[row].node];
        if (unit != ECH_NODE_NONE) {
            async->row_after[row] = async->units[unit].next_row;
            async->units[unit].next_row = row;
        }
    }
    return ECH_OK;
}

static ech_status start(ech_async *async, uint32_t unit)
{
    ech_async_unit_begin(async, unit);
    return ech_async_unit_train(async, unit);
}

/* Start each unit below a node whose next update, says the log, began from the version that is
 * current now. One that waits for a version that is past is found out when its row comes. */
static ech_status start_waiting(ech_async *async, ech_async_node_state *node)
{
    ech_status status = ECH_OK;
    while (status == ECH_OK && node->waiting.count > 0 &&
           node->waiting.items[0].time_ns <= node->version) {
        const ech_event next = ech_event_queue_pop(&node->waiting);
        status = next.time_ns == node->version ? start(async, next.subject) : ECH_OK;
    }
    return status;
}

/* An arrival moves the versions of the nodes above the unit, and of no others. */
static ech_status go_on_by_log(ech_async *async, uint32_t number)
{
    const ech_async_process_options *options = &async->options;
    const uint64_t row = async->units[number].next_row;
    uint32_t node = async->plan.units[number].parent;
    ech_status status = ECH_OK;
    if (row < options->replay_count) {
        status = ech_event_queue_push(&async->nodes[node].waiting, options->replay[row].version, 0,
                                      number);
    }
    while (status == ECH_OK && node != ECH_NODE_NONE) {
        status = start_waiting(async, &async->nodes[node]);
        node = async->plan.nodes[node].parent;
    }
    return status;
}

static ech_status next_by_log(ech_async *async, uint32_t *unit)
{
    const ech_arrival_report *log = async->options.replay;
    while (async->plan.unit_of[log[async->row].node] == ECH_NODE_NONE) {
        async->row++;
    }
    *unit = async->plan.unit_of[log[async->row].node];
    if (async->units[*unit].lane == ECH_LANE_NONE) {
        return refuse_log(async->row, "starts from a version that there never was");
    }
    async->units[*unit].next_row = async->row_after[async->row];
    async->row++;
    return ECH_OK;
}

/* ---- the virtual clock ---- */

/* A unit can start when all its workers are on. */
static ech_status schedule_start(ech_async *async, uint32_t number)
{
    const ech_async_unit *unit = &async->plan.units[number];
    uint64_t start_ns = async->now_ns;
    for (uint32_t i = 0; i < unit->count && start_ns != ECH_TIME_NEVER; i++) {
        start_ns =
            ech_pace_next_on(async->options.pace, async->plan.members[unit->first + i], start_ns);
    }
    if (start_ns == ECH_TIME_NEVER) {
        return ech_fail(ECH_ERR_CONFIG,
                        "node %u is off for good after %.3f s, with %llu of %llu rounds trained",
                        unit->node, (double)async->now_ns * 1e-9,
                        (unsigned long long)async->units[number].round,
                        (unsigned long long)async->options.rounds);
    }
    return ech_event_queue_push(&async->events, start_ns, EVENT_START, number);
}

static ech_status schedule_arrival(ech_async *async, uint32_t number)
{
    const ech_async_unit *unit = &async->plan.units[number];
    ech_async_unit_state *state = &async->units[number];
    state->start_ns = async->now_ns;
    uint64_t end_ns = 0;
    for (uint32_t i = 0; i < unit->count; i++) {
        const ech_turn turn = ech_pace_turn(
            async->options.pace, async->plan.members[unit->first + i], state->round, async->now_ns);
        end_ns = turn.arrival_ns > end_ns ? turn.arrival_ns : end_ns;
    }
    if (end_ns == ECH_TIME_NEVER) {
        return ech_fail(ECH_ERR_CONFIG, "node %u goes off for good while it trains round %llu",
                        unit->node, (unsigned long long)state->round);
    }
    return ech_event_queue_push(&async->events, end_ns, EVENT_ARRIVE, number);
}

static ech_status next_by_virtual_clock(ech_async *async, uint32_t *unit)
{
    for (;;) {
        const ech_event event = ech_event_queue_pop(&async->events);
        async->now_ns = event.time_ns;
        if ((enum event_kind)event.kind == EVENT_ARRIVE) {
            *unit = event.subject;
            return ECH_OK;
        }
        ech_status status = start(async, event.subject);
        if (status == ECH_OK) {
            status = schedule_arrival(async, event.subject);
        }
        if (status != ECH_OK) {
            return status;
        }
    }
}

/* ---- the real clock ---- */

static void wait_for_turn(ech_async *async, uint32_t unit)
{
    const uint32_t units = async->plan.unit_count;
    async->turns[(async->turn_first + async->turn_count++) % units] = unit;
}

static ech_status start_by_turns(ech_async *async)
{
    ech_status status = ECH_OK;
    while (status == ECH_OK && async->turn_count > 0 && async->free_lane_count > 0) {
        const uint32_t unit = async->turns[async->turn_first];
        async->turn_first = (async->turn_first + 1) % async->plan.unit_count;
        async->turn_count--;
        status = start(async, unit);
    }
    return status;
}

/* Trainings that have not ended; a lane all of whose trainings have is told instead. */
static size_t list_awaited(ech_async *async, const ech_async_lane **ended)
{
    size_t count = 0;
    *ended = NULL;
    for (uint32_t l = 0; l < async->lane_count && *ended == NULL; l++) {
        const ech_async_lane *lane = &async->lanes[l];
        if (lane->is_busy && ech_async_lane_has_ended(async, lane)) {
            *ended = lane;
        }
        for (uint32_t i = 0; lane->is_busy && i < async->plan.units[lane->unit].count; i++) {
            if (!ech_future_poll(lane->trains[i])) {
                async->awaited[count++] = lane->trains[i];
            }
        }
    }
    return count;
}

/* The first unit whose workers have all ended. At most as many lanes as ranks are looked through.
 */
static ech_status next_by_real_clock(ech_async *async, uint32_t *unit)
{
    ech_status status = start_by_turns(async);
    while (status == ECH_OK) {
        const ech_async_lane *ended = NULL;
        const size_t count = list_awaited(async, &ended);
        if (ended != NULL) {
            *unit = ended->unit;
            return ECH_OK;
        }
        size_t which = 0;
        status = count > 0 ? ech_future_wait_any(async->awaited, count, &which) : ECH_OK;
    }
    return status;
}

/* ---- whichever it is ---- */

ech_status ech_async_turns_create(ech_async *async)
{
    const size_t trainings = (size_t)async->lane_count * async->plan.largest_unit;
    async->turns = ech_calloc(async->plan.unit_count, sizeof *async->turns);
    async->awaited = ech_calloc(trainings, sizeof(ech_future *));
    return async->turns != NULL && async->awaited != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

void ech_async_turns_destroy(ech_async *async)
{
    ech_event_queue_clear(&async->events);
    ech_free(async->turns);
    ech_free((void *)async->awaited);
    ech_free(async->row_after);
}

ech_status ech_async_turns_next(ech_async *async, uint32_t *unit)
{
    if (ech_async_is_virtual(async)) {
        return next_by_virtual_clock(async, unit);
    }
    return ech_async_is_replay(async) ? next_by_log(async, unit) : next_by_real_clock(async, unit);
}

ech_status ech_async_turns_go_on(ech_async *async, uint32_t unit)
{
    if (ech_async_is_replay(async)) {
        return go_on_by_log(async, unit);
    }
    if (async->units[unit].round == async->options.rounds) {
        return ECH_OK;
    }
    if (ech_async_is_virtual(async)) {
        return schedule_start(async, unit);
    }
    wait_for_turn(async, unit);
    return ECH_OK;
}

/* What was in training goes on from its old base. The restored events of the virtual clock tell
 * of all other units. */
ech_status ech_async_turns_begin(ech_async *async)
{
    ech_status status = ech_async_is_replay(async) ? chain_log(async) : ECH_OK;
    for (uint32_t u = 0; u < async->plan.unit_count && status == ECH_OK; u++) {
        if (async->units[u].base_cell != ECH_CELL_NONE) {
            status = ech_async_unit_train(async, u);
        } else if (!async->is_restored || !ech_async_is_virtual(async)) {
            status = ech_async_turns_go_on(async, u);
        }
    }
    return status;
}
