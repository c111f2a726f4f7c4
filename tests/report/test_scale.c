#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "apps/report/scale.h"

static ech_scale fitted(ech_scale_kind kind, ech_unit unit, double low, double high, bool outward)
{
    ech_scale scale = {.kind = kind, .unit = unit, .from_px = 100.0, .to_px = 300.0};
    ech_scale_fit(&scale, (ech_range){low, high}, outward);
    return scale;
}

static void expect_labels(const ech_scale *scale, size_t wanted, const char *expected)
{
    ech_tick ticks[ECH_TICKS_MAX];
    char joined[ECH_TICKS_MAX * (ECH_VALUE_BYTES + 1)] = "";
    const size_t count = ech_scale_ticks(scale, wanted, ticks);
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        length += (size_t)snprintf(joined + length, sizeof joined - length, "%s%s",
                                   i > 0 ? "|" : "", ticks[i].label);
    }
    cr_expect_str_eq(joined, expected, "got %s", joined);
}

Test(report_scale, linear_values_land_on_their_pixels)
{
    const ech_scale scale = fitted(ECH_SCALE_LINEAR, ECH_UNIT_PLAIN, 0.0, 10.0, false);
    cr_expect_float_eq(ech_scale_px(&scale, 0.0), 100.0, 1e-9);
    cr_expect_float_eq(ech_scale_px(&scale, 2.5), 150.0, 1e-9);
    cr_expect_float_eq(ech_scale_px(&scale, 10.0), 300.0, 1e-9);
    cr_expect_float_eq(ech_scale_px(&scale, 15.0), 400.0, 1e-9);
    const ech_scale shifted = fitted(ECH_SCALE_LINEAR, ECH_UNIT_PLAIN, 20.0, 40.0, false);
    cr_expect_float_eq(ech_scale_px(&shifted, 20.0), 100.0, 1e-9);
    cr_expect_float_eq(ech_scale_px(&shifted, 25.0), 150.0, 1e-9);
}

Test(report_scale, logarithms_put_factors_at_equal_distances)
{
    const ech_scale ten = fitted(ECH_SCALE_LOG10, ECH_UNIT_PLAIN, 0.01, 100.0, false);
    cr_expect_float_eq(ech_scale_px(&ten, 1.0), 200.0, 1e-9);
    cr_expect_float_eq(ech_scale_px(&ten, 0.1), 150.0, 1e-9);
    const ech_scale two = fitted(ECH_SCALE_LOG2, ECH_UNIT_COUNT, 1.0, 16.0, false);
    cr_expect_float_eq(ech_scale_px(&two, 2.0), 150.0, 1e-9);
    cr_expect_lt(ech_scale_px(&two, 0.0), 100.0);
}

Test(report_scale, domains_end_at_round_values_if_asked_to)
{
    const ech_scale scale = fitted(ECH_SCALE_LINEAR, ECH_UNIT_PLAIN, 0.13, 0.78, true);
    cr_expect_float_eq(scale.low, 0.0, 1e-12);
    cr_expect_float_eq(scale.high, 0.8, 1e-12);
    const ech_scale log = fitted(ECH_SCALE_LOG10, ECH_UNIT_SECONDS, 0.03, 8.0, true);
    cr_expect_float_eq(log.low, 0.01, 1e-12);
    cr_expect_float_eq(log.high, 10.0, 1e-9);
    const ech_scale exact = fitted(ECH_SCALE_LOG10, ECH_UNIT_SECONDS, 0.1, 100.0, true);
    cr_expect_float_eq(exact.low, 0.1, 1e-12);
    cr_expect_float_eq(exact.high, 100.0, 1e-9);
}

Test(report_scale, any_range_gives_a_usable_domain)
{
    const ech_range none = ech_range_empty();
    const ech_range ranges[] = {none,         {0.0, 0.0},  {5.0, 5.0},   {-3.0, -3.0},
                                {-2.0, -1.0}, {0.0, 10.0}, {1e-30, 1e30}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        for (int kind = ECH_SCALE_LINEAR; kind <= ECH_SCALE_LOG10; kind++) {
            for (int mode = 0; mode < 4; mode++) {
                ech_scale scale = {
                    .kind = (ech_scale_kind)kind, .whole = mode % 2 == 1, .to_px = 1.0};
                ech_scale_fit(&scale, ranges[i], mode / 2 == 1);
                ech_tick ticks[ECH_TICKS_MAX];
                cr_expect_lt(scale.low, scale.high, "range %zu kind %d", i, kind);
                cr_expect(kind == ECH_SCALE_LINEAR || scale.low > 0.0);
                cr_expect_leq(ech_scale_ticks(&scale, 6, ticks), ECH_TICKS_MAX);
            }
        }
    }
}

