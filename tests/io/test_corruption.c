/* Random damage to each kind of file: found or harmless, never a crash, a hang or another content.
 * ECH_TEST_COPIES=1000 damages files that a child reads as often as the others. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "io/checkpoint.h"
#include "io/dataset.h"
#include "io/golden.h"
#include "io/import.h"
#include "io/memo_file.h"
#include "io/record.h"
#include "io/split_file.h"
#include "runtime/base/random.h"
#include "tests/io/fixture.h"
#include "tests/io/shards_fixture.h"

enum {
    COPIES = 1000,
    COPIES_IN_CHILD = 150, /* each starts a process */
    SAMPLES = 300,
    PIXELS = 49,
    VALUES = 900,
    ROWS = 200,
    RESULTS = 20,
    CIFAR10_RECORD_BYTES = 3073,
};

static uint8_t images[SAMPLES * PIXELS];
static uint8_t labels[SAMPLES];
static unsigned char *good;
static size_t good_bytes;
static char path[2 * ECH_TEST_PATH_BYTES];

static void start(void)
{
    fixture_start();
    ech_random stream = ech_random_stream(1, ECH_RANDOM_TEST, 0, 0, 0);
    for (size_t i = 0; i < sizeof images; i++) {
        images[i] = (uint8_t)ech_random_below(&stream, 256);
    }
    for (size_t i = 0; i < SAMPLES; i++) {
        labels[i] = (uint8_t)(i % 10);
    }
    snprintf(path, sizeof path, "%s", fixture_path("file"));
}

static void stop(void)
{
    free(good);
    fixture_stop();
}

TestSuite(corruption, .init = start, .fini = stop, .timeout = 300);

/* One of: a few flipped bits, a cut, a zeroed block, a block of noise. */
static size_t damage(unsigned char *data, size_t bytes, uint64_t number)
{
    ech_random stream = ech_random_stream(2, ECH_RANDOM_TEST, 0, number, 0);
    const size_t first = ech_random_below(&stream, bytes);
    const size_t length = 1 + ech_random_below(&stream, 600);
    const size_t end = first + length < bytes ? first + length : bytes;
    switch (number % 4) {
    case 0:
        for (size_t i = 0; i < 1 + number % 3; i++) {
            const size_t byte = ech_random_below(&stream, bytes);
            data[byte] = (unsigned char)(data[byte] ^ 1U << ech_random_below(&stream, 8));
        }
        return bytes;
    case 1:
        return first;
    case 2:
        memset(data + first, 0, end - first);
        return bytes;
    default:
        for (size_t i = first; i < end; i++) {
            data[i] = (unsigned char)ech_random_below(&stream, 256);
        }
        return bytes;
    }
}

/* Overwrite the file in place; true if it differs from the good one. */
static bool store_damaged(uint64_t number)
{
    unsigned char *copy = malloc(good_bytes);
    cr_assert_not_null(copy);
    memcpy(copy, good, good_bytes);
    const size_t bytes = damage(copy, good_bytes, number);
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(descriptor, 0);
    cr_assert_eq(pwrite(descriptor, copy, good_bytes, 0), (ssize_t)good_bytes);
    cr_assert_eq(ftruncate(descriptor, (off_t)bytes), 0);
    cr_assert_eq(close(descriptor), 0);
    const bool differs = bytes != good_bytes || memcmp(copy, good, bytes) != 0;
    free(copy);
    return differs;
}

/* `open_file` tells whether the damaged file was taken for a good one. */
static void sweep(const char *source, uint64_t copies, bool (*open_file)(void))
{
    good = fixture_load(source, &good_bytes);
    for (uint64_t number = 0; number < copies; number++) {
        const bool differs = store_damaged(number);
        const bool taken = open_file();
        cr_assert(!(differs && taken), "damage %zu was not found", (size_t)number);
        cr_assert(differs || taken, "copy %zu is good, and was refused", (size_t)number);
    }
}

static ech_dataset_content data_content(void)
{
    return (ech_dataset_content){.parts = {{SAMPLES, images, labels}, {10, images, labels}},
                                 .channels = 1,
                                 .height = 7,
                                 .width = 7,
                                 .classes = 10};
}

