#include "apps/file_argument.h"

enum { KEY_JSON = 256 };

static error_t parse(int key, char *text, struct argp_state *state)
{
    ech_file_argument *given = state->input;
    switch (key) {
    case KEY_JSON:
        given->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (given->file != NULL) {
            argp_error(state, "%s: one file at a time", text);
        }
        given->file = text;
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
    {"json", KEY_JSON, NULL, 0, "print one JSON object", 0},
    {0},
};

const struct argp ech_file_argument_parser = {.options = option_table, .parser = parse};
