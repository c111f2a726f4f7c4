#include "runtime/mpi/machine.h"
#include "tests/mpi_case.h"

static ech_machine *make_machine(ech_leader_mode mode)
{
    ech_machine *machine = NULL;
    if (mpi_expect_ok(ech_machine_create(MPI_COMM_WORLD, &machine))) {
        ech_machine_set_leader_mode(machine, mode);
    }
    return machine;
}

/* Rank r is on fake host r % hosts (MPICH deals them round-robin). */
static void expect_dealt_ranks(int expected_hosts)
{
    ech_machine *machine = make_machine(ECH_LEADER_AUTO);
    if (machine == NULL) {
        return;
    }
    const int rank = ech_machine_rank(machine);
    const int ranks = ech_machine_rank_count(machine);
    const int hosts = ech_machine_host_count(machine);
    mpi_expect(hosts == expected_hosts, "%d hosts", hosts);
    mpi_expect(ech_machine_host(machine) == rank % hosts, "host %d", ech_machine_host(machine));
    mpi_expect(ech_machine_host_rank(machine) == rank / hosts, "host rank %d",
               ech_machine_host_rank(machine));
    mpi_expect(ech_machine_is_leader(machine) == (rank < hosts), "leader rank or not");
    mpi_expect((ech_machine_leader_comm(machine) != NULL) == (rank < hosts), "leaders' comm");
    for (int host = 0; host < hosts; host++) {
        int count = 0;
        const int *of_host = ech_machine_ranks_of(machine, host, &count);
        mpi_expect(count == (ranks - host + hosts - 1) / hosts, "host %d has %d ranks", host,
                   count);
        for (int i = 0; i < count; i++) {
            mpi_expect(of_host[i] == host + i * hosts, "rank %d of host %d is %d", i, host,
                       of_host[i]);
            mpi_expect(ech_machine_host_of(machine, of_host[i]) == host, "host of %d", of_host[i]);
        }
        mpi_expect(ech_machine_leader_of(machine, host) == host, "leader of host %d", host);
        mpi_expect(ech_machine_host_name(machine, host)[0] != '\0', "host %d has no name", host);
    }
    if (ech_machine_is_leader(machine)) {
        ech_comm *leaders = ech_machine_leader_comm(machine);
        mpi_expect(ech_comm_rank(leaders) == ech_machine_host(machine), "leaders' rank");
        mpi_expect(ech_comm_size(leaders) == hosts, "leaders' size");
    }
    mpi_expect(ech_comm_size(ech_machine_comm(machine)) == ranks, "size of the whole");
    ech_machine_destroy(&machine);
    mpi_expect(machine == NULL, "the pointer is not nulled");
}

static void one_host(void)
{
    expect_dealt_ranks(1);
}

static void two_hosts(void)
{
    expect_dealt_ranks(2);
}

static void three_hosts(void)
{
    expect_dealt_ranks(3);
}

static void leaders_work_as_their_mode_says(void)
{
    ech_machine *automatic = make_machine(ECH_LEADER_AUTO);
    ech_machine *training = make_machine(ECH_LEADER_TRAINS);
    ech_machine *dedicated = make_machine(ECH_LEADER_DEDICATED);
    if (automatic != NULL && training != NULL && dedicated != NULL) {
        /* Three ranks on two hosts: host 0 has two, host 1 a lone one, which has to work. */
        mpi_expect(ech_machine_leader_trains(automatic, 0), "auto, a small host");
        mpi_expect(ech_machine_leader_trains(training, 0), "trains");
        mpi_expect(!ech_machine_leader_trains(dedicated, 0), "dedicated, two ranks");
        mpi_expect(ech_machine_leader_trains(dedicated, 1), "dedicated, a lone rank");
    }
    ech_machine_destroy(&dedicated);
    ech_machine_destroy(&training);
    ech_machine_destroy(&automatic);
}

static const mpi_case machine_cases[] = {
    {"machine_one_rank", 1, .seconds = 20, .run = one_host},
    {"machine_one_host", 3, .seconds = 20, .run = one_host},
    {"machine_two_hosts", 5, .cliques = 2, .seconds = 20, .run = two_hosts},
    {"machine_three_hosts", 4, .cliques = 3, .seconds = 20, .run = three_hosts},
    {"machine_leaders_work_as_their_mode_says", 3, .cliques = 2, .seconds = 20,
     .run = leaders_work_as_their_mode_says},
};
MPI_CASES(mpi, machine_cases)
