#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/mpi/stream.h"
#include "tests/mpi_case.h"

enum {
    CHUNK = ECH_STREAM_CHUNK_BYTES,
    TAG = 0x1bcd1234,
    SHORT_STREAMS = 60,
    LONGEST = 9 * CHUNK + 5,
    PIECE = 3 * CHUNK / 2 + 1
};

static const uint64_t short_timeout_ns = 200000000;

typedef struct {
    ech_machine *machine;
    ech_streams *streams;
    int host;
    int host_count;
    bool leads;
    unsigned idle_calls;
} fixture;

static bool count_idle(void *user)
{
    (*(unsigned *)user)++;
    return false;
}

static void open_fixture(fixture *made, uint32_t lanes, uint64_t timeout_ns)
{
    *made = (fixture){0};
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &made->machine));
    const ech_stream_options options = {.lanes = lanes,
                                        .timeout_ns = timeout_ns,
                                        .idle = count_idle,
                                        .idle_user = &made->idle_calls};
    mpi_expect_ok(ech_streams_create(made->machine, &options, &made->streams));
    made->host = ech_machine_host(made->machine);
    made->host_count = ech_machine_host_count(made->machine);
    made->leads = ech_machine_is_leader(made->machine);
}

static void close_fixture(fixture *made)
{
    mpi_expect_ok(ech_comm_barrier(ech_machine_comm(made->machine)));
    ech_streams_destroy(&made->streams);
    mpi_expect(made->streams == NULL, "the pointer is not nulled");
    ech_machine_destroy(&made->machine);
}

static unsigned char pattern(uint64_t i, uint64_t salt)
{
    return (unsigned char)(i * 13 + (i >> 9) + (i >> 20) * 7 + salt);
}

static unsigned char *make_data(uint64_t bytes, uint64_t salt)
{
    unsigned char *data = ech_alloc(bytes);
    mpi_expect(data != NULL, "no memory");
    for (uint64_t i = 0; data != NULL && i < bytes; i++) {
        data[i] = pattern(i, salt);
    }
    return data;
}

static uint64_t count_wrong(const unsigned char *data, uint64_t bytes, uint64_t first,
                            uint64_t salt)
{
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < bytes; i++) {
        wrong += data[i] != pattern(first + i, salt);
    }
    return wrong;
}

static void send_all(fixture *on, int to, uint64_t bytes, uint64_t piece)
{
    ech_stream *stream = NULL;
    unsigned char *data = make_data(bytes, bytes);
    mpi_expect_ok(ech_stream_begin_send(on->streams, to, TAG, &stream));
    for (uint64_t at = 0; at < bytes; at += piece) {
        const uint64_t taken = bytes - at < piece ? bytes - at : piece;
        mpi_expect_ok(ech_stream_write(stream, data + at, taken));
    }
    mpi_expect_ok(ech_stream_end(&stream));
    mpi_expect(stream == NULL, "the pointer is not nulled");
    ech_free(data);
}

static void receive_copied(fixture *on, int from, uint64_t bytes, uint64_t piece)
{
    ech_stream *stream = NULL;
    unsigned char *data = make_data(bytes, bytes + 1);
    mpi_expect_ok(ech_stream_begin_receive(on->streams, from, TAG, &stream));
    for (uint64_t at = 0; at < bytes; at += piece) {
        const uint64_t taken = bytes - at < piece ? bytes - at : piece;
        mpi_expect_ok(ech_stream_read(stream, data + at, taken));
    }
    mpi_expect_ok(ech_stream_end(&stream));
    const uint64_t wrong = count_wrong(data, bytes, 0, bytes);
    mpi_expect(wrong == 0, "%llu of %llu bytes are wrong", (unsigned long long)wrong,
               (unsigned long long)bytes);
    ech_free(data);
}

static void receive_in_place(fixture *on, int from, uint64_t bytes)
{
    ech_stream *stream = NULL;
    uint64_t seen = 0;
    uint64_t wrong = 0;
    uint64_t taken = 1;
    mpi_expect_ok(ech_stream_begin_receive(on->streams, from, TAG, &stream));
    while (taken > 0) {
        const void *data = NULL;
        if (!mpi_expect_ok(ech_stream_next(stream, &data, &taken))) {
            break;
        }
        wrong += count_wrong(data, taken, seen, bytes);
        seen += taken;
    }
    mpi_expect(seen == bytes && wrong == 0, "%llu of %llu bytes, %llu wrong",
               (unsigned long long)seen, (unsigned long long)bytes, (unsigned long long)wrong);
    mpi_expect_ok(ech_stream_end(&stream));
}

