#include <argp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/command.h"
#include "apps/fit/fit_job.h"
#include "apps/fit/fit_line.h"
#include "apps/fit_options.h"
#include "runtime/mpi/comm.h"
#include "runtime/mpi/guard.h"
#include "runtime/mpi/interrupt.h"

static ech_status run(const ech_fit_arguments *arguments)
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
    status = ech_fit_job_run(arguments, &prepared, &io);
    ech_io_destroy(&io);
    return status;
}

int ech_cmd_fit(int argc, char **argv)
{
    ech_fit_line line;
    ech_fit_line_init(&line);
    argp_parse(ech_fit_line_parser(), argc, argv, 0, NULL, &line);
    if (line.keys) {
        size_t count = 0;
        const ech_option_section *sections = ech_fit_sections(&count);
        ech_options_print(stdout, sections, count);
        return EXIT_SUCCESS;
    }
    return ech_command_end_job(run(&line.arguments));
}
