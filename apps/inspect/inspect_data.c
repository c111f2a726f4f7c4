#include <inttypes.h>
#include <stdio.h>

#include "apps/data/data.h"
#include "apps/inspect/inspect.h"
#include "runtime/base/json.h"

ech_status ech_inspect_data(ech_io *io, const char *path, bool json)
{
    ech_dataset *dataset = NULL;
    ech_status status = ech_dataset_open(io, path, &dataset);
    if (status == ECH_OK) {
        status = ech_data_print(path, dataset, NULL, json);
    }
    ech_dataset_close(&dataset);
    return status;
}

typedef struct {
    uint64_t least;
    uint64_t most;
} extremes;

static extremes sizes_of(const ech_split_file *split)
{
    extremes sizes = {UINT64_MAX, 0};
    for (uint64_t w = 0; w < split->workers; w++) {
        const uint64_t size = split->offsets[w + 1] - split->offsets[w];
        sizes.least = size < sizes.least ? size : sizes.least;
        sizes.most = size > sizes.most ? size : sizes.most;
    }
    sizes.least = split->workers > 0 ? sizes.least : 0;
    return sizes;
}

static void print_split(const char *path, const ech_split_file *split)
{
    const uint64_t dealt = split->offsets[split->workers];
    const extremes sizes = sizes_of(split);
    printf("%s: split of %" PRIu64 " training samples over %" PRIu64 " workers\n", path,
           split->samples, split->workers);
    printf("  %" PRIu64 " samples dealt, %" PRIu64 " to nobody; %" PRIu64 " to %" PRIu64
           " a worker, %.1f on average\n",
           dealt, split->samples - dealt, sizes.least, sizes.most,
           split->workers > 0 ? (double)dealt / (double)split->workers : 0.0);
}

static ech_status print_split_json(const char *path, const ech_split_file *split)
{
    const extremes sizes = sizes_of(split);
    ech_json json = ech_json_writer(stdout);
    ech_json_begin_object(&json, NULL);
    ech_json_text(&json, "file", path);
    ech_json_text(&json, "kind", "split");
    ech_json_unsigned(&json, "workers", split->workers);
    ech_json_unsigned(&json, "samples", split->samples);
    ech_json_unsigned(&json, "dealt", split->offsets[split->workers]);
    ech_json_unsigned(&json, "worker_samples_least", sizes.least);
    ech_json_unsigned(&json, "worker_samples_most", sizes.most);
    ech_json_end_object(&json);
    return ech_json_finish(&json);
}

ech_status ech_inspect_split(ech_io *io, const char *path, bool json)
{
    ech_split_file split = {0};
    ech_status status = ech_split_file_read(io, path, &split);
    if (status == ECH_OK && json) {
        status = print_split_json(path, &split);
    } else if (status == ECH_OK) {
        print_split(path, &split);
    }
    ech_split_file_free(&split);
    return status;
}
