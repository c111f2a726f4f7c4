/**
 * @file chart_bars.h
 * Stacked bars: one bar a named row (phases by run), or one column a number (labels by worker).
 */
#ifndef ECH_REPORT_CHART_BARS_H
#define ECH_REPORT_CHART_BARS_H

#include "apps/report/frame.h"

/** One colour of the stack. */
typedef struct {
    const char *label;
    int colour;
    const double *values; /* one a row or column; not finite or below 0 counts as 0 */
} ech_stack;

enum { ECH_STACKS_MAX = 256 };

/** Append the picture of horizontal bars, the first row on top. The chart's x axis is the value's.
 */
void ech_chart_bars(ech_buffer *out, const ech_chart *chart, ech_rows rows, const ech_stack *stacks,
                    size_t stack_count);

/**
 * Append the picture of `count` columns at first, first + 1, ... on the x axis. Where there are
 * more columns than fit, neighbours are drawn as one, with their mean.
 */
void ech_chart_columns(ech_buffer *out, const ech_chart *chart, uint64_t first, size_t count,
                       const ech_stack *stacks, size_t stack_count);

/** Append either as a table with a column a stack; `name` heads the column of rows. */
void ech_csv_stacks(ech_buffer *out, const char *name, ech_rows rows, const ech_stack *stacks,
                    size_t stack_count);

#endif