static bool open_data(void)
{
    ech_dataset *dataset = NULL;
    ech_status status = ech_dataset_open(fixture_io, path, &dataset);
    if (status == ECH_OK) {
        const ech_dataset_info *info = ech_dataset_describe(dataset);
        const uint64_t samples = info->samples[ECH_DATA_TRAIN];
        uint8_t *pixels = malloc(samples * ech_dataset_sample_bytes(info));
        cr_assert_not_null(pixels, "%zu samples are promised", (size_t)samples);
        status = ech_dataset_read_images(dataset, ECH_DATA_TRAIN, 0, samples, pixels);
        free(pixels);
    }
    ech_dataset_close(&dataset);
    cr_assert(status == ECH_OK || status == ECH_ERR_FORMAT, "status %d: %s", (int)status,
              ech_status_message());
    return status == ECH_OK;
}

Test(corruption, of_data_sets)
{
    const ech_dataset_content content = data_content();
    cr_assert_eq(ech_dataset_write(fixture_io, fixture_path("good"), &content), ECH_OK);
    sweep(fixture_path("good"), COPIES, open_data);
}

static bool open_split(void)
{
    ech_split_file split;
    const ech_status status = ech_split_file_read(fixture_io, path, &split);
    ech_split_file_free(&split);
    cr_assert(status == ECH_OK || status == ECH_ERR_FORMAT);
    return status == ECH_OK;
}

Test(corruption, of_splits)
{
    uint64_t offsets[11];
    uint32_t indices[SAMPLES];
    for (uint32_t i = 0; i < SAMPLES; i++) {
        indices[i] = i * 7 % SAMPLES;
    }
    for (uint64_t w = 0; w <= 10; w++) {
        offsets[w] = w * SAMPLES / 10;
    }
    const ech_split_file_content content = {10, offsets, indices, SAMPLES, NULL, 0};
    cr_assert_eq(ech_split_file_write(fixture_io, fixture_path("good"), &content), ECH_OK, "%s",
                 ech_status_message());
    sweep(fixture_path("good"), COPIES, open_split);
}

static bool open_shards(void)
{
    ech_shards shards;
    const ech_status status = ech_shards_read(fixture_io, path, &shards);
    ech_shards_free(&shards);
    cr_assert(status == ECH_OK || status == ECH_ERR_FORMAT);
    return status == ECH_OK;
}

Test(corruption, of_sets_of_shards)
{
    shards_fixture_data(false);
    cr_assert_eq(shards_fixture_write("set", 2), ECH_OK, "%s", ech_status_message());
    sweep(fixture_path("set/shards.h5"), COPIES, open_shards);
}

/* Their reader looks at the samples alone: other damage may pass, and no sample is another. */
Test(corruption, of_shards)
{
    shards_fixture_data(false);
    cr_assert_eq(shards_fixture_write("set", 2), ECH_OK, "%s", ech_status_message());
    snprintf(path, sizeof path, "%s", fixture_path("set/shard-00001.h5"));
    good = fixture_load(path, &good_bytes);
    uint64_t found = 0;
    for (uint64_t number = 0; number < COPIES; number++) {
        const bool differs = store_damaged(number);
        const ech_status status = shards_fixture_read("set");
        cr_assert(status == ECH_OK || status == ECH_ERR_FORMAT);
        cr_assert(differs || status == ECH_OK, "copy %zu is good, and was refused", (size_t)number);
        found += status == ECH_OK ? 0 : 1;
    }
    cr_expect_gt(found, COPIES / 4);
}

static bool open_checkpoint(void)
{
    ech_checkpoint *checkpoint = NULL;
    const ech_status status = ech_checkpoint_open(fixture_io, path, &checkpoint);
    ech_checkpoint_close(&checkpoint);
    cr_assert(status == ECH_OK || status == ECH_ERR_FORMAT);
    return status == ECH_OK;
}

static void write_checkpoint(void)
{
    static float values[VALUES];
    const uint64_t shape[] = {30, 30};
    ech_layout *layout = NULL;
    ech_checkpoint_writer *writer = NULL;
    cr_assert_eq(ech_layout_create(&layout), ECH_OK);
    cr_assert_eq(ech_layout_add(layout, "fc.weight", ECH_TENSOR_PARAMETER, 2, shape), ECH_OK);
    cr_assert_eq(ech_checkpoint_writer_create(fixture_io, fixture_folder, layout, 1, &writer),
                 ECH_OK);
    const ech_blob blob = {"strategy/momentum", images, 500};
    const ech_checkpoint_content content = {.round = 1,
                                            .config = "name: test\n",
                                            .model = {values, NULL},
                                            .blobs = &blob,
                                            .blob_count = 1};
    cr_assert_eq(ech_checkpoint_writer_begin(writer, &content), ECH_OK);
    cr_assert_eq(ech_checkpoint_writer_finish(writer), ECH_OK);
    ech_checkpoint_writer_destroy(&writer);
    ech_layout_destroy(&layout);
}

