#include "runtime/fed/site/site_list.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/memory.h"

#define NO_SITE UINT32_MAX

enum { KEPT_IF_UNSAID_MILLIONTHS = 10000 };

struct ech_site_list {
    const ech_topology *topology;
    ech_site_entry *entries;
    uint32_t count;
    uint32_t *workers;        /* of all sites, site by site */
    uint32_t *site_of_worker; /* by number; NO_SITE */
};

const char ech_compression_names[] = "none|zstd|bf16|int8|top";

ech_compression ech_compression_of(int choice, uint32_t keep_millionths)
{
    static const ech_codec codecs[] = {ECH_CODEC_EXACT, ECH_CODEC_EXACT, ECH_CODEC_BF16,
                                       ECH_CODEC_INT8, ECH_CODEC_TOP};
    return (ech_compression){.codec = codecs[choice],
                             .packs = choice > 0,
                             .keep_millionths =
                                 keep_millionths > 0 ? keep_millionths : KEPT_IF_UNSAID_MILLIONTHS};
}

static int find_compression(const char *word)
{
    const size_t length = strlen(word);
    int choice = 0;
    for (const char *at = ech_compression_names; at != NULL; choice++) {
        const char *end = strchr(at, '|');
        const size_t bytes = end != NULL ? (size_t)(end - at) : strlen(at);
        if (bytes == length && strncmp(at, word, length) == 0) {
            return choice;
        }
        at = end != NULL ? end + 1 : NULL;
    }
    return -1;
}

static ech_status read_compression(const ech_topology *topology, ech_site_entry *entry)
{
    const ech_yaml_node *value = ech_topology_extra(topology, entry->node, "compression");
    if (value == NULL) {
        return ECH_OK;
    }
    const char *word = NULL;
    const ech_status status = ech_yaml_read_text(value, "compression", &word);
    const int choice = status == ECH_OK ? find_compression(word) : -1;
    if (choice < 0) {
        return ech_yaml_fail(value, "compression: expected one of %s", ech_compression_names);
    }
    entry->compression = ech_compression_of(choice, entry->compression.keep_millionths);
    return ECH_OK;
}

/* What names a node's site; NULL: it is none. Flight writes null for "here". */
static const ech_yaml_node *site_key(const ech_topology *topology, uint32_t node)
{
    static const char *const keys[] = {"site", "globus_comp_id"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const ech_yaml_node *value = ech_topology_extra(topology, node, keys[i]);
        if (value != NULL && ech_yaml_node_kind(value) != ECH_YAML_NULL) {
            return value;
        }
    }
    return NULL;
}

/* Is a node above it a site already? Nodes are numbered tier by tier: those above are known. */
static uint32_t site_above(const ech_topology *topology, const uint32_t *site_of_node,
                           uint32_t node)
{
    const uint32_t parent = ech_topology_node(topology, node)->parent;
    return parent == ECH_NODE_NONE ? NO_SITE : site_of_node[parent];
}

static ech_status add_site(ech_site_list *list, uint32_t node, const ech_yaml_node *value,
                           ech_compression compression)
{
    const char *name = NULL;
    ech_status status = ech_yaml_read_text(value, "site", &name);
    if (status != ECH_OK) {
        return status;
    }
    if (ech_wire_check_name(name) != ECH_OK) {
        const ech_failure reason = ech_failure_keep(ECH_ERR_CONFIG);
        return ech_yaml_fail(value, "site: %.300s", reason.message);
    }
    if (ech_site_list_find(list, name) != NO_SITE) {
        return ech_yaml_fail(value, "site: %s is the site of two nodes", name);
    }
    ech_site_entry *entry = &list->entries[list->count];
    *entry = (ech_site_entry){.name = name, .node = node, .compression = compression};
    entry->worker_count = ech_topology_node(list->topology, node)->leaf_count;
    if (entry->worker_count > ECH_WIRE_WORKERS_MAX) {
        return ech_yaml_fail(value, "site: %s has %u workers: at most %d are possible", name,
                             entry->worker_count, ECH_WIRE_WORKERS_MAX);
    }
    status = read_compression(list->topology, entry);
    list->count += status == ECH_OK;
    return status;
}

