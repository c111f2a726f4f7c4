#include <inttypes.h>
#include <stdio.h>

#include "apps/inspect/inspect.h"
#include "io/shards.h"
#include "runtime/base/json.h"

static uint64_t train_files(const ech_shards *shards)
{
    return shards->file_count - (shards->info.samples[ECH_DATA_TEST] > 0 ? 1 : 0);
}

static void print_text(const char *path, const ech_shards *shards)
{
    const ech_dataset_info *info = &shards->info;
    printf("%s: shards of a data set: images of %ux%ux%u, %u classes\n", path, info->channels,
           info->height, info->width, info->classes);
    printf("  %" PRIu64 " training samples of %" PRIu64 " workers in %" PRIu64
           " files, at most %" PRIu64 " a worker; %" PRIu64 " test samples\n",
           info->samples[ECH_DATA_TRAIN], shards->workers, train_files(shards),
           ech_shards_largest(shards), info->samples[ECH_DATA_TEST]);
}

static ech_status print_json(const char *path, const ech_shards *shards)
{
    const ech_dataset_info *info = &shards->info;
    ech_json json = ech_json_writer(stdout);
    ech_json_begin_object(&json, NULL);
    ech_json_text(&json, "file", path);
    ech_json_text(&json, "kind", "shards");
    ech_json_unsigned(&json, "channels", info->channels);
    ech_json_unsigned(&json, "height", info->height);
    ech_json_unsigned(&json, "width", info->width);
    ech_json_unsigned(&json, "classes", info->classes);
    ech_json_unsigned(&json, "workers", shards->workers);
    ech_json_unsigned(&json, "worker_samples_most", ech_shards_largest(shards));
    ech_json_unsigned(&json, "train", info->samples[ECH_DATA_TRAIN]);
    ech_json_unsigned(&json, "test", info->samples[ECH_DATA_TEST]);
    ech_json_begin_list(&json, "files");
    for (uint64_t i = 0; i < train_files(shards); i++) {
        ech_json_unsigned(&json, NULL, shards->files[i].count);
    }
    ech_json_end_list(&json);
    ech_json_end_object(&json);
    return ech_json_finish(&json);
}

ech_status ech_inspect_shards(ech_io *io, const char *path, bool json)
{
    ech_shards shards;
    ech_status status = ech_shards_read(io, path, &shards);
    if (status == ECH_OK && json) {
        status = print_json(path, &shards);
    } else if (status == ECH_OK) {
        print_text(path, &shards);
    }
    ech_shards_free(&shards);
    return status;
}
