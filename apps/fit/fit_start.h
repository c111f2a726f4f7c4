/**
 * @file fit_start.h
 * How a run finds its configuration and its folder.
 */
#ifndef ECH_APPS_FIT_START_H
#define ECH_APPS_FIT_START_H

#include "apps/fit/fit_job.h"
#include "apps/fit_options.h"
#include "runtime/base/config.h"
#include "runtime/mpi/machine.h"

/** Read on rank 0, and the same on every rank. Collective. @param[out] text  the effective
 * configuration as YAML; ech_free. Both NULL on failure. */
ech_status ech_fit_load_config(ech_machine *machine, const ech_fit_arguments *arguments,
                               ech_config **config, char **text);

/** The text of model.file, read on rank 0; NULL where there is none. Collective. @param[out] text
 *  ech_free; NULL on failure. */
ech_status ech_fit_load_model(ech_machine *machine, const ech_fit_options *options, char **text);

/**
 * Make the folder ready: exists, can be written, holds no earlier run unless it is resumed or
 * overwritten. Rank 0.
 *
 * @return ECH_OK; ECH_ERR_CONFIG with the reason.
 */
ech_status ech_fit_prepare_folder(const ech_fit_arguments *arguments);

#endif
