#include <argp.h>
#include <inttypes.h>
#include <stdio.h>

#include "apps/command.h"
#include "apps/data/data.h"
#include "apps/file_argument.h"
#include "runtime/base/json.h"

enum { KEY_SPLIT = 256, KEY_DRAW };

typedef struct {
    ech_file_argument on;
    const char *split;
    const char *picture;
} arguments;

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case KEY_SPLIT:
        given->split = text;
        return 0;
    case KEY_DRAW:
        given->picture = text;
        return 0;
    case ARGP_KEY_END:
        if (given->picture != NULL && given->split == NULL) {
            argp_error(state, "--draw needs --split: whose labels to draw");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"split", KEY_SPLIT, "SPLIT.h5", 0, "show each worker's samples too", 0},
    {"draw", KEY_DRAW, "FILE", 0, "draw each worker's labels too: FILE.svg or FILE.png", 0},
    {0},
};

static const ech_file_command command = {
    .takes = "DATA.h5",
    .options = option_table,
    .parse = parse,
    .doc = "Show a data set: its samples by label and, with a split, by worker and label.",
};

ech_label_counts ech_count_labels(const uint8_t *labels, const uint32_t *indices, uint64_t count)
{
    ech_label_counts counts = {.samples = count};
    for (uint64_t i = 0; i < count; i++) {
        counts.labels[labels[indices != NULL ? indices[i] : i]]++;
    }
    return counts;
}

static ech_label_counts count_worker(const ech_dataset *dataset, const ech_split_file *split,
                                     uint64_t worker)
{
    const uint64_t first = split->offsets[worker];
    return ech_count_labels(ech_dataset_labels(dataset, ECH_DATA_TRAIN), split->indices + first,
                            split->offsets[worker + 1] - first);
}

static ech_label_counts count_part(const ech_dataset *dataset, ech_data_part part)
{
    return ech_count_labels(ech_dataset_labels(dataset, part), NULL,
                            ech_dataset_describe(dataset)->samples[part]);
}

static void print_row(const char *name, const ech_label_counts *counts, uint32_t classes)
{
    printf("%10s %10" PRIu64, name, counts->samples);
    for (uint32_t label = 0; label < classes; label++) {
        printf(" %7" PRIu64, counts->labels[label]);
    }
    printf("\n");
}

static void print_heading(uint32_t classes)
{
    printf("%10s %10s", "", "samples");
    for (uint32_t label = 0; label < classes; label++) {
        printf(" %7u", label);
    }
    printf("  (samples of each label)\n");
}

static void print_text(const char *path, const ech_dataset *dataset, const ech_split_file *split)
{
    const ech_dataset_info *info = ech_dataset_describe(dataset);
    const ech_label_counts train = count_part(dataset, ECH_DATA_TRAIN);
    const ech_label_counts test = count_part(dataset, ECH_DATA_TEST);
    printf("%s: images of %ux%ux%u, %u classes\n", path, info->channels, info->height, info->width,
           info->classes);
    print_heading(info->classes);
    print_row("train", &train, info->classes);
    print_row("test", &test, info->classes);
    for (uint64_t worker = 0; split != NULL && worker < split->workers; worker++) {
        char name[32];
        const ech_label_counts counts = count_worker(dataset, split, worker);
        snprintf(name, sizeof name, "worker %" PRIu64, worker);
        print_row(name, &counts, info->classes);
    }
}

static void write_counts(ech_json *json, const char *key, const ech_label_counts *counts,
                         uint32_t classes)
{
    ech_json_begin_object(json, key);
    ech_json_unsigned(json, "samples", counts->samples);
    ech_json_begin_list(json, "labels");
    for (uint32_t label = 0; label < classes; label++) {
        ech_json_unsigned(json, NULL, counts->labels[label]);
    }
    ech_json_end_list(json);
    ech_json_end_object(json);
}

static ech_status print_json(const char *path, const ech_dataset *dataset,
                             const ech_split_file *split)
{
    const ech_dataset_info *info = ech_dataset_describe(dataset);
    const ech_label_counts train = count_part(dataset, ECH_DATA_TRAIN);
    const ech_label_counts test = count_part(dataset, ECH_DATA_TEST);
    ech_json json = ech_json_writer(stdout);
    ech_json_begin_object(&json, NULL);
    ech_json_text(&json, "file", path);
    ech_json_text(&json, "kind", "data");
    ech_json_unsigned(&json, "channels", info->channels);
    ech_json_unsigned(&json, "height", info->height);
    ech_json_unsigned(&json, "width", info->width);
    ech_json_unsigned(&json, "classes", info->classes);
    write_counts(&json, "train", &train, info->classes);
    write_counts(&json, "test", &test, info->classes);
    if (split != NULL) {
        ech_json_begin_list(&json, "workers");
        for (uint64_t worker = 0; worker < split->workers; worker++) {
            const ech_label_counts counts = count_worker(dataset, split, worker);
            write_counts(&json, NULL, &counts, info->classes);
        }
        ech_json_end_list(&json);
    }
    ech_json_end_object(&json);
    return ech_json_finish(&json);
}

ech_status ech_data_check_split(const char *path, const ech_dataset *dataset,
                                const ech_split_file *split)
{
    const uint64_t samples = ech_dataset_describe(dataset)->samples[ECH_DATA_TRAIN];
    if (split->samples != samples) {
        return ech_fail(ECH_ERR_FORMAT,
                        "the split is of %" PRIu64 " training samples, %s has %" PRIu64,
                        split->samples, path, samples);
    }
    return ECH_OK;
}

ech_status ech_data_print(const char *path, const ech_dataset *dataset, const ech_split_file *split,
                          bool json)
{
    const ech_status fits = split != NULL ? ech_data_check_split(path, dataset, split) : ECH_OK;
    if (fits != ECH_OK) {
        return fits;
    }
    if (json) {
        return print_json(path, dataset, split);
    }
    print_text(path, dataset, split);
    return ECH_OK;
}

static ech_status show(const arguments *given)
{
    ech_io *io = NULL;
    ech_dataset *dataset = NULL;
    ech_split_file split = {0};
    ech_status status = ech_io_create(NULL, &io);
    if (status == ECH_OK) {
        status = ech_dataset_open(io, given->on.file, &dataset);
    }
    if (status == ECH_OK && given->split != NULL) {
        status = ech_split_file_read(io, given->split, &split);
    }
    if (status == ECH_OK) {
        status = ech_data_print(given->on.file, dataset, given->split != NULL ? &split : NULL,
                                given->on.json);
    }
    if (status == ECH_OK && given->picture != NULL) {
        status = ech_data_draw(given->on.file, dataset, &split, given->picture);
    }
    ech_split_file_free(&split);
    ech_dataset_close(&dataset);
    ech_io_destroy(&io);
    return status;
}

int ech_cmd_data_show(int argc, char **argv)
{
    arguments given = {.on = {.what = "a data file"}};
    ech_file_command_parse(&command, argc, argv, &given);
    return ech_command_exit_input(show(&given));
}
