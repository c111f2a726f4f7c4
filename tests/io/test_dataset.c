#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/dataset.h"
#include "tests/io/fixture.h"

enum {
    TRAIN = 50,
    TEST = 7,
    CHANNELS = 2,
    HEIGHT = 3,
    WIDTH = 5,
    PIXELS = CHANNELS * HEIGHT * WIDTH
};

static uint8_t train_images[TRAIN * PIXELS];
static uint8_t test_images[TEST * PIXELS];
static uint8_t train_labels[TRAIN];
static uint8_t test_labels[TEST];
static ech_dataset_content content;

static void start(void)
{
    fixture_start();
    for (size_t i = 0; i < sizeof train_images; i++) {
        train_images[i] = (uint8_t)(i * 31 + 7);
    }
    for (size_t i = 0; i < sizeof test_images; i++) {
        test_images[i] = (uint8_t)(i * 17 + 3);
    }
    for (size_t i = 0; i < TRAIN; i++) {
        train_labels[i] = (uint8_t)(i % 4);
    }
    for (size_t i = 0; i < TEST; i++) {
        test_labels[i] = (uint8_t)(i % 3);
    }
    content = (ech_dataset_content){
        .parts = {{TRAIN, train_images, train_labels}, {TEST, test_images, test_labels}},
        .channels = CHANNELS,
        .height = HEIGHT,
        .width = WIDTH,
        .classes = 4,
        .source = "a formula"};
}

TestSuite(dataset, .init = start, .fini = fixture_stop);

static ech_dataset *open_good(const char *path)
{
    ech_dataset *dataset = NULL;
    cr_assert_eq(ech_dataset_open(fixture_io, path, &dataset), ECH_OK, "%s", ech_status_message());
    return dataset;
}

static void expect_refused(const char *path, const char *message)
{
    ech_dataset *dataset = NULL;
    cr_expect_eq(ech_dataset_open(fixture_io, path, &dataset), ECH_ERR_FORMAT, "%s: opened", path);
    cr_expect_null(dataset);
    fixture_expect_message(message);
    fixture_expect_message(path);
}

static void expect_content(ech_dataset *dataset)
{
    const ech_dataset_info *info = ech_dataset_describe(dataset);
    cr_expect_eq(info->samples[ECH_DATA_TRAIN], TRAIN);
    cr_expect_eq(info->samples[ECH_DATA_TEST], TEST);
    cr_expect_eq(info->channels, CHANNELS);
    cr_expect_eq(info->height, HEIGHT);
    cr_expect_eq(info->width, WIDTH);
    cr_expect_eq(info->classes, 4);
    cr_expect_arr_eq(ech_dataset_labels(dataset, ECH_DATA_TRAIN), train_labels, TRAIN);
    cr_expect_arr_eq(ech_dataset_labels(dataset, ECH_DATA_TEST), test_labels, TEST);
    uint8_t pixels[TRAIN * PIXELS];
    cr_assert_eq(ech_dataset_read_images(dataset, ECH_DATA_TRAIN, 0, TRAIN, pixels), ECH_OK, "%s",
                 ech_status_message());
    cr_expect_arr_eq(pixels, train_images, sizeof train_images);
    cr_assert_eq(ech_dataset_read_images(dataset, ECH_DATA_TEST, 2, 3, pixels), ECH_OK);
    cr_expect_arr_eq(pixels, test_images + 2 * PIXELS, 3 * PIXELS);
    cr_expect_eq(ech_dataset_read_images(dataset, ECH_DATA_TEST, 5, 3, pixels), ECH_ERR_ARGUMENT);
}

Test(dataset, what_was_written_is_read)
{
    const char *path = fixture_path("data.h5");
    cr_assert_eq(ech_dataset_write(fixture_io, path, &content), ECH_OK, "%s", ech_status_message());
    ech_dataset *dataset = open_good(path);
    expect_content(dataset);
    ech_dataset_close(&dataset);
    cr_expect_null(dataset);
    struct stat file;
    cr_assert_eq(stat(path, &file), 0);
    cr_expect_eq(file.st_mode & 0777, 0600);
    cr_expect_eq(ech_test_count_entries(fixture_folder), 1, "a temporary file stays");
}

Test(dataset, a_part_may_be_missing)
{
    const char *path = fixture_path("data.h5");
    content.parts[ECH_DATA_TEST] = (ech_dataset_part){0};
    cr_assert_eq(ech_dataset_write(fixture_io, path, &content), ECH_OK);
    ech_dataset *dataset = open_good(path);
    cr_expect_eq(ech_dataset_describe(dataset)->samples[ECH_DATA_TEST], 0);
    cr_expect_null(ech_dataset_labels(dataset, ECH_DATA_TEST));
    ech_dataset_close(&dataset);
}

Test(dataset, a_label_beyond_the_classes_is_not_written)
{
    content.classes = 3;
    cr_expect_eq(ech_dataset_write(fixture_io, fixture_path("data.h5"), &content),
                 ECH_ERR_ARGUMENT);
    cr_expect_eq(ech_test_count_entries(fixture_folder), 0);
}

