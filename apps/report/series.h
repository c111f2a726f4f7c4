/**
 * @file series.h
 * A growing set of lines that owns its numbers, for ech_chart_line. Errors stick, as a buffer's do.
 *
 * Not collective. One owner a set.
 */
#ifndef ECH_REPORT_SERIES_H
#define ECH_REPORT_SERIES_H

#include "apps/report/chart_line.h"

/** Zero-initialise. */
typedef struct {
    ech_line *lines;
    size_t count;
    ech_status status;
} ech_series;

/**
 * Add a line of `count` points, all NaN, and say where they go.
 *
 * @param label   copied.
 * @param number  how many series came before: chooses colour and dashes.
 * @param[out] x  [count], and y: the set's, to be filled; NULL after a failure.
 */
void ech_series_add(ech_series *series, const char *label, size_t number, size_t count, double **x,
                    double **y);

/** Give the line that was added last a spread of [count] each, all NaN, to be filled. */
void ech_series_spread(ech_series *series, double **low, double **high);

/** The line that was added last; NULL if there is none or a failure came before. */
ech_line *ech_series_last(ech_series *series);

void ech_series_clear(ech_series *series);

#endif
