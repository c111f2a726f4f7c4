#include "apps/report/chart_schedule.h"

#include <math.h>

#include "runtime/base/memory.h"

/* Cells of the raster: as fine as the plot where rows are few, and never above 64,000. */
enum { COLUMNS_FEW_BANDS = 660, COLUMNS_MANY_BANDS = 330, BANDS_FINE = 96, BANDS_MAX = 192 };
enum { LEVELS = 4, RAMP_COLOURS = 32 };

typedef struct {
    float busy_s;
    float lead_s;  /* of the leading kind over the others: a majority vote by weight (Boyer and
                      Moore 1991), in constant memory */
    uint32_t kind; /* the leading one */
} cell;

struct ech_schedule {
    uint64_t row_count;
    ech_range time;
    ech_schedule_bar *bars; /* until the raster takes over */
    size_t bar_count;
    bool rastered;
    cell *cells; /* bands * columns */
    size_t bands;
    size_t columns;
};

ech_status ech_schedule_create(uint64_t row_count, ech_range time, ech_schedule **out)
{
    *out = NULL;
    ech_schedule *schedule = ech_calloc(1, sizeof *schedule);
    if (schedule == NULL) {
        return ECH_ERR_MEMORY;
    }
    schedule->row_count = row_count;
    schedule->time = ech_range_widened(time);
    schedule->bands = row_count < BANDS_MAX ? (size_t)row_count : BANDS_MAX;
    schedule->columns = schedule->bands <= BANDS_FINE ? COLUMNS_FEW_BANDS : COLUMNS_MANY_BANDS;
    schedule->bars = ech_calloc(ECH_SCHEDULE_BARS_MAX, sizeof *schedule->bars);
    schedule->cells = ech_calloc(schedule->bands * schedule->columns, sizeof *schedule->cells);
    if (schedule->bars == NULL || schedule->cells == NULL) {
        ech_schedule_destroy(&schedule);
        return ECH_ERR_MEMORY;
    }
    *out = schedule;
    return ECH_OK;
}

void ech_schedule_destroy(ech_schedule **schedule)
{
    if (schedule == NULL || *schedule == NULL) {
        return;
    }
    ech_free((*schedule)->bars);
    ech_free((*schedule)->cells);
    ech_free(*schedule);
    *schedule = NULL;
}

static double cell_seconds(const ech_schedule *schedule)
{
    return (schedule->time.high - schedule->time.low) / (double)schedule->columns;
}

static double column_start(const ech_schedule *schedule, size_t column)
{
    return schedule->time.low + cell_seconds(schedule) * (double)column;
}

/* First row of a band; band `bands` begins after the last row. */
static uint64_t band_start(const ech_schedule *schedule, size_t band)
{
    return (schedule->row_count * band + schedule->bands - 1) / schedule->bands;
}

static void cell_add(cell *at, uint32_t kind, float seconds)
{
    at->busy_s += seconds;
    if (kind == at->kind) {
        at->lead_s += seconds;
    } else if (seconds > at->lead_s) {
        at->kind = kind;
        at->lead_s = seconds - at->lead_s;
    } else {
        at->lead_s -= seconds;
    }
}

static void raster_add(ech_schedule *schedule, const ech_schedule_bar *bar)
{
    const double width = cell_seconds(schedule);
    const size_t band = (size_t)(bar->row * schedule->bands / schedule->row_count);
    cell *cells = &schedule->cells[band * schedule->columns];
    const double from = (bar->start_s - schedule->time.low) / width;
    const double to = (bar->end_s - schedule->time.low) / width;
    for (size_t i = (size_t)from; i < schedule->columns && (double)i < to; i++) {
        const double begin = fmax(from, (double)i);
        const double end = fmin(to, (double)i + 1.0);
        if (end > begin) {
            cell_add(&cells[i], bar->kind, (float)((end - begin) * width));
        }
    }
}

static void raster_take_over(ech_schedule *schedule)
{
    for (size_t i = 0; i < schedule->bar_count; i++) {
        raster_add(schedule, &schedule->bars[i]);
    }
    schedule->rastered = true;
}

void ech_schedule_add(ech_schedule *schedule, const ech_schedule_bar *bar)
{
    ech_schedule_bar kept = *bar;
    kept.start_s = fmax(bar->start_s, schedule->time.low);
    kept.end_s = fmin(bar->end_s, schedule->time.high);
    if (bar->row >= schedule->row_count || !(kept.start_s <= kept.end_s)) {
        return;
    }
    if (!schedule->rastered && schedule->bar_count == ECH_SCHEDULE_BARS_MAX) {
        raster_take_over(schedule);
    }
    if (schedule->rastered) {
        raster_add(schedule, &kept);
    } else {
        schedule->bars[schedule->bar_count++] = kept;
    }
}

static double ramp_share(const ech_schedule_kinds *kinds, uint32_t kind)
{
    return kinds->high > kinds->low && kind >= kinds->low
               ? (double)(kind - kinds->low) / (double)(kinds->high - kinds->low)
               : 0.0;
}

