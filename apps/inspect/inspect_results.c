#include <inttypes.h>
#include <stdio.h>

#include "apps/inspect/inspect.h"
#include "io/results.h"
#include "runtime/base/json.h"

static ech_status print_json(const char *path, const ech_results_info *info)
{
    ech_json json = ech_json_writer(stdout);
    ech_json_begin_object(&json, NULL);
    ech_json_text(&json, "file", path);
    ech_json_text(&json, "kind", "results");
    ech_json_unsigned(&json, "runs", info->row_count);
    ech_json_unsigned(&json, "columns", info->column_count);
    ech_json_end_object(&json);
    return ech_json_finish(&json);
}

ech_status ech_inspect_results(ech_io *io, const char *path, bool json)
{
    ech_results_info info;
    const ech_status status = ech_results_read_info(io, path, &info);
    if (status != ECH_OK || json) {
        return status == ECH_OK ? print_json(path, &info) : status;
    }
    printf("%s: results of %" PRIu64 " runs, %" PRIu64 " columns; results.csv beside it holds the "
           "same\n",
           path, info.row_count, info.column_count);
    return ECH_OK;
}
