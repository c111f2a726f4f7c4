#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/async_priv.h"

/* A version in use has a number: its place in `versions` and `counters`. */
#define NO_VERSION UINT32_MAX

typedef struct {
    uint64_t now_ns, row, events_pushed, rounds;
} saved_clock;

typedef struct {
    uint64_t version, base_version, arrivals;
    uint32_t at, base, buffered, padding;
} saved_node;

typedef struct {
    uint64_t round, version, start_ns;
    uint32_t base, padding;
} saved_unit;

enum part {
    PART_CLOCK,
    PART_NODES,
    PART_UNITS,
    PART_EVENTS,
    PART_VERSIONS,
    PART_COUNTERS,
    PART_NODE_COUNTERS,
    PART_BUFFERS,
};

void ech_async_parts_name(ech_async_part parts[ECH_ASYNC_PARTS])
{
    static const char *const names[ECH_ASYNC_PARTS] = {
        "async/clock",    "async/nodes",    "async/units",         "async/events",
        "async/versions", "async/counters", "async/node_counters", "async/buffers",
    };
    for (int p = 0; p < ECH_ASYNC_PARTS; p++) {
        parts[p] = (ech_async_part){.name = names[p]};
    }
}

void ech_async_parts_clear(ech_async_part parts[ECH_ASYNC_PARTS])
{
    for (int p = 0; p < ECH_ASYNC_PARTS; p++) {
        ech_free(parts[p].data);
        parts[p].data = NULL;
    }
}

/* Bytes of each part, given how many versions are in use. */
static void size_parts(const ech_async *async, uint64_t version_count, uint64_t event_count,
                       size_t bytes[ECH_ASYNC_PARTS])
{
    const ech_layout *layout = async->process->layout;
    const size_t values = layout->value_count * sizeof(float);
    const size_t counters = layout->counter_count * sizeof(int64_t);
    const size_t nodes = async->plan.node_count;
    bytes[PART_CLOCK] = sizeof(saved_clock);
    bytes[PART_NODES] = nodes * sizeof(saved_node);
    bytes[PART_UNITS] = async->plan.unit_count * sizeof(saved_unit);
    bytes[PART_EVENTS] = event_count * sizeof(ech_event);
    bytes[PART_VERSIONS] = version_count * values;
    bytes[PART_COUNTERS] = version_count * counters;
    bytes[PART_NODE_COUNTERS] = nodes * counters;
    bytes[PART_BUFFERS] = ech_async_rule_of(async)->has_buffer ? nodes * values : 0;
}

/* The order of the real clock cannot be kept: what trains there begins anew. */
static bool keeps_trainings(const ech_async *async)
{
    return ech_async_is_virtual(async) || ech_async_is_replay(async);
}

/* ---- saving ---- */

/* The versions in use, each once. */
typedef struct {
    uint32_t *number_of; /* by cell */
    uint32_t *cells;     /* by number */
    uint32_t count;
} version_list;

static uint32_t number_version(version_list *list, uint32_t cell)
{
    if (cell == ECH_CELL_NONE) {
        return NO_VERSION;
    }
    if (list->number_of[cell] == NO_VERSION) {
        list->number_of[cell] = list->count;
        list->cells[list->count++] = cell;
    }
    return list->number_of[cell];
}

static ech_status list_versions(const ech_async *async, version_list *list)
{
    const uint32_t cells = async->process->options.cell_count;
    list->number_of = ech_calloc(cells, sizeof *list->number_of);
    list->cells = ech_calloc(cells, sizeof *list->cells);
    if (list->number_of == NULL || list->cells == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t cell = 0; cell < cells; cell++) {
        list->number_of[cell] = NO_VERSION;
    }
    for (uint32_t n = 0; n < async->plan.node_count; n++) {
        number_version(list, async->nodes[n].cell);
        number_version(list, async->nodes[n].base_cell);
    }
    for (uint32_t u = 0; keeps_trainings(async) && u < async->plan.unit_count; u++) {
        number_version(list, async->units[u].base_cell);
    }
    return ECH_OK;
}

static void save_clock(const ech_async *async, saved_clock *clock)
{
    *clock = (saved_clock){.now_ns = async->now_ns,
                           .row = async->row,
                           .events_pushed = async->events.pushed,
                           .rounds = async->options.rounds};
}

static void save_nodes(const ech_async *async, version_list *list, ech_async_part *parts)
{
    const ech_layout *layout = async->process->layout;
    saved_node *saved = parts[PART_NODES].data;
    int64_t *counters = parts[PART_NODE_COUNTERS].data;
    float *buffers = parts[PART_BUFFERS].data;
    for (uint32_t n = 0; n < async->plan.node_count; n++) {
        const ech_async_node_state *node = &async->nodes[n];
        saved[n] = (saved_node){.version = node->version,
                                .base_version = node->base_version,
                                .arrivals = node->arrivals,
                                .at = number_version(list, node->cell),
                                .base = number_version(list, node->base_cell),
                                .buffered = node->buffered};
        memcpy(counters + n * layout->counter_count, node->counters,
               layout->counter_count * sizeof *counters);
        if (node->buffer != NULL) {
            memcpy(buffers + n * layout->value_count, node->buffer,
                   layout->value_count * sizeof *buffers);
        }
    }
}

