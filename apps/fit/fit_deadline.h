/**
 * @file fit_deadline.h
 * The run's own clock of a walltime: a round that would not end in time is not begun, since the
 * signal of a scheduler may come late. Rank 0's; not collective.
 */
#ifndef ECH_APPS_FIT_DEADLINE_H
#define ECH_APPS_FIT_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/** Name of the checkpoint's blob that carries `longest_ns` to the run that resumes. */
#define ECH_FIT_DEADLINE_BLOB "deadline/longest"

typedef struct {
    uint64_t until_s;    /* seconds since 1970 by which the run must have ended; 0: no limit */
    uint64_t longest_ns; /* of the rounds so far, with what comes between them; 0: none was seen */
} ech_fit_deadline;

/** A round took this long. */
void ech_fit_deadline_add(ech_fit_deadline *deadline, uint64_t round_ns);

/** Would the next round end too late, or has the time run out? Tells why in the log if so. */
bool ech_fit_deadline_stops(const ech_fit_deadline *deadline);

#endif
