#include "apps/report/frame.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double title_size = 16.0;
static const double note_size = 13.0;
static const double label_size = 12.0;
static const double margin = 14.0;
static const double note_line = 17.0;
static const double key_line = 20.0;
static const double key_mark = 22.0; /* a key's mark and the gap to its label */
static const double key_gap = 18.0;
static const double usual_height = 260.0;
static const double row_label_width = 190.0;

double ech_frame_rows_height(size_t row_count)
{
    const double rows = (double)row_count;
    const double wanted = row_count <= 12 ? 24.0 * rows : 288.0 + 6.0 * (rows - 12.0);
    return fmin(fmax(wanted, 48.0), 480.0);
}

/* Draw a paragraph (or measure it: out NULL). @return the y of its last line. */
static double paragraph(ech_buffer *out, const char *text, double y, double width)
{
    char line[512];
    size_t used = 0;
    const char *word = text;
    while (*word != '\0') {
        const size_t bytes = strcspn(word, " ");
        char longer[sizeof line];
        const int length = snprintf(longer, sizeof longer, "%.*s%s%.*s", (int)used, line,
                                    used > 0 ? " " : "", (int)bytes, word);
        const bool fits =
            length < (int)sizeof longer && ech_svg_text_width(longer, note_size, false) <= width;
        if (!fits && used > 0) {
            if (out != NULL) {
                line[used] = '\0';
                ech_svg_text(out, margin, y, note_size, ECH_ANCHOR_START, false, line);
            }
            y += note_line;
            used = 0;
            continue;
        }
        used = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
        memcpy(line, longer, used);
        word += bytes;
        word += strspn(word, " ");
    }
    if (out != NULL && used > 0) {
        line[used] = '\0';
        ech_svg_text(out, margin, y, note_size, ECH_ANCHOR_START, false, line);
    }
    return y;
}

static double key_width(const ech_key *key)
{
    const double mark = key->shape == ECH_KEY_RAMP ? 70.0 : key_mark;
    return mark + ech_svg_text_width(key->label, note_size, false);
}

static void ramp_mark(ech_buffer *out, double x, double y)
{
    for (int i = 0; i < 16; i++) {
        char colour[8];
        ech_svg_ramp(i / 15.0, colour);
        ech_buffer_add(out, "<g");
        ech_svg_paint(out, colour);
        ech_buffer_add(out, ">");
        ech_svg_rectangle(out, x + 4.0 * i, y - 9.0, 4.0, 10.0, NULL);
        ech_buffer_add(out, "</g>");
    }
    ech_buffer_add(out, "\n");
}

static void key_mark_draw(ech_buffer *out, const ech_key *key, double x, double y)
{
    if (key->shape == ECH_KEY_RAMP) {
        ramp_mark(out, x, y);
        return;
    }
    ech_svg_group(out, key->colour);
    if (key->shape == ECH_KEY_BOX) {
        ech_buffer_format(out, "<g fill-opacity=\"%.2f\">", ech_svg_fading(key->cycle));
        ech_svg_rectangle(out, x + 3.0, y - 9.0, 13.0, 10.0, NULL);
        ech_buffer_add(out, "</g>");
    } else if (key->shape == ECH_KEY_DOT) {
        ech_svg_circle(out, x + 9.5, y - 4.0, 3.5, NULL);
    } else {
        ech_buffer_format(out, "<g stroke-dasharray=\"%s\">", ech_svg_dashes(key->cycle));
        ech_svg_line(out, x, y - 4.0, x + 18.0, y - 4.0, 2.0);
        ech_buffer_add(out, "</g>");
    }
    ech_svg_group_end(out);
}

/* Draw the keys in lines (or measure them: out NULL). @return the y of the last line. */
static double key_lines(ech_buffer *out, const ech_key *keys, size_t count, double y)
{
    double x = margin;
    for (size_t i = 0; i < count; i++) {
        const double width = key_width(&keys[i]);
        if (x > margin && x + width > ECH_FRAME_WIDTH - margin) {
            x = margin;
            y += key_line;
        }
        if (out != NULL) {
            key_mark_draw(out, &keys[i], x, y);
            const double mark = width - ech_svg_text_width(keys[i].label, note_size, false);
            char label[160];
            ech_svg_text_fit(keys[i].label, note_size, ECH_FRAME_WIDTH - 2.0 * margin - mark, label,
                             sizeof label);
            ech_svg_group(out, ECH_COLOUR_INK);
            ech_svg_text(out, x + mark, y, note_size, ECH_ANCHOR_START, false, label);
            ech_svg_group_end(out);
        }
        x += width + key_gap;
    }
    return y;
}

