/**
 * @file fit_process.h
 * The process that a configuration asks for, in step or as updates come, behind one set of calls.
 */
#ifndef ECH_APPS_FIT_PROCESS_H
#define ECH_APPS_FIT_PROCESS_H

#include "apps/fit_options.h"
#include "io/service.h"
#include "runtime/base/status.h"
#include "runtime/fed/async.h"
#include "runtime/fed/sync.h"
#include "runtime/mpi/machine.h"
#include "runtime/task/task.h"

/** Opaque. */
typedef struct ech_fit_process_handle ech_fit_process_handle;

/** Collective. @param io  rank 0's, to read a log with.  @param common  what both processes share.
 */
ech_status ech_fit_process_create(ech_machine *machine, const ech_fit_options *options, ech_io *io,
                                  const ech_sync_options *common, ech_fit_process_handle **out);
/** Collective. */
void ech_fit_process_destroy(ech_fit_process_handle **handle);

/* As those of sync.h. */
ech_status ech_fit_process_register(ech_fit_process_handle *process, ech_app_registry *registry);
void ech_fit_process_observe(ech_fit_process_handle *process, ech_round_observer observer);
ech_state ech_fit_process_model(const ech_fit_process_handle *process);
/* The process, whose state goes into checkpoints; NULL: it is the other. Borrowed. */
ech_sync *ech_fit_process_sync(const ech_fit_process_handle *process);
ech_async *ech_fit_process_async(const ech_fit_process_handle *process);
ech_status ech_fit_process_run(ech_fit_process_handle *process, ech_executor *executor);

#endif
