/* A leader's hub and a site that breaks the protocol, over a real connection within one process. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"
#include "runtime/fed/site/update.h"
#include "tests/fed/exact_support.h"
#include "tests/fed/hub_support.h"
#include "tests/limits.h"

enum {
    WORKERS = ECH_TEST_HUB_WORKERS,
    SAMPLES = ECH_TEST_HUB_SAMPLES,
    BOUND = ECH_TEST_HUB_BOUND,
    ROUND = ECH_TEST_HUB_ROUND,
    TURN_MS = 2,
    LOG_BYTES = 1 << 16
};

enum { LIMIT_SECONDS = 20 };

static char log_path[ECH_TEST_PATH_BYTES + 16];
static int kept_stderr;
static ech_test_hub leader;
static ech_dialer *dialer;
static _Alignas(8) uint8_t payload[ECH_WIRE_PAYLOAD_MAX];
static uint64_t session;

/* What is logged goes into a file, to be looked at. */
static void start(void)
{
    ech_test_hub_start(&leader, ech_test_layout());
    dialer = ech_test_dialer(&leader, ech_hub_endpoint(leader.hub));
    snprintf(log_path, sizeof log_path, "%s/log", leader.folder);
    kept_stderr = dup(STDERR_FILENO);
    const int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    cr_assert(kept_stderr >= 0 && dup2(log, STDERR_FILENO) >= 0);
    close(log);
}

static void stop(void)
{
    dup2(kept_stderr, STDERR_FILENO);
    ech_dialer_destroy(&dialer);
    ech_test_hub_stop(&leader);
    ech_test_expect_no_leak();
}

TestSuite(site_hub, .init = start, .fini = stop);

static int count_in_log(const char *text)
{
    static char log[LOG_BYTES];
    FILE *file = fopen(log_path, "rb");
    cr_assert_not_null(file);
    log[fread(log, 1, sizeof log - 1, file)] = '\0';
    fclose(file);
    int count = 0;
    for (const char *at = strstr(log, text); at != NULL; at = strstr(at + 1, text)) {
        count++;
    }
    return count;
}

/* ---- the hostile site ---- */

static void send_frame(ech_wire_frame frame)
{
    frame.session = frame.session == 0 ? session : frame.session;
    cr_assert_eq(ech_test_send(dialer, &frame), ECH_OK, "%s", ech_status_message());
}

/* Serve both sides until a message of this type has come; false: after `turns` without. */
static bool await_type(ech_wire_type type, ech_wire_frame *out, int turns)
{
    const uint64_t until_ns = ech_clock_ns() + ech_test_limit_ns(LIMIT_SECONDS);
    while (turns-- > 0 && ech_clock_ns() < until_ns) {
        ech_dialer_event event = ECH_DIALER_NOTHING;
        const void *message = NULL;
        size_t bytes = 0;
        cr_assert_eq(ech_hub_wait(leader.hub, TURN_MS), ECH_OK);
        cr_assert_eq(ech_dialer_receive(dialer, TURN_MS, &event, &message, &bytes), ECH_OK);
        if (event == ECH_DIALER_MESSAGE && ech_wire_decode(message, bytes, out) == ECH_OK &&
            out->type == type) {
            return true;
        }
    }
    return false;
}

enum { LONG = 5000, SHORT = 30 };

static void join(void)
{
    ech_wire_frame welcome;
    ech_test_join(dialer, "boulder", 0);
    cr_assert(await_type(ECH_WIRE_WELCOME, &welcome, LONG));
    session = welcome.session;
}

static void begin_round(void)
{
    ech_wire_frame told;
    ech_test_hub_begin(&leader);
    cr_assert(await_type(ECH_WIRE_ROUND, &told, LONG));
}

/* A sound update of both workers. */
static ech_update_writer *make_update(ech_exact_sum *sum)
{
    static const ech_wire_report reports[WORKERS] = {{.worker = 0, .samples = SAMPLES},
                                                     {.worker = 1, .samples = SAMPLES}};
    const ech_update_content content = {
        .layout = leader.layout, .reports = reports, .report_count = WORKERS, .sum = sum};
    ech_update_writer *writer = NULL;
    for (int i = 0; i < WORKERS; i++) {
        cr_assert_eq(ech_exact_sum_add(sum, ech_test_view(leader.model), SAMPLES), ECH_OK);
    }
    cr_assert_eq(ech_update_writer_create(&content, &writer), ECH_OK);
    return writer;
}