static void save_units(const ech_async *async, version_list *list, saved_unit *saved)
{
    for (uint32_t u = 0; u < async->plan.unit_count; u++) {
        const ech_async_unit_state *unit = &async->units[u];
        const bool trains = unit->base_cell != ECH_CELL_NONE;
        const bool is_lost = trains && !keeps_trainings(async);
        saved[u] = (saved_unit){
            .round = unit->round - (is_lost ? 1 : 0),
            .version = unit->version,
            .start_ns = unit->start_ns,
            .base = is_lost ? NO_VERSION : number_version(list, unit->base_cell),
        };
    }
}

static void save_versions(const ech_async *async, const version_list *list, ech_async_part *parts)
{
    const ech_layout *layout = async->process->layout;
    float *values = parts[PART_VERSIONS].data;
    int64_t *counters = parts[PART_COUNTERS].data;
    for (uint32_t v = 0; v < list->count; v++) {
        const ech_state_view view = ech_replica_cell_view(async->process->replica, list->cells[v]);
        memcpy(values + v * layout->value_count, view.values, layout->value_count * sizeof *values);
        memcpy(counters + v * layout->counter_count, view.counters,
               layout->counter_count * sizeof *counters);
    }
}

static ech_status allocate_parts(const ech_async *async, const version_list *list,
                                 ech_async_part parts[ECH_ASYNC_PARTS])
{
    size_t bytes[ECH_ASYNC_PARTS];
    size_parts(async, list->count, async->events.count, bytes);
    for (int p = 0; p < ECH_ASYNC_PARTS; p++) {
        parts[p].bytes = bytes[p];
        parts[p].data = ech_calloc(bytes[p], 1);
        if (parts[p].data == NULL) {
            return ECH_ERR_MEMORY;
        }
    }
    return ECH_OK;
}

ech_status ech_async_save(const ech_async *async, ech_async_part parts[ECH_ASYNC_PARTS])
{
    version_list list = {0};
    ech_async_parts_name(parts);
    ech_status status = list_versions(async, &list);
    if (status == ECH_OK) {
        status = allocate_parts(async, &list, parts);
    }
    if (status == ECH_OK) {
        save_clock(async, parts[PART_CLOCK].data);
        save_nodes(async, &list, parts);
        save_units(async, &list, parts[PART_UNITS].data);
        save_versions(async, &list, parts);
        if (async->events.count > 0) {
            memcpy(parts[PART_EVENTS].data, async->events.items, parts[PART_EVENTS].bytes);
        }
    }
    ech_free(list.number_of);
    ech_free(list.cells);
    return status;
}

/* ---- restoring ---- */

static ech_status refuse_part(const ech_async_part *part, size_t expected)
{
    return ech_fail(ECH_ERR_FORMAT, "%s: expected %zu bytes, got %zu", part->name, expected,
                    part->bytes);
}

static ech_status check_sizes(const ech_async *async, const ech_async_part *parts,
                              uint32_t *version_count)
{
    const size_t version_bytes = async->process->layout->value_count * sizeof(float);
    const uint64_t most = async->plan.unit_count + 2 * (uint64_t)async->plan.node_count;
    const uint64_t versions = parts[PART_VERSIONS].bytes / version_bytes;
    if (versions == 0 || versions > most) {
        return refuse_part(&parts[PART_VERSIONS], most * version_bytes);
    }
    size_t bytes[ECH_ASYNC_PARTS];
    size_parts(async, versions, parts[PART_EVENTS].bytes / sizeof(ech_event), bytes);
    for (int p = 0; p < ECH_ASYNC_PARTS; p++) {
        if (parts[p].bytes != bytes[p]) {
            return refuse_part(&parts[p], bytes[p]);
        }
    }
    *version_count = (uint32_t)versions;
    return ECH_OK;
}

static bool is_version(uint32_t number, uint32_t count, bool may_be_none)
{
    return number < count || (may_be_none && number == NO_VERSION);
}

static ech_status check_numbers(const ech_async *async, const ech_async_part *parts,
                                uint32_t version_count)
{
    const saved_node *nodes = parts[PART_NODES].data;
    const saved_unit *units = parts[PART_UNITS].data;
    const ech_event *events = parts[PART_EVENTS].data;
    bool fits = true;
    for (uint32_t n = 0; n < async->plan.node_count; n++) {
        fits = fits && is_version(nodes[n].at, version_count, false) &&
               is_version(nodes[n].base, version_count, n == 0);
    }
    for (uint32_t u = 0; u < async->plan.unit_count; u++) {
        fits = fits && is_version(units[u].base, version_count, true);
    }
    for (size_t e = 0; e < parts[PART_EVENTS].bytes / sizeof *events; e++) {
        fits = fits && events[e].subject < async->plan.unit_count;
    }
    return fits ? ECH_OK
                : ech_fail(ECH_ERR_FORMAT, "the state of the asynchronous process does not fit "
                                           "this topology");
}

