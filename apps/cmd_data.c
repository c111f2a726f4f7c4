#include <stddef.h>

#include "apps/command.h"
#include "apps/data/data.h"

int ech_cmd_data(int argc, char **argv)
{
    static const ech_command commands[] = {
        {"import", "import a published data set into one HDF5 file", ech_cmd_data_import},
        {"split", "deal a data set's samples to workers", ech_cmd_data_split},
        {"shard", "lay a data set out by worker, a file a host", ech_cmd_data_shard},
        {"show", "count a data set's samples by label and worker", ech_cmd_data_show},
        {NULL, NULL, NULL},
    };
    return ech_command_dispatch(commands, argc, argv);
}
