#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/mpi/comm.h"
#include "tests/mpi_case.h"

enum { RANKS = 4, FIRST_FAILED = 1, BROADCAST_BYTES = 100003 };

static const uint64_t short_timeout_ns = 50000000;
static const uint64_t late_ns = 400000000;

static ech_comm *make_comm(uint64_t timeout_ns)
{
    ech_comm *comm = NULL;
    mpi_expect_ok(ech_comm_create(MPI_COMM_WORLD, timeout_ns, &comm));
    return comm;
}

static void every_rank_sees_all_contributions(void)
{
    ech_comm *comm = make_comm(ECH_COMM_TIMEOUT_NS);
    const uint64_t rank = (uint64_t)ech_comm_rank(comm);
    uint64_t all[RANKS] = {0};
    mpi_expect_ok(ech_comm_all_gather(comm, &rank, sizeof rank, all));
    for (uint64_t i = 0; i < RANKS; i++) {
        mpi_expect(all[i] == i, "entry %d is %d", (int)i, (int)all[i]);
    }
    uint64_t sums[2] = {rank, 1};
    mpi_expect_ok(ech_comm_sum_u64(comm, sums, 2));
    mpi_expect(sums[0] == 6 && sums[1] == RANKS, "sums %d %d", (int)sums[0], (int)sums[1]);
    uint64_t largest[2] = {rank, 10 - rank};
    mpi_expect_ok(ech_comm_max_u64(comm, largest, 2));
    mpi_expect(largest[0] == RANKS - 1 && largest[1] == 10, "maxima %d %d", (int)largest[0],
               (int)largest[1]);
    mpi_expect_ok(ech_comm_barrier(comm));
    ech_comm_destroy(&comm);
    mpi_expect(comm == NULL, "the pointer is not nulled");
}

static void a_broadcast_reaches_every_rank(void)
{
    static unsigned char data[BROADCAST_BYTES];
    ech_comm *comm = make_comm(ECH_COMM_TIMEOUT_NS);
    for (int root = 0; root < RANKS; root++) {
        for (size_t i = 0; i < sizeof data; i++) {
            data[i] = ech_comm_rank(comm) == root ? (unsigned char)(i * 7 + (size_t)root) : 0;
        }
        mpi_expect_ok(ech_comm_broadcast(comm, data, sizeof data, root));
        size_t wrong = 0;
        for (size_t i = 0; i < sizeof data; i++) {
            wrong += data[i] != (unsigned char)(i * 7 + (size_t)root);
        }
        mpi_expect(wrong == 0, "%zu wrong bytes from root %d", wrong, root);
    }
    ech_comm_destroy(&comm);
}

static void all_agree_on_the_lowest_failure(void)
{
    ech_comm *comm = make_comm(ECH_COMM_TIMEOUT_NS);
    mpi_expect_ok(ech_comm_agree(comm, ECH_OK));
    ech_status mine = ECH_OK;
    if (ech_comm_rank(comm) >= FIRST_FAILED) {
        mine = ech_comm_rank(comm) == FIRST_FAILED ? ech_fail(ECH_ERR_FILE, "disk full on purpose")
                                                   : ech_fail(ECH_ERR_MEMORY, "not this one");
    }
    const ech_status agreed = ech_comm_agree(comm, mine);
    mpi_expect(agreed == ECH_ERR_FILE, "agreed on '%s'", ech_status_string(agreed));
    const char *expected = ech_comm_rank(comm) == FIRST_FAILED ? "disk full on purpose"
                                                               : "rank 1: disk full on purpose";
    mpi_expect(strcmp(ech_status_message(), expected) == 0, "message '%s'", ech_status_message());
    ech_comm_destroy(&comm);
}

static void a_wait_for_a_late_rank_ends(void)
{
    ech_comm *comm = make_comm(short_timeout_ns);
    if (ech_comm_rank(comm) == 0) {
        const ech_status status = ech_comm_barrier(comm);
        mpi_expect(status == ECH_ERR_TIMEOUT, "'%s' in place of a time-out",
                   ech_status_string(status));
    } else {
        ech_clock_sleep_ns(late_ns);
        mpi_expect_ok(ech_comm_barrier(comm));
    }
    ech_comm_destroy(&comm);
}

static const mpi_case comm_cases[] = {
    {"comm_every_rank_sees_all_contributions", RANKS, .seconds = 20,
     .run = every_rank_sees_all_contributions},
    {"comm_a_broadcast_reaches_every_rank", RANKS, .seconds = 20,
     .run = a_broadcast_reaches_every_rank},
    {"comm_all_agree_on_the_lowest_failure", RANKS, .seconds = 20,
     .run = all_agree_on_the_lowest_failure},
    {"comm_a_wait_for_a_late_rank_ends", 2, .seconds = 20, .run = a_wait_for_a_late_rank_ends},
};
MPI_CASES(mpi, comm_cases)
