#include "apps/options/section.h"

#include <math.h>

static const ech_option options[] = {
    {.key = "topology.file",
     .type = ECH_OPTION_PATH,
     .help = "tree in YAML or JSON: names with kind and children"},
    {.key = "topology.kind",
     .type = ECH_OPTION_CHOICE,
     .choices = "star|balanced|shape|random",
     .help = "a generated tree, instead of topology.file"},
    {.key = "topology.workers",
     .type = ECH_OPTION_INTEGER,
     .required = true,
     .least = 1,
     .most = 1 << 27,
     .only_if = "topology.kind=star|balanced|shape|random",
     .help = "leaves of the tree"},
    {.key = "topology.height",
     .type = ECH_OPTION_INTEGER,
     .standard = "2",
     .least = 1,
     .most = 64,
     .only_if = "topology.kind=balanced|random",
     .help = "edges from the leader to a worker; balanced: tier d has round(workers^(d/height)) "
             "nodes; random: at most"},
    {.key = "topology.shape",
     .type = ECH_OPTION_REALS,
     .required = true,
     .least = 1,
     .most = 1 << 27,
     .only_if = "topology.kind=shape",
     .help =
         "aggregators of each tier from the leader down, ascending, such as [4, 16]; the workers "
         "are dealt out evenly below the last"},
    {.key = "topology.aggregators",
     .type = ECH_OPTION_INTEGER,
     .required = true,
     .least = 0,
     .most = 1 << 27,
     .only_if = "topology.kind=random",
     .help = "they hang below one another, and the workers below them and the leader, as the seed "
             "has it"},
};

static ech_status check_topology(const ech_config *config)
{
    const bool has_file = ech_config_has(config, "topology.file");
    const bool has_kind = ech_config_has(config, "topology.kind");
    if (has_file && has_kind) {
        return ech_config_fail(config, "topology.kind",
                               "expected either topology.file or topology.kind, got both");
    }
    if (!has_file && !has_kind) {
        return ech_config_fail(config, "topology.kind",
                               "missing: expected topology {kind: star, workers: N}, "
                               "{kind: balanced, workers: N, height: H} or {file: TREE.yaml}");
    }
    size_t count = 0;
    const double *shape = ech_config_has(config, "topology.shape")
                              ? ech_config_reals(config, "topology.shape", &count)
                              : NULL;
    for (size_t i = 0; i < count; i++) {
        if (shape[i] != floor(shape[i])) {
            return ech_config_fail(config, "topology.shape", "expected whole numbers, got %g",
                                   shape[i]);
        }
    }
    return ECH_OK;
}

static void read_topology(const ech_config *config, ech_fit_options *out)
{
    out->topology.file = ech_config_text(config, "topology.file");
    if (out->topology.file != NULL) {
        return;
    }
    out->topology.kind = (ech_fit_topology_kind)ech_config_choice(config, "topology.kind");
    out->topology.workers = (uint32_t)ech_config_integer(config, "topology.workers");
    out->topology.height = 1;
    ech_fit_read_number(config, "topology.height", &out->topology.height);
    ech_fit_read_number(config, "topology.aggregators", &out->topology.aggregators);
    if (out->topology.kind == ECH_FIT_TOPOLOGY_SHAPE) {
        out->topology.shape =
            ech_config_reals(config, "topology.shape", &out->topology.shape_count);
    }
}

const ech_fit_section ech_fit_topology_section = {
    .options = {"Topology", options, sizeof options / sizeof *options},
    .check = check_topology,
    .read = read_topology,
};
