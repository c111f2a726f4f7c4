#include <stdio.h>
#include <string.h>

#include "apps/fit/fit_tree.h"
#include "apps/options/section.h"
#include "apps/topo.h"

enum { SET_BYTES = 512, SETS_MAX = 4 };

/* A configuration says how its tree is made; a file of Flight's may have a node of that name. */
static bool is_config(const ech_yaml_node *root)
{
    const ech_yaml_node *topology = ech_yaml_find(root, "topology");
    const ech_yaml_node *kind = topology != NULL ? ech_yaml_find(topology, "kind") : NULL;
    const char *word = kind != NULL ? ech_yaml_text(kind) : NULL;
    static const char *const node_kinds[] = {"leader", "coordinator", "aggregator", "worker"};
    for (size_t i = 0; word != NULL && i < sizeof node_kinds / sizeof *node_kinds; i++) {
        if (strcmp(word, node_kinds[i]) == 0) {
            return false;
        }
    }
    return topology != NULL;
}

static ech_status grow(const ech_config *config, const ech_fit_options *options, ech_topology **out)
{
    ech_fit_tree tree = {0};
    const ech_status status = ech_fit_tree_grow(&tree, config, options);
    *out = tree.topology;
    return status;
}

static ech_status grow_configured(const char *path, ech_topology **out, ech_config **config)
{
    const ech_status status = ech_fit_config_load(path, NULL, 0, config);
    if (status != ECH_OK) {
        return status;
    }
    const ech_fit_options options = ech_fit_options_of(*config);
    return grow(*config, &options, out);
}

static ech_status grow_from_file(const char *path, ech_topology **out, ech_config **config)
{
    ech_yaml *document = NULL;
    const ech_status status = ech_yaml_load_file(path, &document);
    if (status != ECH_OK) {
        return status;
    }
    if (is_config(ech_yaml_root(document))) {
        ech_yaml_destroy(&document);
        return grow_configured(path, out, config);
    }
    return ech_topology_from_yaml(&document, out);
}

/* The same as `fit` would make of these keys. */
static ech_status grow_generated(const ech_topo_choice *choice, ech_topology **out)
{
    char texts[SETS_MAX][SET_BYTES];
    const char *sets[SETS_MAX];
    size_t count = 0;
    const char *kind = choice->shape != NULL         ? "shape"
                       : choice->aggregators != NULL ? "random"
                       : choice->height > 0          ? "balanced"
                                                     : "star";
    snprintf(texts[count++], SET_BYTES, "topology.kind=%s", kind);
    snprintf(texts[count++], SET_BYTES, "topology.workers=%lld", (long long)choice->workers);
    if (choice->height > 0) {
        snprintf(texts[count++], SET_BYTES, "topology.height=%lld", (long long)choice->height);
    }
    if (choice->shape != NULL) {
        snprintf(texts[count++], SET_BYTES, "topology.shape=[%s]", choice->shape);
    } else if (choice->aggregators != NULL) {
        snprintf(texts[count++], SET_BYTES, "topology.aggregators=%s", choice->aggregators);
    }
    for (size_t i = 0; i < count; i++) {
        sets[i] = texts[i];
    }
    ech_config *config = NULL;
    ech_fit_options options = {.seed = (uint64_t)choice->seed};
    ech_status status =
        ech_config_load(NULL, sets, count, &ech_fit_topology_section.options, 1, &config);
    if (status == ECH_OK) {
        status = ech_fit_topology_section.check(config);
    }
    if (status == ECH_OK) {
        ech_fit_topology_section.read(config, &options);
        status = grow(config, &options, out);
    }
    ech_config_destroy(&config);
    return status;
}

ech_status ech_topo_grow(const ech_topo_choice *choice, ech_topology **out, ech_config **config)
{
    *out = NULL;
    *config = NULL;
    return choice->file != NULL ? grow_from_file(choice->file, out, config)
                                : grow_generated(choice, out);
}
