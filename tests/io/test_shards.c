#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/io/fixture.h"
#include "tests/io/shards_fixture.h"

static void start(void)
{
    fixture_start();
    shards_fixture_data(false);
}

TestSuite(shards, .init = start, .fini = fixture_stop);

static void write_set(const char *name, uint64_t file_count)
{
    cr_assert_eq(shards_fixture_write(name, file_count), ECH_OK, "%s", ech_status_message());
}

static ech_shards read_set(const char *path)
{
    ech_shards shards;
    cr_assert_eq(ech_shards_read(fixture_io, path, &shards), ECH_OK, "%s", ech_status_message());
    return shards;
}

Test(shards, whole_workers_lie_in_order_in_any_number_of_files)
{
    for (uint64_t files = 1; files <= SHARDS_WORKERS; files++) {
        char name[32];
        snprintf(name, sizeof name, "set-%zu", (size_t)files);
        write_set(name, files);
        cr_expect_eq(shards_fixture_read(name), ECH_OK, "%zu files: %s", (size_t)files,
                     ech_status_message());
        cr_expect_eq(ech_test_count_entries(fixture_path(name)), files + 2, "%zu", (size_t)files);
    }
}

Test(shards, the_set_tells_what_lies_where)
{
    write_set("set", 3);
    ech_shards shards = read_set(fixture_path("set/shards.h5"));
    cr_expect_eq(shards.workers, SHARDS_WORKERS);
    cr_expect_eq(shards.file_count, 4);
    cr_expect_eq(shards.info.samples[ECH_DATA_TRAIN], SHARDS_DEALT);
    cr_expect_eq(shards.info.samples[ECH_DATA_TEST], SHARDS_TESTS);
    cr_expect_eq(shards.info.classes, 4);
    cr_expect_eq(shards.files[1].first, 20);
    cr_expect_eq(shards.files[1].count, 1);
    cr_expect_eq(ech_shards_largest(&shards), 29);
    ech_shards_free(&shards);
}

static int pauses;

static void count_pause(void *user)
{
    pauses += *(int *)user;
}

Test(shards, any_piece_is_read_across_files)
{
    write_set("set", 4);
    const char *path = fixture_path("set/shards.h5");
    ech_shards shards = read_set(path);
    ech_shard_reader *reader = NULL;
    cr_assert_eq(ech_shard_reader_create(path, &shards, &reader), ECH_OK);
    for (uint64_t first = 0; first < SHARDS_DEALT; first += 9) {
        uint8_t pixels[18 * SHARDS_PIXELS];
        uint8_t labels[18];
        const uint64_t count = SHARDS_DEALT - first < 18 ? SHARDS_DEALT - first : 18;
        int one = 1;
        const ech_shard_pause pause = {count_pause, &one};
        cr_assert_eq(
            ech_shard_reader_read(reader, ECH_DATA_TRAIN, first, count, pixels, labels, &pause),
            ECH_OK, "%s", ech_status_message());
        for (uint64_t i = 0; i < count; i++) {
            const uint32_t sample = shards_fixture_split()->indices[first + i];
            cr_expect_eq(labels[i], sample % 4);
            cr_expect_eq(pixels[i * SHARDS_PIXELS + 5],
                         shards_fixture_pixel(ECH_DATA_TRAIN, sample, 5));
        }
    }
    cr_expect_geq(pauses, SHARDS_DEALT / 9);
    ech_shard_reader_destroy(&reader);
    ech_shards_free(&shards);
}

Test(shards, a_shard_is_a_data_set)
{
    write_set("set", 2);
    ech_dataset *dataset = NULL;
    cr_assert_eq(ech_dataset_open(fixture_io, fixture_path("set/shard-00001.h5"), &dataset), ECH_OK,
                 "%s", ech_status_message());
    cr_expect_eq(ech_dataset_describe(dataset)->samples[ECH_DATA_TRAIN], SHARDS_DEALT - 20);
    cr_expect_eq(ech_dataset_describe(dataset)->classes, 4);
    ech_dataset_close(&dataset);
}

Test(shards, what_cannot_be_laid_out_is_refused)
{
    cr_expect_eq(shards_fixture_write("set", SHARDS_WORKERS + 1), ECH_ERR_CONFIG);
    fixture_expect_message("expected 1 to 6 files, as the split has workers, got 7");
    cr_expect_eq(shards_fixture_write("set", 0), ECH_ERR_CONFIG);
    cr_expect_eq(shards_fixture_write(".", 1), ECH_ERR_CONFIG);
    fixture_expect_message("expected a new or empty folder");
    cr_expect_eq(shards_fixture_write("no/set", 1), ECH_ERR_FILE);
    fixture_expect_message("no/set: cannot be made: No such file");
    cr_expect_eq(ech_test_count_entries(fixture_folder), 1);
}

static void expect_refused(ech_status status, const char *message)
{
    cr_expect_eq(shards_fixture_read("set"), status, "%s", ech_status_message());
    fixture_expect_message(message);
}

Test(shards, a_missing_file_is_named)
{
    write_set("set", 3);
    cr_assert_eq(unlink(fixture_path("set/shard-00002.h5")), 0);
    expect_refused(ECH_ERR_FILE, "set/shard-00002.h5: cannot open: No such file");
    cr_assert_eq(unlink(fixture_path("set/shards.h5")), 0);
    expect_refused(ECH_ERR_FILE, "set/shards.h5: cannot open: No such file");
}

/* The other set's file is as long, and whole. */
Test(shards, a_file_of_another_set_is_refused)
{
    size_t bytes = 0;
    write_set("set", 3);
    shards_fixture_data(true);
    write_set("other", 3);
    unsigned char *other = fixture_load(fixture_path("other/shard-00000.h5"), &bytes);
    fixture_store(fixture_path("set/shard-00000.h5"), other, bytes);
    expect_refused(ECH_ERR_FORMAT, "set/shard-00000.h5: damaged, or another file than the one");
    free(other);
    fixture_store(fixture_path("set/shard-00000.h5"), "short", 5);
    expect_refused(ECH_ERR_FORMAT, "set/shard-00000.h5: 5 bytes long, ");
}

Test(shards, a_damaged_sample_is_named)
{
    write_set("set", 3);
    ech_shards shards = read_set(fixture_path("set/shards.h5"));
    fixture_flip(fixture_path("set/shard-00002.h5"), shards.files[2].images + 3 * SHARDS_PIXELS, 2);
    expect_refused(ECH_ERR_FORMAT,
                   "set/shard-00002.h5: damaged: sample 24 of the set does not have its checksum");
    ech_shards_free(&shards);
}

Test(shards, another_kind_of_file_is_no_set)
{
    ech_shards shards;
    cr_expect_eq(ech_shards_read(fixture_io, fixture_path("data.h5"), &shards), ECH_ERR_FORMAT);
    fixture_expect_message("data.h5: is a data set, a set of shards was expected");
}