/* The next chunk, as a frame. */
static ech_wire_frame next_chunk(ech_update_writer *writer)
{
    ech_wire_frame frame = {.type = ECH_WIRE_UPDATE,
                            .round = ROUND,
                            .sequence = ech_update_writer_position(writer),
                            .payload = payload};
    cr_assert_eq(ech_update_writer_next(writer, payload, &frame.payload_bytes), ECH_OK);
    frame.argument = ech_update_writer_is_done(writer);
    return frame;
}

static uint64_t collected_updates(void)
{
    ech_exact_sum *into = ech_test_sum(leader.layout, BOUND);
    bool over = false;
    cr_assert_eq(ech_hub_settle(leader.hub, UINT64_MAX, &over), ECH_OK);
    cr_expect(over);
    cr_assert_eq(ech_hub_collect(leader.hub, into), ECH_OK);
    const uint64_t count = ech_exact_sum_update_count(into);
    ech_exact_sum_destroy(&into);
    return count;
}

/* ---- the end ---- */

/* Its first connection broke before it heard of the end. */
Test(site_hub, a_site_that_joins_after_the_end_is_told_and_waited_for)
{
    ech_wire_frame frame;
    join();
    ech_dialer_close(dialer);
    ech_test_join(dialer, "boulder", 0);
    send_frame((ech_wire_frame){.type = ECH_WIRE_LEAVE,
                                .payload = payload,
                                .payload_bytes = (uint32_t)ech_wire_put_text("heard", payload)});
    ech_hub_end(leader.hub);
    cr_expect_eq(count_in_log("is away"), 0, "a farewell is no news");
    cr_expect(await_type(ECH_WIRE_WELCOME, &frame, LONG));
    cr_expect(await_type(ECH_WIRE_END, &frame, LONG));
}

/* Its connection may be closed once it has heard that it was heard, and not before. */
Test(site_hub, a_site_that_leaves_hears_that_it_was_heard)
{
    ech_wire_frame frame;
    join();
    send_frame((ech_wire_frame){.type = ECH_WIRE_LEAVE,
                                .payload = payload,
                                .payload_bytes = (uint32_t)ech_wire_put_text("enough", payload)});
    cr_expect(await_type(ECH_WIRE_END, &frame, LONG));
    cr_expect_eq(count_in_log("site boulder is away: enough"), 1);
}

/* ---- updates count once ---- */

Test(site_hub, chunks_that_come_again_and_again_count_once)
{
    ech_exact_sum *sum = ech_test_sum(leader.layout, BOUND);
    ech_wire_frame done;
    join();
    begin_round();
    ech_update_writer *writer = make_update(sum);
    while (!ech_update_writer_is_done(writer)) {
        const ech_wire_frame chunk = next_chunk(writer);
        send_frame(chunk);
        send_frame(chunk);
    }
    cr_assert(await_type(ECH_WIRE_DONE, &done, LONG));
    cr_expect_eq(done.argument, 1);
    ech_update_writer_seek(writer, 0);
    while (!ech_update_writer_is_done(writer)) {
        send_frame(next_chunk(writer));
    }
    cr_assert(await_type(ECH_WIRE_DONE, &done, LONG), "it is told again that it was counted");
    cr_expect_eq(done.argument, 1);
    cr_expect_eq(collected_updates(), WORKERS);
    ech_update_writer_destroy(&writer);
    ech_exact_sum_destroy(&sum);
}

Test(site_hub, chunks_out_of_order_or_of_another_round_or_session_are_refused)
{
    ech_exact_sum *sum = ech_test_sum(leader.layout, BOUND);
    ech_wire_frame got;
    join();
    begin_round();
    ech_update_writer *writer = make_update(sum);
    ech_wire_frame chunk = next_chunk(writer);
    chunk.sequence = 7;
    send_frame(chunk);
    chunk.sequence = 0;
    chunk.round = ROUND + 1;
    send_frame(chunk);
    chunk.round = ROUND;
    chunk.session = session + 1;
    send_frame(chunk);
    cr_expect_not(await_type(ECH_WIRE_CREDIT, &got, SHORT));
    cr_expect_eq(count_in_log("site boulder: refused: a chunk of its update out of order"), 1);
    ech_update_writer_seek(writer, 0);
    while (!ech_update_writer_is_done(writer)) {
        send_frame(next_chunk(writer));
    }
    cr_assert(await_type(ECH_WIRE_DONE, &got, LONG));
    cr_expect_eq(got.argument, 1, "the sound ones count");
    cr_expect_eq(collected_updates(), WORKERS);
    ech_update_writer_destroy(&writer);
    ech_exact_sum_destroy(&sum);
}

