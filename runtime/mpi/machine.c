#define _GNU_SOURCE
#include "runtime/mpi/machine.h"

#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/mpi/guard.h"

enum { LEADER_TAG = 1 };

typedef char host_name[ECH_HOST_NAME_BYTES];

struct ech_machine {
    ech_comm *comm;
    ech_comm *host_comm;
    ech_comm *leader_comm; /* leader ranks only */
    ech_leader_mode mode;
    int host_count;
    int host;         /* mine */
    int *leader;      /* by host */
    int *host_of;     /* by rank */
    int *ranks;       /* grouped by host, ascending */
    int *first;       /* by host: where its ranks begin in `ranks`; one more at the end */
    host_name *names; /* by host */
};

static ech_status split_hosts(ech_machine *machine)
{
    MPI_Comm handle = MPI_COMM_NULL;
    const int rank = ech_comm_rank(machine->comm);
    ech_guard_bound("MPI_Comm_split_type", ECH_COMM_TIMEOUT_NS);
    const int result = MPI_Comm_split_type(ech_comm_handle(machine->comm), MPI_COMM_TYPE_SHARED,
                                           rank, MPI_INFO_NULL, &handle);
    ech_guard_unbound();
    const ech_status status = ech_mpi_check(result, "MPI_Comm_split_type");
    return status == ECH_OK ? ech_comm_adopt(handle, ECH_COMM_TIMEOUT_NS, &machine->host_comm)
                            : status;
}

/* Rank of my host's leader rank: the first of the host communicator, seen from the whole. */
static ech_status find_my_leader(const ech_machine *machine, int *leader)
{
    MPI_Group all = MPI_GROUP_NULL;
    MPI_Group host = MPI_GROUP_NULL;
    const int first = 0;
    ech_status status =
        ech_mpi_check(MPI_Comm_group(ech_comm_handle(machine->comm), &all), "MPI_Comm_group");
    if (status == ECH_OK) {
        status = ech_mpi_check(MPI_Comm_group(ech_comm_handle(machine->host_comm), &host),
                               "MPI_Comm_group");
    }
    if (status == ECH_OK) {
        status = ech_mpi_check(MPI_Group_translate_ranks(host, 1, &first, all, leader),
                               "MPI_Group_translate_ranks");
    }
    if (host != MPI_GROUP_NULL) {
        MPI_Group_free(&host);
    }
    if (all != MPI_GROUP_NULL) {
        MPI_Group_free(&all);
    }
    return status;
}

/* `leader_by_rank` tells each rank's leader rank; hosts are numbered in the order of those. */
static ech_status number_hosts(ech_machine *machine, const int *leader_by_rank)
{
    const int rank_count = ech_comm_size(machine->comm);
    int host_count = 0;
    for (int rank = 0; rank < rank_count; rank++) {
        host_count += leader_by_rank[rank] == rank;
    }
    machine->host_count = host_count;
    machine->leader = ech_calloc((size_t)host_count, sizeof *machine->leader);
    machine->host_of = ech_calloc((size_t)rank_count, sizeof *machine->host_of);
    machine->ranks = ech_calloc((size_t)rank_count, sizeof *machine->ranks);
    machine->first = ech_calloc((size_t)host_count + 1, sizeof *machine->first);
    machine->names = ech_calloc((size_t)host_count, sizeof *machine->names);
    if (machine->leader == NULL || machine->host_of == NULL || machine->ranks == NULL ||
        machine->first == NULL || machine->names == NULL) {
        return ECH_ERR_MEMORY;
    }
    int host = 0;
    for (int rank = 0; rank < rank_count; rank++) {
        if (leader_by_rank[rank] == rank) {
            machine->leader[host] = rank;
            machine->host_of[rank] = host++;
        } else { /* a leader rank is the lowest of its host, so it came before */
            machine->host_of[rank] = machine->host_of[leader_by_rank[rank]];
        }
    }
    return ECH_OK;
}

static void group_ranks(ech_machine *machine)
{
    const int rank_count = ech_comm_size(machine->comm);
    int *first = machine->first;
    for (int rank = 0; rank < rank_count; rank++) {
        first[machine->host_of[rank] + 1]++;
    }
    for (int host = 0; host < machine->host_count; host++) {
        first[host + 1] += first[host];
    }
    for (int rank = 0; rank < rank_count; rank++) {
        machine->ranks[first[machine->host_of[rank]]++] = rank;
    }
    /* Each entry has moved on to where the next host begins: shift them back. */
    memmove(first + 1, first, (size_t)machine->host_count * sizeof *first);
    first[0] = 0;
    machine->host = machine->host_of[ech_comm_rank(machine->comm)];
}

static ech_status map_hosts(ech_machine *machine)
{
    const int rank_count = ech_comm_size(machine->comm);
    int mine = 0;
    int *leader_by_rank = ech_calloc((size_t)rank_count, sizeof *leader_by_rank);
    ech_status status = leader_by_rank != NULL ? ECH_OK : ECH_ERR_MEMORY;
    if (status == ECH_OK) {
        status = find_my_leader(machine, &mine);
    }
    status = ech_comm_agree(machine->comm, status);
    if (status != ECH_OK || leader_by_rank == NULL) {
        ech_free(leader_by_rank);
        return status;
    }
    status = ech_comm_all_gather(machine->comm, &mine, sizeof mine, leader_by_rank);
    if (status == ECH_OK) {
        status = number_hosts(machine, leader_by_rank);
    }
    if (status == ECH_OK) {
        group_ranks(machine);
    }
    ech_free(leader_by_rank);
    return ech_comm_agree(machine->comm, status);
}