static const uint64_t sizes[] = {0, 1, 7, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK, LONGEST};

/* Each size in both directions, one after the other. */
static void every_size_arrives(void)
{
    fixture on;
    open_fixture(&on, 1, 0);
    for (size_t i = 0; on.leads && i < sizeof sizes / sizeof sizes[0]; i++) {
        if (on.host == 0) {
            send_all(&on, 1, sizes[i], sizes[i] + 1);
            receive_copied(&on, 1, sizes[i], PIECE);
        } else {
            receive_in_place(&on, 0, sizes[i]);
            send_all(&on, 0, sizes[i], PIECE);
        }
    }
    close_fixture(&on);
}

/* More streams than slots or lanes, of less than a chunk each: numbers and lanes are reused. */
static void streams_follow_one_another(void)
{
    fixture on;
    open_fixture(&on, 2, 0);
    for (uint64_t i = 0; on.leads && i < SHORT_STREAMS; i++) {
        if (on.host == 0) {
            send_all(&on, 1, 100 * i, 77);
        } else {
            receive_copied(&on, 0, 100 * i, 91);
        }
    }
    close_fixture(&on);
}

static void bytes_are_counted(void)
{
    fixture on;
    open_fixture(&on, 1, 0);
    const uint64_t chunks = (LONGEST + CHUNK - 1) / CHUNK + 1; /* and the end */
    if (on.leads && on.host == 0) {
        send_all(&on, 1, LONGEST, LONGEST);
        const uint64_t sent = ech_streams_sent_bytes(on.streams);
        mpi_expect(sent == LONGEST + 8 * chunks, "sent %llu", (unsigned long long)sent);
    } else if (on.leads) {
        receive_copied(&on, 0, LONGEST, LONGEST);
        const uint64_t received = ech_streams_received_bytes(on.streams);
        /* The receiver lends a lane and acknowledges each chunk but the end. */
        const uint64_t acknowledged = ech_streams_sent_bytes(on.streams);
        mpi_expect(received == LONGEST + 8 * chunks, "received %llu", (unsigned long long)received);
        mpi_expect(acknowledged == 8 * chunks, "acknowledged %llu",
                   (unsigned long long)acknowledged);
    }
    close_fixture(&on);
}

/* One leader rank takes from all others at once, whichever has something. */
static void streams_of_several_hosts_interleave(void)
{
    enum { HOSTS_MAX = 4 };
    fixture on;
    open_fixture(&on, HOSTS_MAX, 0);
    ech_stream *from[HOSTS_MAX] = {NULL};
    uint64_t seen[HOSTS_MAX] = {0};
    uint64_t wrong = 0;
    int left = on.host_count - 1;
    for (int host = 1; on.host == 0 && on.leads && host < on.host_count; host++) {
        mpi_expect_ok(ech_stream_begin_receive(on.streams, host, TAG, &from[host]));
    }
    for (int host = 1; on.host == 0 && on.leads && left > 0;
         host = host % (on.host_count - 1) + 1) {
        const void *data = NULL;
        uint64_t taken = 0;
        if (from[host] == NULL || !ech_stream_readable(from[host])) {
            continue;
        }
        mpi_expect_ok(ech_stream_next(from[host], &data, &taken));
        wrong += count_wrong(data, taken, seen[host], LONGEST);
        seen[host] += taken;
        if (taken == 0) {
            mpi_expect_ok(ech_stream_end(&from[host]));
            mpi_expect(seen[host] == LONGEST, "%llu bytes of host %d",
                       (unsigned long long)seen[host], host);
            left--;
        }
    }
    mpi_expect(wrong == 0, "%llu bytes are wrong", (unsigned long long)wrong);
    if (on.host != 0 && on.leads) {
        send_all(&on, 0, LONGEST, PIECE);
    }
    close_fixture(&on);
}

static void expect_status(ech_status status, ech_status expected, const char *what)
{
    mpi_expect(status == expected, "%s: '%s', %s", what, ech_status_string(status),
               ech_status_message());
}