static bool is_set(const char *text)
{
    return text != NULL && *text != '\0';
}

/* Title, note and keys (or measure: out NULL). @return the y of the last baseline. */
static double head(ech_buffer *out, const ech_chart *chart, const ech_key *keys, size_t key_count)
{
    double y = margin + title_size - 4.0;
    if (out != NULL) {
        char title[512];
        ech_svg_text_fit(chart->title, 1.07 * title_size, ECH_FRAME_WIDTH - 2.0 * margin, title,
                         sizeof title);
        ech_svg_group(out, ECH_COLOUR_INK);
        ech_svg_text(out, margin, y, title_size, ECH_ANCHOR_START, true, title);
        ech_svg_group_end(out);
    }
    if (is_set(chart->note)) {
        if (out != NULL) {
            ech_svg_group(out, ECH_COLOUR_MUTED);
        }
        y = paragraph(out, chart->note, y + note_line + 2.0, ECH_FRAME_WIDTH - 2.0 * margin);
        if (out != NULL) {
            ech_svg_group_end(out);
        }
    }
    return key_count > 0 ? key_lines(out, keys, key_count, y + key_line + 4.0) : y;
}

static void row_label(const ech_rows *rows, size_t row, char *label, size_t capacity)
{
    if (rows->labels != NULL) {
        ech_svg_text_fit(rows->labels[row], label_size, row_label_width, label, capacity);
    } else {
        snprintf(label, capacity, "%llu", (unsigned long long)(rows->first + row));
    }
}

/* Each power of a logarithm deserves its line; on a linear axis few suffice. */
static size_t y_ticks_wanted(const ech_frame *frame)
{
    return frame->y.kind == ECH_SCALE_LINEAR ? 6 : 10;
}

static double widest_label(const ech_frame *frame)
{
    double widest = 0.0;
    if (frame->rows.count > 0) {
        for (size_t i = 0; i < frame->rows.count; i++) {
            char label[160];
            row_label(&frame->rows, i, label, sizeof label);
            widest = fmax(widest, ech_svg_text_width(label, label_size, false));
        }
        return widest;
    }
    ech_tick ticks[ECH_TICKS_MAX];
    const size_t count = ech_scale_ticks(&frame->y, y_ticks_wanted(frame), ticks);
    for (size_t i = 0; i < count; i++) {
        widest = fmax(widest, ech_svg_text_width(ticks[i].label, label_size, false));
    }
    return widest;
}

static void fit_axis(ech_scale *scale, const ech_axis *axis, ech_range range)
{
    scale->kind = axis->scale;
    scale->unit = axis->unit;
    scale->whole = axis->whole;
    if (axis->from_zero && axis->scale == ECH_SCALE_LINEAR) {
        ech_range_add(&range, 0.0);
    }
    ech_scale_fit(scale, range, !axis->exact);
}

static void lay_out(ech_frame *frame, ech_range x, ech_range y, double head_bottom)
{
    const ech_chart *chart = frame->chart;
    fit_axis(&frame->x, &chart->x, x);
    if (frame->rows.count > 0) {
        frame->y = (ech_scale){.low = 0.0, .high = (double)frame->rows.count};
    } else {
        fit_axis(&frame->y, &chart->y, y);
    }
    const double height = chart->plot_height_px > 0.0 ? chart->plot_height_px
                          : frame->rows.count > 0     ? ech_frame_rows_height(frame->rows.count)
                                                      : usual_height;
    frame->left = margin + widest_label(frame) + 8.0;
    frame->right = ECH_FRAME_WIDTH - margin - 12.0;
    frame->top = head_bottom + 16.0 + (is_set(chart->y.title) ? 16.0 : 0.0);
    frame->bottom = frame->top + height;
    frame->height = frame->bottom + 21.0 + (is_set(chart->x.title) ? 19.0 : 0.0) + 10.0;
    frame->x.from_px = frame->left;
    frame->x.to_px = frame->right;
    frame->y.from_px = frame->rows.count > 0 ? frame->top : frame->bottom;
    frame->y.to_px = frame->rows.count > 0 ? frame->bottom : frame->top;
}

