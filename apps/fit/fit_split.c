#include "apps/fit/fit_split.h"

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
    uint32_t *numbers = ech_calloc(data->sample_count, sizeof *numbers);
    if (numbers == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ech_split_file_read_owners(io, options->split.file, options->split.dataset,
                                                   data->sample_count, numbers);
    if (status == ECH_OK) {
        status = (options->split.source == ECH_FIT_SPLIT_IDS
                      ? ech_split_from_ids
                      : ech_split_from_owners)(numbers, data->sample_count, worker_count, out);
        if (status != ECH_OK) {
            status = ech_fail_context(status == ECH_ERR_MEMORY ? status : ECH_ERR_FORMAT, "%s: /%s",
                                      options->split.file, options->split.dataset);
        }
    }
    ech_free(numbers);
    return status;
}

ech_status ech_fit_split(const ech_fit_options *options, ech_io *io, const ech_split_data *data,
                         uint32_t worker_count, ech_split **out)
{
    if (options->split.source == ECH_FIT_SPLIT_RULE) {
        return ech_split_deal(data, worker_count, &options->split.rule, options->seed, out);
    }
    return split_by_file(options, io, data, worker_count, out);
}
