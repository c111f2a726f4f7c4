#define _POSIX_C_SOURCE 200809L
#include "runtime/fed/site/member.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/mpi/interrupt.h"

enum { POLL_MS = 100, MESSAGES_A_CALL = 64, CREDIT_EVERY = ECH_WIRE_WINDOW / 4 };

static const uint64_t beat_every_ns = UINT64_C(1000000000);
static const uint64_t silence_ns = UINT64_C(30000000000);
static const uint64_t own_pause_ns = UINT64_C(1000000000);
static const uint64_t pause_first_ns = UINT64_C(100000000);
static const uint64_t pause_max_ns = UINT64_C(5000000000);

/* How long the leader may take to say that it has heard of a site's leaving. */
static const uint64_t goodbye_ns = UINT64_C(5000000000);

typedef enum { LINK_CLOSED, LINK_JOINING, LINK_JOINED } link_state;

struct ech_member {
    ech_member_options options;
    ech_dialer *dialer;
    ech_packer *packer;
    uint8_t *payload; /* ECH_WIRE_PAYLOAD_MAX */
    /* the connection */
    link_state link;
    uint64_t session; /* of the leader that it knows; 0 */
    uint64_t heard_ns, served_ns, beat_ns;
    uint64_t lost_ns; /* without a leader since then */
    uint64_t retry_ns, pause_ns;
    bool told_lost;
    ech_status ended; /* by a refusal */
    char refusal[ECH_WIRE_TEXT_BYTES];
    bool is_leaving;
    bool is_over; /* the federation has ended, for this site at least */
    /* the round that it holds */
    uint64_t round; /* 0: none */
    ech_wire_round about;
    uint32_t *workers;
    uint64_t chunk_count, chunk_next;
    ech_state model;     /* where the model goes; values NULL: it does not want one now */
    bool has_next_round; /* the leader went on while this site was busy */
    /* its update */
    ech_update_writer *writer; /* NULL: none is being sent */
    uint64_t update_limit;
    bool is_done, is_counted;
};

/* ---- life ---- */

ech_status ech_member_create(const ech_member_options *options, ech_member **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_member *member = *out;
    member->options = *options;
    member->payload = ech_alloc(ECH_WIRE_PAYLOAD_MAX);
    member->workers = ech_calloc(options->join.worker_count, sizeof *member->workers);
    ech_status status =
        member->payload != NULL && member->workers != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        status = ech_packer_create(&member->packer);
    }
    if (status == ECH_OK) {
        status = ech_dialer_create(&options->dialer, &member->dialer);
    }
    if (status != ECH_OK) {
        ech_member_destroy(out);
        return status;
    }
    ech_private_key_clear(&member->options.dialer.key);
    member->lost_ns = ech_clock_ns();
    member->served_ns = member->lost_ns;
    member->pause_ns = pause_first_ns;
    return ECH_OK;
}

void ech_member_destroy(ech_member **handle)
{
    if (handle == NULL || *handle == NULL) {
        return;
    }
    ech_member *member = *handle;
    ech_dialer_destroy(&member->dialer);
    ech_packer_destroy(&member->packer);
    ech_free(member->payload);
    ech_free(member->workers);
    ech_free(member);
    *handle = NULL;
}

/* ---- the connection ---- */

static void lose(ech_member *member, const char *why)
{
    const uint64_t now_ns = ech_clock_ns();
    if (member->link == LINK_JOINED) {
        member->lost_ns = now_ns;
        member->told_lost = false;
    }
    if (!member->told_lost) {
        ech_log(ECH_LOG_WARNING, "no leader at %s: %s; trying again for %.0f s",
                member->options.dialer.endpoint, why, member->options.wait_seconds);
        member->told_lost = true;
    }
    ech_dialer_close(member->dialer);
    member->link = LINK_CLOSED;
    member->retry_ns = now_ns + member->pause_ns;
    member->pause_ns = 2 * member->pause_ns < pause_max_ns ? 2 * member->pause_ns : pause_max_ns;
}

