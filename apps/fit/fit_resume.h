/**
 * @file fit_resume.h
 * What a run resumes from. Rank 0's.
 */
#ifndef ECH_APPS_FIT_RESUME_H
#define ECH_APPS_FIT_RESUME_H

#include "apps/fit/fit_deadline.h"
#include "io/checkpoint.h"
#include "io/record.h"
#include "io/service.h"
#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/strategy.h"

/**
 * Open the newest intact checkpoint of a folder.
 *
 * @param config    effective configuration of this run as YAML: the keys that decide the model's
 *                  bits must have the checkpoint's values.
 * @param engines   ech_fit_trainer_engines of this run, which must be the checkpoint's.
 * @param[out] out  NULL if the folder has none: the run begins anew.
 * @return ECH_OK; ECH_ERR_CONFIG, naming each key that differs, or the kernels; ECH_ERR_FORMAT;
 * ECH_ERR_FILE.
 */
ech_status ech_fit_resume_open(ech_io *io, const char *folder, const char *config,
                               const char *engines, ech_checkpoint **out);

/** Read the model, the strategy's vectors, the record's mark, and how long rounds took. */
ech_status ech_fit_resume_read(ech_checkpoint *checkpoint, const ech_layout *layout,
                               ech_state model, ech_strategy *strategy, ech_record_mark *mark,
                               ech_fit_deadline *deadline);

#endif
