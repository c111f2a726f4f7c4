#include "apps/fit/fit_line.h"

#include <stddef.h>
#include <stdint.h>

enum { KEY_SET = 's', KEY_OUT = 'o', KEY_RESUME = 'r', KEY_JSON = 'j' };
enum { KEY_OVERWRITE = 256, KEY_UNTIL };

static const struct argp_option options[] = {
    {.name = "set", .key = KEY_SET, .arg = "KEY=VALUE", .doc = "set a key of the configuration"},
    {.name = "out", .key = KEY_OUT, .arg = "DIR", .doc = "folder of the results (out)"},
    {.name = "resume",
     .key = KEY_RESUME,
     .doc = "go on from the newest intact checkpoint in the folder"},
    {.name = "overwrite", .key = KEY_OVERWRITE, .doc = "remove what an earlier run left there"},
    {.name = "until",
     .key = KEY_UNTIL,
     .arg = "SECONDS",
     .doc = "begin no round that would end after this time, in seconds since 1970 (0: no limit)"},
    {.name = "json", .key = KEY_JSON, .doc = "write the totals as one JSON object"},
    {0},
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    ech_fit_line *line = state->input;
    switch (key) {
    case KEY_SET:
        ech_argument_set(state, line->sets, &line->arguments.set_count, value);
        return 0;
    case KEY_OUT:
        line->arguments.folder = value;
        return 0;
    case KEY_RESUME:
        line->arguments.resume = true;
        return 0;
    case KEY_OVERWRITE:
        line->arguments.overwrite = true;
        return 0;
    case KEY_UNTIL:
        line->arguments.until_s =
            (uint64_t)ech_argument_number(state, "until", value, 0, INT64_MAX);
        return 0;
    case KEY_JSON:
        line->arguments.json = true;
        return 0;
    case ARGP_KEY_ARG:
        ech_argument_keep(state, "configuration", &line->arguments.config_path, value);
        return 0;
    case ARGP_KEY_END:
        if (line->arguments.config_path == NULL) {
            argp_error(state, "expected a configuration, such as jobs/demo.yaml");
        }
        if (line->arguments.resume && line->arguments.overwrite) {
            argp_error(state, "expected one of --resume and --overwrite, got both");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "CONFIG.yaml",
    .doc = "Train one model across many workers that keep their data.\v"
           "Run it with mpiexec or srun on any number of ranks; the model's bits do not depend on "
           "it. Writes DIR/checkpoint-*.h5 and DIR/run.h5. Exit codes: 0 done, 1 failed, 2 bad "
           "usage or input, 75 stopped early with a checkpoint.",
};

void ech_fit_line_init(ech_fit_line *line)
{
    *line = (ech_fit_line){.arguments = {.folder = "out"}};
    line->arguments.sets = line->sets;
}

const struct argp *ech_fit_line_parser(void)
{
    return &parser;
}
