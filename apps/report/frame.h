/**
 * @file frame.h
 * What every chart has around its marks: title, note, keys of the colours, axes and grid.
 *
 * Not collective. A frame lives between its open and its close, with marks drawn in between.
 */
#ifndef ECH_REPORT_FRAME_H
#define ECH_REPORT_FRAME_H

#include <stdint.h>

#include "apps/report/scale.h"
#include "apps/report/svg.h"

typedef struct {
    const char *title; /* with its unit if the ticks do not show it; "" for none */
    ech_unit unit;
    ech_scale_kind scale;
    bool whole;     /* ticks at integers only */
    bool from_zero; /* 0 belongs to the domain */
    bool exact;     /* the domain ends at the data's ends, not at round values */
} ech_axis;

typedef struct {
    const char *title;
    const char *note; /* what the reader must know to read the picture; "" for none */
    ech_axis x;
    ech_axis y;
    double plot_height_px; /* 0: a usual height; charts with rows choose their own */
} ech_chart;

typedef enum { ECH_KEY_LINE, ECH_KEY_BOX, ECH_KEY_DOT, ECH_KEY_RAMP } ech_key_shape;

/** One entry of the legend. */
typedef struct {
    const char *label;
    int colour; /* unused by a ramp */
    int cycle;  /* how often the colours were used up before: dashes of a line, fading of a box */
    ech_key_shape shape;
} ech_key;

/** Named rows in place of a numeric y axis. */
typedef struct {
    size_t count;              /* 0: the y axis is numeric */
    const char *const *labels; /* NULL: the numbers first, first + 1, ... */
    uint64_t first;
} ech_rows;

enum { ECH_FRAME_WIDTH = 760 };

typedef struct {
    ech_buffer *out;
    const ech_chart *chart;
    ech_rows rows;
    ech_scale x;
    ech_scale y; /* rows: row i lies between the pixels of i and i + 1 */
    double height;
    double left;
    double right;
    double top;
    double bottom;
} ech_frame;

/** Lay out and draw all that lies behind the marks. `x`, `y`: the data's ranges. */
void ech_frame_open(ech_frame *frame, ech_buffer *out, const ech_chart *chart, ech_range x,
                    ech_range y, ech_rows rows, const ech_key *keys, size_t key_count);

/** Draw what lies over the marks and end the picture. */
void ech_frame_close(ech_frame *frame);

/** The usual plot height of `row_count` rows: rows get thinner until a screenful is reached. */
double ech_frame_rows_height(size_t row_count);

#endif
