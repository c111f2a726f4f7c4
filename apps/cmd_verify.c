#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/command.h"
#include "apps/verify.h"
#include "kernels/models.h"
#include "runtime/base/text.h"

enum { KEY_SEEDS = 256, SEEDS_MAX = 64 };

typedef struct {
    ech_verify_options options;
    char **files;
    int file_count;
} arguments;

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *given = state->input;
    int64_t number = 0;
    switch (key) {
    case 'e':
        given->options.engine = ech_engine_choice_find(text);
        if (given->options.engine == ECH_ENGINE_CHOICE_COUNT) {
            argp_error(state, "--engine %s: expected auto, lanes, blocked, blas or reference",
                       text);
        }
        return 0;
    case 't':
    case KEY_SEEDS:
        if (!ech_text_read_integer(text, &number) || number < 1 || number > SEEDS_MAX) {
            argp_error(state, "%s: expected a number from 1 to %d", text, SEEDS_MAX);
        }
        *(key == 't' ? &given->options.threads : &given->options.seeds) = (uint32_t)number;
        return 0;
    case 'q':
        given->options.quiet = true;
        return 0;
    case ARGP_KEY_ARGS:
        given->files = state->argv + state->next;
        given->file_count = state->argc - state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no golden file given");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"engine", 'e', "NAME", 0, "auto (default), lanes, blocked, blas or reference", 0},
    {"threads", 't', "N", 0, "threads (1)", 0},
    {"seeds", KEY_SEEDS, "N", 0, "seeds of the end-to-end judgement, from 0 on (7)", 0},
    {"quiet", 'q', NULL, 0, "no line for each step", 0},
    {0},
};

static const struct argp parser = {
    .options = option_table,
    .parser = parse,
    .args_doc = "GOLDEN.h5...",
    .doc = "Verify the kernels against golden files: the double reference against the file, the "
           "engine step by step against the reference, and the whole network.",
};

static ech_status verify_golden(const ech_golden *golden, const ech_verify_options *options,
                                bool *passed)
{
    const ech_shape input = {golden->channels, golden->height, golden->width};
    ech_network *network = NULL;
    bool reference = false, steps = false, whole = false;
    ech_status status = ech_model_create(golden->model, &input, golden->classes, &network);
    const ech_verify_case subject = {network, golden->batch, golden->seed, options};
    if (status == ECH_OK) {
        status = ech_verify_reference(&subject, golden, &reference);
    }
    if (status == ECH_OK) {
        status = ech_verify_steps(&subject, &steps);
    }
    if (status == ECH_OK) {
        status = ech_verify_network(&subject, &whole);
    }
    ech_network_destroy(&network);
    *passed = reference && steps && whole;
    return status;
}

static ech_status verify_file(const char *path, const ech_verify_options *options, bool *passed)
{
    ech_golden *golden = NULL;
    *passed = false;
    ech_status status = ech_golden_read(path, &golden);
    if (status != ECH_OK) {
        return status;
    }
    printf("%s: %s, batch %u of %ux%ux%u, %u classes, seed %llu, engine %s\n", path, golden->model,
           golden->batch, golden->channels, golden->height, golden->width, golden->classes,
           (unsigned long long)golden->seed, ech_engine_choice_name(options->engine));
    status = verify_golden(golden, options, passed);
    ech_golden_destroy(&golden);
    return status;
}

int ech_cmd_verify(int argc, char **argv)
{
    arguments given = {.options = {.threads = 1, .seeds = 7}};
    argp_parse(&parser, argc, argv, 0, NULL, &given);
    int failed = 0;
    for (int i = 0; i < given.file_count; i++) {
        bool passed = false;
        const ech_status status = verify_file(given.files[i], &given.options, &passed);
        if (status != ECH_OK) {
            return ech_command_exit_input(status);
        }
        failed += !passed;
        fflush(stdout);
    }
    printf("%d of %d passed\n", given.file_count - failed, given.file_count);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
