/**
 * @file fit_base.h
 * What a run stands on, whoever leads it: machine, configuration, tree, data, model, trainer and
 * strategy. `echelon fit` and `echelon site` start alike.
 *
 * Collective over the job: every step ends with the same status on every rank.
 */
#ifndef ECH_APPS_FIT_BASE_H
#define ECH_APPS_FIT_BASE_H

#include <stdbool.h>
#include <stdint.h>

#include "apps/fit/fit_data.h"
#include "apps/fit/fit_job.h"
#include "apps/fit/fit_plugins.h"
#include "apps/fit/fit_process.h"
#include "apps/fit/fit_sites.h"
#include "apps/fit/fit_totals.h"
#include "apps/fit/fit_trainer.h"
#include "apps/fit/fit_tree.h"
#include "apps/fit_options.h"
#include "io/service.h"
#include "kernels/network.h"
#include "runtime/base/config.h"
#include "runtime/base/status.h"
#include "runtime/fed/strategy.h"
#include "runtime/mpi/machine.h"
#include "runtime/mpi/pin.h"

/** Owned by the base unless said otherwise; zero-initialise it. */
typedef struct {
    const ech_fit_arguments *arguments; /* borrowed */
    ech_io *io;                         /* leader ranks */
    ech_machine *machine;               /* NULL: not even the communicator was made */
    ech_comm *comm;                     /* of all ranks; borrowed from the machine */
    bool is_first;                      /* rank 0 */
    ech_pin_result pinned;
    ech_config *config;
    char *config_text; /* effective, as YAML */
    ech_fit_options options;
    ech_fit_tree tree; /* rank 0; its population comes later */
    uint32_t worker_count;
    ech_fit_data *data;
    ech_fit_plugins plugins;
    char *model_text;           /* of model.file; NULL */
    ech_network *network;       /* NULL where a plug-in trains */
    ech_fit_trainer *kernels;   /* NULL where a plug-in trains */
    const ech_trainer *trainer; /* of either; borrowed */
    const ech_layout *layout;   /* the model's; borrowed from the trainer */
    ech_strategy *strategy;
    /* What must be the same on every rank, and after a resume, for the same bits. */
    char engines[ECH_FIT_ENGINES_BYTES];
    ech_fit_sites sites;
    ech_transfer *transfer;
} ech_fit_base;

/**
 * Start it. MPI has been started.
 *
 * @param prepared  what this process's start ended with; a failure on any rank is every rank's.
 * @param io  each process's own; taken over, and nulled.
 * @return the same on every rank. Clear the base also after a failure.
 */
ech_status ech_fit_base_start(ech_fit_base *base, const ech_fit_arguments *arguments,
                              const ech_failure *prepared, ech_io **io);
void ech_fit_base_clear(ech_fit_base *base);

/** Listen for remote sites, where the topology has any, and wait until all have joined. */
ech_status ech_fit_base_open_sites(ech_fit_base *base);

/** Place the tree, and make the process that the configuration asks for; it goes on after
 *  `rounds_done`. To be destroyed before the base. */
ech_status ech_fit_base_create_process(ech_fit_base *base, uint64_t rounds_done,
                                       ech_fit_process_handle **out);

/** Memory of the largest rank and of the largest host, into rank 0's totals and all others'. */
ech_status ech_fit_base_measure_memory(const ech_fit_base *base, ech_fit_totals *totals);

/** The ranks agree on failure. */
ech_status ech_fit_base_agree(const ech_fit_base *base, ech_status mine);

#endif
