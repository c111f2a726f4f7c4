#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "io/import.h"
#include "tests/io/fixture.h"

enum {
    COUNT = 3,
    HEIGHT = 2,
    WIDTH = 4,
    IMAGE_BYTES = 16 + COUNT * HEIGHT * WIDTH,
    LABEL_BYTES = 8 + COUNT
};

static unsigned char images[IMAGE_BYTES];
static unsigned char labels[LABEL_BYTES];

static void make_files(void)
{
    const unsigned char image_header[] = {0, 0, 8, 3,      0, 0, 0, COUNT,
                                          0, 0, 0, HEIGHT, 0, 0, 0, WIDTH};
    const unsigned char label_header[] = {0, 0, 8, 1, 0, 0, 0, COUNT, 7, 0, 2};
    fixture_start();
    memcpy(images, image_header, sizeof image_header);
    for (int i = 16; i < IMAGE_BYTES; i++) {
        images[i] = (unsigned char)(3 * i);
    }
    memcpy(labels, label_header, sizeof label_header);
    fixture_store(fixture_path("images"), images, sizeof images);
    fixture_store(fixture_path("labels"), labels, sizeof labels);
}

TestSuite(import, .init = make_files, .fini = fixture_stop);

static void store_gzip(const char *path, const void *data, unsigned bytes)
{
    gzFile file = gzopen(path, "wb");
    cr_assert_eq(gzwrite(file, data, bytes), (int)bytes);
    cr_assert_eq(gzclose(file), Z_OK);
}

static void expect_content(const ech_import *samples)
{
    cr_expect_eq(samples->count, COUNT);
    cr_expect_eq(samples->channels, 1);
    cr_expect_eq(samples->height, HEIGHT);
    cr_expect_eq(samples->width, WIDTH);
    cr_expect_eq(samples->classes, 8);
    cr_expect_arr_eq(samples->images, images + 16, IMAGE_BYTES - 16);
    cr_expect_arr_eq(samples->labels, labels + 8, COUNT);
}

static void expect_refused(const char *images_path, const char *labels_path, const char *message)
{
    ech_import samples;
    cr_expect_eq(ech_import_idx(images_path, labels_path, &samples), ECH_ERR_FORMAT);
    cr_expect_null(samples.images);
    cr_expect_null(samples.labels);
    fixture_expect_message(message);
}

Test(import, idx_plain)
{
    ech_import samples;
    cr_assert_eq(ech_import_idx(fixture_path("images"), fixture_path("labels"), &samples), ECH_OK,
                 "%s", ech_status_message());
    expect_content(&samples);
    ech_import_free(&samples);
}

Test(import, idx_compressed)
{
    store_gzip(fixture_path("images.gz"), images, sizeof images);
    store_gzip(fixture_path("labels.gz"), labels, sizeof labels);
    ech_import samples;
    cr_assert_eq(ech_import_idx(fixture_path("images.gz"), fixture_path("labels.gz"), &samples),
                 ECH_OK, "%s", ech_status_message());
    expect_content(&samples);
    ech_import_free(&samples);
}

Test(import, idx_that_is_not_there)
{
    ech_import samples;
    cr_expect_eq(ech_import_idx(fixture_path("none"), fixture_path("labels"), &samples),
                 ECH_ERR_FILE);
    fixture_expect_message("none: cannot open: No such file");
}

Test(import, idx_with_another_magic)
{
    expect_refused(fixture_path("labels"), fixture_path("labels"),
                   "begins with 00000801 at offset 0, 00000803 was expected");
}

Test(import, idx_cut_at_every_length)
{
    for (size_t bytes = 0; bytes < sizeof images; bytes++) {
        ech_import samples;
        fixture_store(fixture_path("cut"), images, bytes);
        cr_expect_eq(ech_import_idx(fixture_path("cut"), fixture_path("labels"), &samples),
                     ECH_ERR_FORMAT, "cut to %zu bytes", bytes);
    }
    fixture_expect_message("cut: 39 bytes long, its header promises 40");
}

