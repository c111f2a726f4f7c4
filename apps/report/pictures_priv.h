/**
 * @file pictures_priv.h
 * What the files of pictures share. Not collective.
 */
#ifndef ECH_REPORT_PICTURES_PRIV_H
#define ECH_REPORT_PICTURES_PRIV_H

#include "apps/report/page.h"
#include "apps/report/run.h"
#include "apps/report/scaling.h"
#include "apps/report/series.h"

/**
 * Draw a set of lines as picture and table and clear it; nothing if it has no lines.
 *
 * @param status  of what filled the set: returned as it is unless ECH_OK.
 */
ech_status ech_report_put_lines(ech_page *page, const char *name, const ech_chart *chart,
                                const char *x_name, const char *y_name, ech_series *series,
                                ech_status status);

/**
 * Lengths of the runs that are drawn over time. Where they are comparable all get one axis, so that
 * they can be compared. Zero-initialise; a length of 0 counts for nothing.
 */
typedef struct {
    double longest_s;
    double shortest_s;
} ech_time_span;

void ech_time_span_add(ech_time_span *span, double length_s);

/** The axis of a run of this length: from 0 to the longest's end, or to its own. */
ech_range ech_time_span_axis(const ech_time_span *span, double length_s);

/** What a plan said of each size beside what was measured, and the slope over the workers beside
 *  what the memory's bandwidth allows. `variant` ends the pictures' names. */
ech_status ech_report_predictions(ech_page *page, const ech_scaling *study, const char *variant);

/** Training accuracy over time, by worker and aggregator, of a run with few of them. */
ech_status ech_report_training(ech_page *page, const ech_run *run, size_t number);

#endif
