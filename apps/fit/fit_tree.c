#include "apps/fit/fit_tree.h"

#include "runtime/base/memory.h"

ech_status ech_fit_tree_grow(ech_fit_tree *tree, const ech_config *config,
                             const ech_fit_options *options)
{
    if (options->topology.file != NULL) {
        return ech_topology_load(options->topology.file, &tree->topology);
    }
    if (options->topology.height > options->topology.workers) {
        return ech_config_fail(config, "topology.height",
                               "expected at most as many edges as there are workers (%u), got %u",
                               options->topology.workers, options->topology.height);
    }
    return ech_topology_balanced(options->topology.workers, options->topology.height,
                                 &tree->topology);
}

static ech_status place(ech_fit_tree *tree, const ech_machine *machine)
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
static ech_status count_samples(ech_fit_tree *tree, const ech_trainer *trainer)
{
    const uint32_t workers = ech_topology_worker_count(tree->topology);
    tree->samples = ech_calloc(workers, sizeof *tree->samples);
    if (tree->samples == NULL) {
        return ECH_ERR_MEMORY;
    }
    uint64_t samples = 0;
    for (uint32_t worker = 0; worker < workers; worker++) {
        tree->samples[worker] = trainer->sample_count(trainer->self, worker);
        samples += tree->samples[worker];
    }
    if (samples == 0) {
        ech_free(tree->samples);
        tree->samples = NULL;
    }
    return ECH_OK;
}

ech_status ech_fit_tree_populate(ech_fit_tree *tree, const ech_machine *machine,
                                 const ech_trainer *trainer)
{
    ech_status status = place(tree, machine);
    if (status == ECH_OK) {
        status = count_samples(tree, trainer);
    }
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
