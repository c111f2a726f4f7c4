#define _GNU_SOURCE
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/mpi/window.h"
#include "tests/mpi_case.h"

enum { SMALL_BYTES = 4096 * 3, WORD_AT = 64, PATTERN_AT = 4096 };

static const uint64_t sparse_bytes = UINT64_C(64) << 30;
static const uint64_t far_bytes = UINT64_C(5) << 30;
static const uint64_t large_bytes = (UINT64_C(1) << 28) + 12345; /* more than one piece */

static ech_machine *make_machine(void)
{
    ech_machine *machine = NULL;
    mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine));
    return machine;
}

static void barrier(const ech_machine *machine)
{
    mpi_expect_ok(ech_comm_barrier(ech_machine_comm(machine)));
}

static unsigned char pattern(uint64_t i, int host)
{
    return (unsigned char)(i * 31 + (i >> 12) + (uint64_t)host * 101);
}

static void fill(unsigned char *bytes, uint64_t count, int host)
{
    for (uint64_t i = 0; i < count; i++) {
        bytes[i] = pattern(i, host);
    }
}

static void expect_pattern(const unsigned char *bytes, uint64_t count, int host, const char *where)
{
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < count; i++) {
        wrong += bytes[i] != pattern(i, host);
    }
    mpi_expect(wrong == 0, "%llu of %llu bytes are wrong %s", (unsigned long long)wrong,
               (unsigned long long)count, where);
}

static void ranks_of_a_host_share_memory(void)
{
    ech_machine *machine = make_machine();
    ech_window *window = NULL;
    const int host = ech_machine_host(machine);
    mpi_expect_ok(ech_window_create(machine, "shared", SMALL_BYTES, false, &window));
    atomic_int *counter = ech_window_base(window);
    mpi_expect(atomic_load(counter) == 0, "fresh memory is %d", atomic_load(counter));
    barrier(machine);
    atomic_fetch_add(counter, ech_machine_rank(machine) + 1);
    barrier(machine);
    int count = 0;
    int expected = 0;
    const int *ranks = ech_machine_ranks_of(machine, host, &count);
    for (int i = 0; i < count; i++) {
        expected += ranks[i] + 1;
    }
    mpi_expect(atomic_load(counter) == expected, "the counter is %d, not %d", atomic_load(counter),
               expected);
    ech_window_destroy(&window);
    mpi_expect(window == NULL, "the pointer is not nulled");
    ech_machine_destroy(&machine);
}

/* The heap is dirtied before, for a lone rank's segment must not come from there. */
static void fresh_memory_reads_as_zeros(void)
{
    enum { BLOCKS = 64 };
    void *dirty[BLOCKS];
    ech_machine *machine = make_machine();
    ech_window *window = NULL;
    for (int i = 0; i < BLOCKS; i++) {
        dirty[i] = ech_alloc(SMALL_BYTES);
        memset(dirty[i], 0xbe, SMALL_BYTES);
    }
    for (int i = 0; i < BLOCKS; i++) {
        ech_free(dirty[i]);
    }
    mpi_expect_ok(ech_window_create(machine, "fresh", SMALL_BYTES, true, &window));
    const unsigned char *base = ech_window_base(window);
    mpi_expect((uintptr_t)base % 4096 == 0, "the segment is not aligned to a page");
    size_t used = 0;
    for (size_t i = 0; i < SMALL_BYTES; i++) {
        used += base[i] != 0;
    }
    mpi_expect(used == 0, "%zu bytes are not zero", used);
    ech_window_destroy(&window);
    ech_machine_destroy(&machine);
}

static void hosts_may_have_segments_of_different_sizes(void)
{
    ech_machine *machine = make_machine();
    ech_window *window = NULL;
    const uint64_t bytes = ech_machine_host(machine) == 0 ? 0 : SMALL_BYTES - 1;
    mpi_expect_ok(ech_window_create(machine, "uneven", bytes, true, &window));
    mpi_expect(ech_window_bytes(window, 0) == 0, "host 0");
    mpi_expect(ech_window_bytes(window, 1) == SMALL_BYTES, "host 1");
    ech_window_destroy(&window);
    ech_machine_destroy(&machine);
}

