#include <criterion/criterion.h>
#include <string.h>

#include "runtime/base/random.h"
#include "runtime/fed/site/wire.h"
#include "tests/support.h"

TestSuite(site_wire, .fini = ech_test_expect_no_leak);

enum { PAYLOAD = 1000, MESSAGE = ECH_WIRE_HEADER_BYTES + PAYLOAD, CASES = 20000 };

static uint8_t message[ECH_WIRE_HEADER_BYTES + ECH_WIRE_PAYLOAD_MAX];

static size_t write_message(void)
{
    static uint8_t payload[PAYLOAD];
    for (size_t i = 0; i < PAYLOAD; i++) {
        payload[i] = (uint8_t)(i * 7);
    }
    const ech_wire_frame frame = {.type = ECH_WIRE_UPDATE,
                                  .session = UINT64_C(0x123456789abcdef0),
                                  .round = 7,
                                  .sequence = 11,
                                  .argument = 1,
                                  .payload = payload,
                                  .payload_bytes = PAYLOAD};
    return ech_wire_encode(&frame, message);
}

Test(site_wire, a_message_is_read_as_it_was_written)
{
    ech_wire_frame got;
    cr_assert_eq(write_message(), MESSAGE);
    cr_assert_eq(ech_wire_decode(message, MESSAGE, &got), ECH_OK);
    cr_expect_eq(got.type, ECH_WIRE_UPDATE);
    cr_expect_eq(got.session, UINT64_C(0x123456789abcdef0));
    cr_expect_eq(got.round, 7);
    cr_expect_eq(got.sequence, 11);
    cr_expect_eq(got.argument, 1);
    cr_assert_eq(got.payload_bytes, PAYLOAD);
    cr_expect_eq(((const uint8_t *)got.payload)[999], (uint8_t)(999 * 7));
}

/* The bytes that other implementations have to write: docs/protocol.md. */
Test(site_wire, the_header_lies_as_it_is_written_down)
{
    static const uint8_t start[] = {'E',  'C',  'H',  'S',  1,    0,    8,    0,
                                    0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12};
    write_message();
    cr_expect_arr_eq(message, start, sizeof start);
    cr_expect_eq(message[16], 7);
    cr_expect_eq(message[24], 11);
    cr_expect_eq(message[32], 1);
    cr_expect_eq(message[40] | message[41] << 8, PAYLOAD);
}

Test(site_wire, every_truncated_message_is_refused)
{
    ech_wire_frame got;
    write_message();
    for (size_t bytes = 0; bytes < MESSAGE; bytes++) {
        cr_assert_eq(ech_wire_decode(message, bytes, &got), ECH_ERR_FORMAT, "%zu bytes", bytes);
    }
    cr_expect_eq(ech_wire_decode(message, MESSAGE + 1, &got), ECH_ERR_FORMAT);
}

