#include "apps/report/svg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const light_colours[ECH_COLOUR_ALL] = {
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c7a00", "#333333",
    "#882255", "#a8a8a8", "#1a1a1a", "#666666", "#9a9a9a", "#e4e4e4", "#ffffff"};

static const char style[] = "@media (prefers-color-scheme:dark){"
                            ".c0{fill:#4aa8e0;stroke:#4aa8e0}.c1{fill:#f0813a;stroke:#f0813a}"
                            ".c2{fill:#2cc295;stroke:#2cc295}.c3{fill:#e39bc4;stroke:#e39bc4}"
                            ".c4{fill:#f2b640;stroke:#f2b640}.c5{fill:#8fd0f7;stroke:#8fd0f7}"
                            ".c6{fill:#d4c23a;stroke:#d4c23a}.c7{fill:#d0d0d0;stroke:#d0d0d0}"
                            ".c8{fill:#c86a9a;stroke:#c86a9a}.c9{fill:#7d7d7d;stroke:#7d7d7d}"
                            ".c10{fill:#ededed;stroke:#ededed}.c11{fill:#a6a6a6;stroke:#a6a6a6}"
                            ".c12{fill:#7a7d82;stroke:#7a7d82}.c13{fill:#363a40;stroke:#363a40}"
                            ".c14{fill:#16181c;stroke:#16181c}}";

void ech_svg_paint(ech_buffer *out, const char *colour)
{
    ech_buffer_format(out, " fill=\"%s\" stroke=\"%s\"", colour, colour);
}

void ech_svg_colour(ech_buffer *out, int colour)
{
    ech_buffer_format(out, " class=\"c%d\"", colour);
    ech_svg_paint(out, light_colours[colour]);
}

const char *ech_svg_style(void)
{
    return style;
}

double ech_svg_fading(int cycle)
{
    return 1.0 / (1.0 + 0.7 * (double)cycle);
}

const char *ech_svg_dashes(int cycle)
{
    static const char *const patterns[] = {"none", "6 3", "2 2.5", "9 3 2 3"};
    return patterns[cycle % (int)(sizeof patterns / sizeof *patterns)];
}

static void attribute(ech_buffer *out, const char *name, double value)
{
    ech_buffer_format(out, " %s=\"", name);
    ech_buffer_coordinate(out, value);
    ech_buffer_add(out, "\"");
}

static void element(ech_buffer *out, const char *name, const char *text)
{
    ech_buffer_format(out, "<%s>", name);
    ech_buffer_escape(out, text);
    ech_buffer_format(out, "</%s>", name);
}

/* End an element that is empty but for its tip. */
static void close_with_tip(ech_buffer *out, const char *name, const char *tip)
{
    if (tip == NULL) {
        ech_buffer_add(out, "/>");
        return;
    }
    ech_buffer_add(out, ">");
    element(out, "title", tip);
    ech_buffer_format(out, "</%s>", name);
}

