#include "apps/report/scale.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    double factor;
    const char *suffix;
    bool grouped; /* thousands are set apart: 12,500 */
} unit_step;

static const unit_step second_steps[] = {{1e-9, " ns", false}, {1e-6, " µs", false},
                                         {1e-3, " ms", false}, {1.0, " s", true},
                                         {60.0, " min", true}, {3600.0, " h", true}};
static const unit_step byte_steps[] = {{1.0, " B", false},   {1e3, " kB", false},
                                       {1e6, " MB", false},  {1e9, " GB", false},
                                       {1e12, " TB", false}, {1e15, " PB", true}};
static const unit_step count_steps[] = {{1.0, "", true}, {1e6, "M", false}, {1e9, "G", true}};
static const unit_step percent_step = {0.01, " %", true};
static const unit_step plain_step = {1.0, "", false};

ech_range ech_range_empty(void)
{
    return (ech_range){INFINITY, -INFINITY};
}

bool ech_range_is_empty(ech_range range)
{
    return range.low > range.high;
}

void ech_range_add(ech_range *range, double value)
{
    if (isfinite(value)) {
        range->low = fmin(range->low, value);
        range->high = fmax(range->high, value);
    }
}

ech_range ech_range_widened(ech_range range)
{
    if (ech_range_is_empty(range)) {
        return (ech_range){0.0, 1.0};
    }
    return range.low < range.high ? range : (ech_range){range.low, range.low + 1.0};
}

/* The largest step not above `magnitude`; minutes and hours only once seconds get long. */
static unit_step choose(const unit_step *steps, size_t count, double magnitude)
{
    size_t chosen = 0;
    for (size_t i = 1; i < count; i++) {
        const double patience = steps[i].factor >= 60.0 && steps == second_steps ? 10.0 : 1.0;
        if (magnitude >= steps[i].factor * patience) {
            chosen = i;
        }
    }
    return steps[chosen];
}

static unit_step unit_step_for(ech_unit unit, double magnitude)
{
    magnitude = fabs(magnitude) * (1.0 + 1e-12); /* 1e-3 s is 1 ms, not 1,000 µs */
    switch (unit) {
    case ECH_UNIT_SECONDS:
        return choose(second_steps, sizeof second_steps / sizeof *second_steps, magnitude);
    case ECH_UNIT_BYTES:
        return choose(byte_steps, sizeof byte_steps / sizeof *byte_steps, magnitude);
    case ECH_UNIT_COUNT:
        return choose(count_steps, sizeof count_steps / sizeof *count_steps, magnitude);
    case ECH_UNIT_PERCENT:
        return percent_step;
    case ECH_UNIT_PLAIN:
    default:
        return plain_step;
    }
}

/* Put a comma before each three digits of the whole number that `text` begins with. */
static void group_digits(char text[ECH_VALUE_BYTES])
{
    const size_t sign = *text == '-' ? 1 : 0;
    const size_t digits = strspn(text + sign, "0123456789");
    for (size_t at = digits; at > 3; at -= 3) {
        char *behind = text + sign + at - 3;
        const size_t bytes = strlen(behind) + 1;
        if ((size_t)(behind - text) + bytes < ECH_VALUE_BYTES) {
            memmove(behind + 1, behind, bytes);
            *behind = ',';
        }
    }
}

static void write_in_step(unit_step step, double value, int decimals, char text[ECH_VALUE_BYTES])
{
    if (value == 0.0) {
        snprintf(text, ECH_VALUE_BYTES, "0");
        return;
    }
    const double scaled = value / step.factor;
    if (fabs(scaled) >= 1e7 || fabs(scaled) < 1e-4) {
        snprintf(text, ECH_VALUE_BYTES, "%.3g%s", scaled, step.suffix);
        return;
    }
    snprintf(text, ECH_VALUE_BYTES, "%.*f%s", decimals, scaled, step.suffix);
    if (step.grouped) {
        group_digits(text);
    }
}

void ech_unit_write(ech_unit unit, double value, char text[ECH_VALUE_BYTES])
{
    if (!isfinite(value)) {
        snprintf(text, ECH_VALUE_BYTES, "–");
        return;
    }
    const unit_step step = unit_step_for(unit, value);
    const double scaled = fabs(value / step.factor);
    int decimals = scaled > 0.0 ? 2 - (int)floor(log10(scaled)) : 0;
    decimals = decimals < 0 ? 0 : decimals > 4 ? 4 : decimals;
    const bool is_exact = unit == ECH_UNIT_COUNT && step.factor == 1.0 && value == floor(value);
    write_in_step(step, value, is_exact ? 0 : decimals, text);
}

static bool is_log(const ech_scale *scale)
{
    return scale->kind != ECH_SCALE_LINEAR;
}

static double base_of(const ech_scale *scale)
{
    return scale->kind == ECH_SCALE_LOG2 ? 2.0 : 10.0;
}

/* Round step of 1, 2 or 5 times a power of ten, in the unit that the axis is written in. */
static double round_step(const ech_scale *scale, double span, size_t wanted)
{
    const unit_step unit = unit_step_for(scale->unit, fmax(fabs(scale->low), fabs(scale->high)));
    const double rough = span / unit.factor / (double)(wanted > 0 ? wanted : 1);
    const double power = pow(10.0, floor(log10(rough) + 1e-9));
    const double digit = rough / power;
    const double step = power * (digit <= 1.0 + 1e-9 ? 1.0
                                 : digit <= 2.0      ? 2.0
                                 : digit <= 5.0      ? 5.0
                                                     : 10.0);
    const double value = step * unit.factor;
    return scale->whole && value < 1.0 ? 1.0 : value;
}

