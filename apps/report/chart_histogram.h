/**
 * @file chart_histogram.h
 * Histograms of durations on a logarithmic axis, filled value by value in constant memory.
 */
#ifndef ECH_REPORT_CHART_HISTOGRAM_H
#define ECH_REPORT_CHART_HISTOGRAM_H

#include <stdint.h>

#include "apps/report/frame.h"

enum { ECH_HISTOGRAM_BINS = 480, ECH_HISTOGRAM_BINS_A_DECADE = 32 };

/** Zero-initialise. From 1 ns to 10^6 s; what lies outside counts in the first or last bin. */
typedef struct {
    uint64_t counts[ECH_HISTOGRAM_BINS];
    uint64_t total;
} ech_histogram;

/** Count one duration; what is not a number is left out, what is not above 0 is "at most 1 ns". */
void ech_histogram_add(ech_histogram *histogram, double seconds);

/** The duration that a share of the values does not exceed, within a bin's width (7 %); NaN if
 * there are none. */
double ech_histogram_quantile(const ech_histogram *histogram, double share);

typedef struct {
    const char *label;
    int colour;
    int dashes;
    const ech_histogram *histogram;
} ech_histogram_series;

/** Append the picture: for each series the share of its values in each eighth of a decade. */
void ech_chart_histogram(ech_buffer *out, const ech_chart *chart,
                         const ech_histogram_series *series, size_t series_count);

/** Append the same as a table: `series,from_s,to_s,count`. */
void ech_csv_histogram(ech_buffer *out, const ech_histogram_series *series, size_t series_count);

#endif
