#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "runtime/base/random.h"
#include "runtime/fed/site/chunk.h"
#include "runtime/fed/site/codec.h"
#include "tests/fed/exact_support.h"
#include "tests/support.h"

TestSuite(site_codec, .fini = ech_test_expect_no_leak);

enum { COUNT = 5000, TENTH = 100000 };

static float values[COUNT], lost[COUNT], got[COUNT];
static uint8_t bytes[ECH_CODEC_PIECE_BYTES];

static void fill(uint64_t seed, double magnitude)
{
    ech_random stream = ech_random_stream(seed, ECH_RANDOM_TEST, 0, 0, 0);
    ech_test_fill_normal(values, COUNT, magnitude, &stream);
}

static size_t pass(ech_codec codec)
{
    const size_t used = ech_codec_encode(codec, TENTH, values, COUNT, lost, bytes);
    cr_assert_eq(ech_codec_decode(codec, bytes, used, got, COUNT), ECH_OK);
    return used;
}

Test(site_codec, what_is_lost_is_the_difference)
{
    static const double magnitudes[] = {1e-40, 1e-6, 1.0, 1e30};
    for (int codec = ECH_CODEC_BF16; codec < ECH_CODEC_COUNT; codec++) {
        for (size_t m = 0; m < sizeof magnitudes / sizeof *magnitudes; m++) {
            fill(7 + m, magnitudes[m]);
            pass((ech_codec)codec);
            for (int i = 0; i < COUNT; i++) {
                cr_assert_eq(lost[i], values[i] - got[i], "codec %d, value %d", codec, i);
            }
        }
    }
}

Test(site_codec, bf16_is_half_the_bytes_and_near)
{
    fill(3, 2.0);
    cr_expect_eq(pass(ECH_CODEC_BF16), 2 * COUNT);
    for (int i = 0; i < COUNT; i++) {
        cr_assert_leq(fabsf(lost[i]), fabsf(values[i]) * 0x1p-8F);
    }
    values[0] = 1.00390625F; /* 1 + 2^-8: a tie, to even */
    values[1] = 3.38953139e38F;
    values[2] = 3.4028234e38F; /* rounds towards zero, not to infinity */
    pass(ECH_CODEC_BF16);
    cr_expect_eq(got[0], 1.0F);
    cr_expect_eq(got[1], 3.38953139e38F);
    cr_expect(isfinite(got[2]));
}

Test(site_codec, int8_is_a_quarter_and_within_half_a_step)
{
    fill(4, 0.01);
    float largest = 0.0F;
    for (int i = 0; i < COUNT; i++) {
        largest = fmaxf(largest, fabsf(values[i]));
    }
    cr_expect_eq(pass(ECH_CODEC_INT8), COUNT + 4);
    for (int i = 0; i < COUNT; i++) {
        cr_assert_leq(fabsf(lost[i]), largest / 127 * 0.5001F);
    }
    memset(values, 0, sizeof values);
    pass(ECH_CODEC_INT8);
    cr_expect_eq(got[7], 0.0F);
}

Test(site_codec, top_keeps_the_largest_and_no_more)
{
    fill(5, 1.0);
    const size_t used = pass(ECH_CODEC_TOP);
    cr_expect_eq(used, 4 + 8 * COUNT / 10);
    float smallest_kept = INFINITY;
    float largest_lost = 0.0F;
    int kept = 0;
    for (int i = 0; i < COUNT; i++) {
        if (got[i] != 0.0F) {
            kept++;
            cr_assert_eq(got[i], values[i]);
            smallest_kept = fminf(smallest_kept, fabsf(values[i]));
        } else {
            largest_lost = fmaxf(largest_lost, fabsf(values[i]));
        }
    }
    cr_expect_eq(kept, COUNT / 10);
    cr_expect_geq(smallest_kept, largest_lost);
}

Test(site_codec, top_takes_any_number_of_equals)
{
    for (int i = 0; i < COUNT; i++) {
        values[i] = i < 300 ? 2.0F : -1.0F;
    }
    cr_expect_eq(pass(ECH_CODEC_TOP), 4 + 8 * COUNT / 10);
    cr_expect_eq(got[299], 2.0F);
    cr_expect_eq(got[499], -1.0F);
    cr_expect_eq(got[500], 0.0F);
    memset(values, 0, sizeof values);
    cr_expect_eq(pass(ECH_CODEC_TOP), 4 + 8 * COUNT / 10);
}

/* Without the feedback the mean of what is sent stays off by the same amount for ever. */
Test(site_codec, what_is_lost_comes_with_later_updates)
{
    for (int codec = ECH_CODEC_BF16; codec < ECH_CODEC_COUNT; codec++) {
        static float wanted[COUNT], carried[COUNT];
        static double sum[COUNT];
        enum { UPDATES = 400 };
        fill(6, 1.0);
        memcpy(wanted, values, sizeof wanted);
        memset(carried, 0, sizeof carried);
        memset(sum, 0, sizeof sum);
        for (int update = 0; update < UPDATES; update++) {
            for (int i = 0; i < COUNT; i++) {
                values[i] = wanted[i] + carried[i];
            }
            pass((ech_codec)codec);
            memcpy(carried, lost, sizeof carried);
            for (int i = 0; i < COUNT; i++) {
                sum[i] += got[i];
            }
        }
        for (int i = 0; i < COUNT; i++) {
            cr_assert_lt(fabs(sum[i] / UPDATES - wanted[i]), 0.1, "codec %d", codec);
        }
    }
}