void ech_svg_open(ech_buffer *out, double width, double height, const char *title,
                  const char *description)
{
    ech_buffer_add(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 ");
    ech_buffer_coordinate(out, width);
    ech_buffer_add(out, " ");
    ech_buffer_coordinate(out, height);
    ech_buffer_add(out, "\"");
    attribute(out, "width", width);
    attribute(out, "height", height);
    ech_buffer_add(out,
                   " font-family=\"Helvetica Neue,Helvetica,Arial,Liberation Sans,sans-serif\" "
                   "stroke-width=\"0\">\n");
    element(out, "title", title);
    if (description != NULL && *description != '\0') {
        element(out, "desc", description);
    }
    ech_svg_group(out, ECH_COLOUR_PAPER);
    ech_svg_rectangle(out, 0, 0, width, height, NULL);
    ech_svg_group_end(out);
}

void ech_svg_close(ech_buffer *out)
{
    ech_buffer_add(out, "</svg>\n");
}

void ech_svg_group(ech_buffer *out, int colour)
{
    ech_buffer_add(out, "<g");
    ech_svg_colour(out, colour);
    ech_buffer_add(out, ">");
}

void ech_svg_group_end(ech_buffer *out)
{
    ech_buffer_add(out, "</g>\n");
}

void ech_svg_text(ech_buffer *out, double x, double y, double size, ech_anchor anchor, bool bold,
                  const char *text)
{
    static const char *const anchors[] = {"start", "middle", "end"};
    ech_buffer_add(out, "<text");
    attribute(out, "x", x);
    attribute(out, "y", y);
    attribute(out, "font-size", size);
    if (anchor != ECH_ANCHOR_START) {
        ech_buffer_format(out, " text-anchor=\"%s\"", anchors[anchor]);
    }
    /* Some programs draw a stroke of no width as a hairline, which makes letters fat. */
    ech_buffer_add(out, bold ? " stroke=\"none\" font-weight=\"bold\">" : " stroke=\"none\">");
    ech_buffer_escape(out, text);
    ech_buffer_add(out, "</text>\n");
}

void ech_svg_rectangle(ech_buffer *out, double x, double y, double width, double height,
                       const char *tip)
{
    ech_buffer_add(out, "<rect");
    attribute(out, "x", x);
    attribute(out, "y", y);
    attribute(out, "width", width);
    attribute(out, "height", height);
    close_with_tip(out, "rect", tip);
}

void ech_svg_circle(ech_buffer *out, double x, double y, double radius, const char *tip)
{
    ech_buffer_add(out, "<circle");
    attribute(out, "cx", x);
    attribute(out, "cy", y);
    attribute(out, "r", radius);
    close_with_tip(out, "circle", tip);
}

void ech_svg_line(ech_buffer *out, double x1, double y1, double x2, double y2, double width)
{
    ech_buffer_add(out, "<line");
    attribute(out, "x1", x1);
    attribute(out, "y1", y1);
    attribute(out, "x2", x2);
    attribute(out, "y2", y2);
    attribute(out, "stroke-width", width);
    ech_buffer_add(out, "/>");
}

/* Nine points of viridis (van der Walt and Smith 2015), whose lightness grows evenly; its darkest
 * and lightest ends are left out, which would vanish on dark and light paper. */
static const unsigned char ramp[][3] = {{72, 40, 120},  {62, 74, 137},  {49, 104, 142},
                                        {38, 130, 142}, {31, 158, 137}, {53, 183, 121},
                                        {110, 206, 88}, {181, 222, 43}};

void ech_svg_ramp(double share, char text[8])
{
    const size_t last = sizeof ramp / sizeof *ramp - 1;
    const double at = fmin(fmax(share, 0.0), 1.0) * (double)last;
    const size_t below = at >= (double)last ? last - 1 : (size_t)at;
    unsigned channels[3];
    for (size_t i = 0; i < 3; i++) {
        const double low = ramp[below][i];
        const double high = ramp[below + 1][i];
        channels[i] = (unsigned)lround(low + (high - low) * (at - (double)below)) & 0xFFU;
    }
    snprintf(text, 8, "#%02x%02x%02x", channels[0], channels[1], channels[2]);
}

/* Advance widths of Helvetica for ASCII 32 to 126, in 1/1000 em. */
static const unsigned short helvetica[95] = {
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333,  278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667,  611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278,  556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500,  500, 334, 260, 334, 584};

/* Where there is no Helvetica, letters are as wide as DejaVu Sans has them. */
static const double widest_font = 1.16;

/* Width of the character at `text`, whose sequence is `bytes` long. */
static double character_width(const char *text, size_t bytes)
{
    const unsigned char first = (unsigned char)*text;
    if (bytes <= 1) {
        return widest_font * (first >= 32 && first <= 126 ? helvetica[first - 32] / 1000.0 : 0.6);
    }
    return bytes == 2 ? 0.6 * widest_font : 1.0;
}

double ech_svg_text_width(const char *text, double size, bool bold)
{
    double width = 0.0;
    for (size_t i = 0; text[i] != '\0';) {
        const size_t bytes = ech_buffer_sequence_bytes(text + i);
        width += character_width(text + i, bytes);
        i += bytes == 0 ? 1 : bytes;
    }
    return width * size * (bold ? 1.07 : 1.0);
}

void ech_svg_text_fit(const char *text, double size, double width, char *fitted, size_t capacity)
{
    static const char ellipsis[] = "…";
    const bool fits = ech_svg_text_width(text, size, false) <= width && strlen(text) < capacity;
    if (fits) {
        snprintf(fitted, capacity, "%s", text);
        return;
    }
    double used = size;
    size_t kept = 0;
    while (text[kept] != '\0') {
        const size_t bytes = ech_buffer_sequence_bytes(text + kept);
        const size_t step = bytes == 0 ? 1 : bytes;
        used += character_width(text + kept, bytes) * size;
        if (used > width || kept + step + sizeof ellipsis > capacity) {
            break;
        }
        kept += step;
    }
    memcpy(fitted, text, kept);
    memcpy(fitted + kept, ellipsis, sizeof ellipsis);
}