Test(corruption, of_checkpoints)
{
    write_checkpoint();
    sweep(fixture_path("checkpoint-000001.h5"), COPIES, open_checkpoint);
}

static bool open_record(void)
{
    ech_record *record = NULL;
    const ech_status status = ech_record_open(fixture_io, path, &record);
    ech_record_close(&record);
    cr_assert(status == ECH_OK || status == ECH_ERR_FORMAT);
    return status == ECH_OK;
}

Test(corruption, of_run_records)
{
    const char *const apps[] = {"train"};
    const ech_record_options options = {
        .path = fixture_path("good"), .config = "seed: 1\n", .app_names = apps, .app_count = 1};
    ech_record_writer *writer = NULL;
    cr_assert_eq(ech_record_writer_create(fixture_io, &options, &writer), ECH_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        const ech_history_row row = {.round = i, .loss = 1.0 / (i + 1)};
        cr_assert_eq(ech_record_append(writer, ECH_RECORD_HISTORY, &row, 1), ECH_OK);
    }
    cr_assert_eq(ech_record_finish(writer, true), ECH_OK);
    ech_record_writer_destroy(&writer);
    sweep(fixture_path("good"), COPIES, open_record);
}

static uint64_t copies_in_child(void)
{
    const char *text = getenv("ECH_TEST_COPIES");
    return text != NULL ? strtoull(text, NULL, 10) : COPIES_IN_CHILD;
}

/* Others' files have no digest: what can be asked is that what is read is a data set. */
Test(corruption, of_files_of_others_never_reaches_this_process)
{
    const ech_io_options impatient = {.reader_program = ECH_BUILD_DIR "/tests/io_reader",
                                      .reader_timeout_seconds = 1.0};
    ech_io_destroy(&fixture_io);
    cr_assert_eq(ech_io_create(&impatient, &fixture_io), ECH_OK);
    const char *source = fixture_path("good");
    const hsize_t image_shape[] = {SAMPLES, 1, 7, 7};
    const hsize_t label_shape[] = {SAMPLES};
    fixture_add_foreign(source, "/train/images", H5T_NATIVE_UINT8, 4, image_shape, images);
    fixture_add_foreign(source, "/train/labels", H5T_NATIVE_UINT8, 1, label_shape, labels);
    good = fixture_load(source, &good_bytes);
    uint64_t taken = 0;
    const uint64_t copies = copies_in_child();
    for (uint64_t number = 0; number < copies; number++) {
        store_damaged(number);
        taken += open_data();
    }
    cr_expect_lt(taken, copies);
    cr_expect_gt(taken, 0);
}

static char labels_path[2 * ECH_TEST_PATH_BYTES];

static bool import_idx(void)
{
    ech_import samples;
    const ech_status status = ech_import_idx(path, labels_path, &samples);
    ech_import_free(&samples);
    cr_assert(status == ECH_OK || status == ECH_ERR_FORMAT, "status %d: %s", (int)status,
              ech_status_message());
    return status == ECH_OK;
}

Test(corruption, of_compressed_idx_files)
{
    static unsigned char content[16 + sizeof images] = {
        0, 0, 8, 3, 0, 0, SAMPLES >> 8, SAMPLES & 255, 0, 0, 0, 7, 0, 0, 0, 7};
    static unsigned char label_content[8 + SAMPLES] = {
        0, 0, 8, 1, 0, 0, SAMPLES >> 8, SAMPLES & 255};
    memcpy(content + 16, images, sizeof images);
    snprintf(labels_path, sizeof labels_path, "%s", fixture_path("labels"));
    fixture_store(labels_path, label_content, sizeof label_content);
    gzFile file = gzopen(fixture_path("good"), "wb");
    cr_assert_eq(gzwrite(file, content, sizeof content), (int)sizeof content);
    cr_assert_eq(gzclose(file), Z_OK);
    good = fixture_load(fixture_path("good"), &good_bytes);
    for (uint64_t number = 0; number < COPIES; number++) {
        store_damaged(number);
        import_idx();
    }
}

