/**
 * @file folder.h
 * A study's folder:
 *
 *     study.yaml       the study, effective
 *     base.yaml        what all runs share, effective
 *     jobs/NAME.sh     a job's script; NAME.runs its list of runs; collect.sh, submit.sh, runs.sh
 *     runs/ID/         a run: plan.json (what was predicted), run.h5, run.json, log
 *     results.h5, results.csv, report/    made by the collector
 *
 * Not collective.
 */
#ifndef ECH_APPS_SCALE_FOLDER_H
#define ECH_APPS_SCALE_FOLDER_H

#include "apps/scale/script.h"
#include "apps/scale/study.h"

enum { ECH_STUDY_PATH_BYTES = 4096 };

/**
 * Write a study's folder, keeping the runs that are there already.
 *
 * @param folder  made if it is not there.
 * @return ECH_OK; ECH_ERR_CONFIG (a path that scripts cannot hold); ECH_ERR_FILE; ECH_ERR_MEMORY.
 */
ech_status ech_study_write(const ech_study *study, ech_scheduler scheduler, const char *folder);

/** Become the script that sends the jobs of a written folder, or runs them. Returns on failure
 *  only: ECH_ERR_SYSTEM. */
ech_status ech_study_submit(const char *folder);

/** For people: a line a job and the number of its runs. */
void ech_study_print(const ech_study *study);

#endif