static void x_grid(ech_frame *frame, const ech_tick *ticks, size_t count)
{
    ech_svg_group(frame->out, ECH_COLOUR_GRID);
    for (size_t i = 0; i < count; i++) {
        const double x = ech_scale_px(&frame->x, ticks[i].value);
        ech_svg_line(frame->out, x, frame->top, x, frame->bottom, 1.0);
    }
    ech_svg_group_end(frame->out);
}

static void x_labels(ech_frame *frame, const ech_tick *ticks, size_t count)
{
    ech_svg_group(frame->out, ECH_COLOUR_MUTED);
    for (size_t i = 0; i < count; i++) {
        ech_svg_text(frame->out, ech_scale_px(&frame->x, ticks[i].value), frame->bottom + 17.0,
                     label_size, ECH_ANCHOR_MIDDLE, false, ticks[i].label);
    }
    if (is_set(frame->chart->x.title)) {
        ech_svg_text(frame->out, (frame->left + frame->right) / 2.0, frame->bottom + 36.0,
                     label_size, ECH_ANCHOR_MIDDLE, false, frame->chart->x.title);
    }
    ech_svg_group_end(frame->out);
}

static void y_grid(ech_frame *frame)
{
    ech_tick ticks[ECH_TICKS_MAX];
    const size_t count = ech_scale_ticks(&frame->y, y_ticks_wanted(frame), ticks);
    ech_svg_group(frame->out, ECH_COLOUR_GRID);
    for (size_t i = 0; i < count; i++) {
        const double y = ech_scale_px(&frame->y, ticks[i].value);
        ech_svg_line(frame->out, frame->left, y, frame->right, y, 1.0);
    }
    ech_svg_group_end(frame->out);
    ech_svg_group(frame->out, ECH_COLOUR_MUTED);
    for (size_t i = 0; i < count; i++) {
        ech_svg_text(frame->out, frame->left - 7.0, ech_scale_px(&frame->y, ticks[i].value) + 4.0,
                     label_size, ECH_ANCHOR_END, false, ticks[i].label);
    }
    ech_svg_group_end(frame->out);
}

static void row_labels(ech_frame *frame)
{
    const double row_px = (frame->bottom - frame->top) / (double)frame->rows.count;
    const size_t every = row_px >= 12.0 ? 1 : (size_t)ceil(14.0 / row_px);
    ech_svg_group(frame->out, ECH_COLOUR_MUTED);
    for (size_t i = 0; i < frame->rows.count; i += every) {
        char label[160];
        row_label(&frame->rows, i, label, sizeof label);
        ech_svg_text(frame->out, frame->left - 7.0, ech_scale_px(&frame->y, (double)i + 0.5) + 4.0,
                     label_size, ECH_ANCHOR_END, false, label);
    }
    ech_svg_group_end(frame->out);
}

void ech_frame_open(ech_frame *frame, ech_buffer *out, const ech_chart *chart, ech_range x,
                    ech_range y, ech_rows rows, const ech_key *keys, size_t key_count)
{
    *frame = (ech_frame){.out = out, .chart = chart, .rows = rows};
    lay_out(frame, x, y, head(NULL, chart, keys, key_count));
    ech_svg_open(out, ECH_FRAME_WIDTH, frame->height, chart->title, chart->note);
    head(out, chart, keys, key_count);
    ech_tick ticks[ECH_TICKS_MAX];
    const size_t count =
        ech_scale_ticks(&frame->x, (size_t)((frame->right - frame->left) / 75.0), ticks);
    x_grid(frame, ticks, count);
    x_labels(frame, ticks, count);
    if (rows.count > 0) {
        row_labels(frame);
    } else {
        y_grid(frame);
    }
    if (is_set(chart->y.title)) {
        ech_svg_group(out, ECH_COLOUR_MUTED);
        ech_svg_text(out, margin, frame->top - 12.0, label_size, ECH_ANCHOR_START, false,
                     chart->y.title);
        ech_svg_group_end(out);
    }
}

void ech_frame_close(ech_frame *frame)
{
    ech_svg_group(frame->out, ECH_COLOUR_INK);
    ech_svg_line(frame->out, frame->left, frame->bottom, frame->right, frame->bottom, 1.0);
    ech_svg_group_end(frame->out);
    ech_svg_close(frame->out);
}
