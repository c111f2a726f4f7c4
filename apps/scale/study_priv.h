/**
 * @file study_priv.h
 * The part of a study that turns its lists into runs. For study.c.
 */
#ifndef ECH_APPS_SCALE_STUDY_PRIV_H
#define ECH_APPS_SCALE_STUDY_PRIV_H

#include "apps/scale/study.h"

/** Fill the study's jobs and runs from its keys. @return ECH_OK; ECH_ERR_CONFIG; ECH_ERR_MEMORY. */
ech_status ech_study_expand(ech_study *study);

#endif
