#include "apps/fit/fit_tree.h"

#include <stdio.h>

#include "runtime/base/memory.h"

enum { REASON_BYTES = 512 };

static ech_status grow_shape(const ech_fit_options *options, ech_topology **out)
{
    const size_t count = options->topology.shape_count;
    uint32_t *counts = ech_calloc(count, sizeof *counts);
    if (counts == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        counts[i] = (uint32_t)options->topology.shape[i];
    }
    const ech_status status = ech_topology_shape(counts, count, options->topology.workers, out);
    ech_free(counts);
    return status;
}

/* The key that a refused tree comes from. */
static ech_status refuse(const ech_config *config, const char *key, ech_status status)
{
    char reason[REASON_BYTES];
    snprintf(reason, sizeof reason, "%s", ech_status_message());
    return status == ECH_ERR_CONFIG ? ech_config_fail(config, key, "%s", reason) : status;
}

ech_status ech_fit_tree_grow(ech_fit_tree *tree, const ech_config *config,
                             const ech_fit_options *options)
{
    const uint32_t workers = options->topology.workers;
    const uint32_t height = options->topology.height;
    if (options->topology.file != NULL) {
        return ech_topology_load(options->topology.file, &tree->topology);
    }
    if (options->topology.kind == ECH_FIT_TOPOLOGY_SHAPE) {
        return refuse(config, "topology.shape", grow_shape(options, &tree->topology));
    }
    if (options->topology.kind == ECH_FIT_TOPOLOGY_RANDOM) {
        return refuse(config, "topology.aggregators",
                      ech_topology_random(workers, options->topology.aggregators, height,
                                          options->seed, &tree->topology));
    }
    if (height > workers) {
        return ech_config_fail(config, "topology.height",
                               "expected at most as many edges as there are workers (%u), got %u",
                               workers, height);
    }
    return ech_topology_balanced(workers, height, &tree->topology);
}

ech_status ech_fit_tree_place(ech_fit_tree *tree, const ech_machine *machine)
{
    const int host_count = ech_machine_host_count(machine);
    uint32_t *ranks = ech_calloc((size_t)host_count, sizeof *ranks);
    if (ranks == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (int host = 0; host < host_count; host++) {
        int count = 0;
        ech_machine_ranks_of(machine, host, &count);
        ranks[host] = (uint32_t)count;
    }
    const ech_status status =
        ech_placement_create(tree->topology, ranks, (uint32_t)host_count, &tree->placement);
    ech_free(ranks);
    return status;
}

/* Where nobody has samples there is no data at all. */
static ech_status count_samples(ech_fit_tree *tree, ech_fit_census census)
{
    const uint32_t workers = ech_topology_worker_count(tree->topology);
    tree->samples = ech_calloc(workers, sizeof *tree->samples);
    if (tree->samples == NULL) {
        return ECH_ERR_MEMORY;
    }
    uint64_t samples = 0;
    for (uint32_t worker = 0; worker < workers; worker++) {
        tree->samples[worker] = census.samples(census.user, worker);
        samples += tree->samples[worker];
    }
    if (samples == 0) {
        ech_free(tree->samples);
        tree->samples = NULL;
    }
    return ECH_OK;
}

ech_status ech_fit_tree_populate(ech_fit_tree *tree, ech_fit_census census)
{
    ech_status status = count_samples(tree, census);
    if (status == ECH_OK) {
        status = ech_population_create(tree->samples, ech_topology_worker_count(tree->topology),
                                       &tree->population);
    }
    return status;
}

void ech_fit_tree_clear(ech_fit_tree *tree)
{
    ech_population_destroy(&tree->population);
    ech_placement_destroy(&tree->placement);
    ech_topology_destroy(&tree->topology);
    ech_free(tree->samples);
    tree->samples = NULL;
}