static bool send_message(ech_member *member, ech_message *message)
{
    const ech_status status = ech_dialer_send(member->dialer, message);
    if (status != ECH_OK && status != ECH_ERR_LIMIT) {
        lose(member, ech_status_message());
    }
    return status == ECH_OK;
}

static bool send_frame(ech_member *member, ech_wire_frame frame)
{
    ech_message *message = NULL;
    if (member->link == LINK_CLOSED) {
        return false;
    }
    frame.session = member->session;
    if (ech_message_of(&frame, &message) != ECH_OK) {
        lose(member, ech_status_message());
        return false;
    }
    const bool is_sent = send_message(member, message);
    ech_message_release(&message);
    return is_sent;
}

static ech_status dial(ech_member *member)
{
    const ech_status status = ech_dialer_open(member->dialer);
    if (status != ECH_OK) {
        return status;
    }
    member->link = LINK_JOINING;
    member->heard_ns = ech_clock_ns();
    const size_t bytes =
        ech_wire_put_join(&member->options.join, member->options.workers, member->payload);
    send_frame(member, (ech_wire_frame){.type = ECH_WIRE_JOIN,
                                        .round = member->round,
                                        .sequence = member->chunk_next,
                                        .argument = ECH_WIRE_WINDOW,
                                        .payload = member->payload,
                                        .payload_bytes = (uint32_t)bytes});
    return ECH_OK;
}

static void stay_in_touch(ech_member *member)
{
    const uint64_t now_ns = ech_clock_ns();
    if (member->link != LINK_CLOSED && now_ns > member->heard_ns + silence_ns) {
        lose(member, "it is silent");
    } else if (member->link == LINK_JOINED && now_ns > member->beat_ns + beat_every_ns) {
        member->beat_ns = now_ns;
        send_frame(member, (ech_wire_frame){.type = ECH_WIRE_BEAT, .round = member->round});
    }
}

/* ---- what the leader says ---- */

static void forget_round(ech_member *member)
{
    member->round = 0;
    member->chunk_next = 0;
    member->chunk_count = 0;
    member->update_limit = 0;
}

static void tell_ready(ech_member *member)
{
    if (member->writer != NULL && member->update_limit == 0) {
        send_frame(member, (ech_wire_frame){.type = ECH_WIRE_READY, .round = member->round});
    }
}

static void take_welcome(ech_member *member, const ech_wire_frame *frame)
{
    const bool goes_on =
        member->session == frame->session && member->round > 0 && frame->round == member->round;
    member->session = frame->session;
    member->link = LINK_JOINED;
    member->pause_ns = pause_first_ns;
    ech_log(ECH_LOG_INFO, "joined the leader at %s", member->options.dialer.endpoint);
    if (!goes_on) {
        member->is_done = member->writer != NULL;
        forget_round(member);
        return;
    }
    member->update_limit = frame->argument;
    if (member->writer != NULL) {
        const uint64_t written = ech_update_writer_position(member->writer);
        ech_update_writer_seek(member->writer,
                               frame->sequence < written ? frame->sequence : written);
        tell_ready(member);
    }
}

static ech_status take_round(ech_member *member, const ech_wire_frame *frame)
{
    const ech_layout *layout = member->options.layout;
    ech_status status = ech_wire_take_round(frame, &member->about);
    if (status != ECH_OK) {
        return status;
    }
    const uint64_t bytes =
        layout->value_count * sizeof(float) + layout->counter_count * sizeof(int64_t);
    if (member->about.model_bytes != bytes || member->about.codec >= ECH_CODEC_COUNT ||
        member->about.worker_count == 0 || frame->round == 0 ||
        member->about.worker_count > member->options.join.worker_count) {
        return ech_fail(ECH_ERR_FORMAT, "a round of %u workers, and a model of %llu bytes",
                        member->about.worker_count, (unsigned long long)member->about.model_bytes);
    }
    for (uint32_t i = 0; i < member->about.worker_count; i++) {
        member->workers[i] = ech_wire_round_worker(frame, i);
    }
    member->round = frame->round;
    member->chunk_next = 0;
    member->chunk_count = (bytes + ECH_WIRE_CHUNK_BYTES - 1) / ECH_WIRE_CHUNK_BYTES;
    member->update_limit = frame->argument;
    member->has_next_round = member->model.values == NULL;
    return ECH_OK;
}

