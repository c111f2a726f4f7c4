#define _GNU_SOURCE
#include "runtime/mpi/stream.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/mpi/guard.h"
#include "runtime/mpi/window.h"

enum {
    LINE_BYTES = 64,
    LANES_MAX = 256,
    DATA_ALIGNMENT = 4096,
    POLL_NS = 1000000, /* after the last sign of life a side polls this long, then naps */
    FIRST_NAP_NS = 50000,
    LONGEST_NAP_NS = 2000000
};

/*
 * The window of a host holds, in this order,
 *   - a post box for each other host, which that host alone puts words into: the lane that it lends
 *     (as a receiver), and how many chunks it has freed (a ring of words, for posts are not
 *     ordered);
 *   - for each lane a line of slot words, put by the sender that the lane is lent to;
 *   - for each lane the slots.
 * Chunks between two hosts are numbered from 1, on and on; number n uses slot n % ECH_STREAM_SLOTS.
 */
typedef struct {
    _Alignas(LINE_BYTES) uint64_t grant; /* generation << 40 | lane << 32 | tag; 0: none yet */
    uint64_t freed[ECH_STREAM_SLOTS];
} post_box;

/* number << 32 | END or the chunk's length; never 0 */
typedef struct {
    _Alignas(LINE_BYTES) uint64_t slots[ECH_STREAM_SLOTS];
} lane_words;

_Static_assert(sizeof(post_box) == LINE_BYTES, "a post box is one cache line");
_Static_assert(sizeof(lane_words) == LINE_BYTES, "a lane's words are one cache line");

static const uint64_t end_mark = UINT64_C(1) << 31;
static const uint64_t generation_mask = (UINT64_C(1) << 24) - 1;

/* What this host remembers of another one. */
typedef struct {
    uint64_t sent;         /* chunks to it */
    uint64_t received;     /* chunks from it */
    uint64_t grants_seen;  /* streams to it */
    uint64_t grants_given; /* streams from it */
    bool sending;
    bool receiving;
} peer;

struct ech_streams {
    ech_machine *machine;
    ech_stream_options options;
    ech_window *window;
    peer *peers;      /* by host */
    bool *lane_taken; /* by lane */
    uint64_t received_bytes;
};

struct ech_stream {
    ech_streams *streams;
    peer *peer;
    int host;
    uint32_t tag;
    uint32_t lane;
    bool is_sender;
    bool granted;                       /* sender: the receiver's lane is known */
    bool ended;                         /* receiver: the end was seen */
    MPI_Request puts[ECH_STREAM_SLOTS]; /* sender: the batch under way */
    ech_status put_status;
    uint64_t freed;    /* sender: chunks known to be freed */
    const char *chunk; /* receiver: the chunk in hand; NULL: none */
    uint64_t chunk_bytes;
    uint64_t chunk_at; /* of it handed out */
};

static uint64_t host_count_of(const ech_streams *streams)
{
    return (uint64_t)ech_machine_host_count(streams->machine);
}

static uint64_t post_box_offset(uint64_t host)
{
    return host * sizeof(post_box);
}

static uint64_t lane_words_offset(const ech_streams *streams, uint64_t lane)
{
    return host_count_of(streams) * sizeof(post_box) + lane * sizeof(lane_words);
}

