/**
 * @file pin.h
 * Ranks on cores of their own.
 *
 * Obeys what the launcher, the cgroup and the cpuset allow. The ranks of a host are dealt over the
 * NUMA domains as evenly as they come, neighbouring ranks to the same domain, and a rank gets as
 * many neighbouring cores as it has threads. Where ranks x threads outnumber the allowed cores, or
 * where the launcher has already given the ranks different cores, nothing is pinned, and the map
 * says so. The process is bound, so that threads made later inherit its cores.
 */
#ifndef ECH_MPI_PIN_H
#define ECH_MPI_PIN_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/mpi/machine.h"

enum { ECH_PIN_CPUS_BYTES = 128, ECH_PIN_SET_BYTES = 128 };

/** Processors, a bit each. */
typedef struct {
    _Alignas(8) uint8_t bits[ECH_PIN_SET_BYTES];
} ech_pin_set;

typedef enum {
    ECH_PIN_DONE,       /* each rank of this host has its own cores */
    ECH_PIN_LAUNCHER,   /* the launcher did it already */
    ECH_PIN_CROWDED,    /* ranks x threads outnumber the cores: left to the operating system */
    ECH_PIN_IMPOSSIBLE, /* the operating system refused, or does not show its cores */
} ech_pin_outcome;

typedef struct {
    ech_pin_outcome outcome;       /* of my host */
    uint32_t cores;                /* allowed on my host */
    char cpus[ECH_PIN_CPUS_BYTES]; /* my processors now, as a list such as "0-3,8"; cut if long */
    ech_pin_set allowed;           /* my processors before */
    ech_pin_set own;               /* and now */
} ech_pin_result;

/**
 * Pin the calling process. Collective over the machine. Call before threads are made. A refusal is
 * an outcome, not an error.
 *
 * @param threads  of each rank, at least 1.
 * @return ECH_OK, ECH_ERR_MEMORY, ECH_ERR_MPI, ECH_ERR_TIMEOUT.
 */
ech_status ech_pin_ranks(ech_machine *machine, uint32_t threads, ech_pin_result *out);

/**
 * What the calling thread makes between these two, such as a library's threads that work beside it,
 * may run on all processors that were allowed before it was pinned.
 */
void ech_pin_lift(const ech_pin_result *mine);
void ech_pin_restore(const ech_pin_result *mine);

/** Log the map: a line a host on rank 0 (`host n1: ranks 0-3 on cpus 0,2,4,6`), longest 32 hosts.
 * Collective over the machine. */
ech_status ech_pin_log(ech_machine *machine, const ech_pin_result *mine);

#endif
