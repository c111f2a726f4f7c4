/**
 * @file machine.h
 * The machine as the job sees it: hosts, the ranks on each, and one leader rank a host.
 *
 * Hosts are what MPI says shares memory (MPI_COMM_TYPE_SHARED), numbered by their lowest rank, so
 * that `MPIR_CVAR_NUM_CLIQUES=2` shows two hosts on one machine. A host's leader rank is its lowest
 * rank; rank 0 therefore leads host 0. Everything is made once, at start: duplicating and splitting
 * is what costs with many ranks. The queries are not collective and cost a load.
 */
#ifndef ECH_MPI_MACHINE_H
#define ECH_MPI_MACHINE_H

#include <stdbool.h>

#include "runtime/base/status.h"
#include "runtime/mpi/comm.h"

enum {
    ECH_HOST_NAME_BYTES = 64,
    /* With `auto`, a host's leader rank is dedicated from this many ranks on. */
    ECH_LEADER_DEDICATED_RANKS = 16
};

/** What a leader rank does besides leading. */
typedef enum {
    ECH_LEADER_AUTO,      /* dedicated on hosts of many ranks, if there are several hosts */
    ECH_LEADER_TRAINS,    /* it runs tasks too, serving messages between batches */
    ECH_LEADER_DEDICATED, /* it only leads, on every host of at least two ranks */
} ech_leader_mode;

/** Opaque; immutable but for the leader mode. */
typedef struct ech_machine ech_machine;

/**
 * Find hosts and leaders. Collective over `parent`, which is duplicated, not kept.
 *
 * @return ECH_OK, ECH_ERR_MEMORY, ECH_ERR_MPI, ECH_ERR_TIMEOUT; the same on every rank.
 */
ech_status ech_machine_create(MPI_Comm parent, ech_machine **out);

/**
 * What leader ranks do besides leading: ECH_LEADER_AUTO until this is called, which a job can do
 * once it has read its configuration. The same on every rank; not collective. Before executors.
 */
void ech_machine_set_leader_mode(ech_machine *machine, ech_leader_mode mode);

/** Collective. Destroy all windows and streams made on it first. */
void ech_machine_destroy(ech_machine **machine);

int ech_machine_rank(const ech_machine *machine);
int ech_machine_rank_count(const ech_machine *machine);
int ech_machine_host(const ech_machine *machine); /* mine */
int ech_machine_host_count(const ech_machine *machine);
/** Number of my rank among those of my host, from 0 (the leader rank). */
int ech_machine_host_rank(const ech_machine *machine);

int ech_machine_host_of(const ech_machine *machine, int rank);
/** Ranks of a host, ascending: borrowed. */
const int *ech_machine_ranks_of(const ech_machine *machine, int host, int *count);
int ech_machine_leader_of(const ech_machine *machine, int host);
/** The name that MPI_Get_processor_name gave there, cut to ECH_HOST_NAME_BYTES - 1 bytes; fake
 * hosts share it. */
const char *ech_machine_host_name(const ech_machine *machine, int host);

bool ech_machine_is_leader(const ech_machine *machine);
/** Does a host's leader rank run tasks too? */
bool ech_machine_leader_trains(const ech_machine *machine, int host);

/* Borrowed communicators. */
ech_comm *ech_machine_comm(const ech_machine *machine);      /* all ranks */
ech_comm *ech_machine_host_comm(const ech_machine *machine); /* the ranks of my host, by rank */
/** The leader ranks, numbered by host; NULL on the other ranks. */
ech_comm *ech_machine_leader_comm(const ech_machine *machine);

/** Let MPI make progress: serves other hosts' puts and gets. A leader rank's duty; cheap, and a
 * no-op on the other ranks and where there is one host only. */
void ech_machine_progress(const ech_machine *machine);

#endif
