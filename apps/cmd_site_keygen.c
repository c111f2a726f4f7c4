#include <argp.h>
#include <stdio.h>

#include "apps/arguments.h"
#include "apps/command.h"
#include "runtime/fed/site/keys.h"

typedef struct {
    const char *name;
    const char *folder;
} keygen_line;

static const struct argp_option options[] = {
    {.name = "out", .key = 'o', .arg = "DIR", .doc = "folder of the two files (.)"},
    {0},
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    keygen_line *line = state->input;
    switch (key) {
    case 'o':
        line->folder = value;
        return 0;
    case ARGP_KEY_ARG:
        ech_argument_keep(state, "name", &line->name, value);
        return 0;
    case ARGP_KEY_END:
        if (line->name == NULL) {
            argp_error(state, "expected a name, such as boulder");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "NAME",
    .doc = "Make the pair of keys of a remote site, or of the leader of remote sites.\v"
           "Writes DIR/NAME.key, which stays where it is, and DIR/NAME.pub, one line, which the "
           "other side gets: the leader's list of admitted sites is their .pub files, one behind "
           "the other. A key is never overwritten.",
};

int ech_cmd_site_keygen(int argc, char **argv)
{
    keygen_line line = {.folder = "."};
    argp_parse(&parser, argc, argv, 0, NULL, &line);
    ech_public_key key;
    const ech_status status = ech_key_generate(line.name, line.folder, &key);
    if (status == ECH_OK) {
        printf("%s %s\n", key.name, key.text);
    }
    return ech_command_exit_input(status);
}
