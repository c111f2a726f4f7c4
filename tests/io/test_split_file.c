#include <criterion/criterion.h>
#include <stdint.h>

#include "io/split_file.h"
#include "tests/io/fixture.h"

enum { WORKERS = 4, SAMPLES = 10, DEALT = 8 };

static const uint64_t offsets[WORKERS + 1] = {0, 3, 3, 7, DEALT};
static const uint32_t indices[DEALT] = {1, 4, 9, 0, 2, 3, 5, 8};
static const ech_split_file_parameter parameters[] = {{"kind", "dirichlet"}, {"labels_alpha", "1"}};

TestSuite(split_file, .init = fixture_start, .fini = fixture_stop);

static ech_split_file_content content(void)
{
    return (ech_split_file_content){WORKERS, offsets, indices, SAMPLES, parameters, 2};
}

Test(split_file, what_was_written_is_read)
{
    const ech_split_file_content written = content();
    const char *path = fixture_path("split.h5");
    cr_assert_eq(ech_split_file_write(fixture_io, path, &written), ECH_OK, "%s",
                 ech_status_message());
    ech_split_file read;
    cr_assert_eq(ech_split_file_read(fixture_io, path, &read), ECH_OK, "%s", ech_status_message());
    cr_expect_eq(read.workers, WORKERS);
    cr_expect_eq(read.samples, SAMPLES);
    cr_expect_arr_eq(read.offsets, offsets, sizeof offsets);
    cr_expect_arr_eq(read.indices, indices, sizeof indices);
    ech_split_file_free(&read);

    const uint32_t none = ECH_SPLIT_FILE_NOBODY;
    const uint32_t expected[SAMPLES] = {2, 0, 2, 2, 0, 2, none, none, 3, 0};
    uint32_t owners[SAMPLES];
    cr_assert_eq(ech_split_file_read_owners(fixture_io, path, "split/owners", SAMPLES, owners),
                 ECH_OK);
    cr_expect_arr_eq(owners, expected, sizeof expected);
}

static void expect_refused(const char *path, const char *message)
{
    ech_split_file read;
    cr_expect_eq(ech_split_file_read(fixture_io, path, &read), ECH_ERR_FORMAT);
    cr_expect_null(read.offsets);
    cr_expect_null(read.indices);
    fixture_expect_message(message);
}

static void expect_not_written(const ech_split_file_content *wrong, const char *message)
{
    cr_expect_eq(ech_split_file_write(fixture_io, fixture_path("split.h5"), wrong), ECH_ERR_FORMAT);
    fixture_expect_message(message);
    cr_expect_eq(ech_test_count_entries(fixture_folder), 0);
}

Test(split_file, a_split_that_contradicts_itself_is_not_written)
{
    ech_split_file_content wrong = content();
    const uint64_t descending[WORKERS + 1] = {0, 3, 2, 7, DEALT};
    wrong.offsets = descending;
    expect_not_written(&wrong, "descends at worker 1");

    wrong = content();
    wrong.samples = 9;
    expect_not_written(&wrong, "sample 9 at position 2: below 9 was expected");

    wrong = content();
    const uint32_t twice[DEALT] = {1, 4, 9, 0, 2, 3, 4, 8};
    wrong.indices = twice;
    expect_not_written(&wrong, "sample 4 is there twice");
}

Test(split_file, a_split_of_others_that_contradicts_itself_is_refused)
{
    const hsize_t offset_count = WORKERS + 1;
    const hsize_t dealt = DEALT - 1;
    const char *path = fixture_path("short.h5");
    fixture_add_foreign(path, "/split/offsets", H5T_NATIVE_UINT64, 1, &offset_count, offsets);
    expect_refused(path, "dataset /split/indices: a list of uint32 was expected");
    fixture_add_foreign(path, "/split/indices", H5T_NATIVE_UINT32, 1, &dealt, indices);
    expect_refused(path, "a split with offsets and a number of samples was expected");
}