/* The values, and the counters behind them. */
static void store_model(ech_member *member, uint64_t offset, const uint8_t *raw, size_t bytes)
{
    const uint64_t value_bytes = member->options.layout->value_count * sizeof(float);
    const uint64_t left = offset < value_bytes ? value_bytes - offset : 0;
    const size_t of_values = left < bytes ? (size_t)left : bytes;
    if (of_values > 0) {
        memcpy((uint8_t *)member->model.values + offset, raw, of_values);
    }
    if (of_values < bytes) {
        memcpy((uint8_t *)member->model.counters + (offset + of_values - value_bytes),
               raw + of_values, bytes - of_values);
    }
}

static ech_status take_model(ech_member *member, const ech_wire_frame *frame)
{
    ech_chunk_kind kind = ECH_CHUNK_MODEL;
    const void *raw = NULL;
    size_t bytes = 0;
    if (frame->round != member->round || frame->sequence < member->chunk_next) {
        return ECH_OK;
    }
    const uint64_t offset = frame->sequence * ECH_WIRE_CHUNK_BYTES;
    const ech_status status = ech_chunk_read(member->packer, frame, &kind, &raw, &bytes);
    if (status != ECH_OK) {
        return status;
    }
    const uint64_t left = member->about.model_bytes - offset;
    const uint64_t expected = left < ECH_WIRE_CHUNK_BYTES ? left : ECH_WIRE_CHUNK_BYTES;
    if (frame->sequence != member->chunk_next || member->chunk_next >= member->chunk_count ||
        kind != ECH_CHUNK_MODEL || bytes != expected) {
        return ech_fail(ECH_ERR_FORMAT, "chunk %llu of the model, of %zu bytes, out of order",
                        (unsigned long long)frame->sequence, bytes);
    }
    store_model(member, offset, raw, bytes);
    member->chunk_next++;
    if (member->chunk_next % CREDIT_EVERY == 0 || member->chunk_next == member->chunk_count) {
        send_frame(member, (ech_wire_frame){.type = ECH_WIRE_CREDIT,
                                            .round = member->round,
                                            .sequence = member->chunk_next,
                                            .argument = member->chunk_next + ECH_WIRE_WINDOW});
    }
    return ECH_OK;
}

static void take_done(ech_member *member, const ech_wire_frame *frame)
{
    if (frame->round == member->round && member->writer != NULL) {
        member->is_done = true;
        member->is_counted = frame->argument == 1;
    }
}

static void take_refusal(ech_member *member, const ech_wire_frame *frame)
{
    ech_wire_take_text(frame, member->refusal);
    member->ended = ECH_ERR_CONFIG;
}

static void say(ech_member *member, ech_wire_type type, const char *why)
{
    const uint32_t bytes = (uint32_t)ech_wire_put_text(why, member->payload);
    send_frame(member, (ech_wire_frame){.type = type,
                                        .round = member->round,
                                        .payload = member->payload,
                                        .payload_bytes = bytes});
}

/* A leader that breaks the protocol is one whose connection is of no use. */
static ech_status take_frame(ech_member *member, const ech_wire_frame *frame)
{
    if (frame->type == ECH_WIRE_REFUSE) {
        take_refusal(member, frame);
        return ECH_OK;
    }
    if (frame->type == ECH_WIRE_WELCOME) {
        take_welcome(member, frame);
        return ECH_OK;
    }
    if (frame->session != member->session || member->link != LINK_JOINED ||
        (member->is_leaving && frame->type != ECH_WIRE_END)) {
        return ECH_OK;
    }
    switch (frame->type) {
    case ECH_WIRE_ROUND:
        return take_round(member, frame);
    case ECH_WIRE_MODEL:
        return take_model(member, frame);
    case ECH_WIRE_CREDIT:
        if (frame->round == member->round && frame->argument > member->update_limit) {
            member->update_limit = frame->argument;
        }
        return ECH_OK;
    case ECH_WIRE_DONE:
        take_done(member, frame);
        return ECH_OK;
    case ECH_WIRE_END:
        if (!member->is_leaving) {
            say(member, ECH_WIRE_LEAVE, "it has heard of the end");
        }
        member->is_over = true;
        return ECH_OK;
    case ECH_WIRE_BEAT:
        return ECH_OK;
    default:
        return ech_fail(ECH_ERR_FORMAT, "a %s message, which only a site sends",
                        ech_wire_type_name(frame->type));
    }
}

