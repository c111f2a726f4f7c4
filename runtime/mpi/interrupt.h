/**
 * @file interrupt.h
 * Requests to stop early, with a checkpoint: SIGTERM, SIGUSR1, SIGINT.
 *
 * The handler sets a flag; the main loop looks at it. Not collective: each rank has its own flag,
 * and rank 0's decides, since mpiexec and the schedulers signal every rank.
 */
#ifndef ECH_MPI_INTERRUPT_H
#define ECH_MPI_INTERRUPT_H

#include <stdbool.h>

#include "runtime/base/status.h"

/** Take the three signals. @return ECH_OK or ECH_ERR_SYSTEM. */
ech_status ech_interrupt_install(void);

/** Was one of them received since? A load. */
bool ech_interrupt_requested(void);

#endif
