/* Flight's topology files: definitions that refer to one another by name, in any order. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/topology_priv.h"

/* One definition of the file, in its order. */
typedef struct {
    const char *name;
    const ech_yaml_node *value;
    const ech_yaml_node *children; /* NULL if it has none */
    ech_node_kind kind;
    uint32_t parent; /* entry that claims it; ECH_NODE_NONE */
    uint32_t node;   /* its number in the tree; ECH_NODE_NONE until the leader reaches it */
} entry;

/* A name and the entry that defines it, for looking names up. */
typedef struct {
    const char *name;
    uint32_t entry;
} name_slot;

typedef struct {
    entry *entries;
    uint32_t count;
    uint32_t leader; /* entry */
    uint32_t worker_count;
    name_slot *by_name; /* sorted */
    uint32_t *order;    /* entries in the order of their node numbers */
    bool has_extra_keys;
} parser;

static ech_status read_kind(const entry *e, ech_node_kind *out)
{
    static const struct {
        const char *word;
        ech_node_kind kind;
    } words[] = {
        {"leader", ECH_NODE_LEADER},
        {"coordinator", ECH_NODE_LEADER},
        {"aggregator", ECH_NODE_AGGREGATOR},
        {"worker", ECH_NODE_WORKER},
    };
    const ech_yaml_node *value = ech_yaml_find(e->value, "kind");
    if (value == NULL) {
        return ech_yaml_fail(e->value, "node '%s': no kind: expected leader, aggregator or worker",
                             e->name);
    }
    const char *word = ech_yaml_text(value);
    for (size_t i = 0; word != NULL && i < sizeof words / sizeof *words; i++) {
        if (strcmp(word, words[i].word) == 0) {
            *out = words[i].kind;
            return ECH_OK;
        }
    }
    return ech_yaml_fail(value, "node '%s': kind is %s%s%s: expected leader, aggregator or worker",
                         e->name, word != NULL ? "'" : "",
                         word != NULL ? word : ech_yaml_kind_name(value), word != NULL ? "'" : "");
}

static ech_status read_children(entry *e)
{
    const ech_yaml_node *children = ech_yaml_find(e->value, "children");
    if (children != NULL && ech_yaml_node_kind(children) != ECH_YAML_NULL &&
        ech_yaml_node_kind(children) != ECH_YAML_SEQUENCE) {
        return ech_yaml_fail(children, "node '%s': children is %s: expected a list of names",
                             e->name, ech_yaml_kind_name(children));
    }
    e->children = children != NULL && ech_yaml_count(children) > 0 ? children : NULL;
    if (e->kind == ECH_NODE_WORKER && e->children != NULL) {
        return ech_yaml_fail(children, "node '%s': a worker has no children", e->name);
    }
    if (e->kind != ECH_NODE_WORKER && e->children == NULL) {
        return ech_yaml_fail(e->value, "node '%s': %s needs children: only workers are leaves",
                             e->name, e->kind == ECH_NODE_LEADER ? "a leader" : "an aggregator");
    }
    return ECH_OK;
}

static ech_status count_kind(parser *p, uint32_t index)
{
    const entry *e = &p->entries[index];
    if (e->kind == ECH_NODE_WORKER) {
        p->worker_count++;
    } else if (e->kind == ECH_NODE_LEADER && p->leader != ECH_NODE_NONE) {
        return ech_yaml_fail(e->value, "node '%s': a second leader beside '%s'", e->name,
                             p->entries[p->leader].name);
    } else if (e->kind == ECH_NODE_LEADER) {
        p->leader = index;
    }
    return ECH_OK;
}

static ech_status read_entry(parser *p, const ech_yaml_node *root, uint32_t index)
{
    entry *e = &p->entries[index];
    *e = (entry){.name = ech_yaml_key(root, index),
                 .value = ech_yaml_item(root, index),
                 .parent = ECH_NODE_NONE,
                 .node = ECH_NODE_NONE};
    if (ech_yaml_node_kind(e->value) != ECH_YAML_MAPPING) {
        return ech_yaml_fail(e->value, "node '%s' is %s: expected its kind and children", e->name,
                             ech_yaml_kind_name(e->value));
    }
    ech_status status = read_kind(e, &e->kind);
    if (status == ECH_OK) {
        status = read_children(e);
    }
    if (status == ECH_OK) {
        status = count_kind(p, index);
    }
    const size_t known = 1 + (ech_yaml_find(e->value, "children") != NULL);
    p->has_extra_keys |= ech_yaml_count(e->value) > known;
    return status;
}

