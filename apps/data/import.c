#include <argp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apps/arguments.h"
#include "apps/command.h"
#include "apps/data/data.h"
#include "io/import.h"

enum {
    KEY_TRAIN_IMAGES = 256,
    KEY_TRAIN_LABELS,
    KEY_TEST_IMAGES,
    KEY_TEST_LABELS,
};
enum { IDX_FILES = 4, CIFAR_BATCHES = 5, CIFAR_FILES = CIFAR_BATCHES + 1, PATH_BYTES = 4096 };

static const char *const idx_names[IDX_FILES] = {
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte"};

typedef struct {
    const char *format;
    const char *folder;
    const char *files[IDX_FILES]; /* images and labels of train, of test */
    const char *out;
    bool json;
} arguments;

static void check_arguments(const arguments *given, struct argp_state *state)
{
    const bool idx = given->format != NULL && strcmp(given->format, "idx") == 0;
    const bool files = given->files[0] != NULL || given->files[1] != NULL ||
                       given->files[2] != NULL || given->files[3] != NULL;
    if (given->format == NULL || (!idx && strcmp(given->format, "cifar10") != 0)) {
        argp_error(state, "expected a format: idx or cifar10");
    } else if (given->out == NULL) {
        argp_error(state, "--out is missing: the file to write");
    } else if (files && !idx) {
        argp_error(state, "single files belong to idx");
    } else if (files == (given->folder != NULL)) {
        argp_error(state, "expected either a folder or single files");
    } else if (files && (given->files[0] == NULL || given->files[1] == NULL ||
                         (given->files[2] == NULL) != (given->files[3] == NULL))) {
        argp_error(state, "expected both images and labels, of the training samples at least");
    }
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case KEY_TRAIN_IMAGES:
    case KEY_TRAIN_LABELS:
    case KEY_TEST_IMAGES:
    case KEY_TEST_LABELS:
        given->files[key - KEY_TRAIN_IMAGES] = text;
        return 0;
    case 'o':
        given->out = text;
        return 0;
    case 'j':
        given->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0) {
            given->format = text;
        } else {
            ech_argument_keep(state, "folder", &given->folder, text);
        }
        return 0;
    case ARGP_KEY_END:
        check_arguments(given, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"out", 'o', "FILE.h5", 0, "file to write; replaced only by a whole one", 0},
    {"train-images", KEY_TRAIN_IMAGES, "FILE", 0, "idx: instead of a folder, plain or gzip", 0},
    {"train-labels", KEY_TRAIN_LABELS, "FILE", 0, "idx", 0},
    {"test-images", KEY_TEST_IMAGES, "FILE", 0, "idx; may be left out, with its labels", 0},
    {"test-labels", KEY_TEST_LABELS, "FILE", 0, "idx", 0},
    {"json", 'j', NULL, 0, "print what was imported as one JSON object", 0},
    {0},
};

static const struct argp parser = {
    .options = option_table,
    .parser = parse,
    .args_doc = "idx|cifar10 FOLDER",
    .doc = "Import a published data set into one HDF5 file. A folder holds the files under the "
           "names they are published with: train-images-idx3-ubyte and so on (idx), "
           "data_batch_1.bin to _5.bin and test_batch.bin (cifar10).",
};

typedef struct {
    ech_import parts[ECH_DATA_PART_COUNT];
} imported;

static ech_status import_idx_files(const char *const files[IDX_FILES], imported *out)
{
    ech_status status = ech_import_idx(files[0], files[1], &out->parts[ECH_DATA_TRAIN]);
    if (status == ECH_OK && files[2] != NULL) {
        status = ech_import_idx(files[2], files[3], &out->parts[ECH_DATA_TEST]);
    }
    return status;
}

/* Published names end in .gz; unpacked ones do not. */
static void find_idx(const char *folder, const char *name, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s.gz", folder, name);
    if (access(path, F_OK) != 0) {
        snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    }
}