static void a_wrong_tag_is_refused(void)
{
    fixture on;
    open_fixture(&on, 1, short_timeout_ns);
    ech_stream *stream = NULL;
    const char byte = 1;
    if (on.leads && on.host == 0) {
        mpi_expect_ok(ech_stream_begin_send(on.streams, 1, TAG, &stream));
        expect_status(ech_stream_write(stream, &byte, 1), ECH_ERR_FORMAT, "sender");
        expect_status(ech_stream_end(&stream), ECH_ERR_FORMAT, "sender's end");
    } else if (on.leads) {
        char got = 0;
        mpi_expect_ok(ech_stream_begin_receive(on.streams, 0, TAG + 1, &stream));
        expect_status(ech_stream_read(stream, &got, 1), ECH_ERR_TIMEOUT, "receiver");
        mpi_expect(on.idle_calls > 0, "idle was not called");
        mpi_expect(strstr(ech_status_message(), "from host 0") != NULL, "message '%s'",
                   ech_status_message());
        expect_status(ech_stream_end(&stream), ECH_ERR_TIMEOUT, "receiver's end");
    }
    close_fixture(&on);
}

static void lengths_have_to_agree(void)
{
    fixture on;
    open_fixture(&on, 1, 0);
    if (on.leads && on.host == 0) {
        send_all(&on, 1, 100, 100);
        send_all(&on, 1, 100, 100);
    } else if (on.leads) {
        char bytes[128];
        ech_stream *stream = NULL;
        mpi_expect_ok(ech_stream_begin_receive(on.streams, 0, TAG, &stream));
        expect_status(ech_stream_read(stream, bytes, sizeof bytes), ECH_ERR_FORMAT, "too much");
        mpi_expect_ok(ech_stream_end(&stream));
        mpi_expect_ok(ech_stream_begin_receive(on.streams, 0, TAG, &stream));
        mpi_expect_ok(ech_stream_read(stream, bytes, 99));
        expect_status(ech_stream_end(&stream), ECH_ERR_FORMAT, "not all read");
    }
    close_fixture(&on);
}

static void misuse_is_refused(void)
{
    fixture on;
    open_fixture(&on, 1, 0);
    ech_stream *first = NULL;
    ech_stream *second = NULL;
    if (!on.leads) {
        expect_status(ech_stream_begin_send(on.streams, 1 - on.host, TAG, &first), ECH_ERR_ARGUMENT,
                      "not a leader rank");
    } else if (on.host == 0) {
        expect_status(ech_stream_begin_send(on.streams, 0, TAG, &first), ECH_ERR_ARGUMENT,
                      "own host");
        expect_status(ech_stream_begin_send(on.streams, 3, TAG, &first), ECH_ERR_ARGUMENT,
                      "no such host");
        mpi_expect_ok(ech_stream_begin_receive(on.streams, 1, TAG, &first));
        expect_status(ech_stream_begin_receive(on.streams, 1, TAG, &second), ECH_ERR_ARGUMENT,
                      "one open already");
        expect_status(ech_stream_begin_receive(on.streams, 2, TAG, &second), ECH_ERR_LIMIT,
                      "one lane only");
        mpi_expect_ok(ech_stream_end(&first));
        mpi_expect_ok(ech_stream_begin_receive(on.streams, 2, TAG, &second));
        mpi_expect_ok(ech_stream_end(&second));
    } else {
        send_all(&on, 0, 0, 1);
    }
    close_fixture(&on);
}

static void a_lone_host_has_no_streams(void)
{
    fixture on;
    open_fixture(&on, 1, 0);
    ech_stream *stream = NULL;
    expect_status(ech_stream_begin_send(on.streams, 1, TAG, &stream), ECH_ERR_ARGUMENT, "alone");
    close_fixture(&on);
}

static const mpi_case stream_cases[] = {
    {"stream_every_size_arrives", 2, .cliques = 2, .seconds = 60, .run = every_size_arrives},
    {"stream_every_size_arrives_beside_other_ranks", 4, .cliques = 2, .seconds = 60,
     .run = every_size_arrives},
    {"stream_streams_follow_one_another", 2, .cliques = 2, .seconds = 30,
     .run = streams_follow_one_another},
    {"stream_bytes_are_counted", 2, .cliques = 2, .seconds = 30, .run = bytes_are_counted},
    {"stream_streams_of_several_hosts_interleave", 4, .cliques = 4, .seconds = 60,
     .run = streams_of_several_hosts_interleave},
    {"stream_a_wrong_tag_is_refused", 2, .cliques = 2, .seconds = 30,
     .run = a_wrong_tag_is_refused},
    {"stream_lengths_have_to_agree", 2, .cliques = 2, .seconds = 30, .run = lengths_have_to_agree},
    {"stream_misuse_is_refused", 4, .cliques = 3, .seconds = 30, .run = misuse_is_refused},
    {"stream_a_lone_host_has_no_streams", 1, .seconds = 20, .run = a_lone_host_has_no_streams},
};
MPI_CASES(mpi, stream_cases)