Test(site_codec, foreign_bytes_are_refused)
{
    fill(8, 1.0);
    for (int codec = ECH_CODEC_EXACT; codec < ECH_CODEC_COUNT + 1; codec++) {
        const size_t used =
            codec == ECH_CODEC_EXACT || codec == ECH_CODEC_COUNT ? 10 : pass((ech_codec)codec);
        cr_expect_eq(ech_codec_decode((ech_codec)codec, bytes, used - 1, got, COUNT),
                     ECH_ERR_FORMAT);
        cr_expect_eq(ech_codec_decode((ech_codec)codec, bytes, 0, got, COUNT), ECH_ERR_FORMAT);
    }
    pass(ECH_CODEC_TOP);
    const uint32_t beyond = COUNT;
    memcpy(bytes + 4, &beyond, sizeof beyond);
    cr_expect_eq(ech_codec_decode(ECH_CODEC_TOP, bytes, 4 + 8 * COUNT / 10, got, COUNT),
                 ECH_ERR_FORMAT);
}

/* ---- chunks ---- */

static ech_wire_frame chunk_of(ech_packer *packer, ech_chunk_kind kind, bool packs, const void *raw,
                               size_t count)
{
    static _Alignas(8) uint8_t payload[ECH_CHUNK_PAYLOAD_MAX];
    memcpy(ech_chunk_body(payload), raw, count);
    const size_t used = ech_chunk_write(packer, kind, packs, count, payload);
    return (ech_wire_frame){.payload = payload, .payload_bytes = (uint32_t)used};
}

static void expect_same(ech_packer *packer, const ech_wire_frame *frame, const void *raw,
                        size_t count)
{
    ech_chunk_kind kind = ECH_CHUNK_REPORTS;
    const void *out = NULL;
    size_t out_bytes = 0;
    cr_assert_eq(ech_chunk_read(packer, frame, &kind, &out, &out_bytes), ECH_OK, "%s",
                 ech_status_message());
    cr_assert_eq(out_bytes, count);
    cr_assert_eq(memcmp(out, raw, count), 0);
    cr_assert_eq((uintptr_t)out % 8, 0);
}

Test(site_codec, chunks_are_packed_where_it_pays)
{
    ech_packer *packer = NULL;
    static int64_t sums[8192];
    static uint8_t noise[65536];
    ech_random stream = ech_random_stream(9, ECH_RANDOM_TEST, 0, 0, 0);
    for (int i = 0; i < 8192; i++) {
        sums[i] = (int64_t)(ech_random_u64(&stream) >> 40) << 20;
    }
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (uint8_t)ech_random_u64(&stream);
    }
    cr_assert_eq(ech_packer_create(&packer), ECH_OK);
    ech_wire_frame frame = chunk_of(packer, ECH_CHUNK_SUM, true, sums, sizeof sums);
    expect_same(packer, &frame, sums, sizeof sums);
    if (ech_packer_packs()) {
        cr_expect_lt(frame.payload_bytes, sizeof sums / 2);
    }
    frame = chunk_of(packer, ECH_CHUNK_SUM, false, sums, sizeof sums);
    cr_expect_eq(frame.payload_bytes, sizeof sums + ECH_CHUNK_HEAD_BYTES);
    expect_same(packer, &frame, sums, sizeof sums);
    frame = chunk_of(packer, ECH_CHUNK_MODEL, true, noise, sizeof noise);
    cr_expect_eq(frame.payload_bytes, sizeof noise + ECH_CHUNK_HEAD_BYTES,
                 "noise is sent as it is");
    expect_same(packer, &frame, noise, sizeof noise);
    frame = chunk_of(packer, ECH_CHUNK_SUM, true, sums, 8191);
    expect_same(packer, &frame, sums, 8191);
    ech_packer_destroy(&packer);
}

/* A message lies where its library puts it. */
Test(site_codec, chunks_are_read_from_any_place)
{
    ech_packer *packer = NULL;
    static int64_t sums[1024] = {7, 8, 9};
    static uint8_t moved[ECH_CHUNK_PAYLOAD_MAX + 1];
    cr_assert_eq(ech_packer_create(&packer), ECH_OK);
    ech_wire_frame frame = chunk_of(packer, ECH_CHUNK_SUM, false, sums, sizeof sums);
    for (size_t by = 0; by <= 1; by++) {
        memcpy(moved + by, frame.payload, frame.payload_bytes);
        const ech_wire_frame there = {.payload = moved + by, .payload_bytes = frame.payload_bytes};
        expect_same(packer, &there, sums, sizeof sums);
    }
    ech_packer_destroy(&packer);
}

Test(site_codec, damaged_chunks_are_refused)
{
    ech_packer *packer = NULL;
    static int64_t sums[1024];
    ech_chunk_kind kind = ECH_CHUNK_SUM;
    const void *out = NULL;
    size_t count = 0;
    cr_assert_eq(ech_packer_create(&packer), ECH_OK);
    ech_wire_frame frame = chunk_of(packer, ECH_CHUNK_SUM, true, sums, sizeof sums);
    uint8_t *payload = (uint8_t *)(uintptr_t)frame.payload;
    for (uint32_t less = 0; less < frame.payload_bytes; less++) {
        ech_wire_frame cut = frame;
        cut.payload_bytes = less;
        cr_assert_eq(ech_chunk_read(packer, &cut, &kind, &out, &count), ECH_ERR_FORMAT);
    }
    payload[0] = 77;
    cr_expect_eq(ech_chunk_read(packer, &frame, &kind, &out, &count), ECH_ERR_FORMAT);
    payload[0] = ECH_CHUNK_SUM;
    payload[11] = 0x7f; /* a size that no chunk has: nothing is allocated for it */
    cr_expect_eq(ech_chunk_read(packer, &frame, &kind, &out, &count), ECH_ERR_FORMAT);
    ech_packer_destroy(&packer);
}
