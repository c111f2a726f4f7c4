#include "tests/cli/tiny_data.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "tests/cli/program.h"

enum {
    SIDE = 28,
    PIXELS = SIDE * SIDE,
    CLASSES = 10,
    SQUARE = 6,
    IMAGE_HEADER_BYTES = 16,
    LABEL_HEADER_BYTES = 8,
    NOISE = 40
};

static void put_u32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (unsigned char)(value >> (24 - 8 * i));
    }
}

static void draw(unsigned char *pixels, uint32_t label, ech_random *stream)
{
    for (int i = 0; i < PIXELS; i++) {
        pixels[i] = (unsigned char)ech_random_below(stream, NOISE);
    }
    const uint32_t row = label / 4 * (SQUARE + 2);
    const uint32_t column = label % 4 * SQUARE;
    for (uint32_t y = 0; y < SQUARE; y++) {
        memset(pixels + (row + y) * SIDE + column, UINT8_MAX, SQUARE);
    }
}

static void write_images(const char *directory, const char *name, uint32_t count,
                         char path[ECH_TEST_PATH_BYTES])
{
    const size_t bytes = IMAGE_HEADER_BYTES + (size_t)count * PIXELS;
    unsigned char *file = ech_calloc(bytes, 1);
    cr_assert_not_null(file);
    put_u32(file, 0x803);
    put_u32(file + 4, count);
    put_u32(file + 8, SIDE);
    put_u32(file + 12, SIDE);
    ech_random stream = ech_random_stream(count, ECH_RANDOM_TEST, 0, 0, 0);
    for (uint32_t i = 0; i < count; i++) {
        draw(file + IMAGE_HEADER_BYTES + (size_t)i * PIXELS, i % CLASSES, &stream);
    }
    ech_test_write_bytes(directory, name, file, bytes, path);
    ech_free(file);
}

static void write_labels(const char *directory, const char *name, uint32_t count,
                         char path[ECH_TEST_PATH_BYTES])
{
    unsigned char file[LABEL_HEADER_BYTES + TINY_TRAIN_SAMPLES];
    cr_assert_leq(count, TINY_TRAIN_SAMPLES);
    put_u32(file, 0x801);
    put_u32(file + 4, count);
    for (uint32_t i = 0; i < count; i++) {
        file[LABEL_HEADER_BYTES + i] = (unsigned char)(i % CLASSES);
    }
    ech_test_write_bytes(directory, name, file, LABEL_HEADER_BYTES + count, path);
}

void tiny_data_make(const char *directory, char path[ECH_TEST_PATH_BYTES])
{
    char train_images[ECH_TEST_PATH_BYTES];
    char train_labels[ECH_TEST_PATH_BYTES];
    char test_images[ECH_TEST_PATH_BYTES];
    char test_labels[ECH_TEST_PATH_BYTES];
    write_images(directory, "train-images", TINY_TRAIN_SAMPLES, train_images);
    write_labels(directory, "train-labels", TINY_TRAIN_SAMPLES, train_labels);
    write_images(directory, "test-images", TINY_TEST_SAMPLES, test_images);
    write_labels(directory, "test-labels", TINY_TEST_SAMPLES, test_labels);
    snprintf(path, ECH_TEST_PATH_BYTES, "%s/tiny.h5", directory);
    ech_child_result result = program_run((const char *[]){
        "data", "import", "idx", "--train-images", train_images, "--train-labels", train_labels,
        "--test-images", test_images, "--test-labels", test_labels, "--out", path, NULL});
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    ech_child_result_free(&result);
}
