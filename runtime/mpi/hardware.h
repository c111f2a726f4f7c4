/**
 * @file hardware.h
 * What a host is made of, for the run record's /machine and for figures that need it beside them.
 * Not collective.
 */
#ifndef ECH_MPI_HARDWARE_H
#define ECH_MPI_HARDWARE_H

#include <stdint.h>

#include "runtime/base/status.h"

enum { ECH_HARDWARE_TEXT_BYTES = 128 };

typedef struct {
    char host[ECH_HARDWARE_TEXT_BYTES];
    char cpu_model[ECH_HARDWARE_TEXT_BYTES];   /* "" if unknown */
    char mpi_version[ECH_HARDWARE_TEXT_BYTES]; /* first line of MPI_Get_library_version */
    uint32_t core_count;                       /* of the whole host */
    uint32_t cpu_count;                        /* hardware threads of the whole host */
    uint32_t allowed_cpu_count;                /* that this process may use */
    uint64_t memory_bytes;
} ech_hardware;

/** @return ECH_OK; ECH_ERR_SYSTEM if hwloc cannot read the host. */
ech_status ech_hardware_query(ech_hardware *out);

#endif