/* Every leader rank puts to the next host and gets back; the others look at their memory. */
static void leaders_reach_the_other_hosts(void)
{
    static unsigned char sent[SMALL_BYTES];
    static unsigned char got[SMALL_BYTES];
    ech_machine *machine = make_machine();
    ech_window *window = NULL;
    const int hosts = ech_machine_host_count(machine);
    const int host = ech_machine_host(machine);
    const int next = (host + 1) % hosts;
    mpi_expect_ok(ech_window_create(machine, "exposed", PATTERN_AT + SMALL_BYTES, true, &window));
    unsigned char *base = ech_window_base(window);
    if (ech_machine_is_leader(machine)) {
        fill(sent, sizeof sent, host);
        mpi_expect_ok(ech_window_put(window, next, PATTERN_AT, sent, sizeof sent));
        mpi_expect_ok(ech_window_put_word(window, next, WORD_AT, 17));
        mpi_expect_ok(ech_window_post_word(window, next, WORD_AT + 8, 18));
        mpi_expect_ok(ech_window_get(window, next, PATTERN_AT, got, sizeof got));
        expect_pattern(got, sizeof got, host, "that came back");
        const ech_window_traffic traffic = ech_window_traffic_of(window);
        mpi_expect(traffic.put_bytes == sizeof sent + 16 && traffic.got_bytes == sizeof got,
                   "traffic %llu and %llu bytes", (unsigned long long)traffic.put_bytes,
                   (unsigned long long)traffic.got_bytes);
    }
    barrier(machine);
    const uint64_t *words = (const uint64_t *)(const void *)(base + WORD_AT);
    mpi_expect(ech_window_load(&words[0]) == 17, "the word is %d", (int)words[0]);
    mpi_expect(ech_window_load(&words[1]) == 18, "the posted word is %d", (int)words[1]);
    expect_pattern(base + PATTERN_AT, SMALL_BYTES, (host + hosts - 1) % hosts, "in the window");
    ech_window_destroy(&window);
    ech_machine_destroy(&machine);
}

static void a_transfer_of_several_pieces_arrives(void)
{
    ech_machine *machine = make_machine();
    ech_window *window = NULL;
    mpi_expect_ok(ech_window_create(machine, "large", large_bytes, true, &window));
    if (ech_machine_rank(machine) == 0) {
        unsigned char *data = ech_alloc(large_bytes);
        mpi_expect(data != NULL, "no memory");
        if (data != NULL) {
            fill(data, large_bytes, 0);
            mpi_expect_ok(ech_window_put(window, 1, 0, data, large_bytes));
            memset(data, 0, large_bytes);
            mpi_expect_ok(ech_window_get(window, 1, 0, data, large_bytes));
            expect_pattern(data, large_bytes, 0, "that came back");
        }
        ech_free(data);
    }
    barrier(machine);
    if (ech_machine_host(machine) == 1) {
        expect_pattern(ech_window_base(window), large_bytes, 0, "in the window");
    }
    ech_window_destroy(&window);
    ech_machine_destroy(&machine);
}

/* Far more than the memory of the machine, and offsets that do not fit into 32 bits. */
static void reserved_memory_costs_nothing_until_touched(void)
{
    ech_machine *machine = make_machine();
    ech_window *window = NULL;
    const int hosts = ech_machine_host_count(machine);
    mpi_expect_ok(ech_window_create(machine, "sparse", sparse_bytes, true, &window));
    if (ech_machine_is_leader(machine)) {
        const int next = (ech_machine_host(machine) + 1) % hosts;
        mpi_expect_ok(ech_window_put_word(window, next, far_bytes, 19));
        mpi_expect_ok(ech_window_put_word(window, next, sparse_bytes - 8, 20));
    }
    barrier(machine);
    const unsigned char *base = ech_window_base(window);
    mpi_expect(ech_window_load((const uint64_t *)(const void *)(base + far_bytes)) == 19, "far");
    mpi_expect(ech_window_load((const uint64_t *)(const void *)(base + sparse_bytes - 8)) == 20,
               "at the end");
    ech_window_destroy(&window);
    ech_machine_destroy(&machine);
}

