#include <stdio.h>

#include "apps/topo.h"
#include "kernels/models.h"
#include "runtime/base/json.h"
#include "runtime/base/memory.h"

static const double bytes_a_mib = 1024.0 * 1024.0;

static void count_node(ech_topo_tier *tier, const ech_node *node)
{
    tier->workers += node->kind == ECH_NODE_WORKER;
    tier->aggregators += node->kind == ECH_NODE_AGGREGATOR;
    if (node->child_count > 0) {
        const uint32_t count = node->child_count;
        tier->children_most = count > tier->children_most ? count : tier->children_most;
        if (tier->children_least == 0 || count < tier->children_least) {
            tier->children_least = count;
        }
    }
}

static ech_status count_tiers(const ech_topology *topology, ech_topo_facts *facts)
{
    facts->tier_count = ech_topology_tier_count(topology);
    facts->tiers = ech_calloc(facts->tier_count, sizeof *facts->tiers);
    ech_tier_traffic *traffic = ech_calloc(facts->tier_count, sizeof *traffic);
    ech_status status = facts->tiers != NULL && traffic != NULL
                            ? ech_bytes_count(topology, NULL, 0, traffic)
                            : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        for (uint32_t i = 0; i < ech_topology_node_count(topology); i++) {
            const ech_node *node = ech_topology_node(topology, i);
            count_node(&facts->tiers[node->tier], node);
        }
        for (uint32_t d = 0; d < facts->tier_count; d++) {
            facts->tiers[d].traffic = traffic[d];
            facts->traffic.edges += traffic[d].edges;
            facts->traffic.updates += traffic[d].updates;
        }
    }
    ech_free(traffic);
    return status;
}

static ech_status measure_model(const char *model, uint64_t *bytes)
{
    ech_network *network = NULL;
    const ech_status status = ech_model_open(model, NULL, 0, &network);
    if (status == ECH_OK) {
        *bytes = ech_layout_state_bytes(network->layout);
    }
    ech_network_destroy(&network);
    return status;
}

ech_status ech_topo_count(const ech_topology *topology, const char *model, ech_topo_facts *out)
{
    *out = (ech_topo_facts){.topology = topology, .model = model};
    ech_status status = model != NULL ? measure_model(model, &out->model_bytes) : ECH_OK;
    if (status == ECH_OK) {
        status = count_tiers(topology, out);
    }
    if (status != ECH_OK) {
        ech_topo_facts_clear(out);
    }
    return status;
}

void ech_topo_facts_clear(ech_topo_facts *facts)
{
    ech_free(facts->tiers);
    *facts = (ech_topo_facts){0};
}

static double gib(uint64_t models, const ech_topo_facts *facts)
{
    return (double)models * (double)facts->model_bytes / (1024.0 * bytes_a_mib);
}

/* Models that cross edges in one round of all workers: in the tree, and to a flat server. */
static uint64_t tree_models(const ech_topo_facts *facts)
{
    return 2 * facts->traffic.edges;
}

static uint64_t flat_models(const ech_topo_facts *facts)
{
    return facts->traffic.edges + facts->traffic.updates;
}

static double saved_percent(const ech_topo_facts *facts)
{
    return 100.0 * (1.0 - (double)tree_models(facts) / (double)flat_models(facts));
}

static void print_children(const ech_topo_tier *tier)
{
    char text[32] = "-";
    if (tier->children_most > 0 && tier->children_least == tier->children_most) {
        snprintf(text, sizeof text, "%u", tier->children_most);
    } else if (tier->children_most > 0) {
        snprintf(text, sizeof text, "%u to %u", tier->children_least, tier->children_most);
    }
    printf("  %14s", text);
}

static void print_tiers(const ech_topo_facts *facts)
{
    printf("%4s  %12s  %12s  %14s", "tier", "aggregators", "workers", "children each");
    if (facts->model != NULL) {
        printf("  %14s  %14s  %14s", "tree GiB down", "tree GiB up", "flat GiB up");
    }
    for (uint32_t d = 0; d < facts->tier_count; d++) {
        const ech_topo_tier *tier = &facts->tiers[d];
        printf("\n%4u  %12u  %12u", d, tier->aggregators, tier->workers);
        print_children(tier);
        if (facts->model != NULL && d > 0) {
            printf("  %14.3f  %14.3f  %14.3f", gib(tier->traffic.edges, facts),
                   gib(tier->traffic.edges, facts), gib(tier->traffic.updates, facts));
        }
    }
    printf("\n");
}

void ech_topo_print(const ech_topo_facts *facts)
{
    const ech_topology *topology = facts->topology;
    printf("%u nodes: 1 leader, %u aggregators, %u workers; depth %u; %zu bytes of memory\n\n",
           ech_topology_node_count(topology),
           ech_topology_node_count(topology) - 1 - ech_topology_worker_count(topology),
           ech_topology_worker_count(topology), facts->tier_count - 1,
           ech_topology_memory_bytes(topology));
    print_tiers(facts);
    if (facts->model == NULL) {
        return;
    }
    printf("\nOne round of all workers, %s (%.3f MiB), down and up:\n", facts->model,
           (double)facts->model_bytes / bytes_a_mib);
    printf("  aggregated in the tree  %12.2f GiB\n", gib(tree_models(facts), facts));
    printf("  flat server             %12.2f GiB\n", gib(flat_models(facts), facts));
    printf("  saved by the tree       %12.2f %%\n", saved_percent(facts));
}

static void write_tier(ech_json *json, const ech_topo_facts *facts, const ech_topo_tier *tier)
{
    ech_json_begin_object(json, NULL);
    ech_json_unsigned(json, "aggregators", tier->aggregators);
    ech_json_unsigned(json, "workers", tier->workers);
    ech_json_unsigned(json, "children_least", tier->children_least);
    ech_json_unsigned(json, "children_most", tier->children_most);
    ech_json_unsigned(json, "edges", tier->traffic.edges);
    if (facts->model != NULL) {
        ech_json_unsigned(json, "tree_down_bytes", tier->traffic.edges * facts->model_bytes);
        ech_json_unsigned(json, "tree_up_bytes", tier->traffic.edges * facts->model_bytes);
        ech_json_unsigned(json, "flat_up_bytes", tier->traffic.updates * facts->model_bytes);
    }
    ech_json_end_object(json);
}

ech_status ech_topo_write_json(const ech_topo_facts *facts)
{
    ech_json json = ech_json_writer(stdout);
    ech_json_begin_object(&json, NULL);
    ech_json_unsigned(&json, "nodes", ech_topology_node_count(facts->topology));
    ech_json_unsigned(&json, "workers", ech_topology_worker_count(facts->topology));
    ech_json_unsigned(&json, "depth", facts->tier_count - 1);
    ech_json_unsigned(&json, "memory_bytes", ech_topology_memory_bytes(facts->topology));
    if (facts->model != NULL) {
        ech_json_text(&json, "model", facts->model);
        ech_json_unsigned(&json, "model_bytes", facts->model_bytes);
        ech_json_unsigned(&json, "tree_bytes", tree_models(facts) * facts->model_bytes);
        ech_json_unsigned(&json, "flat_bytes", flat_models(facts) * facts->model_bytes);
        ech_json_real(&json, "saved_percent", saved_percent(facts));
    }
    ech_json_begin_list(&json, "tiers");
    for (uint32_t d = 0; d < facts->tier_count; d++) {
        write_tier(&json, facts, &facts->tiers[d]);
    }
    ech_json_end_list(&json);
    ech_json_end_object(&json);
    return ech_json_finish(&json);
}