static ech_status read_entries(parser *p, const ech_yaml_node *root)
{
    if (ech_yaml_node_kind(root) != ECH_YAML_MAPPING || ech_yaml_count(root) == 0) {
        return ech_yaml_fail(
            root, "the topology is %s: expected a mapping from node names",
            ech_yaml_node_kind(root) == ECH_YAML_MAPPING ? "empty" : ech_yaml_kind_name(root));
    }
    if (ech_yaml_count(root) > ECH_TOPOLOGY_NODES_MAX) {
        return ech_yaml_fail(root, "%zu nodes: at most %d are possible", ech_yaml_count(root),
                             ECH_TOPOLOGY_NODES_MAX);
    }
    p->count = (uint32_t)ech_yaml_count(root);
    p->entries = ech_calloc(p->count, sizeof *p->entries);
    p->by_name = ech_calloc(p->count, sizeof *p->by_name);
    p->order = ech_calloc(p->count, sizeof *p->order);
    if (p->entries == NULL || p->by_name == NULL || p->order == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ECH_OK;
    for (uint32_t i = 0; i < p->count && status == ECH_OK; i++) {
        status = read_entry(p, root, i);
    }
    if (status == ECH_OK && p->leader == ECH_NODE_NONE) {
        status = ech_yaml_fail(root, "no node is a leader: expected one");
    }
    return status;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const name_slot *)left)->name, ((const name_slot *)right)->name);
}

static uint32_t find_entry(const parser *p, const char *name)
{
    const name_slot wanted = {.name = name};
    const name_slot *slot =
        bsearch(&wanted, p->by_name, p->count, sizeof *p->by_name, compare_names);
    return slot != NULL ? slot->entry : ECH_NODE_NONE;
}

static ech_status claim_child(parser *p, uint32_t parent, const ech_yaml_node *item)
{
    const entry *e = &p->entries[parent];
    const char *name = NULL;
    const ech_status status = ech_yaml_read_text(item, "a child's name", &name);
    if (status != ECH_OK) {
        return status;
    }
    const uint32_t child = find_entry(p, name);
    if (child == ECH_NODE_NONE) {
        return ech_yaml_fail(item, "node '%s': its child '%s' is defined nowhere", e->name, name);
    }
    if (p->entries[child].kind == ECH_NODE_LEADER) {
        return ech_yaml_fail(item, "node '%s': its child '%s' is the leader", e->name, name);
    }
    if (p->entries[child].parent != ECH_NODE_NONE) {
        return ech_yaml_fail(item, "node '%s': its child '%s' is a child of '%s' already", e->name,
                             name, p->entries[p->entries[child].parent].name);
    }
    p->entries[child].parent = parent;
    return ECH_OK;
}

static ech_status claim_children(parser *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        p->by_name[i] = (name_slot){.name = p->entries[i].name, .entry = i};
    }
    qsort(p->by_name, p->count, sizeof *p->by_name, compare_names);
    for (uint32_t i = 0; i < p->count; i++) {
        const ech_yaml_node *children = p->entries[i].children;
        const size_t child_count = children != NULL ? ech_yaml_count(children) : 0;
        for (size_t c = 0; c < child_count; c++) {
            const ech_status status = claim_child(p, i, ech_yaml_item(children, c));
            if (status != ECH_OK) {
                return status;
            }
        }
    }
    return ECH_OK;
}

/* Number what the leader reaches, tier by tier. */
static uint32_t number_nodes(parser *p)
{
    uint32_t reached = 0;
    p->order[reached] = p->leader;
    p->entries[p->leader].node = reached++;
    for (uint32_t i = 0; i < reached; i++) {
        const ech_yaml_node *children = p->entries[p->order[i]].children;
        const size_t child_count = children != NULL ? ech_yaml_count(children) : 0;
        for (size_t c = 0; c < child_count; c++) {
            const uint32_t child = find_entry(p, ech_yaml_text(ech_yaml_item(children, c)));
            p->order[reached] = child;
            p->entries[child].node = reached++;
        }
    }
    return reached;
}

/* Why the leader does not reach a node: the way up ends, or runs in a circle. */
static ech_status fail_unreached(const parser *p, uint32_t index)
{
    const entry *e = &p->entries[index];
    uint32_t above = index;
    for (uint32_t steps = 0; steps < p->count && p->entries[above].parent != ECH_NODE_NONE;
         steps++) {
        above = p->entries[above].parent;
    }
    if (p->entries[above].parent != ECH_NODE_NONE) {
        return ech_yaml_fail(e->value, "node '%s' hangs on a cycle through '%s'", e->name,
                             p->entries[above].name);
    }
    return ech_yaml_fail(p->entries[above].value, "node '%s' is nobody's child",
                         p->entries[above].name);
}