Test(split_file, another_kind_of_file_is_refused)
{
    const char *path = fixture_path("foreign.h5");
    const hsize_t shape = SAMPLES;
    const int64_t values[SAMPLES] = {0};
    fixture_add_foreign(path, "/split/offsets", H5T_NATIVE_INT64, 1, &shape, values);
    expect_refused(path, "dataset /split/offsets: a list of uint64 was expected");
}

static void expect_owners(const char *path, const char *name, const uint32_t *expected)
{
    uint32_t owners[SAMPLES];
    cr_assert_eq(ech_split_file_read_owners(fixture_io, path, name, SAMPLES, owners), ECH_OK, "%s",
                 ech_status_message());
    cr_expect_arr_eq(owners, expected, sizeof owners, "%s", name);
}

Test(split_file, owners_of_any_integer_type)
{
    const char *path = fixture_path("owners.h5");
    const hsize_t shape = SAMPLES;
    const uint8_t bytes[SAMPLES] = {0, 1, 2, 255, 254, 9, 8, 7, 6, 5};
    const int8_t signs[SAMPLES] = {0, 1, 2, -1, 126, 9, 8, 127, 6, 5};
    const int32_t words[SAMPLES] = {0, 1, 2, -1, 70000, 9, 8, INT32_MAX, 6, 5};
    const uint64_t longs[SAMPLES] = {0, 1, 2, UINT64_MAX, 70000, 9, 8, 7, 6, 5};
    const uint32_t none = ECH_SPLIT_FILE_NOBODY;
    fixture_add_foreign(path, "bytes", H5T_NATIVE_UINT8, 1, &shape, bytes);
    fixture_add_foreign(path, "signs", H5T_NATIVE_INT8, 1, &shape, signs);
    fixture_add_foreign(path, "words", H5T_NATIVE_INT32, 1, &shape, words);
    fixture_add_foreign(path, "longs", H5T_NATIVE_UINT64, 1, &shape, longs);
    expect_owners(path, "bytes", (const uint32_t[]){0, 1, 2, none, 254, 9, 8, 7, 6, 5});
    expect_owners(path, "signs", (const uint32_t[]){0, 1, 2, none, 126, 9, 8, none, 6, 5});
    expect_owners(path, "words", (const uint32_t[]){0, 1, 2, none, 70000, 9, 8, none, 6, 5});
    expect_owners(path, "longs", (const uint32_t[]){0, 1, 2, none, 70000, 9, 8, 7, 6, 5});
}

static void expect_owners_refused(const char *path, const char *name, const char *message)
{
    uint32_t owners[SAMPLES];
    cr_expect_eq(ech_split_file_read_owners(fixture_io, path, name, SAMPLES, owners),
                 ECH_ERR_FORMAT);
    fixture_expect_message(message);
}

Test(split_file, owners_that_are_none_are_refused)
{
    const char *path = fixture_path("owners.h5");
    const hsize_t shape = SAMPLES;
    const hsize_t shorter = SAMPLES - 1;
    const int64_t minus[SAMPLES] = {0, 1, -2};
    const int64_t large[SAMPLES] = {0, 1, 2, (int64_t)1 << 40};
    const double reals[SAMPLES] = {0};
    fixture_add_foreign(path, "minus", H5T_NATIVE_INT64, 1, &shape, minus);
    fixture_add_foreign(path, "large", H5T_NATIVE_INT64, 1, &shape, large);
    fixture_add_foreign(path, "short", H5T_NATIVE_INT64, 1, &shorter, minus);
    fixture_add_foreign(path, "group/reals", H5T_NATIVE_DOUBLE, 1, &shape, reals);
    expect_owners_refused(path, "minus", "worker -2 of sample 2: a worker's number, or -1");
    expect_owners_refused(path, "large", "worker 1099511627776 of sample 3");
    expect_owners_refused(path, "short", "a list of 10 integers, one a training sample");
    expect_owners_refused(path, "group/reals", "a list of 10 integers");
    expect_owners_refused(path, "group", "group cannot be opened");
    expect_owners_refused(path, "none", "dataset none: a list of 10 integers");
    expect_owners_refused(path, "none/of/them", "dataset none/of/them: a list of 10 integers");
}