Test(site_wire, every_flipped_bit_is_noticed)
{
    ech_wire_frame got;
    write_message();
    for (size_t bit = 0; bit < 8 * (size_t)MESSAGE; bit++) {
        message[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_assert_neq(ech_wire_decode(message, MESSAGE, &got), ECH_OK, "bit %zu", bit);
        message[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

Test(site_wire, another_version_is_named)
{
    ech_wire_frame got;
    write_message();
    message[4] = 9;
    cr_expect_eq(ech_wire_decode(message, MESSAGE, &got), ECH_ERR_UNSUPPORTED);
    cr_expect_not_null(strstr(ech_status_message(), "version 9"));
}

Test(site_wire, an_oversized_message_is_refused)
{
    static uint8_t big[ECH_WIRE_HEADER_BYTES + ECH_WIRE_PAYLOAD_MAX + 1];
    ech_wire_frame frame = {.type = ECH_WIRE_MODEL,
                            .payload = big + ECH_WIRE_HEADER_BYTES,
                            .payload_bytes = ECH_WIRE_PAYLOAD_MAX};
    const size_t bytes = ech_wire_encode(&frame, big);
    cr_expect_eq(ech_wire_decode(big, bytes, &frame), ECH_OK);
    cr_expect_eq(ech_wire_decode(big, sizeof big, &frame), ECH_ERR_FORMAT);
}

Test(site_wire, random_bytes_are_refused)
{
    ech_random stream = ech_random_stream(61, ECH_RANDOM_TEST, 0, 0, 0);
    ech_wire_frame got;
    for (int i = 0; i < CASES; i++) {
        const size_t bytes = ech_random_below(&stream, 256);
        for (size_t b = 0; b < bytes; b++) {
            message[b] = (uint8_t)ech_random_u64(&stream);
        }
        cr_assert_eq(ech_wire_decode(message, bytes, &got), ECH_ERR_FORMAT);
    }
}

/* ---- payloads ---- */

static ech_wire_frame frame_of(ech_wire_type type, const void *payload, size_t bytes)
{
    return (ech_wire_frame){.type = type, .payload = payload, .payload_bytes = (uint32_t)bytes};
}

Test(site_wire, a_join_tells_its_workers)
{
    static uint8_t payload[ECH_WIRE_PAYLOAD_MAX];
    static ech_wire_worker workers[ECH_WIRE_WORKERS_MAX];
    ech_wire_join join = {.name = "boulder",
                          .config = {1, 2},
                          .model = {3, 4},
                          .engines = "lanes avx2",
                          .worker_count = ECH_WIRE_WORKERS_MAX};
    ech_wire_join got;
    for (uint32_t i = 0; i < ECH_WIRE_WORKERS_MAX; i++) {
        workers[i] = (ech_wire_worker){.worker = 3 * i, .samples = UINT64_C(5000000000) + i};
    }
    const size_t bytes = ech_wire_put_join(&join, workers, payload);
    const ech_wire_frame frame = frame_of(ECH_WIRE_JOIN, payload, bytes);
    cr_assert_eq(ech_wire_take_join(&frame, &got), ECH_OK);
    cr_expect_str_eq(got.name, "boulder");
    cr_expect_str_eq(got.engines, "lanes avx2");
    cr_expect(ech_hash_equal(got.config, join.config) && ech_hash_equal(got.model, join.model));
    cr_assert_eq(got.worker_count, ECH_WIRE_WORKERS_MAX);
    const ech_wire_worker last = ech_wire_join_worker(&frame, ECH_WIRE_WORKERS_MAX - 1);
    cr_expect_eq(last.worker, 3 * (ECH_WIRE_WORKERS_MAX - 1));
    cr_expect_eq(last.samples, UINT64_C(5000000000) + ECH_WIRE_WORKERS_MAX - 1);
    for (size_t less = 0; less < 400; less++) {
        const ech_wire_frame cut = frame_of(ECH_WIRE_JOIN, payload, less);
        cr_assert_eq(ech_wire_take_join(&cut, &got), ECH_ERR_FORMAT);
    }
    memset(payload, 'x', ECH_WIRE_NAME_BYTES);
    cr_expect_eq(ech_wire_take_join(&frame, &got), ECH_ERR_FORMAT, "a name without end");
}

Test(site_wire, a_round_tells_who_takes_part)
{
    uint8_t payload[256];
    const uint32_t workers[] = {4, 8, 15};
    const ech_wire_round round = {.weight_bound = UINT64_C(1) << 35,
                                  .model_bytes = 12345678901,
                                  .epochs = 5,
                                  .codec = 2,
                                  .packs = 1,
                                  .keep_millionths = 10000,
                                  .worker_count = 3};
    ech_wire_round got;
    const ech_wire_frame frame =
        frame_of(ECH_WIRE_ROUND, payload, ech_wire_put_round(&round, workers, payload));
    cr_assert_eq(ech_wire_take_round(&frame, &got), ECH_OK);
    cr_expect_eq(got.weight_bound, round.weight_bound);
    cr_expect_eq(got.model_bytes, round.model_bytes);
    cr_expect_eq(got.epochs, 5);
    cr_expect_eq(got.codec, 2);
    cr_expect_eq(got.packs, 1);
    cr_expect_eq(got.keep_millionths, 10000);
    cr_expect_eq(ech_wire_round_worker(&frame, 2), 15);
    for (size_t less = 0; less < frame.payload_bytes; less++) {
        const ech_wire_frame cut = frame_of(ECH_WIRE_ROUND, payload, less);
        cr_assert_eq(ech_wire_take_round(&cut, &got), ECH_ERR_FORMAT);
    }
}

Test(site_wire, reports_keep_their_numbers)
{
    uint8_t payload[2 * ECH_WIRE_REPORT_BYTES];
    const ech_wire_report reports[] = {{.worker = 1},
                                       {.worker = 2,
                                        .refused = 1,
                                        .samples = 30,
                                        .steps = 5,
                                        .loss = 0.25,
                                        .accuracy = 0.5,
                                        .start_ns = 17,
                                        .end_ns = UINT64_MAX}};
    cr_assert_eq(ech_wire_put_reports(reports, 2, payload), sizeof payload);
    const ech_wire_report got = ech_wire_report_at(payload, 1);
    cr_expect_eq(got.worker, 2);
    cr_expect_eq(got.refused, 1);
    cr_expect_eq(got.samples, 30);
    cr_expect_eq(got.steps, 5);
    cr_expect_eq(got.loss, 0.25);
    cr_expect_eq(got.accuracy, 0.5);
    cr_expect_eq(got.start_ns, 17);
    cr_expect_eq(got.end_ns, UINT64_MAX);
}

/* A peer's text goes into the log: it must not end a line or move the cursor. */
Test(site_wire, a_text_is_cut_and_made_printable)
{
    char payload[2 * ECH_WIRE_TEXT_BYTES];
    char text[ECH_WIRE_TEXT_BYTES];
    static const char hostile[8] = {'n', 'o', '\n', '\x1b', '[', '2', 'J', '\xff'};
    memset(payload, 'a', sizeof payload);
    memcpy(payload, hostile, sizeof hostile);
    const ech_wire_frame frame = frame_of(ECH_WIRE_REFUSE, payload, sizeof payload);
    ech_wire_take_text(&frame, text);
    cr_expect_eq(strlen(text), ECH_WIRE_TEXT_BYTES - 1);
    cr_expect_eq(strncmp(text, "no??[2J?aaa", 11), 0);
}

Test(site_wire, names_are_words)
{
    cr_expect_eq(ech_wire_check_name("boulder-2.edu_x"), ECH_OK);
    static const char *const bad[] = {
        "",    ".hidden", "a/b",
        "a b", "a\n",     "0123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(ech_wire_check_name(bad[i]), ECH_ERR_CONFIG, "'%s'", bad[i]);
    }
}