Test(report_scale, ticks_are_round_and_carry_their_unit)
{
    ech_scale scale = fitted(ECH_SCALE_LINEAR, ECH_UNIT_PLAIN, 0.0, 0.8, false);
    expect_labels(&scale, 5, "0|0.2|0.4|0.6|0.8");
    scale = fitted(ECH_SCALE_LINEAR, ECH_UNIT_SECONDS, 0.0, 0.0045, false);
    expect_labels(&scale, 5, "0|1 ms|2 ms|3 ms|4 ms");
    scale = fitted(ECH_SCALE_LINEAR, ECH_UNIT_SECONDS, 0.0, 1300.0, false);
    expect_labels(&scale, 5, "0|5 min|10 min|15 min|20 min");
    scale = fitted(ECH_SCALE_LINEAR, ECH_UNIT_BYTES, 0.0, 2.5e9, false);
    expect_labels(&scale, 5, "0|0.5 GB|1.0 GB|1.5 GB|2.0 GB|2.5 GB");
    scale = fitted(ECH_SCALE_LINEAR, ECH_UNIT_PERCENT, 0.0, 1.0, false);
    expect_labels(&scale, 5, "0|20 %|40 %|60 %|80 %|100 %");
    scale = fitted(ECH_SCALE_LINEAR, ECH_UNIT_COUNT, 0.0, 8000.0, false);
    expect_labels(&scale, 5, "0|2,000|4,000|6,000|8,000");
}

Test(report_scale, axes_of_whole_numbers_have_no_fractions)
{
    ech_scale scale = {.whole = true, .unit = ECH_UNIT_COUNT, .to_px = 100.0};
    ech_scale_fit(&scale, (ech_range){0.0, 3.0}, false);
    expect_labels(&scale, 8, "0|1|2|3");
}

Test(report_scale, logarithmic_ticks_thin_out_and_fill_in)
{
    ech_scale scale = fitted(ECH_SCALE_LOG2, ECH_UNIT_COUNT, 1.0, 2048.0, false);
    expect_labels(&scale, 12, "1|2|4|8|16|32|64|128|256|512|1,024|2,048");
    expect_labels(&scale, 6, "1|4|16|64|256|1,024");
    scale = fitted(ECH_SCALE_LOG10, ECH_UNIT_SECONDS, 1e-6, 1e3, false);
    expect_labels(&scale, 10, "1 µs|10 µs|100 µs|1 ms|10 ms|100 ms|1 s|10 s|100 s|1,000 s");
    scale = fitted(ECH_SCALE_LOG10, ECH_UNIT_SECONDS, 0.15, 3.0, false);
    expect_labels(&scale, 6, "200 ms|500 ms|1 s|2 s");
}

static void expect_value(ech_unit unit, double value, const char *expected)
{
    char text[ECH_VALUE_BYTES];
    ech_unit_write(unit, value, text);
    cr_expect_str_eq(text, expected, "%g became %s", value, text);
}

Test(report_scale, values_have_three_digits_and_a_unit)
{
    expect_value(ECH_UNIT_SECONDS, 0.0, "0");
    expect_value(ECH_UNIT_SECONDS, 4.2e-6, "4.20 µs");
    expect_value(ECH_UNIT_SECONDS, 0.001, "1.00 ms");
    expect_value(ECH_UNIT_SECONDS, 0.0123, "12.3 ms");
    expect_value(ECH_UNIT_SECONDS, 206.4, "206 s");
    expect_value(ECH_UNIT_SECONDS, 1343.0, "22.4 min");
    expect_value(ECH_UNIT_BYTES, 184549376.0, "185 MB");
    expect_value(ECH_UNIT_COUNT, 20000.0, "20,000");
    expect_value(ECH_UNIT_COUNT, 1234567.0, "1.23M");
    expect_value(ECH_UNIT_PERCENT, 0.1486, "14.9 %");
    expect_value(ECH_UNIT_PLAIN, 0.7731, "0.773");
    expect_value(ECH_UNIT_PLAIN, -12.0, "-12.0");
    expect_value(ECH_UNIT_PLAIN, NAN, "–");
}
