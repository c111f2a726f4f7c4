/**
 * @file timeline.h
 * How many things went on at a time: the mean number of open intervals in each of a fixed number
 * of equal bins of time. Intervals come in any order; memory does not grow with them.
 *
 * Not collective. One owner a timeline.
 */
#ifndef ECH_REPORT_TIMELINE_H
#define ECH_REPORT_TIMELINE_H

#include "apps/report/scale.h"
#include "runtime/base/status.h"

enum { ECH_TIMELINE_BINS = 330 };

typedef struct ech_timeline ech_timeline;

/** ECH_ERR_MEMORY. */
ech_status ech_timeline_create(ech_range time, ech_timeline **out);
void ech_timeline_destroy(ech_timeline **timeline);

/** Add one interval; what lies outside of the range is cut off. Constant time. */
void ech_timeline_add(ech_timeline *timeline, double start_s, double end_s);

/** Fill, for each bin, its middle and `factor` times the mean number of open intervals in it. */
void ech_timeline_means(const ech_timeline *timeline, double factor, double *middles_s,
                        double *means);

#endif