Test(dataset, a_folder_that_is_not_there)
{
    cr_expect_eq(ech_dataset_write(fixture_io, fixture_path("none/data.h5"), &content),
                 ECH_ERR_FILE);
    fixture_expect_message("none: No such file or directory");
}

Test(dataset, a_failed_write_leaves_the_old_file)
{
    const char *path = fixture_path("data.h5");
    cr_assert_eq(ech_dataset_write(fixture_io, path, &content), ECH_OK);
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t bytes = 0; bytes < 4096; bytes += 256) {
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, limit.rlim_max}), 0);
        const ech_status status = ech_dataset_write(fixture_io, path, &content);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        cr_expect(status == ECH_ERR_FILE, "%zu bytes: status %d", (size_t)bytes, (int)status);
        fixture_expect_message("data.h5: cannot");
        fixture_expect_message("File too large");
        cr_expect_eq(ech_test_count_entries(fixture_folder), 1, "a temporary file stays");
    }
    ech_dataset *dataset = open_good(path);
    expect_content(dataset);
    ech_dataset_close(&dataset);
}

Test(dataset, flipped_bits_and_cuts_are_found)
{
    const char *path = fixture_path("data.h5");
    content.source = NULL;
    content.parts[ECH_DATA_TRAIN].count = 2;
    content.parts[ECH_DATA_TEST] = (ech_dataset_part){0};
    cr_assert_eq(ech_dataset_write(fixture_io, path, &content), ECH_OK);
    struct stat file;
    cr_assert_eq(stat(path, &file), 0);
    ech_dataset *dataset = NULL;
    for (size_t i = 0; i < (size_t)file.st_size; i += 5) {
        fixture_flip(path, i, i % 8);
        cr_assert_eq(ech_dataset_open(fixture_io, path, &dataset), ECH_ERR_FORMAT, "byte %zu", i);
        fixture_flip(path, i, i % 8);
    }
    dataset = open_good(path);
    ech_dataset_close(&dataset);
    for (off_t length = file.st_size - 1; length >= 0; length -= 61) {
        cr_assert_eq(truncate(path, length), 0);
        cr_assert_eq(ech_dataset_open(fixture_io, path, &dataset), ECH_ERR_FORMAT, "cut to %zu",
                     (size_t)length);
    }
    fixture_expect_message("bytes long, an HDF5 file was expected");
}

static const hsize_t train_shape[] = {TRAIN, CHANNELS, HEIGHT, WIDTH};
static const hsize_t test_shape[] = {TEST, CHANNELS, HEIGHT, WIDTH};

static void add_foreign_parts(const char *path)
{
    int64_t wide[TRAIN];
    for (int i = 0; i < TRAIN; i++) {
        wide[i] = train_labels[i];
    }
    fixture_add_foreign(path, "/train/images", H5T_NATIVE_UINT8, 4, train_shape, train_images);
    fixture_add_foreign(path, "/train/labels", H5T_NATIVE_INT64, 1, train_shape, wide);
}

Test(dataset, a_file_of_others_is_read_by_a_child)
{
    const char *path = fixture_path("foreign.h5");
    fixture_add_foreign(path, "/train/images", H5T_NATIVE_UINT8, 4, train_shape, train_images);
    int32_t wide[TRAIN];
    for (int i = 0; i < TRAIN; i++) {
        wide[i] = train_labels[i];
    }
    fixture_add_foreign(path, "/train/labels", H5T_NATIVE_INT32, 1, train_shape, wide);
    fixture_add_foreign(path, "/test/images", H5T_NATIVE_UINT8, 4, test_shape, test_images);
    fixture_add_foreign(path, "/test/labels", H5T_NATIVE_UINT8, 1, test_shape, test_labels);
    ech_dataset *dataset = open_good(path);
    expect_content(dataset);
    ech_dataset_close(&dataset);
}

Test(dataset, labels_of_others_are_checked)
{
    const char *path = fixture_path("foreign.h5");
    int32_t wide[TRAIN] = {0, 1, 2, -1};
    fixture_add_foreign(path, "/train/images", H5T_NATIVE_UINT8, 4, train_shape, train_images);
    expect_refused(path, "dataset /train/labels: one integer for each image was expected");
    fixture_add_foreign(path, "/train/labels", H5T_NATIVE_INT32, 1, train_shape, wide);
    expect_refused(path, "label -1 of sample 3: 0 to 255 was expected");
}

Test(dataset, a_test_label_that_no_training_sample_has_is_refused)
{
    const char *path = fixture_path("foreign.h5");
    add_foreign_parts(path);
    test_labels[6] = 9;
    fixture_add_foreign(path, "/test/images", H5T_NATIVE_UINT8, 4, test_shape, test_images);
    fixture_add_foreign(path, "/test/labels", H5T_NATIVE_UINT8, 1, test_shape, test_labels);
    expect_refused(path, "label 9 of sample 6: below the number of classes, 4, was expected");
}

