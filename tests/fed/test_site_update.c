/* An update of a site, as chunks from a writer to a reader. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/site/update.h"
#include "tests/fed/exact_support.h"
#include "tests/support.h"

TestSuite(site_update, .fini = ech_test_expect_no_leak);

enum { UPDATES = 3, WEIGHT = 100, BOUND = 1000, VALUES = 200000 };

static ech_layout *layout;
static ech_exact_sum *sum, *into;
static ech_state mean;
static float *lost;
static ech_wire_report reports[UPDATES];
static _Alignas(8) uint8_t payload[ECH_CHUNK_PAYLOAD_MAX];

static void start_with(ech_layout *chosen)
{
    ech_random stream = ech_random_stream(51, ECH_RANDOM_TEST, 0, 0, 0);
    layout = chosen;
    sum = ech_test_sum(layout, BOUND);
    into = ech_test_sum(layout, BOUND);
    for (uint32_t i = 0; i < UPDATES; i++) {
        ech_state state = ech_test_state(layout, pow(100.0, i), &stream);
        cr_assert_eq(ech_exact_sum_add(sum, ech_test_view(state), WEIGHT), ECH_OK);
        ech_test_state_free(&state);
        reports[i] = (ech_wire_report){.worker = 10 + i, .samples = WEIGHT};
    }
    mean = ech_test_state(layout, 1.0, &stream);
    lost = ech_calloc(layout->value_count, sizeof *lost);
    cr_assert_not_null(lost);
}

static void stop(void)
{
    ech_exact_sum_destroy(&sum);
    ech_exact_sum_destroy(&into);
    ech_test_state_free(&mean);
    ech_free(lost);
    ech_layout_destroy(&layout);
}

static ech_update_content content_of(ech_codec codec)
{
    return (ech_update_content){
        .layout = layout,
        .reports = reports,
        .report_count = UPDATES,
        .codec = codec,
        .keep_millionths = 100000,
        .packs = true,
        .sum = sum,
        .values = mean.values,
        .lost = lost,
        .counters = mean.counters,
    };
}

static ech_update_reader *reader_for(ech_codec codec)
{
    ech_update_reader *reader = NULL;
    const ech_update_expectation expectation = {
        .codec = codec, .weight_bound = BOUND, .worker_count = UPDATES};
    cr_assert_eq(ech_update_reader_create(layout, &reader), ECH_OK);
    cr_assert_eq(ech_update_reader_begin(reader, &expectation), ECH_OK);
    return reader;
}

static ech_wire_frame next_of(ech_update_writer *writer)
{
    ech_wire_frame frame = {.type = ECH_WIRE_UPDATE, .payload = payload};
    cr_assert_eq(ech_update_writer_next(writer, payload, &frame.payload_bytes), ECH_OK, "%s",
                 ech_status_message());
    return frame;
}

static ech_update_writer *writer_of(const ech_update_content *content)
{
    ech_update_writer *writer = NULL;
    cr_assert_eq(ech_update_writer_create(content, &writer), ECH_OK);
    return writer;
}

static void move_all(ech_update_writer *writer, ech_update_reader *reader)
{
    while (!ech_update_writer_is_done(writer)) {
        const ech_wire_frame frame = next_of(writer);
        cr_assert_eq(ech_update_reader_take(reader, &frame), ECH_OK, "%s", ech_status_message());
    }
}

static void expect_exact(ech_layout *chosen)
{
    start_with(chosen);
    const ech_update_content content = content_of(ECH_CODEC_EXACT);
    ech_update_writer *writer = writer_of(&content);
    ech_update_reader *reader = reader_for(ECH_CODEC_EXACT);
    move_all(writer, reader);
    cr_assert_eq(ech_update_reader_finish(reader, UPDATES * WEIGHT, UPDATES, NULL, &into), ECH_OK);
    cr_expect(ech_hash_equal(ech_test_sum_hash(sum, layout), ech_test_sum_hash(into, layout)));
    uint32_t count = 0;
    const ech_wire_report *got = ech_update_reader_reports(reader, &count);
    cr_assert_eq(count, UPDATES);
    cr_expect_eq(got[2].worker, 12);
    ech_update_reader_destroy(&reader);
    ech_update_writer_destroy(&writer);
    stop();
}

Test(site_update, the_exact_sum_arrives_bit_for_bit)
{
    expect_exact(ech_test_layout());
    expect_exact(ech_test_layout_of(VALUES)); /* several chunks */
}