static void a_full_memory_is_a_status_not_a_signal(void)
{
    ech_machine *machine = make_machine();
    ech_window *window = NULL;
    const uint64_t memory_bytes =
        (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t too_many_bytes = far_bytes + 2 * memory_bytes;
    mpi_expect_ok(ech_window_create(machine, "huge", too_many_bytes, false, &window));
    if (ech_machine_is_leader(machine)) {
        mpi_expect_ok(ech_window_populate(window, far_bytes, SMALL_BYTES));
        const ech_status status = ech_window_populate(window, 0, too_many_bytes);
        mpi_expect(status == ECH_ERR_MEMORY, "'%s'", ech_status_string(status));
        mpi_expect(strstr(ech_status_message(), "window huge") != NULL, "message '%s'",
                   ech_status_message());
    }
    ech_window_destroy(&window);
    ech_machine_destroy(&machine);
}

static void expect_refused(ech_status status, const char *what)
{
    mpi_expect(status == ECH_ERR_ARGUMENT, "%s: '%s'", what, ech_status_string(status));
}

static void misuse_is_refused(void)
{
    ech_machine *machine = make_machine();
    ech_window *exposed = NULL;
    ech_window *local = NULL;
    uint64_t word = 0;
    mpi_expect_ok(ech_window_create(machine, "exposed", SMALL_BYTES, true, &exposed));
    mpi_expect_ok(ech_window_create(machine, "local", SMALL_BYTES, false, &local));
    if (ech_machine_is_leader(machine)) {
        const int other = 1 - ech_machine_host(machine);
        expect_refused(ech_window_put(exposed, other, SMALL_BYTES - 7, &word, 8), "past the end");
        expect_refused(ech_window_get(exposed, other, UINT64_MAX, &word, 8), "overflow");
        expect_refused(ech_window_get(exposed, 2, 0, &word, 8), "no such host");
        expect_refused(ech_window_put_word(exposed, other, 4, 1), "not aligned");
        expect_refused(ech_window_put_word(local, other, 0, 1), "not exposed");
        mpi_expect_ok(ech_window_put_word(local, 1 - other, 0, 1));
    } else {
        expect_refused(ech_window_put_word(exposed, 0, 0, 1), "not a leader rank");
    }
    expect_refused(ech_window_populate(exposed, SMALL_BYTES, 1), "populate past the end");
    ech_window_destroy(&local);
    ech_window_destroy(&exposed);
    ech_machine_destroy(&machine);
}

static void ranks_of_a_host_must_name_one_size(void)
{
    ech_machine *machine = make_machine();
    ech_window *window = NULL;
    const uint64_t bytes = ech_machine_rank(machine) == 3 ? SMALL_BYTES + 1 : SMALL_BYTES;
    expect_refused(ech_window_create(machine, "odd", bytes, true, &window), "one rank differs");
    mpi_expect(window == NULL, "a window was made");
    const char *expected = ech_machine_rank(machine) == 3 ? "window odd" : "rank 3: window odd";
    mpi_expect(strncmp(ech_status_message(), expected, strlen(expected)) == 0, "message '%s'",
               ech_status_message());
    ech_machine_destroy(&machine);
}

static const mpi_case window_cases[] = {
    {"window_ranks_of_a_host_share_memory", 4, .cliques = 2, .seconds = 20,
     .run = ranks_of_a_host_share_memory},
    {"window_fresh_memory_reads_as_zeros", 3, .cliques = 2, .seconds = 20,
     .run = fresh_memory_reads_as_zeros},
    {"window_a_full_memory_is_a_status_for_a_lone_rank_too", 1, .seconds = 20,
     .run = a_full_memory_is_a_status_not_a_signal},
    {"window_hosts_may_have_segments_of_different_sizes", 3, .cliques = 2, .seconds = 20,
     .run = hosts_may_have_segments_of_different_sizes},
    {"window_leaders_reach_the_other_hosts", 4, .cliques = 2, .seconds = 20,
     .run = leaders_reach_the_other_hosts},
    {"window_three_leaders_reach_the_other_hosts", 4, .cliques = 3, .seconds = 20,
     .run = leaders_reach_the_other_hosts},
    {"window_a_transfer_of_several_pieces_arrives", 2, .cliques = 2, .seconds = 60,
     .run = a_transfer_of_several_pieces_arrives},
    {"window_reserved_memory_costs_nothing_until_touched", 4, .cliques = 2, .seconds = 20,
     .run = reserved_memory_costs_nothing_until_touched},
    {"window_a_full_memory_is_a_status_not_a_signal", 2, .seconds = 20,
     .run = a_full_memory_is_a_status_not_a_signal},
    {"window_misuse_is_refused", 3, .cliques = 2, .seconds = 20, .run = misuse_is_refused},
    {"window_ranks_of_a_host_must_name_one_size", 4, .cliques = 2, .seconds = 20,
     .run = ranks_of_a_host_must_name_one_size},
};
MPI_CASES(mpi, window_cases)
