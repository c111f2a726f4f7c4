#include <inttypes.h>
#include <stdio.h>

#include "apps/inspect/inspect.h"
#include "io/checkpoint.h"
#include "runtime/base/json.h"

enum { SHAPE_BYTES = 96 };

static const char *kind_text(ech_tensor_kind kind)
{
    static const char *const texts[] = {[ECH_TENSOR_PARAMETER] = "parameter",
                                        [ECH_TENSOR_STATISTIC] = "statistic",
                                        [ECH_TENSOR_COUNTER] = "counter"};
    return texts[kind];
}

static void format_shape(const ech_tensor *tensor, char text[SHAPE_BYTES])
{
    int length = snprintf(text, SHAPE_BYTES, "[");
    for (uint32_t d = 0; d < tensor->dimension_count; d++) {
        length += snprintf(text + length, SHAPE_BYTES - (size_t)length, "%s%" PRIu64,
                           d > 0 ? ", " : "", tensor->shape[d]);
    }
    snprintf(text + length, SHAPE_BYTES - (size_t)length, "]");
}

static void print_text(const ech_checkpoint_info *info)
{
    char hash[ECH_HASH_TEXT_BYTES];
    ech_hash_text(info->model_hash, hash);
    printf("%s: checkpoint after round %" PRIu64 "\n", info->path, info->round);
    printf("model xxh128 %s\n", hash);
    printf("%" PRIu64 " parameters, %" PRIu64 " values in all, %" PRIu64 " counters\n\n",
           info->layout->parameter_count, info->layout->value_count, info->layout->counter_count);
    printf("%-40s %-10s %s\n", "/model", "kind", "shape");
    for (size_t i = 0; i < info->layout->tensor_count; i++) {
        const ech_tensor *tensor = &info->layout->tensors[i];
        char shape[SHAPE_BYTES];
        format_shape(tensor, shape);
        printf("  %-38s %-10s %s\n", tensor->name, kind_text(tensor->kind), shape);
    }
    printf("\n%-40s %s\n", "/state", "bytes");
    for (size_t i = 0; i < info->blob_count; i++) {
        printf("  %-38s %zu\n", info->blobs[i].name, info->blobs[i].bytes);
    }
    printf("\n/config\n%s", info->config);
}

static void write_tensor(ech_json *json, const ech_tensor *tensor)
{
    ech_json_begin_object(json, NULL);
    ech_json_text(json, "name", tensor->name);
    ech_json_text(json, "kind", kind_text(tensor->kind));
    ech_json_begin_list(json, "shape");
    for (uint32_t d = 0; d < tensor->dimension_count; d++) {
        ech_json_unsigned(json, NULL, tensor->shape[d]);
    }
    ech_json_end_list(json);
    ech_json_end_object(json);
}

static ech_status print_json(const ech_checkpoint_info *info)
{
    char hash[ECH_HASH_TEXT_BYTES];
    ech_hash_text(info->model_hash, hash);
    ech_json json = ech_json_writer(stdout);
    ech_json_begin_object(&json, NULL);
    ech_json_text(&json, "file", info->path);
    ech_json_text(&json, "kind", "checkpoint");
    ech_json_unsigned(&json, "round", info->round);
    ech_json_text(&json, "model_xxh128", hash);
    ech_json_unsigned(&json, "parameters", info->layout->parameter_count);
    ech_json_begin_list(&json, "model");
    for (size_t i = 0; i < info->layout->tensor_count; i++) {
        write_tensor(&json, &info->layout->tensors[i]);
    }
    ech_json_end_list(&json);
    ech_json_begin_list(&json, "state");
    for (size_t i = 0; i < info->blob_count; i++) {
        ech_json_begin_object(&json, NULL);
        ech_json_text(&json, "name", info->blobs[i].name);
        ech_json_unsigned(&json, "bytes", info->blobs[i].bytes);
        ech_json_end_object(&json);
    }
    ech_json_end_list(&json);
    ech_json_text(&json, "config", info->config);
    ech_json_end_object(&json);
    return ech_json_finish(&json);
}

ech_status ech_inspect_checkpoint(ech_io *io, const char *path, bool json)
{
    ech_checkpoint *checkpoint = NULL;
    ech_status status = ech_checkpoint_open(io, path, &checkpoint);
    if (status == ECH_OK && json) {
        status = print_json(ech_checkpoint_describe(checkpoint));
    } else if (status == ECH_OK) {
        print_text(ech_checkpoint_describe(checkpoint));
    }
    ech_checkpoint_close(&checkpoint);
    return status;
}