static void take_message(ech_member *member, const void *message, size_t bytes)
{
    ech_wire_frame frame;
    member->heard_ns = ech_clock_ns();
    ech_status status = ech_wire_decode(message, bytes, &frame);
    if (status == ECH_OK) {
        status = take_frame(member, &frame);
    }
    if (status == ECH_ERR_UNSUPPORTED) {
        member->ended = ECH_ERR_CONFIG;
        memcpy(member->refusal, ech_status_message(),
               strnlen(ech_status_message(), sizeof member->refusal - 1));
    } else if (status != ECH_OK) {
        lose(member, ech_status_message());
    }
}

/* ---- the loop ---- */

/* Take one event. @return false: there was none. */
static ech_status take_event(ech_member *member, int timeout_ms, bool *any)
{
    ech_dialer_event event = ECH_DIALER_NOTHING;
    const void *message = NULL;
    size_t bytes = 0;
    const ech_status status =
        ech_dialer_receive(member->dialer, timeout_ms, &event, &message, &bytes);
    *any = event != ECH_DIALER_NOTHING;
    switch (event) {
    case ECH_DIALER_MESSAGE:
        take_message(member, message, bytes);
        break;
    case ECH_DIALER_BROKEN:
        lose(member, "the connection broke");
        break;
    case ECH_DIALER_REFUSED:
        memcpy(member->refusal, "it does not admit this key", sizeof "it does not admit this key");
        member->ended = ECH_ERR_CONFIG;
        break;
    case ECH_DIALER_NOTHING:
        break;
    }
    return status;
}

static void excuse_own_pause(ech_member *member)
{
    const uint64_t pause_ns = ech_clock_ns() - member->served_ns;
    if (pause_ns > own_pause_ns) {
        member->heard_ns += pause_ns;
    }
}

/* The leader has gone on: what follows is for a site that is not busy. */
static bool is_held_up(const ech_member *member)
{
    return member->ended != ECH_OK || member->is_over || member->has_next_round;
}

static ech_status check_end(const ech_member *member)
{
    if (member->ended != ECH_OK) {
        return ech_fail(member->ended, "the leader at %s refuses this site: %s",
                        member->options.dialer.endpoint, member->refusal);
    }
    if (ech_interrupt_requested()) {
        return ech_fail(ECH_ERR_INTERRUPTED, "site %s was asked to stop",
                        member->options.join.name);
    }
    const double lost = ech_clock_seconds(ech_clock_ns() - member->lost_ns);
    if (member->link != LINK_JOINED && lost > member->options.wait_seconds) {
        return ech_fail(ECH_ERR_TIMEOUT, "no leader at %s for %.0f s (site.wait)",
                        member->options.dialer.endpoint, member->options.wait_seconds);
    }
    return ECH_OK;
}

/* Go on: dial if it is time to, take what has come, or wait a little for it. */
static ech_status turn(ech_member *member, int timeout_ms)
{
    ech_status status = check_end(member);
    if (status == ECH_OK && member->link == LINK_CLOSED) {
        if (ech_clock_ns() < member->retry_ns) {
            ech_clock_sleep_ns(pause_first_ns / 4);
            return ECH_OK;
        }
        status = dial(member);
    }
    excuse_own_pause(member);
    bool any = true;
    for (int i = 0; i < MESSAGES_A_CALL && any && status == ECH_OK && !is_held_up(member) &&
                    member->link != LINK_CLOSED;
         i++) {
        status = take_event(member, i == 0 ? timeout_ms : 0, &any);
    }
    member->served_ns = ech_clock_ns();
    stay_in_touch(member);
    return status == ECH_OK ? check_end(member) : status;
}

