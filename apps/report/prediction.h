/**
 * @file prediction.h
 * What `echelon plan` said of a run before it: `plan.json`, beside the run's record.
 *
 * Not collective.
 */
#ifndef ECH_REPORT_PREDICTION_H
#define ECH_REPORT_PREDICTION_H

#include "runtime/base/status.h"

/** NaN what was not predicted. */
typedef struct {
    double round_seconds;    /* a mean over the rounds */
    double rank_bytes;       /* resident, of the largest rank */
    double host_bytes;       /* of the largest host: proportional sets of its ranks */
    double bytes_per_second; /* that a host's ranks move at once */
    double worker_seconds;   /* that this allows a worker's update: copied out, added in */
} ech_prediction;

/**
 * The prediction of a run; nothing but NaN where there is none.
 *
 * @param record_path  of its record.
 * @return ECH_OK; ECH_ERR_FILE, ECH_ERR_CONFIG (a plan that cannot be read, naming it).
 */
ech_status ech_prediction_load(const char *record_path, ech_prediction *out);

#endif
