#include "tests/io/shards_fixture.h"

#include <criterion/criterion.h>

#include "tests/io/fixture.h"

enum { CLASSES = 4, HEIGHT = 2, WIDTH = 3, NOBODY_EACH = 10, STRIDE = 7 };

static const uint64_t offsets[SHARDS_WORKERS + 1] = {0, 5, 20, 20, 21, 50, SHARDS_DEALT};

uint8_t shards_fixture_pixel(ech_data_part part, uint64_t sample, uint64_t pixel)
{
    return (uint8_t)(sample * STRIDE + pixel + (part == ECH_DATA_TEST ? 128 : 0));
}

static void draw(ech_data_part part, uint64_t count, bool inverted, uint8_t *images,
                 uint8_t *labels)
{
    for (uint64_t s = 0; s < count; s++) {
        labels[s] = (uint8_t)(s % CLASSES);
        for (uint64_t p = 0; p < SHARDS_PIXELS; p++) {
            const uint8_t pixel = shards_fixture_pixel(part, s, p);
            images[s * SHARDS_PIXELS + p] = inverted ? UINT8_MAX - pixel : pixel;
        }
    }
}

void shards_fixture_data(bool inverted)
{
    static uint8_t images[2][SHARDS_SAMPLES * SHARDS_PIXELS];
    static uint8_t labels[2][SHARDS_SAMPLES];
    draw(ECH_DATA_TRAIN, SHARDS_SAMPLES, inverted, images[0], labels[0]);
    draw(ECH_DATA_TEST, SHARDS_TESTS, inverted, images[1], labels[1]);
    const ech_dataset_content content = {
        .parts = {{SHARDS_SAMPLES, images[0], labels[0]}, {SHARDS_TESTS, images[1], labels[1]}},
        .channels = 1,
        .height = HEIGHT,
        .width = WIDTH,
        .classes = CLASSES};
    cr_assert_eq(ech_dataset_write(fixture_io, fixture_path("data.h5"), &content), ECH_OK, "%s",
                 ech_status_message());
}

const ech_split_file *shards_fixture_split(void)
{
    static uint32_t indices[SHARDS_DEALT];
    static ech_split_file split = {SHARDS_WORKERS, NULL, indices, SHARDS_SAMPLES};
    static uint64_t own_offsets[SHARDS_WORKERS + 1];
    uint32_t dealt = 0;
    for (uint32_t i = 0; i < SHARDS_SAMPLES; i++) {
        const uint32_t sample = i * STRIDE % SHARDS_SAMPLES;
        if (sample % NOBODY_EACH != 0) {
            indices[dealt++] = sample;
        }
    }
    cr_assert_eq(dealt, SHARDS_DEALT);
    for (int w = 0; w <= SHARDS_WORKERS; w++) {
        own_offsets[w] = offsets[w];
    }
    split.offsets = own_offsets;
    return &split;
}

ech_status shards_fixture_write(const char *name, uint64_t file_count)
{
    ech_dataset *dataset = NULL;
    ech_status status = ech_dataset_open(fixture_io, fixture_path("data.h5"), &dataset);
    if (status == ECH_OK) {
        status = ech_shards_write(fixture_io, fixture_path(name), dataset, shards_fixture_split(),
                                  file_count);
    }
    ech_dataset_close(&dataset);
    return status;
}

static void compare(ech_data_part part, uint64_t count, const uint8_t *pixels,
                    const uint8_t *labels)
{
    const ech_split_file *split = shards_fixture_split();
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t sample = part == ECH_DATA_TRAIN ? split->indices[i] : i;
        cr_assert_eq(labels[i], sample % CLASSES, "part %d, place %zu", part, (size_t)i);
        for (uint64_t p = 0; p < SHARDS_PIXELS; p++) {
            cr_assert_eq(pixels[i * SHARDS_PIXELS + p], shards_fixture_pixel(part, sample, p),
                         "part %d, place %zu", part, (size_t)i);
        }
    }
}

static ech_status read_part(ech_shard_reader *reader, ech_data_part part, uint64_t count)
{
    uint8_t pixels[SHARDS_SAMPLES * SHARDS_PIXELS];
    uint8_t labels[SHARDS_SAMPLES];
    const ech_status status = ech_shard_reader_read(reader, part, 0, count, pixels, labels, NULL);
    if (status == ECH_OK) {
        compare(part, count, pixels, labels);
    }
    return status;
}

ech_status shards_fixture_read(const char *name)
{
    char path[ECH_SHARDS_PATH_BYTES];
    ech_shards shards = {0};
    ech_shard_reader *reader = NULL;
    ech_status status = ech_shards_path(fixture_path(name), path);
    if (status == ECH_OK) {
        status = ech_shards_read(fixture_io, path, &shards);
    }
    if (status == ECH_OK) {
        status = ech_shard_reader_create(path, &shards, &reader);
    }
    if (status == ECH_OK) {
        status = read_part(reader, ECH_DATA_TRAIN, SHARDS_DEALT);
    }
    if (status == ECH_OK) {
        status = read_part(reader, ECH_DATA_TEST, SHARDS_TESTS);
    }
    ech_shard_reader_destroy(&reader);
    ech_shards_free(&shards);
    return status;
}
