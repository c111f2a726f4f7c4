#include "runtime/base/memory.h"
#include "runtime/fed/roster.h"
#include "runtime/fed/stations_priv.h"

/* Nodes are numbered tier by tier, so that parents come before their children. */
ech_status ech_station_plan(const ech_stations_options *options, ech_station **out,
                            uint32_t **station_of, uint32_t *count)
{
    const ech_topology *topology = options->topology;
    const uint32_t node_count = ech_topology_node_count(topology);
    const bool leader_alone = options->tier_count == 1;
    *count = leader_alone ? 1 : node_count - ech_topology_worker_count(topology);
    *out = ech_calloc(*count, sizeof **out);
    *station_of = ech_calloc(node_count, sizeof **station_of);
    if (*out == NULL || *station_of == NULL) {
        ech_free(*out);
        ech_free(*station_of);
        return ECH_ERR_MEMORY;
    }
    (*out)[0] = (ech_station){.parent = ECH_STATION_NONE};
    uint32_t next = 1;
    for (uint32_t n = 1; n < node_count && !leader_alone; n++) {
        const ech_node *node = ech_topology_node(topology, n);
        const uint32_t parent = (*station_of)[node->parent];
        if (node->kind == ECH_NODE_WORKER) {
            (*station_of)[n] = parent;
            continue;
        }
        (*station_of)[n] = next;
        (*out)[next++] = (ech_station){
            .node = n,
            .parent = parent,
            .host = ech_placement_node_host(options->placement, n),
            .tier = node->tier,
        };
    }
    return ECH_OK;
}

ech_status ech_stations_homes(const ech_stations_options *options, uint32_t **homes,
                              uint32_t *count)
{
    ech_station *stations = NULL;
    uint32_t *station_of = NULL;
    ech_status status = ech_station_plan(options, &stations, &station_of, count);
    if (status != ECH_OK) {
        return status;
    }
    *homes = ech_calloc(*count, sizeof **homes);
    status = *homes != NULL ? ECH_OK : ECH_ERR_MEMORY;
    for (uint32_t s = 0; s < *count && status == ECH_OK; s++) {
        (*homes)[s] = stations[s].host;
    }
    ech_free(stations);
    ech_free(station_of);
    return status;
}

static bool collects_anywhere(const ech_stations_options *options)
{
    bool collects = false;
    for (uint32_t tier = 0; tier < options->tier_count; tier++) {
        collects |= options->tiers[tier].strategy->rule->collect != NULL;
    }
    return collects;
}

/* Stations that a host holds, and children of its stations. */
typedef struct {
    uint32_t stations, children;
} load;

static load load_of(const ech_station *stations, uint32_t count, uint32_t host)
{
    load found = {0};
    for (uint32_t s = 0; s < count; s++) {
        found.stations += stations[s].host == host;
        found.children += s > 0 && stations[stations[s].parent].host == host;
    }
    return found;
}

/* A model and a mean for each station, a collected update for each worker and each child. */
ech_status ech_stations_need(const ech_stations_options *options, ech_stations_room *out)
{
    ech_station *stations = NULL;
    uint32_t *station_of = NULL;
    uint32_t count = 0;
    *out = (ech_stations_room){.slots = 1};
    const ech_status status = ech_station_plan(options, &stations, &station_of, &count);
    if (status != ECH_OK) {
        return status;
    }
    const uint32_t selected =
        ech_roster_most(options->tiers[0].strategy, options->population,
                        options->includes_aggregators ? options->topology : NULL);
    const uint32_t active = selected * ech_topology_tier_count(options->topology);
    for (uint32_t host = 0; host < ech_placement_host_count(options->placement); host++) {
        load host_load = load_of(stations, count, host);
        host_load.stations = host_load.stations < active ? host_load.stations : active;
        host_load.children = host_load.children < active ? host_load.children : active;
        const uint32_t cells = 2 * host_load.stations + host_load.children +
                               (collects_anywhere(options) ? selected : 0);
        out->slots = host_load.stations > out->slots ? host_load.stations : out->slots;
        out->cells = cells > out->cells ? cells : out->cells;
    }
    ech_free(stations);
    ech_free(station_of);
    return ECH_OK;
}

uint64_t ech_stations_repeats(const ech_tier_rule *tiers, uint32_t tier_count, uint32_t tier)
{
    uint64_t repeats = 1;
    for (uint32_t above = 1; above < tier && tier_count > 1; above++) {
        repeats *= tiers[above < tier_count ? above : tier_count - 1].rounds;
    }
    return repeats;
}
