#include <argp.h>
#include <inttypes.h>
#include <stdio.h>

#include "apps/arguments.h"
#include "apps/command.h"
#include "apps/data/data.h"
#include "apps/file_argument.h"
#include "apps/fit/fit_split.h"
#include "apps/options/section.h"
#include "runtime/base/memory.h"

enum { KEY_WORKERS = 256, KEY_SEED, KEY_RULE };
enum { KEY_BYTES = 64, SET_BYTES = 4096, RULES = 9 };

static const char prefix[] = "data.split.";

/* Options that are the keys of `fit`'s data.split, by the table of which they are checked. */
static const char *const rule_keys[RULES] = {"kind",  "samples_alpha", "labels_alpha",
                                             "least", "classes",       "shards",
                                             "sigma", "file",          "dataset"};

typedef struct {
    ech_file_argument on;
    const char *out;
    int64_t workers;
    int64_t seed;
    const char *rule[RULES]; /* as given; NULL: not */
} arguments;

static void check_arguments(const arguments *given, struct argp_state *state)
{
    if (given->out == NULL) {
        argp_error(state, "--out is missing: the file to write");
    } else if (given->workers == 0) {
        argp_error(state, "--workers is missing");
    }
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *given = state->input;
    if (key >= KEY_RULE && key < KEY_RULE + RULES) {
        given->rule[key - KEY_RULE] = text;
        return 0;
    }
    switch (key) {
    case KEY_WORKERS:
        given->workers = ech_argument_number(state, "workers", text, 1, INT32_MAX);
        return 0;
    case KEY_SEED:
        given->seed = ech_argument_number(state, "seed", text, 0, INT64_MAX);
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
    {"workers", KEY_WORKERS, "N", 0, "workers to deal to", 0},
    {"kind", KEY_RULE, "KIND", 0,
     "iid, dirichlet, label, classes, shards, log-normal, ids or file; iid if not given", 0},
    {"samples-alpha", KEY_RULE + 1, "A", 0,
     "dirichlet: the larger, the more equal the workers' numbers of samples (3)", 0},
    {"labels-alpha", KEY_RULE + 2, "A", 0,
     "dirichlet, label: the larger, the more alike the workers' labels (1)", 0},
    {"least", KEY_RULE + 3, "N", 0, "label: samples that each worker has at least (10)", 0},
    {"classes", KEY_RULE + 4, "N", 0, "classes: those of a worker (2)", 0},
    {"shards", KEY_RULE + 5, "N", 0, "shards: those of a worker (2)", 0},
    {"sigma", KEY_RULE + 6, "S", 0, "log-normal: spread of the logarithms of the sizes (1)", 0},
    {"file", KEY_RULE + 7, "FILE.h5", 0, "ids, file: where a number for each sample lies", 0},
    {"dataset", KEY_RULE + 8, "NAME", 0, "ids, file: the dataset of these numbers in it", 0},
    {"seed", KEY_SEED, "S", 0, "where the random numbers come from (1)", 0},
    {"out", 'o', "SPLIT.h5", 0, "file to write; replaced only by a whole one", 0},
    {0},
};

static const ech_file_command command = {
    .takes = "DATA.h5",
    .options = option_table,
    .parse = parse,
    .doc = "Deal a data set's training samples to workers, by the rule and the random numbers of "
           "`echelon fit` with the same seed, and keep the split in a file, for "
           "`split: {kind: file, file: SPLIT.h5, dataset: split/owners}`.",
};

/* ---- the rule ---- */

/* What was given, as `fit` would be told it. */
static ech_status load_rule(const arguments *given, ech_config **out)
{
    char(*texts)[SET_BYTES] = ech_calloc(RULES, sizeof *texts);
    const char *sets[RULES];
    size_t count = 0;
    if (texts == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t i = 0; i < RULES; i++) {
        if (given->rule[i] != NULL) {
            snprintf(texts[count], SET_BYTES, "%s%s=%s", prefix, rule_keys[i], given->rule[i]);
            sets[count] = texts[count];
            count++;
        }
    }
    const ech_status status =
        ech_config_load(NULL, sets, count, &ech_fit_data_section.options, 1, out);
    ech_free(texts);
    return status;
}

static ech_status deal(const arguments *given, const ech_config *config, ech_io *io,
                       const ech_dataset *dataset, ech_split **out)
{
    const ech_dataset_info *info = ech_dataset_describe(dataset);
    const uint64_t samples = info->samples[ECH_DATA_TRAIN];
    if (samples > INT32_MAX) {
        return ech_fail(ECH_ERR_FORMAT, "%s: %" PRIu64 " training samples, at most %d are dealt",
                        given->on.file, samples, INT32_MAX);
    }
    const ech_split_data data = {.labels = ech_dataset_labels(dataset, ECH_DATA_TRAIN),
                                 .sample_count = (uint32_t)samples,
                                 .class_count = info->classes};
    ech_fit_options options = {.seed = (uint64_t)given->seed};
    ech_fit_data_section.read(config, &options);
    return ech_fit_split(&options, io, &data, (uint32_t)given->workers, out);
}

/* ---- the file ---- */

typedef struct {
    char seed[32];
    ech_split_file_parameter items[RULES + 2];
    size_t count;
} parameter_list;

/* Where the split comes from: the data, the seed, and each parameter that the rule has. */
static void list_parameters(const arguments *given, const ech_config *config, parameter_list *list)
{
    snprintf(list->seed, sizeof list->seed, "%" PRId64, given->seed);
    list->items[list->count++] = (ech_split_file_parameter){"data", given->on.file};
    list->items[list->count++] = (ech_split_file_parameter){"seed", list->seed};
    for (size_t i = 0; i < RULES; i++) {
        char key[KEY_BYTES];
        snprintf(key, sizeof key, "%s%s", prefix, rule_keys[i]);
        if (ech_config_has(config, key)) {
            list->items[list->count++] = (ech_split_file_parameter){
                rule_keys[i], ech_yaml_text(ech_config_node(config, key))};
        }
    }
}

static ech_status write_split(ech_io *io, const arguments *given, const ech_config *config,
                              const ech_split *split, uint64_t samples)
{
    parameter_list parameters = {.count = 0};
    list_parameters(given, config, &parameters);
    const ech_split_file_content content = {.workers = split->worker_count,
                                            .offsets = split->offsets,
                                            .indices = split->indices,
                                            .samples = samples,
                                            .parameters = parameters.items,
                                            .parameter_count = parameters.count};
    return ech_split_file_write(io, given->out, &content);
}

static ech_status show_written(ech_io *io, const arguments *given, const ech_dataset *dataset)
{
    ech_split_file written = {0};
    ech_status status = ech_split_file_read(io, given->out, &written);
    if (status == ECH_OK) {
        status = ech_data_print(given->on.file, dataset, &written, given->on.json);
    }
    ech_split_file_free(&written);
    return status;
}

static ech_status split_data(const arguments *given)
{
    ech_io *io = NULL;
    ech_dataset *dataset = NULL;
    ech_split *split = NULL;
    ech_config *config = NULL;
    ech_status status = load_rule(given, &config);
    if (status == ECH_OK) {
        status = ech_io_create(NULL, &io);
    }
    if (status == ECH_OK) {
        status = ech_dataset_open(io, given->on.file, &dataset);
    }
    if (status == ECH_OK) {
        status = deal(given, config, io, dataset, &split);
    }
    if (status == ECH_OK) {
        status = write_split(io, given, config, split,
                             ech_dataset_describe(dataset)->samples[ECH_DATA_TRAIN]);
    }
    if (status == ECH_OK) {
        status = show_written(io, given, dataset);
    }
    ech_split_destroy(&split);
    ech_dataset_close(&dataset);
    ech_io_destroy(&io);
    ech_config_destroy(&config);
    return status;
}

int ech_cmd_data_split(int argc, char **argv)
{
    arguments given = {.on = {.what = "a data file"}, .seed = 1};
    ech_file_command_parse(&command, argc, argv, &given);
    return ech_command_exit_input(split_data(&given));
}
