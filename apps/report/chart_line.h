/**
 * @file chart_line.h
 * Lines over a numeric axis: accuracy over rounds, speed-up over ranks.
 */
#ifndef ECH_REPORT_CHART_LINE_H
#define ECH_REPORT_CHART_LINE_H

#include "apps/report/frame.h"

typedef struct {
    const char *label;
    const double *x;    /* `count`, ascending */
    const double *y;    /* a value that is not finite breaks the line */
    const double *low;  /* NULL, or the spread around y: */
    const double *high; /* a lighter band */
    size_t count;
    int colour;
    int dashes;
    bool bare;       /* no points on the line: a reference, not a measurement */
    bool unnamed;    /* no entry in the legend: an earlier line's holds for it */
    bool marks_only; /* points without a line: x has no order that means anything */
} ech_line;

/**
 * Append the picture; earlier lines lie over later ones, and one that is the same point for point
 * is drawn wider, so that it can be seen under them. A line of more points than pixels is drawn
 * by each pixel column's first, least, largest and last value, so that the picture stays small and
 * no peak is lost.
 */
void ech_chart_line(ech_buffer *out, const ech_chart *chart, const ech_line *lines,
                    size_t line_count);

/** Append the same as a table: `series,x,y`, and `low,high` if a line has a spread. */
void ech_csv_lines(ech_buffer *out, const char *x_name, const char *y_name, const ech_line *lines,
                   size_t line_count);

#endif