Test(dataset, shapes_of_others_are_checked)
{
    const char *path = fixture_path("flat.h5");
    fixture_add_foreign(path, "/train/images", H5T_NATIVE_UINT8, 3, train_shape, train_images);
    expect_refused(path, "uint8 [samples, channels, height, width] was expected");
    path = fixture_path("real.h5");
    static const float reals[TRAIN * PIXELS];
    fixture_add_foreign(path, "/train/images", H5T_NATIVE_FLOAT, 4, train_shape, reals);
    expect_refused(path, "uint8 [samples, channels, height, width] was expected");
    path = fixture_path("none.h5");
    fixture_add_foreign(path, "/images", H5T_NATIVE_UINT8, 4, train_shape, train_images);
    expect_refused(path, "dataset /train/images: uint8");
    path = fixture_path("sizes.h5");
    const hsize_t other[] = {TEST, CHANNELS, WIDTH, HEIGHT};
    add_foreign_parts(path);
    fixture_add_foreign(path, "/test/images", H5T_NATIVE_UINT8, 4, other, test_images);
    expect_refused(path, "images of the same size as in /train/images was expected");
}

static ech_status add_unwritten(void *argument)
{
    const char *path = argument;
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    const hsize_t shape[] = {(hsize_t)1 << 40, 1, 28, 28};
    const hsize_t chunk[] = {64, 1, 28, 28};
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(properties, 4, chunk);
    hid_t space = H5Screate_simple(4, shape, NULL);
    hid_t dataset = H5Dcreate2(file, "/train/images", H5T_NATIVE_UINT8, space, H5P_DEFAULT,
                               properties, H5P_DEFAULT);
    const bool made = dataset >= 0;
    ech_h5_close(&dataset);
    ech_h5_close(&space);
    ech_h5_close(&properties);
    ech_h5_close(&file);
    return made ? ECH_OK : ECH_ERR_HDF5;
}

Test(dataset, a_size_that_is_only_promised_asks_for_no_memory)
{
    char path[2 * ECH_TEST_PATH_BYTES];
    snprintf(path, sizeof path, "%s", fixture_path("foreign.h5"));
    fixture_add_foreign(path, "/train/labels", H5T_NATIVE_UINT8, 1, train_shape, train_labels);
    cr_assert_eq(ech_io_run(fixture_io, add_unwritten, path), ECH_OK);
    expect_refused(path, "promises more elements than the file holds");
}

Test(dataset, not_hdf5_at_all)
{
    char text[2000];
    memset(text, 'x', sizeof text);
    fixture_store(fixture_path("text"), text, sizeof text);
    expect_refused(fixture_path("text"), "neither Echelon's seal nor HDF5's signature");
    fixture_store(fixture_path("short"), text, 10);
    expect_refused(fixture_path("short"), "10 bytes long, an HDF5 file was expected");
    ech_dataset *dataset = NULL;
    cr_expect_eq(ech_dataset_open(fixture_io, fixture_path("nothing"), &dataset), ECH_ERR_FILE);
    fixture_expect_message("nothing: cannot open: No such file");
}

Test(dataset, a_reader_that_crashes_makes_the_file_bad)
{
    const char *path = fixture_path("foreign.h5");
    add_foreign_parts(path);
    cr_assert_eq(setenv("ECH_TEST_READER", "crash", 1), 0);
    expect_refused(path, "damaged: HDF5 crashed on it (signal 11");
    cr_assert_eq(unsetenv("ECH_TEST_READER"), 0);
    ech_dataset *dataset = open_good(path);
    ech_dataset_close(&dataset);
}

Test(dataset, a_reader_that_hangs_is_ended)
{
    const ech_io_options options = {.reader_program = ECH_BUILD_DIR "/tests/io_reader",
                                    .reader_timeout_seconds = 0.5};
    ech_io_destroy(&fixture_io);
    cr_assert_eq(ech_io_create(&options, &fixture_io), ECH_OK);
    const char *path = fixture_path("foreign.h5");
    add_foreign_parts(path);
    cr_assert_eq(setenv("ECH_TEST_READER", "hang", 1), 0);
    expect_refused(path, "damaged: HDF5 gave no answer in 0.5 s");
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "the child is still there");
}

static void open_with_reader(const char *program)
{
    ech_io_destroy(&fixture_io);
    const ech_io_options options = {.reader_program = program};
    cr_assert_eq(ech_io_create(&options, &fixture_io), ECH_OK);
    const char *path = fixture_path("foreign.h5");
    add_foreign_parts(path);
    ech_dataset *dataset = NULL;
    cr_expect_eq(ech_dataset_open(fixture_io, path, &dataset), ECH_ERR_SYSTEM);
}

Test(dataset, a_reader_that_cannot_be_started)
{
    open_with_reader("/nowhere/reader");
    fixture_expect_message("cannot start its reader /nowhere/reader: No such file");
}

/* As a loader's that misses a library. */
Test(dataset, a_reader_that_ends_before_it_is_one)
{
    char program[ECH_TEST_PATH_BYTES];
    ech_test_write_text(fixture_folder, "reader", "#!/bin/sh\nexec /nowhere/reader\n", program);
    cr_assert_eq(chmod(program, S_IRWXU), 0);
    open_with_reader(program);
    fixture_expect_message("foreign.h5: cannot start its reader /");
    fixture_expect_message("/reader: exit code 127");
}
