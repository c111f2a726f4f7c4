#include "apps/fit/fit_split.h"

#include <stdlib.h>

#include "io/split_file.h"
#include "runtime/base/memory.h"

ech_status ech_fit_split_check(const ech_config *config, const ech_dataset_info *info,
                               uint32_t worker_count)
{
    const uint64_t samples = info->samples[ECH_DATA_TRAIN];
    const char *key =
        ech_config_has(config, "topology.file") ? "topology.file" : "topology.workers";
    if (samples > UINT32_MAX) {
        return ech_config_fail(config, "data.file",
                               "expected at most 4294967295 training samples, got %llu",
                               (unsigned long long)samples);
    }
    if (worker_count > samples) {
        return ech_config_fail(config, key,
                               "expected at most as many workers as there are training samples "
                               "(%llu), got %u",
                               (unsigned long long)samples, worker_count);
    }
    return ECH_OK;
}

static ech_status split_by_file(const ech_fit_options *options, ech_io *io,
                                const ech_split_data *data, uint32_t worker_count, ech_split **out)
{
    uint32_t *owners = ech_calloc(data->sample_count, sizeof *owners);
    if (owners == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ech_split_file_read_owners(io, options->split.file, options->split.dataset,
                                                   data->sample_count, owners);
    if (status == ECH_OK) {
        status = ech_split_from_owners(owners, data->sample_count, worker_count, out);
        if (status != ECH_OK) {
            status = ech_fail_context(ECH_ERR_FORMAT, "%s: /%s", options->split.file,
                                      options->split.dataset);
        }
    }
    ech_free(owners);
    return status;
}

ech_status ech_fit_split(const ech_fit_options *options, ech_io *io, const ech_split_data *data,
                         uint32_t worker_count, ech_split **out)
{
    switch (options->split.kind) {
    case ECH_FIT_SPLIT_IID:
        return ech_split_iid(data, worker_count, options->seed, out);
    case ECH_FIT_SPLIT_DIRICHLET:
        return ech_split_dirichlet(data, worker_count, options->split.samples_alpha,
                                   options->split.labels_alpha, options->seed, out);
    case ECH_FIT_SPLIT_FILE:
        return split_by_file(options, io, data, worker_count, out);
    }
    return ech_fail(ECH_ERR_ARGUMENT, "no such kind of split: %d", (int)options->split.kind);
}