/* Collective over the leader ranks alone: the others have nothing to wait for. */
static ech_status join_leaders(ech_machine *machine)
{
    MPI_Group all = MPI_GROUP_NULL;
    MPI_Group leaders = MPI_GROUP_NULL;
    MPI_Comm handle = MPI_COMM_NULL;
    MPI_Comm comm = ech_comm_handle(machine->comm);
    ech_status status = ech_mpi_check(MPI_Comm_group(comm, &all), "MPI_Comm_group");
    if (status == ECH_OK) {
        status = ech_mpi_check(MPI_Group_incl(all, machine->host_count, machine->leader, &leaders),
                               "MPI_Group_incl");
    }
    if (status == ECH_OK) {
        ech_guard_bound("MPI_Comm_create_group", ECH_COMM_TIMEOUT_NS);
        status = ech_mpi_check(MPI_Comm_create_group(comm, leaders, LEADER_TAG, &handle),
                               "MPI_Comm_create_group");
        ech_guard_unbound();
    }
    if (status == ECH_OK) {
        status = ech_comm_adopt(handle, ECH_COMM_TIMEOUT_NS, &machine->leader_comm);
    }
    if (leaders != MPI_GROUP_NULL) {
        MPI_Group_free(&leaders);
    }
    if (all != MPI_GROUP_NULL) {
        MPI_Group_free(&all);
    }
    return status;
}

static ech_status share_names(ech_machine *machine)
{
    ech_status status = ECH_OK;
    if (machine->leader_comm != NULL) {
        host_name mine = "";
        memcpy(mine, ech_guard_box()->host, sizeof mine - 1);
        status = ech_comm_all_gather(machine->leader_comm, mine, sizeof mine, machine->names);
    }
    status = ech_comm_agree(machine->comm, status);
    if (status != ECH_OK) {
        return status;
    }
    const size_t bytes = (size_t)machine->host_count * sizeof *machine->names;
    return ech_comm_broadcast(machine->host_comm, machine->names, bytes, 0);
}

ech_status ech_machine_create(MPI_Comm parent, ech_machine **out)
{
    *out = NULL;
    ech_machine *machine = ech_calloc(1, sizeof *machine);
    if (machine == NULL) {
        return ECH_ERR_MEMORY;
    }
    machine->mode = ECH_LEADER_AUTO;
    ech_status status = ech_comm_create(parent, ECH_COMM_TIMEOUT_NS, &machine->comm);
    if (status == ECH_OK) {
        status = ech_comm_agree(machine->comm, split_hosts(machine));
    }
    if (status == ECH_OK) {
        status = map_hosts(machine);
    }
    if (status == ECH_OK) {
        const bool leads = ech_comm_rank(machine->host_comm) == 0;
        status = ech_comm_agree(machine->comm, leads ? join_leaders(machine) : ECH_OK);
    }
    if (status == ECH_OK) {
        status = share_names(machine);
    }
    if (status != ECH_OK) {
        ech_machine_destroy(&machine);
    }
    *out = machine;
    return status;
}

void ech_machine_set_leader_mode(ech_machine *machine, ech_leader_mode mode)
{
    machine->mode = mode;
}

void ech_machine_destroy(ech_machine **machine)
{
    if (machine == NULL || *machine == NULL) {
        return;
    }
    ech_machine *gone = *machine;
    ech_comm_destroy(&gone->leader_comm);
    ech_comm_destroy(&gone->host_comm);
    ech_comm_destroy(&gone->comm);
    ech_free(gone->leader);
    ech_free(gone->host_of);
    ech_free(gone->ranks);
    ech_free(gone->first);
    ech_free(gone->names);
    ech_free(gone);
    *machine = NULL;
}

int ech_machine_rank(const ech_machine *machine)
{
    return ech_comm_rank(machine->comm);
}

int ech_machine_rank_count(const ech_machine *machine)
{
    return ech_comm_size(machine->comm);
}

int ech_machine_host(const ech_machine *machine)
{
    return machine->host;
}

int ech_machine_host_count(const ech_machine *machine)
{
    return machine->host_count;
}

int ech_machine_host_rank(const ech_machine *machine)
{
    return ech_comm_rank(machine->host_comm);
}

int ech_machine_host_of(const ech_machine *machine, int rank)
{
    return machine->host_of[rank];
}

const int *ech_machine_ranks_of(const ech_machine *machine, int host, int *count)
{
    *count = machine->first[host + 1] - machine->first[host];
    return machine->ranks + machine->first[host];
}

int ech_machine_leader_of(const ech_machine *machine, int host)
{
    return machine->leader[host];
}

const char *ech_machine_host_name(const ech_machine *machine, int host)
{
    return machine->names[host];
}

bool ech_machine_is_leader(const ech_machine *machine)
{
    return machine->leader_comm != NULL;
}

bool ech_machine_leader_trains(const ech_machine *machine, int host)
{
    const int ranks = machine->first[host + 1] - machine->first[host];
    switch (machine->mode) {
    case ECH_LEADER_TRAINS:
        return true;
    case ECH_LEADER_DEDICATED:
        return ranks < 2;
    case ECH_LEADER_AUTO:
        break;
    }
    return machine->host_count == 1 || ranks < ECH_LEADER_DEDICATED_RANKS;
}

ech_comm *ech_machine_comm(const ech_machine *machine)
{
    return machine->comm;
}

ech_comm *ech_machine_host_comm(const ech_machine *machine)
{
    return machine->host_comm;
}

ech_comm *ech_machine_leader_comm(const ech_machine *machine)
{
    return machine->leader_comm;
}

void ech_machine_progress(const ech_machine *machine)
{
    if (machine->leader_comm != NULL && machine->host_count > 1) {
        ech_comm_progress(machine->leader_comm);
    }
}
