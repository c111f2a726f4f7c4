/* The text of a progress line, for progress.c and its test. */
#ifndef ECH_BASE_PROGRESS_PRIV_H
#define ECH_BASE_PROGRESS_PRIV_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t first; /* rounds done before the clock began */
    uint64_t round;
    uint64_t last;
    double accuracy; /* negative: not known yet */
    double loss;     /* not finite: none */
    double seconds;  /* since the clock began */
} progress_facts;

void progress_describe(const progress_facts *facts, char *text, size_t bytes);

#endif