static ech_status check_reached(const parser *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->entries[i].node == ECH_NODE_NONE) {
            return fail_unreached(p, i);
        }
    }
    return ECH_OK;
}

/* Edges between the leader and a node; the deepest is the last that was numbered. */
static uint32_t depth_of(const parser *p, uint32_t index)
{
    uint32_t depth = 0;
    while (p->entries[index].parent != ECH_NODE_NONE) {
        index = p->entries[index].parent;
        depth++;
    }
    return depth;
}

static ech_status copy_names(const parser *p, ech_topology *topology)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        bytes += strlen(p->entries[i].name) + 1;
    }
    topology->names = ech_alloc(bytes);
    if (topology->names == NULL) {
        return ECH_ERR_MEMORY;
    }
    topology->names_bytes = bytes;
    size_t at = 0;
    for (uint32_t node = 0; node < p->count; node++) {
        const char *name = p->entries[p->order[node]].name;
        const size_t length = strlen(name) + 1;
        memcpy(topology->names + at, name, length);
        topology->nodes[node].name = (uint32_t)at;
        at += length;
    }
    return ECH_OK;
}

static void fill_nodes(const parser *p, ech_topology *topology)
{
    uint32_t next_child = 1;
    for (uint32_t node = 0; node < p->count; node++) {
        const entry *e = &p->entries[p->order[node]];
        ech_node *out = &topology->nodes[node];
        out->parent = e->parent == ECH_NODE_NONE ? ECH_NODE_NONE : p->entries[e->parent].node;
        out->child_count = e->children != NULL ? (uint32_t)ech_yaml_count(e->children) : 0;
        out->first_child = out->child_count > 0 ? next_child : 0;
        out->kind = (uint16_t)e->kind;
        out->worker = ECH_NODE_NONE;
        next_child += out->child_count;
        if (node > 0) {
            out->tier = (uint16_t)(topology->nodes[out->parent].tier + 1);
        }
        topology->tier_begin[out->tier + 1] = node + 1;
    }
    uint32_t worker = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->entries[i].kind == ECH_NODE_WORKER) {
            topology->nodes[p->entries[i].node].worker = worker++;
        }
    }
}

static ech_status build(parser *p, const ech_yaml_node *root, ech_topology **out)
{
    ech_status status = claim_children(p);
    if (status != ECH_OK) {
        return status;
    }
    const uint32_t reached = number_nodes(p);
    status = reached == p->count ? ECH_OK : check_reached(p);
    if (status != ECH_OK) {
        return status;
    }
    const uint32_t depth = depth_of(p, p->order[p->count - 1]);
    if (depth >= ECH_TOPOLOGY_TIERS_MAX) {
        return ech_yaml_fail(root, "%u tiers below the leader: at most %d are possible", depth,
                             ECH_TOPOLOGY_TIERS_MAX - 1);
    }
    status = ech_topology_allocate(p->count, p->worker_count, depth + 1, out);
    if (status == ECH_OK) {
        status = copy_names(p, *out);
    }
    if (status == ECH_OK) {
        fill_nodes(p, *out);
        ech_topology_number_leaves(*out);
    }
    return status;
}

ech_status ech_topology_from_yaml(ech_yaml **document, ech_topology **out)
{
    *out = NULL;
    parser p = {.leader = ECH_NODE_NONE};
    const ech_yaml_node *root = ech_yaml_root(*document);
    ech_status status = read_entries(&p, root);
    if (status == ECH_OK) {
        status = build(&p, root, out);
    }
    if (status == ECH_OK && p.has_extra_keys) {
        (*out)->document = *document;
        *document = NULL;
    }
    if (status != ECH_OK) {
        ech_topology_destroy(out);
    }
    ech_yaml_destroy(document);
    ech_free(p.entries);
    ech_free(p.by_name);
    ech_free(p.order);
    return status;
}

ech_status ech_topology_load(const char *path, ech_topology **out)
{
    *out = NULL;
    ech_yaml *document = NULL;
    const ech_status status = ech_yaml_load_file(path, &document);
    return status == ECH_OK ? ech_topology_from_yaml(&document, out) : status;
}
