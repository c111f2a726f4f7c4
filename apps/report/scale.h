/**
 * @file scale.h
 * From values to pixels: ranges, linear and logarithmic scales, round ticks, and how a value is
 * written with its unit. Pure functions.
 */
#ifndef ECH_REPORT_SCALE_H
#define ECH_REPORT_SCALE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    ECH_UNIT_PLAIN,   /* as it is: accuracy, loss */
    ECH_UNIT_COUNT,   /* 1,500 becomes 1.5k, then M, G */
    ECH_UNIT_SECONDS, /* ns, µs, ms, s, min, h */
    ECH_UNIT_BYTES,   /* B, kB, MB, ...: powers of 1,000 */
    ECH_UNIT_PERCENT, /* a share: 0.25 is written 25 % */
} ech_unit;

enum { ECH_VALUE_BYTES = 32, ECH_TICKS_MAX = 40 };

/** Values seen so far; low > high while there are none. */
typedef struct {
    double low;
    double high;
} ech_range;

ech_range ech_range_empty(void);
bool ech_range_is_empty(ech_range range);
/** Widen by one value; what is not finite is ignored. */
void ech_range_add(ech_range *range, double value);

/** The range, or one of length 1 from its begin (0 if it is empty) where it has no length. */
ech_range ech_range_widened(ech_range range);

typedef enum { ECH_SCALE_LINEAR, ECH_SCALE_LOG2, ECH_SCALE_LOG10 } ech_scale_kind;

typedef struct {
    ech_scale_kind kind;
    ech_unit unit;
    bool whole; /* ticks at integers only: rounds, workers */
    double low; /* value at from_px; above 0 for a logarithm */
    double high;
    double from_px;
    double to_px;
} ech_scale;

typedef struct {
    double value;
    char label[ECH_VALUE_BYTES]; /* "" for a minor tick */
} ech_tick;

/**
 * Set low and high to hold `range`, whatever it is: an empty range gives [0, 1] or [1, 10], one
 * value gets room on both sides, and a logarithm leaves out what is not above 0.
 * `outward`: move both ends to round values (a tick stands at each).
 */
void ech_scale_fit(ech_scale *scale, ech_range range, bool outward);

/** Pixel of a value; values outside the domain land outside of the pixels. */
double ech_scale_px(const ech_scale *scale, double value);

/** Round values inside the domain, ascending, about `wanted` of them with a label. @return count.
 */
size_t ech_scale_ticks(const ech_scale *scale, size_t wanted, ech_tick ticks[ECH_TICKS_MAX]);

/** A value with its unit, to three significant digits: "1.25 ms", "3.4 GB", "62 %". */
void ech_unit_write(ech_unit unit, double value, char text[ECH_VALUE_BYTES]);

#endif
