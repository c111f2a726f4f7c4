/**
 * @file svg.h
 * Pieces of an SVG document, and the colours that pictures share.
 *
 * A picture must look right in a browser (light and dark), in a paper and in tools that know no
 * CSS. So each group carries its light colour as plain `fill` and `stroke`, which its children
 * inherit (a stroke has no width unless a child gives it one); the style sheet only says what a
 * dark background changes, by class.
 *
 * Not collective. Coordinates are pixels from the top left corner.
 */
#ifndef ECH_REPORT_SVG_H
#define ECH_REPORT_SVG_H

#include <stdbool.h>
#include <stddef.h>

#include "apps/report/buffer.h"

/* Colours: 0 to ECH_COLOUR_COUNT - 1 tell series apart, also for colour-blind readers (Okabe and
 * Ito 2008, the yellow darkened so that it stands on white paper, and two of Tol's); the rest have
 * a meaning. */
enum {
    ECH_COLOUR_COUNT = 10,
    ECH_COLOUR_INK = ECH_COLOUR_COUNT, /* titles */
    ECH_COLOUR_MUTED,                  /* tick labels, notes */
    ECH_COLOUR_OTHERS,                 /* what others published */
    ECH_COLOUR_GRID,
    ECH_COLOUR_PAPER,
    ECH_COLOUR_ALL
};

typedef enum { ECH_ANCHOR_START, ECH_ANCHOR_MIDDLE, ECH_ANCHOR_END } ech_anchor;

/** Open a picture: `<svg>` with its accessible title and description, painted paper. */
void ech_svg_open(ech_buffer *out, double width, double height, const char *title,
                  const char *description);
void ech_svg_close(ech_buffer *out);

/** Open a group whose children are painted in a colour. */
void ech_svg_group(ech_buffer *out, int colour);
void ech_svg_group_end(ech_buffer *out);

void ech_svg_text(ech_buffer *out, double x, double y, double size, ech_anchor anchor, bool bold,
                  const char *text);
/** A filled rectangle; `tip` (may be NULL) appears when the pointer rests on it. */
void ech_svg_rectangle(ech_buffer *out, double x, double y, double width, double height,
                       const char *tip);
void ech_svg_circle(ech_buffer *out, double x, double y, double radius, const char *tip);
void ech_svg_line(ech_buffer *out, double x1, double y1, double x2, double y2, double width);

/** Append a group's attributes for one of the colours, or for a colour like "#cc79a7". */
void ech_svg_colour(ech_buffer *out, int colour);
void ech_svg_paint(ech_buffer *out, const char *colour);

/*
 * Where there are more series than colours, these tell the second and third use of a colour apart.
 * `cycle`: how often the colours were used up before; 0 is solid and opaque.
 */
const char *ech_svg_dashes(int cycle);
double ech_svg_fading(int cycle);

/** Colour of `share` (0 to 1) on a scale from dark blue to yellow whose lightness only grows:
 * `text` becomes "#rrggbb". */
void ech_svg_ramp(double share, char text[8]);

/** The style sheet: what a dark background changes. For `<style>` of a page or a picture. */
const char *ech_svg_style(void);

/** Width in pixels of a text set in Helvetica or its like, `size` pixels high. */
double ech_svg_text_width(const char *text, double size, bool bold);

/** Copy a text, cut with "…" so that it is at most `width` pixels wide at `size`. */
void ech_svg_text_fit(const char *text, double size, double width, char *fitted, size_t capacity);

#endif
