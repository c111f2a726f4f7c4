/* Batches: normalised by channel, varied by their stream, in every engine's format. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>

#include "kernels/batch.h"
#include "runtime/base/hash.h"
#include "tests/support.h"

TestSuite(kernels_batch, .fini = ech_test_expect_no_leak);

enum { CHANNELS = 3, HEIGHT = 4, WIDTH = 5, PIXELS = HEIGHT * WIDTH, IMAGE = CHANNELS * PIXELS };
enum { SAMPLES = 500, BATCH = 50 };

static const ech_normalisation normalisation = {.mean = {0.5F, 0.25F, 0.125F},
                                                .std = {0.5F, 0.25F, 2.0F}};

/* What makes batches, and where they go. */
typedef struct {
    ech_network *network;
    ech_plan *plan;
    ech_batch_maker *maker;
    uint8_t *images;
    ech_samples samples;
} workshop;

/* Every pixel of the first image has a value of its own, 1 to 60; the others add a little. */
static workshop open_workshop(ech_engine_choice engine)
{
    workshop w = {.images = calloc(SAMPLES, IMAGE)};
    cr_assert_not_null(w.images);
    for (int i = 0; i < SAMPLES * IMAGE; i++) {
        w.images[i] = (uint8_t)(1 + i % IMAGE + i / IMAGE % 100);
    }
    w.samples = (ech_samples){.images = w.images, .count = SAMPLES};
    cr_assert_eq(ech_network_create("test", (ech_shape){CHANNELS, HEIGHT, WIDTH}, 2, &w.network),
                 ECH_OK);
    const ech_value x = ech_network_conv(w.network, ECH_VALUE_INPUT, "conv",
                                         (ech_conv){.filters = 4, .window = ech_square(3, 1, 1)});
    ech_network_linear(w.network, x, "fc", (ech_linear){.outputs = 2});
    cr_assert_eq(ech_network_finish(w.network), ECH_OK);
    const ech_plan_options options = {
        .batch = BATCH, .engine = engine, .training = true, .keep_values = true};
    cr_assert_eq(ech_plan_create(w.network, &options, &w.plan), ECH_OK, "%s", ech_status_message());
    cr_assert_eq(ech_batch_maker_create(w.network, &normalisation, BATCH, &w.maker), ECH_OK);
    return w;
}

static void close_workshop(workshop *w)
{
    ech_batch_maker_destroy(&w->maker);
    ech_plan_destroy(&w->plan);
    ech_network_destroy(&w->network);
    free(w->images);
}

/* A pixel of the input, brought back to 0 to 255. */
static double pixel_of(const double *input, int index)
{
    const int c = index / PIXELS;
    return 255.0 * (input[index] * (double)normalisation.std[c] + (double)normalisation.mean[c]);
}

static const ech_engine_choice engines[] = {ECH_ENGINE_REFERENCE, ECH_ENGINE_LANES, ECH_ENGINE_BLAS,
                                            ECH_ENGINE_AUTO};

ParameterizedTestParameters(kernels_batch, pixels_are_normalised_by_channel)
{
    return cr_make_param_array(const ech_engine_choice, (ech_engine_choice *)engines,
                               sizeof engines / sizeof engines[0]);
}

ParameterizedTest(ech_engine_choice *engine, kernels_batch, pixels_are_normalised_by_channel)
{
    enum { COUNT = 21 }; /* not of whole blocks */
    workshop w = open_workshop(*engine);
    double input[COUNT * IMAGE];
    uint32_t indices[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        indices[i] = SAMPLES - 1 - 3 * i;
    }
    ech_batch_make(w.maker, w.plan, &w.samples, indices, 0, COUNT, NULL, NULL);
    cr_assert(ech_plan_read_value(w.plan, ECH_VALUE_INPUT, input));
    for (uint32_t i = 0; i < COUNT; i++) {
        for (int p = 0; p < IMAGE; p++) {
            cr_assert_float_eq(pixel_of(input + (size_t)i * IMAGE, p),
                               (w.images + (size_t)indices[i] * IMAGE)[p], 1e-4);
        }
    }
    close_workshop(&w);
}

/* Is the image at `input` the sample, moved by (dy, dx), perhaps mirrored, zeros from outside? As
 * torchvision does it: the crop is mirrored. */
