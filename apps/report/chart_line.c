#include "apps/report/chart_line.h"

#include <math.h>

enum { KEYS_MAX = 24, MARKED_POINTS_MAX = 64, COVERS_MAX = 4, COVER_WIDTH = 3 };

/* A path that grows point by point; a gap lifts the pen. */
typedef struct {
    ech_buffer *out;
    bool pen_down;
} path;

static void path_to(path *line, double x, double y)
{
    ech_buffer_add(line->out, line->pen_down ? "L" : "M");
    ech_buffer_coordinate(line->out, x);
    ech_buffer_add(line->out, " ");
    ech_buffer_coordinate(line->out, y);
    line->pen_down = true;
}

/* What one pixel column holds of a line. */
typedef struct {
    double px;
    double first, low, high, last;
    bool used;
} column;

static void column_add(column *at, double px, double y)
{
    if (!at->used) {
        *at = (column){px, y, y, y, y, true};
    }
    at->low = fmin(at->low, y);
    at->high = fmax(at->high, y);
    at->last = y;
}

static void column_draw(path *line, column *at)
{
    if (!at->used) {
        return;
    }
    const double points[] = {at->first, at->low, at->high, at->last};
    double drawn = NAN;
    for (size_t i = 0; i < 4; i++) {
        if (points[i] != drawn) {
            path_to(line, at->px, points[i]);
            drawn = points[i];
        }
    }
    at->used = false;
}

static bool is_drawable(const ech_frame *frame, double x, double y)
{
    return isfinite(x) && isfinite(y) && (frame->x.kind == ECH_SCALE_LINEAR || x > 0.0) &&
           (frame->y.kind == ECH_SCALE_LINEAR || y > 0.0);
}

static void draw_path(const ech_frame *frame, const ech_line *line)
{
    path pen = {.out = frame->out};
    column at = {0};
    const double columns = frame->right - frame->left;
    const bool dense = (double)line->count > 2.0 * columns;
    for (size_t i = 0; i < line->count; i++) {
        if (!is_drawable(frame, line->x[i], line->y[i])) {
            column_draw(&pen, &at);
            pen.pen_down = false;
            continue;
        }
        const double x = ech_scale_px(&frame->x, line->x[i]);
        const double px = dense ? floor(x) : x;
        if (at.used && px != at.px) {
            column_draw(&pen, &at);
        }
        column_add(&at, px, ech_scale_px(&frame->y, line->y[i]));
    }
    column_draw(&pen, &at);
}

static void draw_band(const ech_frame *frame, const ech_line *line)
{
    path pen = {.out = frame->out};
    ech_buffer_add(frame->out, "<path fill-opacity=\"0.18\" d=\"");
    for (size_t i = 0; i < line->count; i++) {
        if (is_drawable(frame, line->x[i], line->high[i])) {
            path_to(&pen, ech_scale_px(&frame->x, line->x[i]),
                    ech_scale_px(&frame->y, line->high[i]));
        }
    }
    for (size_t i = line->count; i-- > 0;) {
        if (is_drawable(frame, line->x[i], line->low[i])) {
            path_to(&pen, ech_scale_px(&frame->x, line->x[i]),
                    ech_scale_px(&frame->y, line->low[i]));
        }
    }
    ech_buffer_add(frame->out, pen.pen_down ? "Z\"/>" : "M0 0\"/>");
}

static void draw_marks(const ech_frame *frame, const ech_line *line)
{
    for (size_t i = 0; i < line->count; i++) {
        if (!is_drawable(frame, line->x[i], line->y[i])) {
            continue;
        }
        char x[ECH_VALUE_BYTES];
        char y[ECH_VALUE_BYTES];
        ech_unit_write(frame->x.unit, line->x[i], x);
        ech_unit_write(frame->y.unit, line->y[i], y);
        ech_buffer tip = {0};
        ech_buffer_format(&tip, "%s: %s at %s", line->label, y, x);
        ech_svg_circle(frame->out, ech_scale_px(&frame->x, line->x[i]),
                       ech_scale_px(&frame->y, line->y[i]), line->marks_only ? 3.5 : 2.5,
                       tip.bytes);
        ech_buffer_clear(&tip);
    }
}

static bool is_same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool coincide(const ech_line *one, const ech_line *other)
{
    bool same = one->count == other->count && one->marks_only == other->marks_only;
    for (size_t i = 0; same && i < one->count; i++) {
        same = is_same(one->x[i], other->x[i]) && is_same(one->y[i], other->y[i]);
    }
    return same;
}

