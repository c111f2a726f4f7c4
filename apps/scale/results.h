/**
 * @file results.h
 * The table of a study's results: a row a run. Not collective.
 */
#ifndef ECH_APPS_SCALE_RESULTS_H
#define ECH_APPS_SCALE_RESULTS_H

#include <stdint.h>

#include "apps/report/run.h"
#include "apps/scale/study.h"
#include "io/service.h"

enum { ECH_RESULT_NAME_BYTES = 64, ECH_RESULT_HASH_BYTES = 40 };

/** Seconds of phases are means over the ranks, of one round as a mean over the rounds. */
typedef struct {
    char run[ECH_STUDY_ID_BYTES];
    char model[ECH_RESULT_NAME_BYTES];
    char variant[ECH_RESULT_NAME_BYTES];
    char transfer[ECH_RESULT_NAME_BYTES];
    char model_xxh128[ECH_RESULT_HASH_BYTES];
    uint64_t hosts, ranks, threads, workers, repeat, rounds;
    double round_seconds, start_seconds, send_seconds, train_seconds, aggregate_seconds;
    double evaluate_seconds, wait_seconds, total_seconds;
    double samples_per_second, test_accuracy;
    uint64_t logical_up_bytes, logical_down_bytes, wire_up_bytes, wire_down_bytes; /* of the run */
    uint64_t peak_rss_bytes; /* of the largest rank */
    uint64_t host_pss_bytes; /* of the largest host */
    /* what `echelon plan` said before; NaN where it did not */
    double predicted_round_seconds, predicted_rank_bytes, predicted_host_bytes;
} ech_study_row;

/**
 * The row of a run that is done.
 *
 * @param totals_path  what `fit --json` wrote.
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_CONFIG (the totals are not what fit writes).
 */
ech_status ech_study_row_fill(const ech_study *study, const ech_study_run *what, const ech_run *run,
                              const char *totals_path, ech_study_row *out);

/** Write `folder/results.h5` and `folder/results.csv`. */
ech_status ech_study_rows_write(ech_io *io, const char *folder, const char *study,
                                const ech_study_row *rows, size_t count);

#endif
