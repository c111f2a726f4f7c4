#include "apps/fit/fit_enter.h"

#include <stddef.h>

#include "runtime/mpi/comm.h"
#include "runtime/mpi/guard.h"
#include "runtime/mpi/interrupt.h"

ech_status ech_fit_enter(const ech_fit_arguments *arguments, ech_fit_entered job)
{
    ech_io *io = NULL;
    ech_status status = ech_guard_start();
    if (status == ECH_OK) {
        status = ech_io_create(NULL, &io);
    }
    if (status == ECH_OK) {
        status = ech_interrupt_install();
    }
    /* The other ranks wait in MPI_Init: they hear of a failure once MPI has started. */
    const ech_failure prepared = ech_failure_keep(status);
    status = ech_mpi_start();
    if (status != ECH_OK) {
        ech_io_destroy(&io);
        return status;
    }
    status = job(arguments, &prepared, &io);
    ech_io_destroy(&io);
    return status;
}
