/* What moves between hosts moves past 2 GiB too: windows, streams, broadcasts. No suite runs these
 * cases, which need 5 GiB of memory: large.sh does, where there is so much. */
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/mpi/stream.h"
#include "runtime/mpi/window.h"
#include "tests/mpi_case.h"

enum { TAG = 7 };

/* Just past what an int counts, and no multiple of a page. */
static const uint64_t large_bytes = (UINT64_C(1) << 31) + (UINT64_C(1) << 20) + 24;
static const uint64_t nap_ns = UINT64_C(1000000);

static uint64_t *make_large(void)
{
    uint64_t *words = ech_alloc(large_bytes);
    mpi_expect(words != NULL, "no memory");
    for (uint64_t i = 0; words != NULL && i < large_bytes / sizeof *words; i++) {
        words[i] = i * UINT64_C(0x9e3779b97f4a7c15);
    }
    return words;
}

/* Of what make_large makes: both ranks expect the same. */
static void expect_large(const void *data)
{
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < large_bytes / sizeof(uint64_t); i++) {
        wrong += ((const uint64_t *)data)[i] != i * UINT64_C(0x9e3779b97f4a7c15);
    }
    mpi_expect(wrong == 0, "%llu words are others", (unsigned long long)wrong);
}

/* Host 0 puts into host 1's segment, behind a word that says so, and gets it back. */
static void put_and_get(ech_window *window)
{
    uint64_t *words = make_large();
    if (words != NULL) {
        mpi_expect_ok(ech_window_put(window, 1, sizeof *words, words, large_bytes));
        mpi_expect_ok(ech_window_put_word(window, 1, 0, 1));
        memset(words, 0, large_bytes);
        mpi_expect_ok(ech_window_get(window, 1, sizeof *words, words, large_bytes));
        expect_large(words);
        mpi_expect_ok(ech_window_put_word(window, 1, 0, 2));
    }
    ech_free(words);
}

static void serve(ech_machine *machine, ech_window *window)
{
    const uint64_t *words = ech_window_base(window);
    while (ech_window_load(words) != 2) {
        ech_machine_progress(machine);
        ech_clock_sleep_ns(nap_ns);
    }
    expect_large(words + 1);
}

static void a_window_takes_and_gives_more_than_2_gib(void)
{
    ech_machine *machine = NULL;
    ech_window *window = NULL;
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    mpi_expect_ok(
        ech_window_create(machine, "large", large_bytes + sizeof(uint64_t), true, &window));
    if (ech_machine_host(machine) == 0) {
        put_and_get(window);
    } else {
        serve(machine, window);
    }
    ech_window_destroy(&window);
    ech_machine_destroy(&machine);
}

static void send_large(ech_streams *streams)
{
    ech_stream *stream = NULL;
    uint64_t *words = make_large();
    mpi_expect_ok(ech_stream_begin_send(streams, 1, TAG, &stream));
    if (words != NULL) {
        mpi_expect_ok(ech_stream_write(stream, words, large_bytes));
    }
    mpi_expect_ok(ech_stream_end(&stream));
    ech_free(words);
}

static void receive_large(ech_streams *streams)
{
    ech_stream *stream = NULL;
    char *data = ech_alloc(large_bytes);
    mpi_expect(data != NULL, "no memory");
    mpi_expect_ok(ech_stream_begin_receive(streams, 0, TAG, &stream));
    if (data != NULL) {
        mpi_expect_ok(ech_stream_read(stream, data, large_bytes));
        expect_large(data);
    }
    mpi_expect_ok(ech_stream_end(&stream));
    ech_free(data);
}

static void a_stream_carries_more_than_2_gib(void)
{
    ech_machine *machine = NULL;
    ech_streams *streams = NULL;
    const ech_stream_options options = {.lanes = 1};
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    mpi_expect_ok(ech_streams_create(machine, &options, &streams));
    if (ech_machine_host(machine) == 0) {
        send_large(streams);
    } else {
        receive_large(streams);
    }
    mpi_expect_ok(ech_comm_barrier(ech_machine_comm(machine)));
    ech_streams_destroy(&streams);
    ech_machine_destroy(&machine);
}

static void a_broadcast_copies_more_than_2_gib(void)
{
    ech_machine *machine = NULL;
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    const int rank = ech_machine_rank(machine);
    uint64_t *words = rank == 0 ? make_large() : ech_calloc(large_bytes, 1);
    mpi_expect_ok(
        ech_comm_agree(ech_machine_comm(machine), words != NULL ? ECH_OK : ECH_ERR_MEMORY));
    if (words != NULL) {
        mpi_expect_ok(ech_comm_broadcast(ech_machine_comm(machine), words, large_bytes, 0));
        expect_large(words);
    }
    ech_free(words);
    ech_machine_destroy(&machine);
}

static const mpi_case large_cases[] = {
    {"window", 2, .cliques = 2, .seconds = 300, .run = a_window_takes_and_gives_more_than_2_gib},
    {"stream", 2, .cliques = 2, .seconds = 300, .run = a_stream_carries_more_than_2_gib},
    {"broadcast", 2, .cliques = 2, .seconds = 300, .run = a_broadcast_copies_more_than_2_gib},
};
MPI_CASES(large, large_cases)