static ech_status import_idx_folder(const char *folder, imported *out)
{
    char paths[IDX_FILES][PATH_BYTES];
    const char *files[IDX_FILES];
    for (int i = 0; i < IDX_FILES; i++) {
        find_idx(folder, idx_names[i], paths[i]);
        files[i] = paths[i];
    }
    return import_idx_files(files, out);
}

static ech_status import_cifar10_folder(const char *folder, imported *out)
{
    char paths[CIFAR_FILES][PATH_BYTES];
    const char *files[CIFAR_FILES];
    for (int i = 0; i < CIFAR_BATCHES; i++) {
        snprintf(paths[i], PATH_BYTES, "%s/data_batch_%d.bin", folder, i + 1);
        files[i] = paths[i];
    }
    snprintf(paths[CIFAR_BATCHES], PATH_BYTES, "%s/test_batch.bin", folder);
    files[CIFAR_BATCHES] = paths[CIFAR_BATCHES];
    const ech_status status = ech_import_cifar10(files, CIFAR_BATCHES, &out->parts[ECH_DATA_TRAIN]);
    return status == ECH_OK
               ? ech_import_cifar10(&files[CIFAR_BATCHES], 1, &out->parts[ECH_DATA_TEST])
               : status;
}

static ech_status read_all(const arguments *given, imported *out)
{
    if (given->folder == NULL) {
        return import_idx_files(given->files, out);
    }
    return strcmp(given->format, "idx") == 0 ? import_idx_folder(given->folder, out)
                                             : import_cifar10_folder(given->folder, out);
}

static ech_status check_parts(const imported *in)
{
    const ech_import *train = &in->parts[ECH_DATA_TRAIN];
    const ech_import *test = &in->parts[ECH_DATA_TEST];
    if (test->count > 0 && (test->height != train->height || test->width != train->width)) {
        return ech_fail(ECH_ERR_FORMAT,
                        "test images have %ux%u pixels, %ux%u were expected, as in training",
                        test->height, test->width, train->height, train->width);
    }
    if (test->classes > train->classes) {
        return ech_fail(ECH_ERR_FORMAT,
                        "a test sample has the label %u, that of a training sample was expected "
                        "(0 to %u)",
                        test->classes - 1, train->classes - 1);
    }
    return ECH_OK;
}

static ech_status write_file(ech_io *io, const arguments *given, const imported *in)
{
    const ech_import *train = &in->parts[ECH_DATA_TRAIN];
    ech_dataset_content content = {
        .channels = train->channels,
        .height = train->height,
        .width = train->width,
        .classes = train->classes,
        .source = given->folder != NULL ? given->folder : given->files[0],
    };
    for (ech_data_part part = 0; part < ECH_DATA_PART_COUNT; part++) {
        const ech_import *samples = &in->parts[part];
        content.parts[part] = (ech_dataset_part){samples->count, samples->images, samples->labels};
    }
    return ech_dataset_write(io, given->out, &content);
}

static ech_status show_written(ech_io *io, const arguments *given)
{
    ech_dataset *dataset = NULL;
    ech_status status = ech_dataset_open(io, given->out, &dataset);
    if (status == ECH_OK) {
        status = ech_data_print(given->out, dataset, NULL, given->json);
    }
    ech_dataset_close(&dataset);
    return status;
}

static ech_status import(const arguments *given, imported *in)
{
    ech_io *io = NULL;
    ech_status status = read_all(given, in);
    if (status == ECH_OK) {
        status = check_parts(in);
    }
    if (status == ECH_OK) {
        status = ech_io_create(NULL, &io);
    }
    if (status == ECH_OK) {
        status = write_file(io, given, in);
    }
    if (status == ECH_OK) {
        status = show_written(io, given);
    }
    ech_io_destroy(&io);
    return status;
}

int ech_cmd_data_import(int argc, char **argv)
{
    arguments given = {0};
    argp_parse(&parser, argc, argv, 0, NULL, &given);
    imported in = {0};
    const ech_status status = import(&given, &in);
    for (ech_data_part part = 0; part < ECH_DATA_PART_COUNT; part++) {
        ech_import_free(&in.parts[part]);
    }
    return ech_command_exit_input(status);
}
