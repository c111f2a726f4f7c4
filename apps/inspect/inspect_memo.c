#include <inttypes.h>
#include <stdio.h>

#include "apps/inspect/inspect.h"
#include "io/memo_file.h"
#include "runtime/base/json.h"

static ech_status print_json(const char *path, const ech_memo_file_info *info)
{
    ech_json json = ech_json_writer(stdout);
    ech_json_begin_object(&json, NULL);
    ech_json_text(&json, "file", path);
    ech_json_text(&json, "kind", "memo");
    ech_json_unsigned(&json, "results", info->results);
    ech_json_unsigned(&json, "value_bytes", info->value_bytes);
    ech_json_end_object(&json);
    return ech_json_finish(&json);
}

ech_status ech_inspect_memo(ech_io *io, const char *path, bool json)
{
    ech_memo_file_info info;
    const ech_status status = ech_memo_file_read_info(io, path, &info);
    if (status != ECH_OK || json) {
        return status == ECH_OK ? print_json(path, &info) : status;
    }
    printf("%s: %" PRIu64 " results of tasks, %" PRIu64 " bytes\n", path, info.results,
           info.value_bytes);
    return ECH_OK;
}
