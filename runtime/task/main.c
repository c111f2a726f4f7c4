/* A whole program of tasks, from main to main. */
#include "runtime/base/log.h"
#include "runtime/mpi/comm.h"
#include "runtime/mpi/guard.h"
#include "runtime/mpi/machine.h"
#include "runtime/task/task.h"

static ech_status run_once(const ech_app_registry *apps, const ech_executor_options *options,
                           ech_program program, void *user)
{
    ech_executor *executor = NULL;
    ech_status status = ech_executor_create(apps, options, &executor);
    if (status == ECH_OK) {
        status = ech_executor_run(executor, program, user);
    }
    const ech_failure failure = ech_failure_keep(status);
    ech_executor_destroy(&executor);
    return ech_failure_restore(&failure);
}

/* Collective: from here on all ranks have the same status. */
static ech_status run_on_machine(const ech_app_registry *apps, const ech_executor_options *options,
                                 ech_program program, void *user)
{
    ech_executor_options with_machine = *options;
    ech_status status = ech_machine_create(MPI_COMM_WORLD, &with_machine.machine);
    if (status == ECH_OK) {
        status = run_once(apps, &with_machine, program, user);
    }
    const ech_failure failure = ech_failure_keep(status);
    ech_machine_destroy(&with_machine.machine);
    return ech_failure_restore(&failure);
}

static ech_status run_as_job(const ech_app_registry *apps, const ech_executor_options *options,
                             ech_program program, void *user)
{
    ech_status status = ech_guard_start();
    if (status == ECH_OK) {
        status = ech_mpi_start();
    }
    return status == ECH_OK ? run_on_machine(apps, options, program, user) : status;
}

int ech_executor_main(const ech_app_registry *apps, const ech_executor_options *options,
                      ech_program program, void *user)
{
    const bool starts_mpi = options->kind == ECH_EXECUTOR_MPI && options->machine == NULL;
    const ech_status status = starts_mpi ? run_as_job(apps, options, program, user)
                                         : run_once(apps, options, program, user);
    if (status != ECH_OK && ech_mpi_rank() == 0) {
        ech_log_set_rank(-1);
        ech_log(ECH_LOG_ERROR, "%s", ech_status_message());
    }
    if (starts_mpi) {
        ech_guard_box()->reported = 1;
        ech_mpi_finish();
    }
    return ech_status_exit_code(status);
}