static ech_status find_site(ech_site_list *list, uint32_t node, ech_compression compression,
                            uint32_t *site_of_node)
{
    const ech_topology *topology = list->topology;
    const ech_yaml_node *value = site_key(topology, node);
    site_of_node[node] = site_above(topology, site_of_node, node);
    if (value == NULL) {
        return ECH_OK;
    }
    const bool is_own = ech_topology_extra(topology, node, "site") != NULL;
    if (site_of_node[node] != NO_SITE) {
        return is_own ? ech_yaml_fail(value, "site: a site inside the site %s",
                                      list->entries[site_of_node[node]].name)
                      : ECH_OK;
    }
    if (node == 0) {
        return is_own ? ech_yaml_fail(value, "site: the leader is where `echelon fit` runs")
                      : ECH_OK;
    }
    site_of_node[node] = list->count;
    return add_site(list, node, value, compression);
}

static int ascending(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void list_workers(ech_site_list *list)
{
    const ech_topology *topology = list->topology;
    for (uint32_t w = 0; w < ech_topology_worker_count(topology); w++) {
        list->site_of_worker[w] = NO_SITE;
    }
    uint32_t *at = list->workers;
    for (uint32_t s = 0; s < list->count; s++) {
        ech_site_entry *entry = &list->entries[s];
        const ech_node *top = ech_topology_node(topology, entry->node);
        for (uint32_t i = 0; i < entry->worker_count; i++) {
            const uint32_t leaf = ech_topology_leaf_node(topology, top->first_leaf + i);
            at[i] = ech_topology_node(topology, leaf)->worker;
            list->site_of_worker[at[i]] = s;
        }
        qsort(at, entry->worker_count, sizeof *at, ascending);
        entry->workers = at;
        at += entry->worker_count;
    }
}

static ech_status find_sites(ech_site_list *list, ech_compression compression)
{
    const uint32_t nodes = ech_topology_node_count(list->topology);
    uint32_t *site_of_node = ech_calloc(nodes, sizeof *site_of_node);
    ech_status status = site_of_node != NULL ? ECH_OK : ECH_ERR_MEMORY;
    for (uint32_t node = 0; node < nodes && status == ECH_OK; node++) {
        status = find_site(list, node, compression, site_of_node);
    }
    ech_free(site_of_node);
    return status;
}

/* Generated trees have no keys, and most trees no sites. */
static uint32_t count_keys(const ech_topology *topology)
{
    uint32_t count = 0;
    for (uint32_t node = 0; node < ech_topology_node_count(topology); node++) {
        count += site_key(topology, node) != NULL;
    }
    return count;
}

ech_status ech_site_list_create(const ech_topology *topology, ech_compression compression,
                                ech_site_list **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_site_list *list = *out;
    const uint32_t workers = ech_topology_worker_count(topology);
    list->topology = topology;
    list->entries = ech_calloc(count_keys(topology), sizeof *list->entries);
    list->workers = ech_calloc(workers, sizeof *list->workers);
    list->site_of_worker = ech_calloc(workers, sizeof *list->site_of_worker);
    ech_status status =
        list->entries != NULL && list->workers != NULL && list->site_of_worker != NULL
            ? find_sites(list, compression)
            : ECH_ERR_MEMORY;
    if (status != ECH_OK) {
        ech_site_list_destroy(out);
        return status;
    }
    list_workers(list);
    return ECH_OK;
}

void ech_site_list_destroy(ech_site_list **list)
{
    if (list == NULL || *list == NULL) {
        return;
    }
    ech_free((*list)->entries);
    ech_free((*list)->workers);
    ech_free((*list)->site_of_worker);
    ech_free(*list);
    *list = NULL;
}

uint32_t ech_site_list_count(const ech_site_list *list)
{
    return list->count;
}

const ech_site_entry *ech_site_list_at(const ech_site_list *list, uint32_t index)
{
    return &list->entries[index];
}

uint32_t ech_site_list_find(const ech_site_list *list, const char *name)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (strcmp(list->entries[i].name, name) == 0) {
            return i;
        }
    }
    return NO_SITE;
}

uint32_t ech_site_list_of_worker(const ech_site_list *list, uint32_t worker)
{
    return list->site_of_worker[worker];
}