Test(import, idx_compressed_and_cut_at_every_length)
{
    store_gzip(fixture_path("images.gz"), images, sizeof images);
    size_t bytes = 0;
    unsigned char *whole = fixture_load(fixture_path("images.gz"), &bytes);
    for (size_t length = 0; length < bytes; length++) {
        ech_import samples;
        fixture_store(fixture_path("cut.gz"), whole, length);
        cr_expect_eq(ech_import_idx(fixture_path("cut.gz"), fixture_path("labels"), &samples),
                     ECH_ERR_FORMAT, "cut to %zu bytes", length);
    }
    fixture_expect_message("cut.gz: damaged or cut gzip stream at offset 40");
    free(whole);
}

Test(import, idx_with_bytes_behind_its_end)
{
    unsigned char longer[IMAGE_BYTES + 1] = {0};
    memcpy(longer, images, sizeof images);
    fixture_store(fixture_path("longer"), longer, sizeof longer);
    expect_refused(fixture_path("longer"), fixture_path("labels"),
                   "41 bytes long, its header promises 40");
    store_gzip(fixture_path("longer.gz"), longer, sizeof longer);
    expect_refused(fixture_path("longer.gz"), fixture_path("labels"),
                   "goes on at offset 40, its end was expected");
}

Test(import, idx_that_promises_terabytes_asks_for_no_memory)
{
    memset(images + 4, 0x7f, 12);
    fixture_store(fixture_path("huge"), images, sizeof images);
    expect_refused(fixture_path("huge"), fixture_path("labels"), "too large");
    memset(images + 8, 0, 2);
    memset(images + 12, 0, 2);
    store_gzip(fixture_path("huge.gz"), images, sizeof images);
    expect_refused(fixture_path("huge.gz"), fixture_path("labels"), "compressed bytes can hold");
}

Test(import, idx_without_pixels)
{
    images[11] = 0;
    fixture_store(fixture_path("empty"), images, 16);
    expect_refused(fixture_path("empty"), fixture_path("labels"), "size 0 at offset 8");
}

Test(import, idx_with_another_number_of_labels)
{
    labels[7] = COUNT - 1;
    fixture_store(fixture_path("fewer"), labels, sizeof labels - 1);
    expect_refused(fixture_path("images"), fixture_path("fewer"), "2 labels, 3 were expected");
}

enum { CIFAR_RECORD = 3073 };

Test(import, cifar10_files_one_after_the_other)
{
    static unsigned char records[3 * CIFAR_RECORD];
    for (size_t i = 0; i < sizeof records; i++) {
        records[i] = (unsigned char)(i * 7);
    }
    for (unsigned char r = 0; r < 3; r++) {
        records[r * CIFAR_RECORD] = r;
    }
    fixture_store(fixture_path("one"), records, 2 * CIFAR_RECORD);
    fixture_store(fixture_path("two"), records + 2 * CIFAR_RECORD, CIFAR_RECORD);
    const char *paths[] = {fixture_path("one"), fixture_path("two")};
    ech_import samples;
    cr_assert_eq(ech_import_cifar10(paths, 2, &samples), ECH_OK, "%s", ech_status_message());
    cr_expect_eq(samples.count, 3);
    cr_expect_eq(samples.channels, 3);
    cr_expect_eq(samples.height, 32);
    cr_expect_eq(samples.classes, 10);
    for (unsigned char r = 0; r < 3; r++) {
        cr_expect_eq(samples.labels[r], r);
        cr_expect_arr_eq(samples.images + r * (CIFAR_RECORD - 1), records + r * CIFAR_RECORD + 1,
                         CIFAR_RECORD - 1);
    }
    ech_import_free(&samples);
}

Test(import, cifar10_with_a_cut_record_or_a_wrong_label)
{
    static unsigned char record[CIFAR_RECORD];
    ech_import samples;
    fixture_store(fixture_path("cut"), record, CIFAR_RECORD - 1);
    const char *path = fixture_path("cut");
    cr_expect_eq(ech_import_cifar10(&path, 1, &samples), ECH_ERR_FORMAT);
    fixture_expect_message("3072 bytes long, whole records of 3073 bytes were expected");

    record[0] = 10;
    fixture_store(fixture_path("label"), record, CIFAR_RECORD);
    path = fixture_path("label");
    cr_expect_eq(ech_import_cifar10(&path, 1, &samples), ECH_ERR_FORMAT);
    fixture_expect_message("label 10 at offset 0, 0 to 9 was expected");
}
