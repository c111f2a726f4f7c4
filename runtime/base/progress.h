/**
 * @file progress.h
 * Progress of a run on standard error: round, test accuracy, loss, seconds, time left.
 *
 * On a terminal one line that is rewritten, otherwise a plain line a round. Under mpiexec a rank's
 * standard error is a pipe; what counts then is the standard error of the mpiexec above it.
 *
 * Not collective; rank 0's, one owner.
 */
#ifndef ECH_BASE_PROGRESS_H
#define ECH_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef struct ech_progress ech_progress;

typedef struct {
    uint64_t round;  /* the round that ended */
    bool evaluated;  /* is `accuracy` of this round? */
    double accuracy; /* on the test set */
    double loss;     /* mean over the round's training samples; NaN: none */
} ech_progress_round;

/**
 * @param first  rounds already done (a resume).
 * @param last   number of the last round.
 * @return ECH_OK or ECH_ERR_MEMORY.
 */
ech_status ech_progress_create(uint64_t first, uint64_t last, ech_progress **out);

/** Show a round that ended. */
void ech_progress_show(ech_progress *progress, const ech_progress_round *round);

/** End the line, if there is one, and free. Accepts NULL. */
void ech_progress_destroy(ech_progress **progress);

#endif
