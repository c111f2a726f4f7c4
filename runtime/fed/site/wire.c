#define _POSIX_C_SOURCE 200809L
#include "runtime/fed/site/wire.h"

#include <assert.h>
#include <string.h>

enum {
    MAGIC = 0x53484345, /* "ECHS" */
    CHECKED_BYTES = 48, /* of the header; then the checksum */
    JOIN_BYTES = ECH_WIRE_NAME_BYTES + 16 + 16 + ECH_WIRE_ENGINES_BYTES + 4,
    ROUND_BYTES = 8 + 8 + 4 + 4 + 4 + 4 + 4,
};

_Static_assert(JOIN_BYTES + ECH_WIRE_WORKERS_MAX * ECH_WIRE_WORKER_BYTES <= ECH_WIRE_PAYLOAD_MAX,
               "a site's workers fit into one message");

const char *ech_wire_type_name(ech_wire_type type)
{
    static const char *const names[ECH_WIRE_TYPE_END] = {
        [ECH_WIRE_JOIN] = "join",   [ECH_WIRE_WELCOME] = "welcome", [ECH_WIRE_REFUSE] = "refuse",
        [ECH_WIRE_ROUND] = "round", [ECH_WIRE_MODEL] = "model",     [ECH_WIRE_CREDIT] = "credit",
        [ECH_WIRE_READY] = "ready", [ECH_WIRE_UPDATE] = "update",   [ECH_WIRE_DONE] = "done",
        [ECH_WIRE_BEAT] = "beat",   [ECH_WIRE_LEAVE] = "leave",     [ECH_WIRE_END] = "end",
    };
    return type >= ECH_WIRE_JOIN && type < ECH_WIRE_TYPE_END ? names[type] : "unknown";
}

ech_status ech_wire_check_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t length = strlen(name);
    if (length == 0 || length >= ECH_WIRE_NAME_BYTES || strspn(name, allowed) != length ||
        name[0] == '.') {
        return ech_fail(ECH_ERR_CONFIG,
                        "'%.80s' is no name of a site: expected at most %d letters, digits, '.', "
                        "'_' and '-', and no '.' in front",
                        name, ECH_WIRE_NAME_BYTES - 1);
    }
    return ECH_OK;
}

/* ---- numbers ---- */

static void put(uint8_t **at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        *(*at)++ = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t take(const uint8_t **at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value |= (uint64_t) * (*at)++ << (8 * i);
    }
    return value;
}

static uint32_t take_u32(const uint8_t **at)
{
    return (uint32_t)take(at, 4);
}

static void put_real(uint8_t **at, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    put(at, bits, 8);
}