static uint64_t chunk_offset(const ech_streams *streams, uint64_t lane, uint64_t number)
{
    const uint64_t words = lane_words_offset(streams, streams->options.lanes);
    const uint64_t data = (words + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT;
    return data + (lane * ECH_STREAM_SLOTS + number % ECH_STREAM_SLOTS) * ECH_STREAM_CHUNK_BYTES;
}

static char *at_offset(const ech_streams *streams, uint64_t offset)
{
    return (char *)ech_window_base(streams->window) + offset;
}

static const post_box *box_of(const ech_streams *streams, int host)
{
    return (const post_box *)(const void *)at_offset(streams, post_box_offset((uint64_t)host));
}

static ech_status make_streams(ech_machine *machine, const ech_stream_options *options,
                               ech_streams **out)
{
    ech_streams *streams = ech_calloc(1, sizeof *streams);
    *out = streams;
    if (streams == NULL) {
        return ECH_ERR_MEMORY;
    }
    streams->machine = machine;
    streams->options = *options;
    if (options->timeout_ns == 0) {
        streams->options.timeout_ns = ECH_COMM_TIMEOUT_NS;
    }
    if (options->lanes == 0 || options->lanes > LANES_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "%u lanes; 1 to %d are possible", options->lanes,
                        LANES_MAX);
    }
    streams->peers = ech_calloc(host_count_of(streams), sizeof *streams->peers);
    streams->lane_taken = ech_calloc(options->lanes, sizeof *streams->lane_taken);
    return streams->peers != NULL && streams->lane_taken != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

ech_status ech_streams_create(ech_machine *machine, const ech_stream_options *options,
                              ech_streams **out)
{
    ech_streams *streams = NULL;
    ech_status status = make_streams(machine, options, &streams);
    status = ech_comm_agree(ech_machine_comm(machine), status);
    if (status == ECH_OK && streams != NULL) {
        const uint64_t bytes =
            host_count_of(streams) > 1 ? chunk_offset(streams, options->lanes, 0) : 0;
        status = ech_window_create(machine, "streams", bytes, true, &streams->window);
    }
    if (status != ECH_OK) {
        ech_streams_destroy(&streams);
    }
    *out = streams;
    return status;
}

void ech_streams_destroy(ech_streams **streams)
{
    if (streams == NULL || *streams == NULL) {
        return;
    }
    ech_window_destroy(&(*streams)->window);
    ech_free((*streams)->peers);
    ech_free((*streams)->lane_taken);
    ech_free(*streams);
    *streams = NULL;
}

static ech_status fail_stream(const ech_stream *stream, ech_status status, const char *what)
{
    return ech_fail(status, "stream %u %s host %d (%s): %s", stream->tag,
                    stream->is_sender ? "to" : "from", stream->host,
                    ech_machine_host_name(stream->streams->machine, stream->host), what);
}

/* Time in `idle` does not count: while a rank works for its host the peer cannot move it. */
static ech_status wait_for(ech_stream *stream, bool (*is_ready)(ech_stream *))
{
    const ech_streams *streams = stream->streams;
    uint64_t now_ns = ech_clock_ns();
    uint64_t waited_ns = 0;
    uint64_t quiet_ns = 0;
    uint64_t nap_ns = FIRST_NAP_NS;
    while (!is_ready(stream)) {
        ech_machine_progress(streams->machine);
        const uint64_t idle_begin_ns = ech_clock_ns();
        waited_ns += idle_begin_ns - now_ns;
        quiet_ns += idle_begin_ns - now_ns;
        if (waited_ns > streams->options.timeout_ns) {
            return fail_stream(stream, ECH_ERR_TIMEOUT, "no answer within the time limit");
        }
        const bool worked =
            streams->options.idle != NULL && streams->options.idle(streams->options.idle_user);
        now_ns = ech_clock_ns();
        if (worked) {
            quiet_ns = 0;
            nap_ns = FIRST_NAP_NS;
        } else if (quiet_ns > POLL_NS) {
            ech_clock_sleep_ns(nap_ns);
            nap_ns = 2 * nap_ns < LONGEST_NAP_NS ? 2 * nap_ns : LONGEST_NAP_NS;
        }
    }
    return ECH_OK;
}

static ech_status open_stream(ech_streams *streams, int host, uint32_t tag, bool is_sender,
                              ech_stream **out)
{
    *out = NULL;
    if (!ech_machine_is_leader(streams->machine)) {
        return ech_fail(ECH_ERR_ARGUMENT, "stream %u: only leader ranks have streams", tag);
    }
    if (host < 0 || host >= ech_machine_host_count(streams->machine) ||
        host == ech_machine_host(streams->machine)) {
        return ech_fail(ECH_ERR_ARGUMENT, "stream %u: host %d is not another host", tag, host);
    }
    peer *other = &streams->peers[host];
    bool *busy = is_sender ? &other->sending : &other->receiving;
    if (*busy) {
        return ech_fail(ECH_ERR_ARGUMENT, "stream %u: host %d has an open one already", tag, host);
    }
    ech_stream *stream = ech_calloc(1, sizeof *stream);
    if (stream == NULL) {
        return ECH_ERR_MEMORY;
    }
    stream->streams = streams;
    stream->peer = other;
    stream->host = host;
    stream->tag = tag;
    stream->is_sender = is_sender;
    for (int i = 0; i < ECH_STREAM_SLOTS; i++) {
        stream->puts[i] = MPI_REQUEST_NULL;
    }
    *busy = true;
    *out = stream;
    return ECH_OK;
}

/* The other end waits for what did not leave, and there is no other way to tell it. */
static ech_status end_if_broken(ech_status status)
{
    if (status == ECH_ERR_MPI) {
        ech_abort(status);
    }
    return status;
}

/* Sending. */

ech_status ech_stream_begin_send(ech_streams *streams, int to_host, uint32_t tag, ech_stream **out)
{
    return open_stream(streams, to_host, tag, true, out);
}

static bool has_grant(ech_stream *stream)
{
    const uint64_t word = ech_window_load(&box_of(stream->streams, stream->host)->grant);
    return word >> 40 == ((stream->peer->grants_seen + 1) & generation_mask);
}

static ech_status take_grant(ech_stream *stream)
{
    const ech_status status = wait_for(stream, has_grant);
    if (status != ECH_OK) {
        return status;
    }
    const uint64_t word = ech_window_load(&box_of(stream->streams, stream->host)->grant);
    if ((uint32_t)word != stream->tag) {
        return ech_fail(ECH_ERR_FORMAT, "stream %u to host %d: the receiver expects stream %u",
                        stream->tag, stream->host, (uint32_t)word);
    }
    stream->lane = (uint32_t)(word >> 32) & 0xffU;
    stream->peer->grants_seen++;
    stream->freed = stream->peer->sent; /* a lane is lent with all its slots free */
    stream->granted = true;
    return ECH_OK;
}

static uint64_t free_slots(ech_stream *stream)
{
    const post_box *box = box_of(stream->streams, stream->host);
    for (int i = 0; i < ECH_STREAM_SLOTS; i++) {
        const uint64_t freed = ech_window_load(&box->freed[i]);
        stream->freed = freed > stream->freed ? freed : stream->freed;
    }
    return ECH_STREAM_SLOTS - (stream->peer->sent - stream->freed);
}

static bool has_free_slot(ech_stream *stream)
{
    return free_slots(stream) > 0;
}

static bool has_put(ech_stream *stream)
{
    int done = 1;
    for (int i = 0; i < ECH_STREAM_SLOTS && done; i++) {
        stream->put_status =
            ech_mpi_check(MPI_Test(&stream->puts[i], &done, MPI_STATUS_IGNORE), "MPI_Test");
        if (stream->put_status != ECH_OK) {
            return true;
        }
    }
    return done;
}

/* The slots' words follow the chunks only once those are in place. They need not be waited for:
 * before a slot is used again, another batch will have been completed. */
static ech_status post_words(ech_stream *stream, const uint64_t *marks, uint32_t count)
{
    ech_streams *streams = stream->streams;
    ech_status status = ECH_OK;
    for (uint32_t i = 0; i < count && status == ECH_OK; i++) {
        const uint64_t number = ++stream->peer->sent;
        const uint64_t at =
            lane_words_offset(streams, stream->lane) + number % ECH_STREAM_SLOTS * sizeof(uint64_t);
        status = ech_window_post_word(streams->window, stream->host, at, number << 32 | marks[i]);
    }
    return status;
}

/* Send as many chunks as there are free slots, at least one: a batch costs one wait for the
 * receiver's MPI, whatever its size. */
static ech_status send_batch(ech_stream *stream, const char *data, uint64_t bytes, uint64_t *sent)
{
    ech_streams *streams = stream->streams;
    uint64_t marks[ECH_STREAM_SLOTS];
    uint32_t count = 0;
    ech_status status = wait_for(stream, has_free_slot);
    const uint64_t slots = status == ECH_OK ? free_slots(stream) : 0;
    *sent = 0;
    while (status == ECH_OK && count < slots && *sent < bytes) {
        const uint64_t left = bytes - *sent;
        const uint64_t piece = left < ECH_STREAM_CHUNK_BYTES ? left : ECH_STREAM_CHUNK_BYTES;
        const uint64_t at = chunk_offset(streams, stream->lane, stream->peer->sent + count + 1);
        status = ech_window_begin_put(streams->window, stream->host, at, data + *sent, piece,
                                      &stream->puts[count]);
        marks[count++] = piece;
        *sent += piece;
    }
    if (status == ECH_OK) {
        status = wait_for(stream, has_put);
    }
    if (status == ECH_OK) {
        status = stream->put_status;
    }
    if (status == ECH_OK) {
        status = ech_window_complete(streams->window, stream->host);
    }
    return status == ECH_OK ? post_words(stream, marks, count) : status;
}

ech_status ech_stream_write(ech_stream *stream, const void *source, uint64_t bytes)
{
    ech_status status = bytes == 0 || stream->granted ? ECH_OK : take_grant(stream);
    for (uint64_t at = 0; at < bytes && status == ECH_OK;) {
        uint64_t sent = 0;
        status = send_batch(stream, (const char *)source + at, bytes - at, &sent);
        at += sent;
    }
    return end_if_broken(status);
}

/* The end is not waited for either: it arrives when the receiver looks for it. */
static ech_status send_end(ech_stream *stream)
{
    ech_status status = stream->granted ? ECH_OK : take_grant(stream);
    if (status == ECH_OK) {
        status = wait_for(stream, has_free_slot);
    }
    return end_if_broken(status == ECH_OK ? post_words(stream, &end_mark, 1) : status);
}

/* Receiving. */

static ech_status take_lane(ech_streams *streams, uint32_t *lane)
{
    for (*lane = 0; *lane < streams->options.lanes; (*lane)++) {
        if (!streams->lane_taken[*lane]) {
            streams->lane_taken[*lane] = true;
            return ECH_OK;
        }
    }
    return ech_fail(ECH_ERR_LIMIT, "all %u lanes for streams are taken", streams->options.lanes);
}

ech_status ech_stream_begin_receive(ech_streams *streams, int from_host, uint32_t tag,
                                    ech_stream **out)
{
    ech_stream *stream = NULL;
    ech_status status = open_stream(streams, from_host, tag, false, &stream);
    *out = NULL;
    if (status != ECH_OK) {
        return status;
    }
    status = take_lane(streams, &stream->lane);
    if (status != ECH_OK) {
        stream->peer->receiving = false;
        ech_free(stream);
        return status;
    }
    /* No put is under way here: the lane's last sender ended, or there was none. */
    memset(at_offset(streams, lane_words_offset(streams, stream->lane)), 0, sizeof(lane_words));
    stream->peer->grants_given++;
    const uint64_t grant =
        (stream->peer->grants_given & generation_mask) << 40 | (uint64_t)stream->lane << 32 | tag;
    const uint64_t my_box = post_box_offset((uint64_t)ech_machine_host(streams->machine));
    *out = stream;
    return end_if_broken(ech_window_post_word(streams->window, from_host,
                                              my_box + offsetof(post_box, grant), grant));
}

static uint64_t next_word(const ech_stream *stream)
{
    const uint64_t number = stream->peer->received + 1;
    const lane_words *words = (const lane_words *)(const void *)at_offset(
        stream->streams, lane_words_offset(stream->streams, stream->lane));
    const uint64_t word = ech_window_load(&words->slots[number % ECH_STREAM_SLOTS]);
    return word >> 32 == (uint32_t)number ? (uint32_t)word : 0;
}

static bool has_next(ech_stream *stream)
{
    return stream->ended || next_word(stream) != 0;
}

bool ech_stream_readable(ech_stream *stream)
{
    if (stream->chunk_at < stream->chunk_bytes) {
        return true;
    }
    ech_machine_progress(stream->streams->machine);
    return has_next(stream);
}

/* Each ring word is put to completion once a turn, so that no late post overtakes its successor. */
static ech_status free_chunk(ech_stream *stream)
{
    ech_streams *streams = stream->streams;
    const uint64_t freed = stream->peer->received;
    const uint64_t my_box = post_box_offset((uint64_t)ech_machine_host(streams->machine));
    const uint64_t at =
        my_box + offsetof(post_box, freed) + freed % ECH_STREAM_SLOTS * sizeof(uint64_t);
    stream->chunk = NULL;
    stream->chunk_bytes = 0;
    stream->chunk_at = 0;
    return freed % ECH_STREAM_SLOTS == 0
               ? ech_window_put_word(streams->window, stream->host, at, freed)
               : ech_window_post_word(streams->window, stream->host, at, freed);
}

/* Make sure that unread bytes are in hand, or that the end was seen. */
static ech_status fetch(ech_stream *stream)
{
    if (stream->chunk_at < stream->chunk_bytes || stream->ended) {
        return ECH_OK;
    }
    ech_status status = stream->chunk != NULL ? end_if_broken(free_chunk(stream)) : ECH_OK;
    if (status == ECH_OK) {
        status = wait_for(stream, has_next);
    }
    if (status != ECH_OK) {
        return status;
    }
    const uint64_t mark = next_word(stream);
    stream->peer->received++;
    stream->streams->received_bytes += sizeof(uint64_t);
    if (mark == end_mark) {
        stream->ended = true;
        return ECH_OK;
    }
    stream->chunk = at_offset(stream->streams,
                              chunk_offset(stream->streams, stream->lane, stream->peer->received));
    stream->chunk_bytes = mark;
    stream->streams->received_bytes += mark;
    return ECH_OK;
}

ech_status ech_stream_next(ech_stream *stream, const void **data, uint64_t *bytes)
{
    *data = NULL;
    *bytes = 0;
    const ech_status status = fetch(stream);
    if (status != ECH_OK || stream->ended) {
        return status;
    }
    *data = stream->chunk + stream->chunk_at;
    *bytes = stream->chunk_bytes - stream->chunk_at;
    stream->chunk_at = stream->chunk_bytes;
    return ECH_OK;
}

ech_status ech_stream_read(ech_stream *stream, void *destination, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes;) {
        const ech_status status = fetch(stream);
        if (status != ECH_OK) {
            return status;
        }
        if (stream->ended) {
            return fail_stream(stream, ECH_ERR_FORMAT, "it ended before all was read");
        }
        const uint64_t in_hand = stream->chunk_bytes - stream->chunk_at;
        const uint64_t taken = bytes - at < in_hand ? bytes - at : in_hand;
        memcpy((char *)destination + at, stream->chunk + stream->chunk_at, taken);
        stream->chunk_at += taken;
        at += taken;
    }
    return ECH_OK;
}

static ech_status end_receive(ech_stream *stream)
{
    ech_status status = fetch(stream);
    if (status == ECH_OK && !stream->ended) {
        status = fail_stream(stream, ECH_ERR_FORMAT, "not all of it was read");
    }
    if (status == ECH_OK) {
        stream->streams->lane_taken[stream->lane] = false;
        stream->peer->receiving = false;
    }
    return status;
}

ech_status ech_stream_end(ech_stream **stream)
{
    if (*stream == NULL) {
        return ECH_OK;
    }
    ech_status status = ECH_OK;
    if ((*stream)->is_sender) {
        status = send_end(*stream);
        (*stream)->peer->sending = false;
    } else {
        status = end_receive(*stream);
    }
    ech_free(*stream);
    *stream = NULL;
    return status;
}

uint64_t ech_streams_sent_bytes(const ech_streams *streams)
{
    return ech_window_traffic_of(streams->window).put_bytes;
}

uint64_t ech_streams_received_bytes(const ech_streams *streams)
{
    return streams->received_bytes;
}
