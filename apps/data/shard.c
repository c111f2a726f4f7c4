#include <argp.h>

#include "apps/arguments.h"
#include "apps/command.h"
#include "apps/data/data.h"
#include "apps/file_argument.h"
#include "apps/inspect/inspect.h"
#include "io/shards.h"

enum { KEY_SPLIT = 256, KEY_HOSTS };

typedef struct {
    ech_file_argument on;
    const char *split;
    const char *out;
    int64_t hosts;
} arguments;

static void check_arguments(const arguments *given, struct argp_state *state)
{
    if (given->split == NULL) {
        argp_error(state, "--split is missing: which worker holds what, from `echelon data split`");
    } else if (given->hosts == 0) {
        argp_error(state, "--hosts is missing: the number of files");
    } else if (given->out == NULL) {
        argp_error(state, "--out is missing: the folder to write");
    }
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case KEY_SPLIT:
        given->split = text;
        return 0;
    case KEY_HOSTS:
        given->hosts = ech_argument_number(state, "hosts", text, 1, INT64_MAX);
        return 0;
    case 'o':
        given->out = text;
        return 0;
    case ARGP_KEY_END:
        check_arguments(given, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"split", KEY_SPLIT, "SPLIT.h5", 0, "which worker holds what", 0},
    {"hosts", KEY_HOSTS, "N", 0, "files to write; `fit` may run on any other number of hosts", 0},
    {"out", 'o', "DIR", 0, "folder to write, new or empty", 0},
    {0},
};

static const ech_file_command command = {
    .takes = "DATA.h5",
    .options = option_table,
    .parse = parse,
    .doc = "Lay a data set out by worker, a file a host, for `data: {shards: DIR}`: each host then "
           "reads its own workers' samples alone, and the data may be larger than its memory "
           "(data.memory).",
};

static ech_status write_shards(ech_io *io, const arguments *given)
{
    ech_dataset *dataset = NULL;
    ech_split_file split = {0};
    ech_status status = ech_dataset_open(io, given->on.file, &dataset);
    if (status == ECH_OK) {
        status = ech_split_file_read(io, given->split, &split);
    }
    if (status == ECH_OK) {
        status = ech_data_check_split(given->on.file, dataset, &split);
    }
    if (status == ECH_OK) {
        status = ech_shards_write(io, given->out, dataset, &split, (uint64_t)given->hosts);
    }
    ech_split_file_free(&split);
    ech_dataset_close(&dataset);
    return status;
}

static ech_status shard(const arguments *given)
{
    ech_io *io = NULL;
    char path[ECH_SHARDS_PATH_BYTES];
    ech_status status = ech_io_create(NULL, &io);
    if (status == ECH_OK) {
        status = write_shards(io, given);
    }
    if (status == ECH_OK) {
        status = ech_shards_path(given->out, path);
    }
    if (status == ECH_OK) {
        status = ech_inspect_shards(io, path, given->on.json);
    }
    ech_io_destroy(&io);
    return status;
}

int ech_cmd_data_shard(int argc, char **argv)
{
    arguments given = {.on = {.what = "a data file"}};
    ech_file_command_parse(&command, argc, argv, &given);
    return ech_command_exit_input(shard(&given));
}
