#define _GNU_SOURCE
#include "tests/io/fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BUFFERS = 4 };

ech_io *fixture_io;
char fixture_folder[ECH_TEST_PATH_BYTES];

void fixture_start(void)
{
    const ech_io_options options = {.reader_program = ECH_BUILD_DIR "/tests/io_reader",
                                    .reader_timeout_seconds = 5.0};
    ech_test_make_directory(fixture_folder);
    cr_assert_eq(ech_io_create(&options, &fixture_io), ECH_OK, "%s", ech_status_message());
}

void fixture_stop(void)
{
    ech_io_destroy(&fixture_io);
    ech_test_remove_directory(fixture_folder);
    ech_test_expect_no_leak();
}

const char *fixture_path(const char *name)
{
    static char paths[PATH_BUFFERS][2 * ECH_TEST_PATH_BYTES];
    static int next;
    char *path = paths[next++ % PATH_BUFFERS];
    snprintf(path, sizeof paths[0], "%s/%s", fixture_folder, name);
    return path;
}

typedef struct {
    const char *path;
    const char *name;
    hid_t type;
    int dimension_count;
    const hsize_t *shape;
    const void *data;
} foreign_job;

static ech_status add_foreign(void *argument)
{
    const foreign_job *job = argument;
    hid_t file = access(job->path, F_OK) == 0
                     ? H5Fopen(job->path, H5F_ACC_RDWR, H5P_DEFAULT)
                     : H5Fcreate(job->path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    hid_t space = H5Screate_simple(job->dimension_count, job->shape, NULL);
    hid_t dataset = H5Dcreate2(file, job->name, job->type, space, links, H5P_DEFAULT, H5P_DEFAULT);
    const bool written =
        dataset >= 0 && H5Dwrite(dataset, job->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, job->data) >= 0;
    ech_h5_close(&dataset);
    ech_h5_close(&space);
    ech_h5_close(&links);
    return ech_h5_close(&file) && written ? ECH_OK
                                          : ech_h5_fail(ECH_ERR_HDF5, job->path, "add a dataset");
}

void fixture_add_foreign(const char *path, const char *name, hid_t type, int dimension_count,
                         const hsize_t *shape, const void *data)
{
    foreign_job job = {path, name, type, dimension_count, shape, data};
    cr_assert_eq(ech_io_run(fixture_io, add_foreign, &job), ECH_OK, "%s", ech_status_message());
}

unsigned char *fixture_load(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    cr_assert_eq(fseek(file, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(file);
    rewind(file);
    unsigned char *data = malloc(*bytes + 1);
    cr_assert_not_null(data);
    cr_assert_eq(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

void fixture_store(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    cr_assert_eq(fwrite(data, 1, bytes, file), bytes);
    cr_assert_eq(fclose(file), 0);
}

void fixture_flip(const char *path, size_t byte, unsigned bit)
{
    unsigned char value = 0;
    const int descriptor = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_geq(descriptor, 0, "%s: %s", path, strerror(errno));
    cr_assert_eq(pread(descriptor, &value, 1, (off_t)byte), 1);
    value = (unsigned char)(value ^ 1U << bit);
    cr_assert_eq(pwrite(descriptor, &value, 1, (off_t)byte), 1);
    cr_assert_eq(close(descriptor), 0);
}

void fixture_expect_message(const char *part)
{
    cr_expect_not_null(strstr(ech_status_message(), part), "message is: %s\nwithout: %s",
                       ech_status_message(), part);
}
