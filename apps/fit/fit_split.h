/**
 * @file fit_split.h
 * The split that a configuration asks for: `data.split` joined with the federation's rules and with
 * split files.
 */
#ifndef ECH_APPS_FIT_SPLIT_H
#define ECH_APPS_FIT_SPLIT_H

#include "apps/fit_options.h"
#include "io/dataset.h"
#include "io/service.h"
#include "runtime/base/config.h"
#include "runtime/base/status.h"
#include "runtime/fed/split.h"

/** Can this data be dealt to so many workers? ECH_ERR_CONFIG with the key's place if not. */
ech_status ech_fit_split_check(const ech_config *config, const ech_dataset_info *info,
                               uint32_t worker_count);

/** Deal it out; from the seed alone, so every host gets the same. The caller owns the split. */
ech_status ech_fit_split(const ech_fit_options *options, ech_io *io, const ech_split_data *data,
                         uint32_t worker_count, ech_split **out);

#endif
