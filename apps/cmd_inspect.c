#include <stddef.h>

#include "apps/command.h"
#include "apps/file_argument.h"
#include "apps/inspect/inspect.h"
#include "io/kind.h"

static const ech_file_command command = {
    .takes = "FILE.h5",
    .doc = "Check a file's digest and show what is in it: a data set, a split, a set of "
           "shards, a checkpoint, a run record, the kept results of tasks or the results of a "
           "study.",
};

static ech_status inspect(const ech_file_argument *given)
{
    static ech_status (*const by_kind[ECH_SEAL_KIND_COUNT])(ech_io *, const char *, bool) = {
        [ECH_SEAL_NONE] = ech_inspect_data, /* of the files of others, data sets can be read */
        [ECH_SEAL_DATA] = ech_inspect_data,
        [ECH_SEAL_SPLIT] = ech_inspect_split,
        [ECH_SEAL_CHECKPOINT] = ech_inspect_checkpoint,
        [ECH_SEAL_RECORD] = ech_inspect_record,
        [ECH_SEAL_MEMO] = ech_inspect_memo,
        [ECH_SEAL_RESULTS] = ech_inspect_results,
        [ECH_SEAL_SHARDS] = ech_inspect_shards,
    };
    ech_io *io = NULL;
    ech_seal_kind kind = ECH_SEAL_NONE;
    ech_status status = ech_seal_read(given->file, &kind);
    if (status == ECH_OK) {
        status = ech_io_create(NULL, &io);
    }
    if (status == ECH_OK) {
        status = by_kind[kind](io, given->file, given->json);
    }
    ech_io_destroy(&io);
    return status;
}

int ech_cmd_inspect(int argc, char **argv)
{
    ech_file_argument given = {.what = "a file"};
    ech_file_command_parse(&command, argc, argv, &given);
    return ech_command_exit_input(inspect(&given));
}