/* Earlier lines that hide this one point for point: it shows on both sides of them. */
static size_t count_covers(const ech_line *lines, size_t number)
{
    size_t covers = 0;
    for (size_t i = 0; i < number && covers < COVERS_MAX; i++) {
        covers += coincide(&lines[i], &lines[number]);
    }
    return covers;
}

static void draw_line(const ech_frame *frame, const ech_line *line, size_t covers)
{
    ech_svg_group(frame->out, line->colour);
    if (line->low != NULL && line->count > 1) {
        draw_band(frame, line);
    }
    if (!line->marks_only && line->count > 1) {
        ech_buffer_format(frame->out,
                          "<path fill=\"none\" stroke-width=\"%.2f\" "
                          "stroke-linejoin=\"round\" stroke-dasharray=\"%s\" d=\"",
                          (line->bare ? 1.0 : 1.75) + (double)covers * COVER_WIDTH,
                          ech_svg_dashes(line->dashes));
        const size_t start = frame->out->length;
        draw_path(frame, line);
        ech_buffer_add(frame->out, frame->out->length == start ? "M0 0\"/>" : "\"/>");
    }
    if (line->marks_only || (!line->bare && line->count <= MARKED_POINTS_MAX)) {
        draw_marks(frame, line);
    }
    ech_svg_group_end(frame->out);
}

static void add_finite(ech_range *range, const double *values, size_t count)
{
    for (size_t i = 0; values != NULL && i < count; i++) {
        ech_range_add(range, values[i]);
    }
}

/* The legend names as many lines as a reader can tell apart, and counts the rest. */
static size_t make_keys(const ech_line *lines, size_t line_count, ech_buffer *rest,
                        ech_key keys[KEYS_MAX + 1])
{
    size_t named = 0;
    for (size_t i = 0; i < line_count; i++) {
        if (lines[i].unnamed) {
            continue;
        }
        if (named < KEYS_MAX) {
            keys[named] = (ech_key){lines[i].label, lines[i].colour, lines[i].dashes,
                                    lines[i].marks_only ? ECH_KEY_DOT : ECH_KEY_LINE};
        }
        named++;
    }
    if (named <= KEYS_MAX) {
        return named;
    }
    ech_buffer_format(rest, "and %zu more", named - KEYS_MAX);
    keys[KEYS_MAX] =
        (ech_key){rest->status == ECH_OK ? rest->bytes : "", ECH_COLOUR_PAPER, 0, ECH_KEY_DOT};
    return KEYS_MAX + 1;
}

void ech_chart_line(ech_buffer *out, const ech_chart *chart, const ech_line *lines,
                    size_t line_count)
{
    ech_range x = ech_range_empty();
    ech_range y = ech_range_empty();
    for (size_t i = 0; i < line_count; i++) {
        add_finite(&x, lines[i].x, lines[i].count);
        add_finite(&y, lines[i].y, lines[i].count);
        add_finite(&y, lines[i].low, lines[i].count);
        add_finite(&y, lines[i].high, lines[i].count);
    }
    ech_buffer rest = {0};
    ech_key keys[KEYS_MAX + 1];
    const size_t key_count = make_keys(lines, line_count, &rest, keys);
    ech_frame frame;
    ech_frame_open(&frame, out, chart, x, y, (ech_rows){0}, keys, key_count);
    for (size_t i = line_count; i-- > 0;) {
        draw_line(&frame, &lines[i], count_covers(lines, i));
    }
    ech_frame_close(&frame);
    ech_buffer_clear(&rest);
}

void ech_csv_lines(ech_buffer *out, const char *x_name, const char *y_name, const ech_line *lines,
                   size_t line_count)
{
    bool spread = false;
    for (size_t i = 0; i < line_count; i++) {
        spread = spread || lines[i].low != NULL;
    }
    ech_buffer_format(out, "series,%s,%s%s\n", x_name, y_name, spread ? ",low,high" : "");
    for (size_t i = 0; i < line_count; i++) {
        for (size_t j = 0; j < lines[i].count; j++) {
            ech_buffer_csv(out, lines[i].label);
            ech_buffer_add(out, ",");
            ech_buffer_csv_number(out, lines[i].x[j]);
            ech_buffer_add(out, ",");
            ech_buffer_csv_number(out, lines[i].y[j]);
            if (spread) {
                ech_buffer_add(out, ",");
                ech_buffer_csv_number(out, lines[i].low != NULL ? lines[i].low[j] : NAN);
                ech_buffer_add(out, ",");
                ech_buffer_csv_number(out, lines[i].high != NULL ? lines[i].high[j] : NAN);
            }
            ech_buffer_add(out, "\n");
        }
    }
}
