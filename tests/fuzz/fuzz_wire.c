
#include "runtime/base/layout.h"
#include "runtime/fed/site/update.h"
#include "runtime/fed/site/wire.h"
#include "tests/fuzz/fuzz.h"

enum { WORKERS = 4, TENSORS = 3 };

/* A message's payload, taken for each type that has one. */
static void take_payload(const ech_wire_frame *frame)
{
    ech_wire_join join;
    ech_wire_round round;
    char text[ECH_WIRE_TEXT_BYTES];
    if (ech_wire_take_join(frame, &join) == ECH_OK && join.worker_count > 0) {
        (void)ech_wire_join_worker(frame, join.worker_count - 1);
    }
    if (ech_wire_take_round(frame, &round) == ECH_OK && round.worker_count > 0) {
        (void)ech_wire_round_worker(frame, round.worker_count - 1);
    }
    ech_wire_take_text(frame, text);
}

/* An update of one chunk, in each codec. */
static void take_update(const ech_layout *layout, const ech_wire_frame *frame)
{
    for (int codec = ECH_CODEC_EXACT; codec < ECH_CODEC_COUNT; codec++) {
        const ech_update_expectation expectation = {
            .codec = (ech_codec)codec, .weight_bound = WORKERS, .worker_count = WORKERS};
        ech_update_reader *reader = NULL;
        ech_exact_sum *into = NULL;
        if (ech_update_reader_create(layout, &reader) == ECH_OK &&
            ech_exact_sum_create(layout, &into) == ECH_OK &&
            ech_exact_sum_begin(into, WORKERS) == ECH_OK &&
            ech_update_reader_begin(reader, &expectation) == ECH_OK) {
            (void)ech_update_reader_take(reader, frame);
            (void)ech_update_reader_finish(reader, WORKERS, WORKERS, NULL, &into);
        }
        ech_exact_sum_destroy(&into);
        ech_update_reader_destroy(&reader);
    }
}

static ech_layout *make_layout(void)
{
    static const char *const names[TENSORS] = {"weight", "bias", "count"};
    static const uint64_t sizes[TENSORS] = {100, 7, 1};
    ech_layout *layout = NULL;
    (void)ech_layout_create(&layout);
    for (int i = 0; i < TENSORS; i++) {
        const ech_tensor_kind kind = i < 2 ? ECH_TENSOR_PARAMETER : ECH_TENSOR_COUNTER;
        (void)ech_layout_add(layout, names[i], kind, i < 2 ? 1 : 0, &sizes[i]);
    }
    return layout;
}

/* What a site or a leader may be sent: as a whole message, and as the payload of a sound one, which
 * no checksum keeps out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const size_t before = fuzz_balance();
    ech_layout *layout = make_layout();
    ech_wire_frame frame;
    if (ech_wire_decode(data, bytes, &frame) == ECH_OK) {
        take_payload(&frame);
    }
    frame = (ech_wire_frame){
        .type = ECH_WIRE_UPDATE,
        .payload = data,
        .payload_bytes = (uint32_t)(bytes < ECH_WIRE_PAYLOAD_MAX ? bytes : ECH_WIRE_PAYLOAD_MAX)};
    take_payload(&frame);
    take_update(layout, &frame);
    ech_layout_destroy(&layout);
    fuzz_expect_balance(before);
    return 0;
}
