/**
 * @file fit_trainer.h
 * The federation's trainer, on Echelon's kernels and a run's data.
 */
#ifndef ECH_APPS_FIT_TRAINER_H
#define ECH_APPS_FIT_TRAINER_H

#include "apps/fit/fit_data.h"
#include "apps/fit_options.h"
#include "kernels/network.h"
#include "runtime/base/config.h"
#include "runtime/base/status.h"
#include "runtime/fed/trainer.h"

/** Opaque. */
typedef struct ech_fit_trainer ech_fit_trainer;

/**
 * The network that `model` names or describes, for the data's shape and classes. The caller owns
 * it.
 *
 * @param text  of model.file; NULL where there is none.
 */
ech_status ech_fit_network(const ech_config *config, const ech_fit_options *options,
                           const char *text, const ech_dataset_info *info, ech_network **out);

/** @param network, data  borrowed until the trainer is destroyed. Not collective. */
ech_status ech_fit_trainer_create(const ech_config *config, const ech_fit_options *options,
                                  const ech_network *network, ech_fit_data *data,
                                  ech_fit_trainer **out);
void ech_fit_trainer_destroy(ech_fit_trainer **trainer);

/** The interface; borrowed, lives as long as the trainer. */
const ech_trainer *ech_fit_trainer_interface(const ech_fit_trainer *trainer);

/** What must be the same on every rank, and after a resume, for the same bits: network, instruction
 *  set and engines, as text in an array of ECH_FIT_ENGINES_BYTES, with room for plug-ins. */
enum { ECH_FIT_ENGINES_BYTES = 256 };
const char *ech_fit_trainer_engines(const ech_fit_trainer *trainer);

#endif
