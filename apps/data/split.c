#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "apps/command.h"
#include "apps/data/data.h"
#include "runtime/base/text.h"
#include "runtime/fed/split.h"

enum {
    KEY_WORKERS = 256,
    KEY_KIND,
    KEY_SAMPLES_ALPHA,
    KEY_LABELS_ALPHA,
    KEY_SEED,
    KEY_OUT,
    KEY_JSON
};
enum { NUMBER_BYTES = 32, PARAMETERS = 5 };

typedef struct {
    const char *file;
    const char *out;
    const char *kind;
    int64_t workers;
    int64_t seed;
    double samples_alpha;
    double labels_alpha;
    bool alphas_given;
    bool json;
} arguments;

static void take_alpha(const char *text, double *alpha, arguments *given, struct argp_state *state)
{
    given->alphas_given = true;
    if (!ech_text_read_real(text, alpha) || *alpha <= 0) {
        argp_error(state, "%s: expected a number above 0", text);
    }
}

static void check_arguments(const arguments *given, struct argp_state *state)
{
    const bool dirichlet = strcmp(given->kind, "dirichlet") == 0;
    if (given->file == NULL) {
        argp_error(state, "expected a data file");
    } else if (given->out == NULL) {
        argp_error(state, "--out is missing: the file to write");
    } else if (given->workers == 0) {
        argp_error(state, "--workers is missing");
    } else if (!dirichlet && strcmp(given->kind, "iid") != 0) {
        argp_error(state, "--kind %s: expected iid or dirichlet", given->kind);
    } else if (given->alphas_given && !dirichlet) {
        argp_error(state, "--samples-alpha and --labels-alpha belong to --kind dirichlet");
    }
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case KEY_WORKERS:
        if (!ech_text_read_integer(text, &given->workers) || given->workers < 1 ||
            given->workers > INT32_MAX) {
            argp_error(state, "%s: expected a number of workers from 1 to %d", text, INT32_MAX);
        }
        return 0;
    case KEY_KIND:
        given->kind = text;
        return 0;
    case KEY_SAMPLES_ALPHA:
        take_alpha(text, &given->samples_alpha, given, state);
        return 0;
    case KEY_LABELS_ALPHA:
        take_alpha(text, &given->labels_alpha, given, state);
        return 0;
    case KEY_SEED:
        if (!ech_text_read_integer(text, &given->seed) || given->seed < 0) {
            argp_error(state, "%s: expected a whole number from 0 on", text);
        }
        return 0;
    case KEY_OUT:
        given->out = text;
        return 0;
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
        check_arguments(given, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"workers", KEY_WORKERS, "N", 0, "workers to deal to", 0},
    {"kind", KEY_KIND, "iid|dirichlet", 0, "rule; iid if not given", 0},
    {"samples-alpha", KEY_SAMPLES_ALPHA, "A", 0,
     "dirichlet: the larger, the more equal the "
     "workers' numbers of samples (3)",
     0},
    {"labels-alpha", KEY_LABELS_ALPHA, "A", 0,
     "dirichlet: the larger, the more alike the "
     "workers' labels (1)",
     0},
    {"seed", KEY_SEED, "S", 0, "where the random numbers come from (1)", 0},
    {"out", KEY_OUT, "SPLIT.h5", 0, "file to write; replaced only by a whole one", 0},
    {"json", KEY_JSON, NULL, 0, "print the workers' samples as one JSON object", 0},
    {0},
};

static const struct argp parser = {
    .options = option_table,
    .parser = parse,
    .args_doc = "DATA.h5",
    .doc = "Deal a data set's training samples to workers, by the rule and the random numbers of "
           "`echelon fit` with the same seed, and keep the split in a file, for "
           "`split: {kind: file, file: SPLIT.h5, dataset: split/owners}`.",
};

static ech_status deal(const arguments *given, const ech_dataset *dataset, ech_split **out)
{
    const ech_dataset_info *info = ech_dataset_describe(dataset);
    const uint64_t samples = info->samples[ECH_DATA_TRAIN];
    if (samples > INT32_MAX) {
        return ech_fail(ECH_ERR_FORMAT, "%s: %" PRIu64 " training samples, at most %d are dealt",
                        given->file, samples, INT32_MAX);
    }
    const ech_split_data data = {.labels = ech_dataset_labels(dataset, ECH_DATA_TRAIN),
                                 .sample_count = (uint32_t)samples,
                                 .class_count = info->classes};
    const uint32_t workers = (uint32_t)given->workers;
    const uint64_t seed = (uint64_t)given->seed;
    return strcmp(given->kind, "iid") == 0
               ? ech_split_iid(&data, workers, seed, out)
               : ech_split_dirichlet(&data, workers, given->samples_alpha, given->labels_alpha,
                                     seed, out);
}

static ech_status write_split(ech_io *io, const arguments *given, const ech_split *split,
                              uint64_t samples)
{
    char seed[NUMBER_BYTES];
    char samples_alpha[NUMBER_BYTES];
    char labels_alpha[NUMBER_BYTES];
    snprintf(seed, sizeof seed, "%" PRId64, given->seed);
    snprintf(samples_alpha, sizeof samples_alpha, "%.17g", given->samples_alpha);
    snprintf(labels_alpha, sizeof labels_alpha, "%.17g", given->labels_alpha);
    const ech_split_file_parameter parameters[PARAMETERS] = {{"data", given->file},
                                                             {"kind", given->kind},
                                                             {"seed", seed},
                                                             {"samples_alpha", samples_alpha},
                                                             {"labels_alpha", labels_alpha}};
    const ech_split_file_content content = {
        .workers = split->worker_count,
        .offsets = split->offsets,
        .indices = split->indices,
        .samples = samples,
        .parameters = parameters,
        .parameter_count = strcmp(given->kind, "iid") == 0 ? PARAMETERS - 2 : PARAMETERS};
    return ech_split_file_write(io, given->out, &content);
}

static ech_status show_written(ech_io *io, const arguments *given, const ech_dataset *dataset)
{
    ech_split_file written = {0};
    ech_status status = ech_split_file_read(io, given->out, &written);
    if (status == ECH_OK) {
        status = ech_data_print(given->file, dataset, &written, given->json);
    }
    ech_split_file_free(&written);
    return status;
}

static ech_status split_data(const arguments *given)
{
    ech_io *io = NULL;
    ech_dataset *dataset = NULL;
    ech_split *split = NULL;
    ech_status status = ech_io_create(NULL, &io);
    if (status == ECH_OK) {
        status = ech_dataset_open(io, given->file, &dataset);
    }
    if (status == ECH_OK) {
        status = deal(given, dataset, &split);
    }
    if (status == ECH_OK) {
        status =
            write_split(io, given, split, ech_dataset_describe(dataset)->samples[ECH_DATA_TRAIN]);
    }
    if (status == ECH_OK) {
        status = show_written(io, given, dataset);
    }
    ech_split_destroy(&split);
    ech_dataset_close(&dataset);
    ech_io_destroy(&io);
    return status;
}

int ech_cmd_data_split(int argc, char **argv)
{
    arguments given = {.kind = "iid", .seed = 1, .samples_alpha = 3.0, .labels_alpha = 1.0};
    argp_parse(&parser, argc, argv, 0, NULL, &given);
    return ech_command_exit_input(split_data(&given));
}