Test(site_hub, an_update_of_another_weight_is_left_out)
{
    ech_exact_sum *sum = ech_test_sum(leader.layout, BOUND);
    ech_wire_frame done;
    join();
    begin_round();
    ech_update_writer *writer = make_update(sum);
    cr_assert_eq(ech_exact_sum_add(sum, ech_test_view(leader.model), 50), ECH_OK);
    while (!ech_update_writer_is_done(writer)) {
        send_frame(next_chunk(writer));
    }
    cr_assert(await_type(ECH_WIRE_DONE, &done, LONG));
    cr_expect_eq(done.argument, 0);
    cr_expect_eq(collected_updates(), 0);
    cr_expect_eq(count_in_log("site boulder is left out (2 workers): a sum of 3 updates"), 1);
    cr_expect_null(ech_hub_report(leader.hub, 0));
    ech_update_writer_destroy(&writer);
    ech_exact_sum_destroy(&sum);
}

/* ---- joining ---- */

Test(site_hub, a_site_is_who_its_key_says_and_has_the_workers_of_its_node)
{
    ech_wire_frame got;
    char text[ECH_WIRE_TEXT_BYTES];
    ech_test_join(dialer, "austin", 0);
    cr_assert(await_type(ECH_WIRE_REFUSE, &got, LONG));
    ech_wire_take_text(&got, text);
    cr_expect_not_null(strstr(text, "calls itself austin, but its key is that of boulder"));
    ech_test_join(dialer, "boulder", 1);
    cr_assert(await_type(ECH_WIRE_REFUSE, &got, LONG));
    ech_wire_take_text(&got, text);
    cr_expect_not_null(strstr(text, "its workers or their samples"));
}

/* ---- rubbish ---- */

/* Once all messages have left, of which libzmq's thread frees the last ones. */
static void expect_held(size_t bytes)
{
    const uint64_t until_ns = ech_clock_ns() + ech_test_limit_ns(LIMIT_SECONDS);
    ech_wire_frame got;
    while (ech_memory_held_bytes() > bytes && ech_clock_ns() < until_ns) {
        (void)await_type(ECH_WIRE_END, &got, 1);
    }
    cr_expect_leq(ech_memory_held_bytes(), bytes);
}

/* No crash, no growth, and at most so many lines. */
Test(site_hub, damaged_and_random_messages_are_refused_by_name)
{
    enum { MESSAGES = 2000 };
    ech_random stream = ech_random_stream(72, ECH_RANDOM_TEST, 0, 0, 0);
    ech_wire_frame got;
    join();
    begin_round();
    const size_t held = ech_memory_held_bytes();
    for (int i = 0; i < MESSAGES; i++) {
        ech_wire_frame frame = {
            .type = (ech_wire_type)ech_random_below(&stream, ECH_WIRE_TYPE_END + 1),
            .round = ech_random_below(&stream, 5),
            .sequence = ech_random_below(&stream, 40),
            .argument = ech_random_below(&stream, 40),
            .payload = payload,
            .payload_bytes = (uint32_t)ech_random_below(&stream, 300),
        };
        for (uint32_t b = 0; b < frame.payload_bytes; b++) {
            payload[b] = (uint8_t)ech_random_u64(&stream);
        }
        if (frame.type == ECH_WIRE_LEAVE || frame.type == ECH_WIRE_REFUSE) {
            continue;
        }
        frame.session = session;
        while (ech_test_send(dialer, &frame) == ECH_ERR_LIMIT) {
            (void)await_type(ECH_WIRE_END, &got, 1);
        }
    }
    cr_expect_not(await_type(ECH_WIRE_END, &got, SHORT));
    expect_held(held);
    const int lines = count_in_log("site boulder: refused");
    cr_expect(lines > 0 && lines <= 16, "%d lines", lines);
    join(); /* it may come back */
}
