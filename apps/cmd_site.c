#include <argp.h>
#include <stddef.h>
#include <string.h>

#include "apps/command.h"
#include "apps/fit/fit_enter.h"
#include "apps/fit/fit_line.h"
#include "apps/site/site_job.h"

static const struct argp_option options[] = {
    {.name = "set", .key = 's', .arg = "KEY=VALUE", .doc = "set a key of the configuration"},
    {0},
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    ech_fit_line *line = state->input;
    switch (key) {
    case 's':
        ech_argument_set(state, line->sets, &line->arguments.set_count, value);
        return 0;
    case ARGP_KEY_ARG:
        ech_argument_keep(state, "configuration", &line->arguments.config_path, value);
        return 0;
    case ARGP_KEY_END:
        if (line->arguments.config_path == NULL) {
            argp_error(state, "expected a configuration, such as jobs/studies/remote.yaml");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "JOIN.yaml\nkeygen NAME",
    .doc = "Train the workers of a node for a leader elsewhere, which runs `echelon fit`.\v"
           "JOIN.yaml is the federation's configuration with the keys site.* (`echelon fit --keys` "
           "explains them) and the site's own data. Run it alone, or with mpiexec or srun on any "
           "number of ranks. It dials the leader, and again when the connection breaks; nothing "
           "listens. `echelon site keygen` makes keys. Exit codes: 0 the federation has ended, 1 "
           "failed, or no leader for site.wait, 2 bad input, or refused by the leader, 75 asked to "
           "stop.",
};

int ech_cmd_site(int argc, char **argv)
{
    static const ech_command commands[] = {
        {"keygen", "make the pair of keys of a site or a leader", ech_cmd_site_keygen},
        {NULL, NULL, NULL},
    };
    if (argc > 1 && strcmp(argv[1], "keygen") == 0) {
        return ech_command_dispatch(commands, argc, argv);
    }
    ech_fit_line line;
    ech_fit_line_init(&line);
    argp_parse(&parser, argc, argv, 0, NULL, &line);
    return ech_command_end_job(ech_fit_enter(&line.arguments, ech_site_job_run));
}