static bool is_varied_so(const uint8_t *image, const double *input, int dy, int dx, bool flip)
{
    for (int p = 0; p < IMAGE; p++) {
        const int c = p / PIXELS, y = p % PIXELS / WIDTH, x = p % WIDTH;
        const int from_y = y + dy, from_x = (flip ? WIDTH - 1 - x : x) + dx;
        const bool inside = from_y >= 0 && from_y < HEIGHT && from_x >= 0 && from_x < WIDTH;
        const double expected = inside ? image[c * PIXELS + from_y * WIDTH + from_x] : 0.0;
        if (pixel_of(input, p) - expected > 1e-4 || expected - pixel_of(input, p) > 1e-4) {
            return false;
        }
    }
    return true;
}

/* Count the (dy, dx, flip) of all samples; each image must be one of them. */
static void count_variants(const ech_augmentation *how, int counts[3][3][2])
{
    workshop w = open_workshop(ECH_ENGINE_REFERENCE);
    double *input = calloc((size_t)BATCH * IMAGE, sizeof *input);
    ech_random stream = ech_random_stream(1, ECH_RANDOM_AUGMENT, 1, 0, 0);
    for (uint64_t first = 0; first < SAMPLES; first += BATCH) {
        ech_batch_make(w.maker, w.plan, &w.samples, NULL, first, BATCH, how, &stream);
        cr_assert(ech_plan_read_value(w.plan, ECH_VALUE_INPUT, input));
        for (int i = 0; i < BATCH; i++) {
            int found = 0;
            for (int v = 0; v < 18; v++) {
                const bool so =
                    is_varied_so(w.images + (first + (uint64_t)i) * IMAGE,
                                 input + (size_t)i * IMAGE, v / 6 - 1, v / 2 % 3 - 1, v % 2 == 1);
                counts[v / 6][v / 2 % 3][v % 2] += so;
                found += so;
            }
            cr_assert_eq(found, 1, "image %d is none of the expected", i);
        }
    }
    free(input);
    close_workshop(&w);
}

Test(kernels_batch, crops_and_flips_are_all_as_likely)
{
    int counts[3][3][2] = {0};
    count_variants(&(ech_augmentation){.crop_pad = 1, .flip = true}, counts);
    for (int v = 0; v < 18; v++) { /* 27.8 of 500 each, deviation 5.1 */
        const int count = counts[v / 6][v / 2 % 3][v % 2];
        cr_expect(count > 8 && count < 50, "variant %d: %d times", v, count);
    }
}

Test(kernels_batch, a_flip_alone_moves_nothing)
{
    int counts[3][3][2] = {0};
    count_variants(&(ech_augmentation){.flip = true}, counts);
    cr_expect_eq(counts[1][1][0] + counts[1][1][1], SAMPLES);
    cr_expect(counts[1][1][0] > 200 && counts[1][1][1] > 200);
}

Test(kernels_batch, a_crop_alone_mirrors_nothing)
{
    int counts[3][3][2] = {0};
    count_variants(&(ech_augmentation){.crop_pad = 1}, counts);
    for (int v = 0; v < 9; v++) {
        cr_expect_gt(counts[v / 3][v % 3][0], 25);
        cr_expect_eq(counts[v / 3][v % 3][1], 0);
    }
}

Test(kernels_batch, a_stream_gives_the_same_variants_again)
{
    workshop w = open_workshop(ECH_ENGINE_REFERENCE);
    const ech_augmentation how = {.crop_pad = 2, .flip = true};
    double inputs[3][BATCH * IMAGE];
    for (uint64_t i = 0; i < 3; i++) {
        ech_random stream = ech_random_stream(1, ECH_RANDOM_AUGMENT, 1, 0, i == 2);
        ech_batch_make(w.maker, w.plan, &w.samples, NULL, 0, BATCH, &how, &stream);
        cr_assert(ech_plan_read_value(w.plan, ECH_VALUE_INPUT, inputs[i]));
    }
    cr_expect_arr_eq(inputs[0], inputs[1], sizeof inputs[0]);
    cr_expect_not(ech_hash_equal(ech_hash_bytes(inputs[0], sizeof inputs[0]),
                                 ech_hash_bytes(inputs[2], sizeof inputs[2])));
    close_workshop(&w);
}