ech_status ech_member_next(ech_member *member, ech_state model, ech_member_round *out)
{
    member->model = model;
    member->has_next_round = false;
    ech_status status = ECH_OK;
    while (status == ECH_OK && !member->is_over &&
           (member->round == 0 || member->chunk_next < member->chunk_count)) {
        status = turn(member, POLL_MS);
    }
    member->model = (ech_state){0};
    *out = (ech_member_round){.round = member->is_over ? 0 : member->round,
                              .about = member->about,
                              .workers = member->workers};
    return status;
}

bool ech_member_serve(ech_member *member)
{
    if (member->link == LINK_JOINED) {
        member->heard_ns = ech_clock_ns(); /* what it says waits */
        member->served_ns = member->heard_ns;
        stay_in_touch(member);
    }
    return false;
}

/* ---- updates ---- */

/* The next chunk of the update. @param[out] sent  it has left; else it is the next again. */
static ech_status send_chunk(ech_member *member, bool *sent)
{
    ech_update_writer *writer = member->writer;
    ech_message *message = NULL;
    ech_wire_frame frame = {.type = ECH_WIRE_UPDATE,
                            .session = member->session,
                            .round = member->round,
                            .sequence = ech_update_writer_position(writer)};
    ech_status status = ech_message_create(ECH_CHUNK_PAYLOAD_MAX, &message);
    if (status == ECH_OK) {
        status = ech_update_writer_next(writer, ech_message_payload(message), &frame.payload_bytes);
    }
    if (status == ECH_OK) {
        frame.argument = ech_update_writer_is_done(writer);
        ech_message_seal(message, &frame);
        *sent = send_message(member, message);
    }
    if (status == ECH_OK && !*sent) {
        ech_update_writer_seek(writer, frame.sequence);
    }
    ech_message_release(&message);
    return status;
}

static ech_status send_chunks(ech_member *member)
{
    const ech_update_writer *writer = member->writer;
    ech_status status = ECH_OK;
    bool sent = true;
    while (status == ECH_OK && sent && member->link == LINK_JOINED && member->round > 0 &&
           !ech_update_writer_is_done(writer) &&
           ech_update_writer_position(writer) < member->update_limit) {
        status = send_chunk(member, &sent);
    }
    return status;
}

ech_status ech_member_send(ech_member *member, const ech_update_content *content, bool *counted)
{
    *counted = false;
    member->is_done = false;
    member->is_counted = false;
    const uint64_t round = member->round;
    ech_status status = ech_update_writer_create(content, &member->writer);
    if (status == ECH_OK) {
        status = turn(member, 0); /* the round may be over */
    }
    if (status == ECH_OK && member->round == round) {
        tell_ready(member);
    }
    while (status == ECH_OK && !member->is_done && !member->is_over && member->round == round) {
        status = send_chunks(member);
        if (status == ECH_OK) {
            status = turn(member, POLL_MS);
        }
    }
    *counted = member->is_done && member->is_counted;
    ech_update_writer_destroy(&member->writer);
    if (status == ECH_OK && member->round == round) {
        forget_round(member);
    }
    return status;
}

void ech_member_refuse(ech_member *member, const char *why)
{
    say(member, ECH_WIRE_REFUSE, why);
    forget_round(member);
}

/* What was sent is lost where a connection is closed while its peer still sends: so the leader
 * answers. */
void ech_member_leave(ech_member *member, const char *why)
{
    const uint64_t until_ns = ech_clock_ns() + goodbye_ns;
    ech_status status = ECH_OK;
    bool any = false;
    member->is_leaving = true;
    say(member, ECH_WIRE_LEAVE, why);
    while (status == ECH_OK && member->link == LINK_JOINED && !member->is_over &&
           ech_clock_ns() < until_ns) {
        status = take_event(member, POLL_MS, &any);
    }
}
