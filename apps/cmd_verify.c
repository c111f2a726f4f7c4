#include <argp.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/arguments.h"
#include "apps/command.h"
#include "apps/open_model.h"
#include "apps/verify.h"
#include "kernels/models.h"

enum {
    KEY_SEEDS = 256,
    KEY_SEED,
    SEEDS_MAX = 64,
    THREADS_MAX = 1024,
    BATCH_MAX = 65536,
    BATCH_DEFAULT = 4
};

typedef struct {
    ech_verify_options options;
    const char *model, *input; /* without a file; NULL: not asked for */
    uint32_t batch;            /* 0: the file's */
    int64_t seed;              /* -1: the file's */
    char **files;
    int file_count;
} arguments;

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case 'm':
        given->model = text;
        return 0;
    case 'i':
        given->input = text;
        return 0;
    case 'b':
        given->batch = (uint32_t)ech_argument_number(state, "batch", text, 1, BATCH_MAX);
        return 0;
    case KEY_SEED:
        given->seed = ech_argument_number(state, "seed", text, 0, INT64_MAX);
        return 0;
    case 'e':
        given->options.engine = ech_argument_engine(state, text);
        return 0;
    case 't':
        given->options.threads =
            (uint32_t)ech_argument_number(state, "threads", text, 1, THREADS_MAX);
        return 0;
    case KEY_SEEDS:
        given->options.seeds = (uint32_t)ech_argument_number(state, "seeds", text, 0, SEEDS_MAX);
        return 0;
    case 'q':
        given->options.quiet = true;
        return 0;
    case ARGP_KEY_ARGS:
        given->files = state->argv + state->next;
        given->file_count = state->argc - state->next;
        return 0;
    case ARGP_KEY_END:
        if (given->file_count == 0 && given->model == NULL) {
            argp_error(state, "no golden file given, and no --model");
        }
        if (given->input != NULL && given->model == NULL) {
            argp_error(state, "--input belongs to --model: a golden file has its own");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"engine", 'e', "NAME", 0, "auto (default), lanes, blocked, blas or reference", 0},
    {"threads", 't', "N", 0, "threads (1)", 0},
    {"batch", 'b', "N", 0, "samples in the second and third judgement (the file's; 4)", 0},
    {"seed", KEY_SEED, "N", 0, "seed of the second judgement (the file's; 0)", 0},
    {"seeds", KEY_SEEDS, "N", 0, "seeds of the third judgement, from 0 on (7); 0: without it", 0},
    {"model", 'm', "NAME", 0, "also a model without a file: a name, or a model's file", 0},
    {"input", 'i', "C,H,W", 0, "shape of its images (the model's own)", 0},
    {"quiet", 'q', NULL, 0, "no line for each step", 0},
    {0},
};

static const struct argp parser = {
    .options = option_table,
    .parser = parse,
    .args_doc = "[GOLDEN.h5...]",
    .doc = "Verify the kernels against golden files: the double reference against the file, the "
           "engine step by step against the reference (also with another seed and a larger batch), "
           "and the whole network.",
};

/* The judgements that need no file. */
static ech_status verify_engine(const ech_verify_case *subject, bool *passed)
{
    bool steps = false, whole = true;
    ech_status status = ech_verify_steps(subject, &steps);
    if (status == ECH_OK && subject->options->seeds > 0) {
        status = ech_verify_network(subject, &whole);
    }
    *passed = steps && whole;
    return status;
}

static void print_head(const char *what, const ech_verify_case *subject)
{
    const ech_shape *input = &subject->network->input;
    printf("%s: %s, batch %u of %ux%ux%u, %u classes, seed %llu, engine %s\n", what,
           subject->network->name, subject->batch, input->channels, input->height, input->width,
           subject->network->classes, (unsigned long long)subject->seed,
           ech_engine_choice_name(subject->options->engine));
}

static ech_status verify_golden(const char *path, const ech_golden *golden, const arguments *given,
                                bool *passed)
{
    const ech_shape input = {golden->channels, golden->height, golden->width};
    ech_network *network = NULL;
    bool reference = false, engine = false;
    ech_status status = ech_model_create(golden->model, &input, golden->classes, &network);
    if (status == ECH_OK) {
        ech_verify_case subject = {network, golden->batch, golden->seed, &given->options};
        print_head(path, &subject);
        status = ech_verify_reference(&subject, golden, &reference);
        subject.batch = given->batch > 0 ? given->batch : golden->batch;
        subject.seed = given->seed >= 0 ? (uint64_t)given->seed : golden->seed;
        if (status == ECH_OK) {
            status = verify_engine(&subject, &engine);
        }
    }
    ech_network_destroy(&network);
    *passed = reference && engine;
    return status;
}

static ech_status verify_file(const char *path, const arguments *given, bool *passed)
{
    ech_golden *golden = NULL;
    ech_status status = ech_golden_read(path, &golden);
    if (status == ECH_OK) {
        status = verify_golden(path, golden, given, passed);
    }
    ech_golden_destroy(&golden);
    return status;
}

static ech_status verify_model(const arguments *given, bool *passed)
{
    ech_network *network = NULL;
    ech_status status = ech_open_model(given->model, given->input, 0, &network);
    if (status == ECH_OK) {
        const ech_verify_case subject = {network, given->batch > 0 ? given->batch : BATCH_DEFAULT,
                                         given->seed >= 0 ? (uint64_t)given->seed : 0,
                                         &given->options};
        print_head(given->model, &subject);
        status = verify_engine(&subject, passed);
    }
    ech_network_destroy(&network);
    return status;
}

int ech_cmd_verify(int argc, char **argv)
{
    arguments given = {.options = {.threads = 1, .seeds = 7}, .seed = -1};
    argp_parse(&parser, argc, argv, 0, NULL, &given);
    const int count = given.file_count + (given.model != NULL);
    int failed = 0;
    for (int i = 0; i < count; i++) {
        bool passed = false;
        const ech_status status = i < given.file_count
                                      ? verify_file(given.files[i], &given, &passed)
                                      : verify_model(&given, &passed);
        if (status != ECH_OK) {
            return ech_command_exit_input(status);
        }
        failed += !passed;
        fflush(stdout);
    }
    printf("%d of %d passed\n", count - failed, count);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
