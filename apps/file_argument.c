#include "apps/file_argument.h"

#include "apps/arguments.h"

static error_t parse_file(int key, char *text, struct argp_state *state)
{
    ech_file_argument *given = state->input;
    switch (key) {
    case 'j':
        given->json = true;
        return 0;
    case ARGP_KEY_ARG:
        ech_argument_keep(state, "file", &given->file, text);
        return 0;
    case ARGP_KEY_END:
        if (given->file == NULL) {
            argp_error(state, "expected %s", given->what);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"json", 'j', NULL, 0, "print one JSON object", 0},
    {0},
};

/* Both parsers get what the command was given. */
static error_t hand_on(int key, char *text, struct argp_state *state)
{
    (void)text;
    if (key != ARGP_KEY_INIT) {
        return ARGP_ERR_UNKNOWN;
    }
    state->child_inputs[0] = state->input;
    state->child_inputs[1] = state->input;
    return 0;
}

void ech_file_command_parse(const ech_file_command *command, int argc, char **argv, void *given)
{
    static const struct argp of_file = {.options = option_table, .parser = parse_file};
    const struct argp own = {.options = command->options, .parser = command->parse};
    /* The last one is the first to check what it got. */
    const struct argp_child children[] = {{&own, 0, NULL, 0}, {&of_file, 0, NULL, 0}, {0}};
    const struct argp parser = {
        .parser = hand_on, .children = children, .args_doc = command->takes, .doc = command->doc};
    argp_parse(&parser, argc, argv, 0, NULL, given);
}