static double take_real(const uint8_t **at)
{
    const uint64_t bits = take(at, 8);
    double value = 0.0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void put_hash(uint8_t **at, ech_hash128 hash)
{
    put(at, hash.low, 8);
    put(at, hash.high, 8);
}

static ech_hash128 take_hash(const uint8_t **at)
{
    const uint64_t low = take(at, 8);
    return (ech_hash128){.low = low, .high = take(at, 8)};
}

/* A text in a field of fixed size, zeros behind it. */
static void put_field(uint8_t **at, const char *text, size_t bytes)
{
    const size_t length = strnlen(text, bytes - 1);
    memcpy(*at, text, length);
    memset(*at + length, 0, bytes - length);
    *at += bytes;
}

static bool take_field(const uint8_t **at, char *text, size_t bytes)
{
    memcpy(text, *at, bytes);
    *at += bytes;
    return memchr(text, '\0', bytes) != NULL;
}

/* ---- frames ---- */

static ech_hash128 checksum(const uint8_t *header, const void *payload, uint32_t payload_bytes)
{
    uint8_t both[CHECKED_BYTES + 16];
    uint8_t *at = both + CHECKED_BYTES;
    memcpy(both, header, CHECKED_BYTES);
    put_hash(&at, ech_hash_bytes(payload, payload_bytes));
    return ech_hash_bytes(both, sizeof both);
}

size_t ech_wire_encode(const ech_wire_frame *frame, void *message)
{
    assert(frame->payload_bytes <= ECH_WIRE_PAYLOAD_MAX);
    uint8_t *header = message;
    uint8_t *payload = header + ECH_WIRE_HEADER_BYTES;
    if (frame->payload_bytes > 0 && frame->payload != payload) {
        memcpy(payload, frame->payload, frame->payload_bytes);
    }
    uint8_t *at = header;
    put(&at, MAGIC, 4);
    put(&at, ECH_WIRE_VERSION, 2);
    put(&at, (uint64_t)frame->type, 2);
    put(&at, frame->session, 8);
    put(&at, frame->round, 8);
    put(&at, frame->sequence, 8);
    put(&at, frame->argument, 8);
    put(&at, frame->payload_bytes, 4);
    put(&at, 0, 4);
    put_hash(&at, checksum(header, payload, frame->payload_bytes));
    return ECH_WIRE_HEADER_BYTES + (size_t)frame->payload_bytes;
}

static ech_status check_start(const uint8_t *header, size_t bytes)
{
    if (bytes < ECH_WIRE_HEADER_BYTES) {
        return ech_fail(ECH_ERR_FORMAT, "a message of %zu bytes has no header", bytes);
    }
    const uint8_t *at = header;
    const uint32_t magic = take_u32(&at);
    const uint32_t version = (uint32_t)take(&at, 2);
    if (magic != MAGIC) {
        return ech_fail(ECH_ERR_FORMAT, "a message of %zu bytes is none of this protocol", bytes);
    }
    if (version != ECH_WIRE_VERSION) {
        return ech_fail(ECH_ERR_UNSUPPORTED,
                        "it speaks version %u of the protocol, this program version %d", version,
                        ECH_WIRE_VERSION);
    }
    return ECH_OK;
}

ech_status ech_wire_decode(const void *message, size_t bytes, ech_wire_frame *out)
{
    const uint8_t *header = message;
    const ech_status status = check_start(header, bytes);
    if (status != ECH_OK) {
        return status;
    }
    const uint8_t *at = header + 6;
    const uint32_t type = (uint32_t)take(&at, 2);
    *out = (ech_wire_frame){.type = (ech_wire_type)type, .session = take(&at, 8)};
    out->round = take(&at, 8);
    out->sequence = take(&at, 8);
    out->argument = take(&at, 8);
    out->payload_bytes = take_u32(&at);
    out->payload = header + ECH_WIRE_HEADER_BYTES;
    at += 4;
    if (out->payload_bytes != bytes - ECH_WIRE_HEADER_BYTES ||
        out->payload_bytes > ECH_WIRE_PAYLOAD_MAX) {
        return ech_fail(ECH_ERR_FORMAT, "a message of %zu bytes says that it has %u of payload",
                        bytes, out->payload_bytes);
    }
    if (!ech_hash_equal(take_hash(&at), checksum(header, out->payload, out->payload_bytes))) {
        return ech_fail(ECH_ERR_FORMAT, "a message of %zu bytes is damaged", bytes);
    }
    if (type < ECH_WIRE_JOIN || type >= ECH_WIRE_TYPE_END) {
        return ech_fail(ECH_ERR_FORMAT, "a message is of the unknown type %u", type);
    }
    return ECH_OK;
}

/* ---- payloads ---- */

static ech_status expect_list(const ech_wire_frame *frame, size_t head_bytes, uint32_t count,
                              size_t item_bytes)
{
    if (count > ECH_WIRE_WORKERS_MAX || frame->payload_bytes != head_bytes + count * item_bytes) {
        return ech_fail(ECH_ERR_FORMAT, "a %s message of %u bytes cannot list %u workers",
                        ech_wire_type_name(frame->type), frame->payload_bytes, count);
    }
    return ECH_OK;
}

size_t ech_wire_put_join(const ech_wire_join *join, const ech_wire_worker *workers, void *payload)
{
    assert(join->worker_count <= ECH_WIRE_WORKERS_MAX);
    uint8_t *at = payload;
    put_field(&at, join->name, ECH_WIRE_NAME_BYTES);
    put_hash(&at, join->config);
    put_hash(&at, join->model);
    put_field(&at, join->engines, ECH_WIRE_ENGINES_BYTES);
    put(&at, join->worker_count, 4);
    for (uint32_t i = 0; i < join->worker_count; i++) {
        put(&at, workers[i].worker, 4);
        put(&at, workers[i].samples, 8);
    }
    return (size_t)(at - (uint8_t *)payload);
}

ech_status ech_wire_take_join(const ech_wire_frame *frame, ech_wire_join *out)
{
    if (frame->payload_bytes < JOIN_BYTES) {
        return ech_fail(ECH_ERR_FORMAT, "a join message has %u bytes", frame->payload_bytes);
    }
    const uint8_t *at = frame->payload;
    bool sound = take_field(&at, out->name, ECH_WIRE_NAME_BYTES);
    out->config = take_hash(&at);
    out->model = take_hash(&at);
    sound = take_field(&at, out->engines, ECH_WIRE_ENGINES_BYTES) && sound;
    out->worker_count = take_u32(&at);
    return sound ? expect_list(frame, JOIN_BYTES, out->worker_count, ECH_WIRE_WORKER_BYTES)
                 : ech_fail(ECH_ERR_FORMAT, "a join message has a text without end");
}

ech_wire_worker ech_wire_join_worker(const ech_wire_frame *frame, uint32_t index)
{
    const uint8_t *at =
        (const uint8_t *)frame->payload + JOIN_BYTES + (size_t)index * ECH_WIRE_WORKER_BYTES;
    const uint32_t worker = take_u32(&at);
    return (ech_wire_worker){.worker = worker, .samples = take(&at, 8)};
}

size_t ech_wire_put_round(const ech_wire_round *round, const uint32_t *workers, void *payload)
{
    assert(round->worker_count <= ECH_WIRE_WORKERS_MAX);
    uint8_t *at = payload;
    put(&at, round->weight_bound, 8);
    put(&at, round->model_bytes, 8);
    put(&at, round->epochs, 4);
    put(&at, round->codec, 4);
    put(&at, round->packs, 4);
    put(&at, round->keep_millionths, 4);
    put(&at, round->worker_count, 4);
    for (uint32_t i = 0; i < round->worker_count; i++) {
        put(&at, workers[i], 4);
    }
    return (size_t)(at - (uint8_t *)payload);
}

ech_status ech_wire_take_round(const ech_wire_frame *frame, ech_wire_round *out)
{
    if (frame->payload_bytes < ROUND_BYTES) {
        return ech_fail(ECH_ERR_FORMAT, "a round message has %u bytes", frame->payload_bytes);
    }
    const uint8_t *at = frame->payload;
    out->weight_bound = take(&at, 8);
    out->model_bytes = take(&at, 8);
    out->epochs = take_u32(&at);
    out->codec = take_u32(&at);
    out->packs = take_u32(&at);
    out->keep_millionths = take_u32(&at);
    out->worker_count = take_u32(&at);
    return expect_list(frame, ROUND_BYTES, out->worker_count, sizeof(uint32_t));
}

uint32_t ech_wire_round_worker(const ech_wire_frame *frame, uint32_t index)
{
    const uint8_t *at =
        (const uint8_t *)frame->payload + ROUND_BYTES + (size_t)index * sizeof(uint32_t);
    return take_u32(&at);
}

size_t ech_wire_put_reports(const ech_wire_report *reports, uint32_t count, void *payload)
{
    assert(count <= ECH_WIRE_REPORTS_A_CHUNK);
    uint8_t *at = payload;
    for (uint32_t i = 0; i < count; i++) {
        put(&at, reports[i].worker, 4);
        put(&at, reports[i].refused, 4);
        put(&at, reports[i].samples, 8);
        put(&at, reports[i].steps, 8);
        put_real(&at, reports[i].loss);
        put_real(&at, reports[i].accuracy);
        put(&at, reports[i].start_ns, 8);
        put(&at, reports[i].end_ns, 8);
    }
    return (size_t)(at - (uint8_t *)payload);
}

ech_wire_report ech_wire_report_at(const void *reports, uint32_t index)
{
    const uint8_t *at = (const uint8_t *)reports + (size_t)index * ECH_WIRE_REPORT_BYTES;
    ech_wire_report report = {.worker = take_u32(&at)};
    report.refused = take_u32(&at);
    report.samples = take(&at, 8);
    report.steps = take(&at, 8);
    report.loss = take_real(&at);
    report.accuracy = take_real(&at);
    report.start_ns = take(&at, 8);
    report.end_ns = take(&at, 8);
    return report;
}

size_t ech_wire_put_text(const char *text, void *payload)
{
    const size_t length = strnlen(text, ECH_WIRE_TEXT_BYTES - 1);
    memcpy(payload, text, length);
    return length;
}

void ech_wire_take_text(const ech_wire_frame *frame, char text[ECH_WIRE_TEXT_BYTES])
{
    const uint8_t *from = frame->payload;
    size_t length = 0;
    while (length < frame->payload_bytes && length < ECH_WIRE_TEXT_BYTES - 1) {
        const uint8_t character = from[length];
        text[length++] = character >= ' ' && character <= '~' ? (char)character : '?';
    }
    text[length] = '\0';
}