Test(corruption, of_cifar10_files)
{
    good_bytes = (size_t)4 * CIFAR10_RECORD_BYTES;
    good = malloc(good_bytes);
    cr_assert_not_null(good);
    for (size_t i = 0; i < good_bytes; i++) {
        good[i] = i % CIFAR10_RECORD_BYTES == 0 ? 3 : images[i % sizeof images];
    }
    for (uint64_t number = 0; number < COPIES; number++) {
        const char *paths[] = {path};
        ech_import samples;
        store_damaged(number);
        const ech_status status = ech_import_cifar10(paths, 1, &samples);
        ech_import_free(&samples);
        cr_assert(status == ECH_OK || status == ECH_ERR_FORMAT, "status %d: %s", (int)status,
                  ech_status_message());
    }
}

/* ---- results of tasks ---- */

static ech_hash128 result_key(uint64_t number)
{
    return ech_hash_bytes(&number, sizeof number);
}

/* `good` is the file, or its journal, with the results in it. */
static void keep_results(const char *file, bool flushed)
{
    ech_memo_file *memo = NULL;
    cr_assert_eq(ech_memo_file_open(fixture_io, fixture_path("good"), &memo), ECH_OK);
    for (uint64_t number = 0; number < RESULTS; number++) {
        cr_assert_eq(ech_memo_file_put(memo, result_key(number), images + number, PIXELS), ECH_OK);
    }
    if (flushed) {
        cr_assert_eq(ech_memo_file_flush(memo), ECH_OK, "%s", ech_status_message());
    }
    ech_memo_file_close(&memo);
    good = fixture_load(fixture_path(file), &good_bytes);
}

static ech_status expect_result(void *visitor, ech_hash128 key, const void *value,
                                size_t value_bytes)
{
    uint64_t *found = visitor;
    bool is_there = false;
    for (uint64_t number = 0; number < RESULTS && !is_there; number++) {
        is_there = ech_hash_equal(key, result_key(number)) && value_bytes == PIXELS &&
                   memcmp(value, images + number, PIXELS) == 0;
    }
    ++*found;
    return is_there ? ECH_OK : ech_fail(ECH_ERR_NUMERIC, "a result that nobody put");
}

/* Reads the damaged file in the place of `path`; the number of its results. */
static uint64_t load_results(void)
{
    ech_memo_file *memo = NULL;
    uint64_t found = 0;
    char *suffix = strstr(path, ".journal");
    char name[sizeof path];
    snprintf(name, sizeof name, "%.*s", suffix != NULL ? (int)(suffix - path) : (int)strlen(path),
             path);
    ech_status status = ech_memo_file_open(fixture_io, name, &memo);
    if (status == ECH_OK) {
        status = ech_memo_file_load(memo, expect_result, &found);
    }
    ech_memo_file_close(&memo);
    cr_assert(status == ECH_OK || status == ECH_ERR_FORMAT, "status %d: %s", (int)status,
              ech_status_message());
    return status == ECH_OK ? found : 0;
}

static bool has_all_results(void)
{
    return load_results() == RESULTS;
}

Test(corruption, of_results_of_tasks)
{
    keep_results("good", true);
    for (uint64_t number = 0; number < COPIES; number++) {
        const bool differs = store_damaged(number);
        cr_assert_eq(has_all_results(), !differs, "copy %zu", (size_t)number);
    }
}

/* A journal ends where its writer was killed: what is whole before that counts. */
Test(corruption, of_journals_of_results)
{
    keep_results("good.journal", false);
    snprintf(path, sizeof path, "%s", fixture_path("file.journal"));
    for (uint64_t number = 0; number < COPIES; number++) {
        const bool differs = store_damaged(number);
        cr_assert(load_results() <= RESULTS);
        cr_assert(differs || has_all_results(), "copy %zu is good, and was refused",
                  (size_t)number);
    }
}

/* ---- golden files ---- */

static bool read_golden(void)
{
    ech_golden *golden = NULL;
    const ech_status status = ech_golden_read(path, &golden);
    ech_golden_destroy(&golden);
    cr_assert(status == ECH_OK || status == ECH_ERR_FORMAT || status == ECH_ERR_MEMORY,
              "status %d: %s", (int)status, ech_status_message());
    return status == ECH_OK;
}

Test(corruption, of_golden_files_never_reaches_this_process)
{
    good = fixture_load(ECH_SOURCE_DIR "/tests/golden/mcmahancnn.h5", &good_bytes);
    const uint64_t copies = copies_in_child();
    uint64_t taken = 0;
    for (uint64_t number = 0; number < copies; number++) {
        store_damaged(number);
        taken += read_golden();
    }
    cr_expect_lt(taken, copies);
    cr_expect_gt(taken, 0);
}