Test(site_update, it_goes_on_at_any_chunk)
{
    for (int codec = ECH_CODEC_EXACT; codec < ECH_CODEC_COUNT; codec++) {
        start_with(ech_test_layout_of(VALUES));
        const ech_update_content content = content_of((ech_codec)codec);
        ech_update_writer *writer = writer_of(&content);
        uint64_t chunks = 0;
        while (!ech_update_writer_is_done(writer)) {
            (void)next_of(writer);
            chunks++;
        }
        cr_assert_geq(chunks, 4);
        for (uint64_t at = 0; at < chunks; at++) {
            static uint8_t first[ECH_WIRE_PAYLOAD_MAX];
            ech_update_writer_seek(writer, at);
            cr_assert_eq(ech_update_writer_position(writer), at);
            const uint32_t bytes = next_of(writer).payload_bytes;
            memcpy(first, payload, bytes);
            ech_update_writer_seek(writer, at);
            cr_assert_eq(next_of(writer).payload_bytes, bytes);
            cr_assert_eq(memcmp(first, payload, bytes), 0);
        }
        cr_expect(ech_update_writer_is_done(writer));
        ech_update_writer_destroy(&writer);
        stop();
    }
}

Test(site_update, lossy_values_are_added_to_their_base)
{
    for (int codec = ECH_CODEC_BF16; codec < ECH_CODEC_COUNT; codec++) {
        start_with(ech_test_layout());
        const ech_update_content content = content_of((ech_codec)codec);
        ech_update_writer *writer = writer_of(&content);
        ech_update_reader *reader = reader_for((ech_codec)codec);
        float *base = ech_calloc(layout->value_count, sizeof *base);
        float *got = ech_calloc(layout->value_count, sizeof *got);
        int64_t counters[2] = {0};
        for (uint64_t i = 0; i < layout->value_count; i++) {
            base[i] = 3.0F;
        }
        move_all(writer, reader);
        cr_assert_eq(ech_update_reader_finish(reader, UPDATES * WEIGHT, UPDATES, base, &into),
                     ECH_OK, "%s", ech_status_message());
        cr_assert_eq(ech_exact_sum_finish(into, 0, layout->value_count, got), ECH_OK);
        cr_assert_eq(ech_exact_sum_finish_counters(into, counters), ECH_OK);
        for (uint64_t i = 0; i < layout->value_count; i++) {
            cr_assert_float_eq(got[i], 3.0F + mean.values[i] - lost[i], 1e-5);
        }
        cr_expect_arr_eq(counters, mean.counters, sizeof counters);
        ech_free(base);
        ech_free(got);
        ech_update_reader_destroy(&reader);
        ech_update_writer_destroy(&writer);
        stop();
    }
}

Test(site_update, what_is_incomplete_or_of_another_weight_is_refused)
{
    for (int codec = ECH_CODEC_EXACT; codec < ECH_CODEC_COUNT; codec++) {
        start_with(ech_test_layout());
        const ech_update_content content = content_of((ech_codec)codec);
        ech_update_writer *writer = writer_of(&content);
        ech_update_reader *reader = reader_for((ech_codec)codec);
        cr_expect_eq(ech_update_reader_finish(reader, 0, 0, NULL, &into), ECH_ERR_FORMAT);
        const ech_wire_frame frame = next_of(writer);
        cr_assert_eq(ech_update_reader_take(reader, &frame), ECH_OK);
        cr_expect_eq(ech_update_reader_finish(reader, UPDATES * WEIGHT, UPDATES, NULL, &into),
                     ECH_ERR_FORMAT);
        if (codec == ECH_CODEC_EXACT) {
            move_all(writer, reader);
            cr_expect_eq(
                ech_update_reader_finish(reader, UPDATES * WEIGHT - 1, UPDATES, NULL, &into),
                ECH_ERR_FORMAT);
        }
        cr_expect_eq(ech_exact_sum_update_count(into), 0);
        ech_update_reader_destroy(&reader);
        ech_update_writer_destroy(&writer);
        stop();
    }
}

Test(site_update, chunks_of_another_kind_or_too_many_are_refused)
{
    start_with(ech_test_layout());
    const ech_update_content exact = content_of(ECH_CODEC_EXACT);
    const ech_update_content lossy = content_of(ECH_CODEC_INT8);
    ech_update_writer *exact_writer = writer_of(&exact);
    ech_update_writer *lossy_writer = writer_of(&lossy);
    ech_update_reader *reader = reader_for(ECH_CODEC_EXACT);
    ech_wire_frame frame = next_of(exact_writer);
    cr_assert_eq(ech_update_reader_take(reader, &frame), ECH_OK);
    cr_expect_eq(ech_update_reader_take(reader, &frame), ECH_ERR_FORMAT, "reports twice");
    (void)next_of(lossy_writer);
    frame = next_of(lossy_writer);
    cr_expect_eq(ech_update_reader_take(reader, &frame), ECH_ERR_FORMAT, "values in a sum");
    ech_update_writer_destroy(&exact_writer);
    ech_update_writer_destroy(&lossy_writer);
    ech_update_reader_destroy(&reader);
    stop();
}