/* A run of more rounds would have gone on where this one stopped its workers. */
static ech_status check_rounds(const ech_async *async, const saved_clock *clock)
{
    if (clock->rounds == async->options.rounds) {
        return ECH_OK;
    }
    return ech_fail(ECH_ERR_CONFIG,
                    "--resume: the rounds of an asynchronous run cannot change: was %llu, is %llu",
                    (unsigned long long)clock->rounds, (unsigned long long)async->options.rounds);
}

static void restore_version(ech_async *async, const ech_async_part *parts, uint32_t number,
                            uint32_t cell)
{
    const ech_layout *layout = async->process->layout;
    const float *values = parts[PART_VERSIONS].data;
    const int64_t *counters = parts[PART_COUNTERS].data;
    const ech_state state = ech_replica_cell(async->process->replica, cell);
    memcpy(state.values, values + number * layout->value_count,
           layout->value_count * sizeof *values);
    memcpy(state.counters, counters + number * layout->counter_count,
           layout->counter_count * sizeof *counters);
}

static uint32_t hold_version(ech_async *async, const uint32_t *cells, uint32_t number)
{
    if (number == NO_VERSION) {
        return ECH_CELL_NONE;
    }
    ech_versions_hold(async->versions, 0, cells[number]);
    return cells[number];
}

static void restore_node(ech_async *async, const ech_async_part *parts, const uint32_t *cells,
                         uint32_t number)
{
    const ech_layout *layout = async->process->layout;
    const saved_node *saved = (const saved_node *)parts[PART_NODES].data + number;
    const int64_t *counters = parts[PART_NODE_COUNTERS].data;
    const float *buffers = parts[PART_BUFFERS].data;
    ech_async_node_state *node = &async->nodes[number];
    node->version = saved->version;
    node->base_version = saved->base_version;
    node->arrivals = saved->arrivals;
    node->buffered = saved->buffered;
    node->cell = hold_version(async, cells, saved->at);
    node->base_cell = hold_version(async, cells, saved->base);
    memcpy(node->counters, counters + number * layout->counter_count,
           layout->counter_count * sizeof *counters);
    if (node->buffer != NULL) {
        memcpy(node->buffer, buffers + number * layout->value_count,
               layout->value_count * sizeof *buffers);
    }
}

static void restore_unit(ech_async *async, const saved_unit *saved, const uint32_t *cells,
                         ech_async_unit_state *unit)
{
    unit->round = saved->round;
    unit->version = saved->version;
    unit->start_ns = saved->start_ns;
    unit->base_cell = hold_version(async, cells, saved->base);
}

static ech_status restore_clock(ech_async *async, const ech_async_part *parts)
{
    const saved_clock *clock = parts[PART_CLOCK].data;
    async->now_ns = clock->now_ns;
    async->row = clock->row;
    return ech_event_queue_fill(&async->events, parts[PART_EVENTS].data,
                                (uint32_t)(parts[PART_EVENTS].bytes / sizeof(ech_event)),
                                clock->events_pushed);
}

/* Nodes stand at the initial model; nobody does afterwards. */
static void release_initial(ech_async *async)
{
    for (uint32_t n = 0; n < async->plan.node_count; n++) {
        ech_versions_release(async->versions, 0, async->nodes[n].cell);
        if (async->nodes[n].base_cell != ECH_CELL_NONE) {
            ech_versions_release(async->versions, 0, async->nodes[n].base_cell);
        }
    }
}

static void restore_models(ech_async *async, const ech_async_part *parts, uint32_t *cells,
                           uint32_t version_count)
{
    release_initial(async);
    for (uint32_t v = 0; v < version_count; v++) {
        cells[v] = ech_versions_take(async->versions, 0);
        restore_version(async, parts, v, cells[v]);
    }
    for (uint32_t n = 0; n < async->plan.node_count; n++) {
        restore_node(async, parts, cells, n);
    }
    for (uint32_t u = 0; u < async->plan.unit_count; u++) {
        restore_unit(async, (const saved_unit *)parts[PART_UNITS].data + u, cells,
                     &async->units[u]);
    }
    for (uint32_t v = 0; v < version_count; v++) {
        ech_versions_release(async->versions, 0, cells[v]);
    }
}

ech_status ech_async_restore(ech_async *async, const ech_async_part parts[ECH_ASYNC_PARTS])
{
    uint32_t version_count = 0;
    ech_status status = check_sizes(async, parts, &version_count);
    if (status == ECH_OK) {
        status = check_rounds(async, parts[PART_CLOCK].data);
    }
    if (status == ECH_OK) {
        status = check_numbers(async, parts, version_count);
    }
    if (status == ECH_OK) {
        status = restore_clock(async, parts);
    }
    uint32_t *cells = ech_calloc(version_count, sizeof *cells);
    if (status == ECH_OK) {
        status = cells != NULL ? ECH_OK : ECH_ERR_MEMORY;
    }
    if (status == ECH_OK) {
        restore_models(async, parts, cells, version_count);
        async->is_restored = true;
    }
    ech_free(cells);
    return status;
}