/* Number of different paints, and the one that a kind gets. */
static size_t paint_count(const ech_schedule_kinds *kinds)
{
    return kinds->names == NULL ? RAMP_COLOURS : ECH_COLOUR_COUNT;
}

static size_t paint_of(const ech_schedule_kinds *kinds, uint32_t kind)
{
    if (kinds->names == NULL) {
        return (size_t)lround(ramp_share(kinds, kind) * (RAMP_COLOURS - 1));
    }
    return kind % ECH_COLOUR_COUNT;
}

static void open_paint(ech_buffer *out, const ech_schedule_kinds *kinds, size_t paint)
{
    if (kinds->names != NULL) {
        ech_svg_group(out, (int)paint);
        return;
    }
    char colour[8];
    ech_svg_ramp((double)paint / (RAMP_COLOURS - 1), colour);
    ech_buffer_add(out, "<g");
    ech_svg_paint(out, colour);
    ech_buffer_add(out, ">");
}

static void kind_name(const ech_schedule_kinds *kinds, uint32_t kind, ech_buffer *out)
{
    if (kinds->names != NULL && kind < kinds->count) {
        ech_buffer_add(out, kinds->names[kind]);
    } else {
        ech_buffer_format(out, "%s %u", kinds->noun, kind);
    }
}

/* The band of pixels that a row (or a band of rows) is drawn in, with a gap where there is room. */
static void row_pixels(const ech_frame *frame, double first, double count, double *y,
                       double *height)
{
    const double top = ech_scale_px(&frame->y, first);
    const double bottom = ech_scale_px(&frame->y, first + count);
    const double gap = bottom - top > 4.0 ? fmin(0.2 * (bottom - top), 4.0) : 0.0;
    *y = top + gap / 2.0;
    *height = bottom - top - gap;
}

static void bar_tip(const ech_schedule_bar *bar, const ech_schedule_kinds *kinds, ech_buffer *tip)
{
    char start[ECH_VALUE_BYTES];
    char length[ECH_VALUE_BYTES];
    ech_unit_write(ECH_UNIT_SECONDS, bar->start_s, start);
    ech_unit_write(ECH_UNIT_SECONDS, bar->end_s - bar->start_s, length);
    kind_name(kinds, bar->kind, tip);
    ech_buffer_format(tip, ": %s from %s", length, start);
}

static void draw_bars(const ech_frame *frame, const ech_schedule *schedule,
                      const ech_schedule_kinds *kinds, size_t paint)
{
    for (size_t i = 0; i < schedule->bar_count; i++) {
        const ech_schedule_bar *bar = &schedule->bars[i];
        if (paint_of(kinds, bar->kind) != paint) {
            continue;
        }
        double y;
        double height;
        row_pixels(frame, (double)bar->row, 1.0, &y, &height);
        const double from = ech_scale_px(&frame->x, bar->start_s);
        const double to = ech_scale_px(&frame->x, bar->end_s);
        const double gap = to - from > 3.0 ? 0.5 : 0.0; /* keeps bars that touch apart */
        ech_buffer tip = {0};
        bar_tip(bar, kinds, &tip);
        ech_svg_rectangle(frame->out, from, y, fmax(to - from - gap, 0.3), height, tip.bytes);
        ech_buffer_clear(&tip);
    }
}

static int level_of(const ech_schedule *schedule, size_t band, const cell *at)
{
    const double rows = (double)(band_start(schedule, band + 1) - band_start(schedule, band));
    const double share = (double)at->busy_s / (cell_seconds(schedule) * rows);
    const int level = (int)ceil(share * LEVELS - 1e-3);
    return level > LEVELS ? LEVELS : level == 0 && at->busy_s > 0.0F ? 1 : level;
}

/* A stretch of cells of one band that look the same. */
typedef struct {
    size_t band;
    size_t begin;
    size_t end;
    size_t paint;
    uint32_t kind;
    int level;
} stretch;

/* The stretch that begins at a cell; `by_kind`: cells of other kinds end it, not only paints. */
static stretch stretch_at(const ech_schedule *schedule, const ech_schedule_kinds *kinds,
                          size_t band, size_t begin, bool by_kind)
{
    const cell *cells = &schedule->cells[band * schedule->columns];
    stretch found = {.band = band, .begin = begin, .end = begin + 1};
    found.kind = cells[begin].kind;
    found.paint = paint_of(kinds, found.kind);
    found.level = level_of(schedule, band, &cells[begin]);
    while (found.end < schedule->columns) {
        const cell *next = &cells[found.end];
        const bool same =
            by_kind ? next->kind == found.kind : paint_of(kinds, next->kind) == found.paint;
        if (level_of(schedule, band, next) != found.level || (!same && found.level > 0)) {
            break;
        }
        found.end++;
    }
    return found;
}

