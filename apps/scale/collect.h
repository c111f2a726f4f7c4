/**
 * @file collect.h
 * From the runs of a study's folder to its results and its report. Not collective.
 */
#ifndef ECH_APPS_SCALE_COLLECT_H
#define ECH_APPS_SCALE_COLLECT_H

#include "runtime/base/status.h"

/**
 * Gather the runs that are done: results.h5, results.csv and report/ in the folder, and on standard
 * output a table, the runs that are missing, and whether runs that must have the same bits do.
 *
 * @return ECH_OK; ECH_ERR_NOT_FOUND (no run is done yet); ECH_ERR_FILE, ECH_ERR_FORMAT,
 *         ECH_ERR_CONFIG (of the folder's files); ECH_ERR_NUMERIC (bits differ); ECH_ERR_MEMORY.
 */
ech_status ech_study_collect(const char *folder);

#endif
