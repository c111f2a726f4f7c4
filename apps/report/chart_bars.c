#include "apps/report/chart_bars.h"

#include <assert.h>
#include <math.h>

enum { COLUMNS_MAX = 240, TIPPED_COLUMNS_MAX = 80 };

static double height_of(const ech_stack *stack, size_t at)
{
    const double value = stack->values[at];
    return isfinite(value) && value > 0.0 ? value : 0.0;
}

/* Mean over the columns [begin, end). */
static double mean_of(const ech_stack *stack, size_t begin, size_t end)
{
    double sum = 0.0;
    for (size_t i = begin; i < end; i++) {
        sum += height_of(stack, i);
    }
    return sum / (double)(end - begin);
}

/* How often the colours were used up before a stack. */
static int cycle_of(size_t stack)
{
    return (int)(stack / ECH_COLOUR_COUNT);
}

static void open_stack(ech_buffer *out, const ech_stack *stack, size_t number)
{
    ech_buffer_add(out, "<g");
    ech_svg_colour(out, stack->colour);
    if (cycle_of(number) > 0) {
        ech_buffer_format(out, " fill-opacity=\"%.2f\"", ech_svg_fading(cycle_of(number)));
    }
    ech_buffer_add(out, ">");
}

static size_t make_keys(const ech_stack *stacks, size_t count, ech_key keys[ECH_STACKS_MAX])
{
    assert(count <= ECH_STACKS_MAX);
    for (size_t i = 0; i < count; i++) {
        keys[i] = (ech_key){stacks[i].label, stacks[i].colour, cycle_of(i), ECH_KEY_BOX};
    }
    return count;
}

static void draw_row(const ech_frame *frame, size_t row, const ech_stack *stacks, size_t count)
{
    const double row_px = (frame->bottom - frame->top) / (double)frame->rows.count;
    const double gap = row_px > 6.0 ? fmin(0.25 * row_px, 8.0) : 0.0;
    const double y = ech_scale_px(&frame->y, (double)row) + gap / 2.0;
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        const double value = height_of(&stacks[i], row);
        if (value == 0.0) {
            continue;
        }
        const double from = ech_scale_px(&frame->x, sum);
        const double to = ech_scale_px(&frame->x, sum + value);
        char text[ECH_VALUE_BYTES];
        ech_unit_write(frame->x.unit, value, text);
        ech_buffer tip = {0};
        ech_buffer_format(&tip, "%s: %s", stacks[i].label, text);
        open_stack(frame->out, &stacks[i], i);
        ech_svg_rectangle(frame->out, from, y, to - from, row_px - gap, tip.bytes);
        ech_svg_group_end(frame->out);
        ech_buffer_clear(&tip);
        sum += value;
    }
}

void ech_chart_bars(ech_buffer *out, const ech_chart *chart, ech_rows rows, const ech_stack *stacks,
                    size_t stack_count)
{
    ech_range x = ech_range_empty();
    for (size_t row = 0; row < rows.count; row++) {
        double sum = 0.0;
        for (size_t i = 0; i < stack_count; i++) {
            sum += height_of(&stacks[i], row);
        }
        ech_range_add(&x, sum);
    }
    ech_range_add(&x, 0.0);
    ech_key keys[ECH_STACKS_MAX];
    ech_frame frame;
    ech_frame_open(&frame, out, chart, x, ech_range_empty(), rows, keys,
                   stack_count > 1 ? make_keys(stacks, stack_count, keys) : 0);
    for (size_t row = 0; row < rows.count; row++) {
        draw_row(&frame, row, stacks, stack_count);
    }
    ech_frame_close(&frame);
}

/* How the columns are drawn: `merged` neighbours as one. */
typedef struct {
    const ech_frame *frame;
    const ech_stack *stacks;
    size_t stack_count;
    uint64_t first;
    size_t count;
    size_t merged;
} columns;

static double stacked_below(const columns *all, size_t stack, size_t begin, size_t end)
{
    double sum = 0.0;
    for (size_t i = 0; i < stack; i++) {
        sum += mean_of(&all->stacks[i], begin, end);
    }
    return sum;
}

static void draw_column(const columns *all, size_t stack, size_t begin, size_t end)
{
    const ech_frame *frame = all->frame;
    const double value = mean_of(&all->stacks[stack], begin, end);
    if (value == 0.0) {
        return;
    }
    const double below = stacked_below(all, stack, begin, end);
    const double low = ech_scale_px(&frame->y, below);
    const double high = ech_scale_px(&frame->y, below + value);
    const double from = ech_scale_px(&frame->x, (double)(all->first + begin) - 0.5);
    const double to = ech_scale_px(&frame->x, (double)(all->first + end) - 0.5);
    const double gap = to - from > 4.0 ? fmin(0.2 * (to - from), 6.0) : 0.0;
    ech_buffer tip = {0};
    if (all->count <= TIPPED_COLUMNS_MAX) {
        char text[ECH_VALUE_BYTES];
        ech_unit_write(frame->y.unit, value, text);
        ech_buffer_format(&tip, "%s at %llu: %s", all->stacks[stack].label,
                          (unsigned long long)(all->first + begin), text);
    }
    ech_svg_rectangle(frame->out, from + gap / 2.0, high, to - from - gap, low - high, tip.bytes);
    ech_buffer_clear(&tip);
}

void ech_chart_columns(ech_buffer *out, const ech_chart *chart, uint64_t first, size_t count,
                       const ech_stack *stacks, size_t stack_count)
{
    columns all = {.stacks = stacks, .stack_count = stack_count, .first = first, .count = count};
    all.merged = count <= COLUMNS_MAX ? 1 : (count + COLUMNS_MAX - 1) / COLUMNS_MAX;
    ech_range x = {(double)first - 0.5, (double)(first + count) - 0.5};
    ech_range y = ech_range_empty();
    ech_range_add(&y, 0.0);
    for (size_t begin = 0; begin < count; begin += all.merged) {
        const size_t end = begin + all.merged < count ? begin + all.merged : count;
        ech_range_add(&y, stacked_below(&all, stack_count, begin, end));
    }
    ech_key keys[ECH_STACKS_MAX];
    ech_frame frame;
    ech_frame_open(&frame, out, chart, count > 0 ? x : ech_range_empty(), y, (ech_rows){0}, keys,
                   stack_count > 1 ? make_keys(stacks, stack_count, keys) : 0);
    all.frame = &frame;
    for (size_t i = 0; i < stack_count; i++) {
        open_stack(out, &stacks[i], i);
        for (size_t begin = 0; begin < count; begin += all.merged) {
            draw_column(&all, i, begin, begin + all.merged < count ? begin + all.merged : count);
        }
        ech_svg_group_end(out);
    }
    ech_frame_close(&frame);
}

void ech_csv_stacks(ech_buffer *out, const char *name, ech_rows rows, const ech_stack *stacks,
                    size_t stack_count)
{
    ech_buffer_csv(out, name);
    for (size_t i = 0; i < stack_count; i++) {
        ech_buffer_add(out, ",");
        ech_buffer_csv(out, stacks[i].label);
    }
    ech_buffer_add(out, "\n");
    for (size_t row = 0; row < rows.count; row++) {
        if (rows.labels != NULL) {
            ech_buffer_csv(out, rows.labels[row]);
        } else {
            ech_buffer_format(out, "%llu", (unsigned long long)(rows.first + row));
        }
        for (size_t i = 0; i < stack_count; i++) {
            ech_buffer_add(out, ",");
            ech_buffer_csv_number(out, stacks[i].values[row]);
        }
        ech_buffer_add(out, "\n");
    }
}