static void draw_stretch(const ech_frame *frame, const ech_schedule *schedule, const stretch *part)
{
    double y;
    double height;
    const double first = (double)band_start(schedule, part->band);
    row_pixels(frame, first, (double)band_start(schedule, part->band + 1) - first, &y, &height);
    const double from = ech_scale_px(&frame->x, column_start(schedule, part->begin));
    const double to = ech_scale_px(&frame->x, column_start(schedule, part->end));
    ech_buffer_add(frame->out, "M");
    ech_buffer_coordinate(frame->out, from);
    ech_buffer_add(frame->out, " ");
    ech_buffer_coordinate(frame->out, y + height / 2.0);
    ech_buffer_add(frame->out, "h");
    ech_buffer_coordinate(frame->out, to - from);
}

static void draw_level(const ech_frame *frame, const ech_schedule *schedule,
                       const ech_schedule_kinds *kinds, size_t paint, int level)
{
    double y;
    double height;
    row_pixels(frame, 0.0, (double)band_start(schedule, 1), &y, &height);
    bool opened = false;
    for (size_t band = 0; band < schedule->bands; band++) {
        for (size_t begin = 0; begin < schedule->columns;) {
            const stretch part = stretch_at(schedule, kinds, band, begin, false);
            begin = part.end;
            if (part.level != level || part.paint != paint) {
                continue;
            }
            if (!opened) {
                ech_buffer_format(frame->out,
                                  "<path fill=\"none\" stroke-opacity=\"%.2f\" "
                                  "stroke-width=\"%.2f\" d=\"",
                                  (double)level / LEVELS, height);
                opened = true;
            }
            draw_stretch(frame, schedule, &part);
        }
    }
    ech_buffer_add(frame->out, opened ? "\"/>" : "");
}

static size_t make_keys(const ech_schedule_kinds *kinds, ech_buffer *ramp_label,
                        ech_key keys[ECH_COLOUR_COUNT])
{
    if (kinds->names == NULL) {
        ech_buffer_format(ramp_label, "%s %u to %u", kinds->noun, kinds->low, kinds->high);
        keys[0] = (ech_key){.label = ramp_label->bytes, .shape = ECH_KEY_RAMP};
        return ramp_label->status == ECH_OK ? 1 : 0;
    }
    const size_t count = kinds->count < ECH_COLOUR_COUNT ? kinds->count : ECH_COLOUR_COUNT;
    for (size_t i = 0; i < count; i++) {
        keys[i] = (ech_key){kinds->names[i], (int)i, 0, ECH_KEY_BOX};
    }
    return count;
}

void ech_chart_schedule(ech_buffer *out, const ech_chart *chart, const ech_schedule *schedule,
                        ech_rows rows, const ech_schedule_kinds *kinds)
{
    ech_buffer ramp_label = {0};
    ech_key keys[ECH_COLOUR_COUNT];
    const size_t key_count = make_keys(kinds, &ramp_label, keys);
    ech_frame frame;
    ech_frame_open(&frame, out, chart, schedule->time, ech_range_empty(), rows, keys, key_count);
    for (size_t paint = 0; paint < paint_count(kinds); paint++) {
        open_paint(out, kinds, paint);
        if (schedule->rastered) {
            for (int level = 1; level <= LEVELS; level++) {
                draw_level(&frame, schedule, kinds, paint, level);
            }
        } else {
            draw_bars(&frame, schedule, kinds, paint);
        }
        ech_svg_group_end(out);
    }
    ech_frame_close(&frame);
    ech_buffer_clear(&ramp_label);
}

static void csv_line(ech_buffer *out, ech_rows rows, uint64_t row, double start_s, double end_s,
                     double share, uint32_t kind, const ech_schedule_kinds *kinds)
{
    ech_buffer name = {0};
    kind_name(kinds, kind, &name);
    if (rows.labels != NULL) {
        ech_buffer_csv(out, rows.labels[row]);
    } else {
        ech_buffer_format(out, "%llu", (unsigned long long)(rows.first + row));
    }
    ech_buffer_format(out, ",%.9f,%.9f,%.3f,", start_s, end_s, share);
    ech_buffer_csv(out, name.bytes != NULL ? name.bytes : "");
    ech_buffer_add(out, "\n");
    ech_buffer_clear(&name);
}

void ech_csv_schedule(ech_buffer *out, const ech_schedule *schedule, ech_rows rows,
                      const ech_schedule_kinds *kinds)
{
    ech_buffer_format(out, "row,start_s,end_s,busy_share,%s\n", kinds->noun);
    for (size_t i = 0; !schedule->rastered && i < schedule->bar_count; i++) {
        const ech_schedule_bar *bar = &schedule->bars[i];
        csv_line(out, rows, bar->row, bar->start_s, bar->end_s, 1.0, bar->kind, kinds);
    }
    for (size_t band = 0; schedule->rastered && band < schedule->bands; band++) {
        for (size_t begin = 0; begin < schedule->columns;) {
            const stretch part = stretch_at(schedule, kinds, band, begin, true);
            begin = part.end;
            if (part.level > 0) {
                csv_line(out, rows, band_start(schedule, band), column_start(schedule, part.begin),
                         column_start(schedule, part.end), (double)part.level / LEVELS, part.kind,
                         kinds);
            }
        }
    }
}