static void widen_single_value(ech_scale *scale)
{
    if (scale->low < scale->high) {
        return;
    }
    const double value = scale->low;
    if (is_log(scale)) {
        scale->low = value / base_of(scale);
        scale->high = value * base_of(scale);
    } else if (scale->whole) {
        scale->low = value - 1.0;
        scale->high = value + 1.0;
    } else {
        const double room = value == 0.0 ? 1.0 : fabs(value) * 0.1;
        scale->low = value == 0.0 ? 0.0 : value - room;
        scale->high = value + room;
    }
}

static void move_outward(ech_scale *scale)
{
    if (is_log(scale)) {
        const double base = base_of(scale);
        const double slack = 1e-9;
        scale->low = pow(base, floor(log(scale->low) / log(base) + slack));
        scale->high = pow(base, ceil(log(scale->high) / log(base) - slack));
        return;
    }
    const double step = round_step(scale, scale->high - scale->low, 5);
    scale->low = floor(scale->low / step + 1e-9) * step;
    scale->high = ceil(scale->high / step - 1e-9) * step;
}

void ech_scale_fit(ech_scale *scale, ech_range range, bool outward)
{
    const bool usable = !ech_range_is_empty(range) && (!is_log(scale) || range.high > 0.0);
    if (!usable) {
        range = is_log(scale) ? (ech_range){1.0, base_of(scale)} : (ech_range){0.0, 1.0};
    }
    if (is_log(scale) && range.low <= 0.0) {
        range.low = range.high / pow(base_of(scale), 3.0);
    }
    scale->low = range.low;
    scale->high = range.high;
    widen_single_value(scale);
    if (outward) {
        move_outward(scale);
    }
}

double ech_scale_px(const ech_scale *scale, double value)
{
    double share;
    if (is_log(scale)) {
        share = value > 0.0 ? log(value / scale->low) / log(scale->high / scale->low) : -1.0;
    } else {
        share = (value - scale->low) / (scale->high - scale->low);
    }
    return scale->from_px + share * (scale->to_px - scale->from_px);
}

static size_t linear_ticks(const ech_scale *scale, size_t wanted, ech_tick ticks[ECH_TICKS_MAX])
{
    const double step = round_step(scale, scale->high - scale->low, wanted);
    const unit_step unit = unit_step_for(scale->unit, fmax(fabs(scale->low), fabs(scale->high)));
    const int wanted_decimals = -(int)floor(log10(step / unit.factor) + 1e-9);
    const int decimals = wanted_decimals > 0 ? wanted_decimals : 0;
    const double first = ceil(scale->low / step - 1e-9);
    size_t count = 0;
    for (double i = first; i * step <= scale->high + step * 1e-9 && count < ECH_TICKS_MAX; i++) {
        ticks[count].value = i * step;
        write_in_step(unit, ticks[count].value, decimals, ticks[count].label);
        count++;
    }
    return count;
}

static void trim_zeros(char label[ECH_VALUE_BYTES])
{
    char *point = strchr(label, '.');
    if (point == NULL) {
        return;
    }
    char *end = point + 1 + strspn(point + 1, "0123456789");
    char *keep = end;
    while (keep[-1] == '0') {
        keep--;
    }
    keep -= keep[-1] == '.' ? 1 : 0;
    memmove(keep, end, strlen(end) + 1);
}

/* Powers of ten read better as seconds than as minutes; and "1.00 ms" says no more than "1 ms". */
static void write_log_label(const ech_scale *scale, double value, char label[ECH_VALUE_BYTES])
{
    if (scale->unit == ECH_UNIT_SECONDS && value >= 1.0) {
        write_in_step((unit_step){1.0, " s", true}, value, 0, label);
    } else {
        ech_unit_write(scale->unit, value, label);
        trim_zeros(label);
    }
}

/* Labels at each power, or at each second, third, ... where there are too many. */
static size_t log_ticks(const ech_scale *scale, size_t wanted, ech_tick ticks[ECH_TICKS_MAX])
{
    const double base = base_of(scale);
    const double first = ceil(log(scale->low) / log(base) - 1e-9);
    const double last = floor(log(scale->high) / log(base) + 1e-9);
    const double every = fmax(1.0, ceil((last - first + 1.0) / (double)(wanted > 0 ? wanted : 1)));
    const bool subdivide = scale->kind == ECH_SCALE_LOG10 && last - first < 2.0;
    size_t count = 0;
    for (double power = first - 1.0; power <= last; power++) {
        static const double digits[] = {1.0, 2.0, 5.0};
        for (size_t d = 0; d < (subdivide ? 3 : 1); d++) {
            const double value = digits[d] * pow(base, power);
            if (value < scale->low * (1 - 1e-9) || value > scale->high * (1 + 1e-9) ||
                count == ECH_TICKS_MAX || (d == 0 && fmod(power - first, every) != 0.0)) {
                continue;
            }
            ticks[count].value = value;
            write_log_label(scale, value, ticks[count].label);
            count++;
        }
    }
    return count;
}

size_t ech_scale_ticks(const ech_scale *scale, size_t wanted, ech_tick ticks[ECH_TICKS_MAX])
{
    return is_log(scale) ? log_ticks(scale, wanted, ticks) : linear_ticks(scale, wanted, ticks);
}
