#include "apps/plan/round_samples.h"

#include <stdlib.h>

static const double short_round_seconds = 0.05;

static void add_to_point(ech_point_samples *point, const ech_round_sample *sample)
{
    if (point->repeats == ECH_SAMPLE_REPEATS_MAX) {
        return;
    }
    point->first[point->repeats] = sample->rounds[0];
    point->starts[point->repeats++] = sample->start_seconds;
    for (uint32_t i = 1; i < sample->round_count; i++) {
        point->later[point->later_count++] = sample->rounds[i];
    }
}

static void add_to_speed(ech_speed_samples *speed, uint32_t point, const ech_round_sample *sample)
{
    const double more = (sample->before + sample->after) / 2.0 - speed->bytes_per_second;
    speed->bytes_per_second += more / ++speed->repeats;
    add_to_point(&speed->points[point], sample);
}

/* That of a sample; NULL: it changed, or there are too many. */
static ech_speed_samples *find_speed(ech_round_samples *samples, const ech_round_sample *sample)
{
    if (!ech_speeds_alike(sample->before, sample->after)) {
        return NULL;
    }
    const double speed = (sample->before + sample->after) / 2.0;
    for (uint32_t i = 0; i < samples->speed_count; i++) {
        if (ech_speeds_alike(samples->speeds[i].bytes_per_second, speed)) {
            return &samples->speeds[i];
        }
    }
    return samples->speed_count < ECH_SAMPLE_SPEEDS_MAX ? &samples->speeds[samples->speed_count++]
                                                        : NULL;
}

void ech_round_samples_add(ech_round_samples *samples, uint32_t point,
                           const ech_round_sample *sample)
{
    ech_speed_samples *speed = find_speed(samples, sample);
    add_to_speed(&samples->all, point, sample);
    if (speed != NULL) {
        add_to_speed(speed, point, sample);
    }
}

static bool is_short(const ech_point_samples *point)
{
    bool found = false;
    for (uint32_t i = 0; i < point->repeats; i++) {
        found = found || ech_round_cost_total(&point->first[i]) < short_round_seconds;
    }
    return found;
}

bool ech_round_samples_lack(const ech_round_samples *samples, uint32_t point)
{
    const ech_speed_samples *most = &samples->all;
    for (uint32_t i = 0; i < samples->speed_count; i++) {
        if (most == &samples->all || samples->speeds[i].repeats > most->repeats) {
            most = &samples->speeds[i];
        }
    }
    const ech_point_samples *own = &most->points[point];
    return own->repeats < (is_short(own) ? ECH_SAMPLE_REPEATS_MAX : ECH_SAMPLE_REPEATS);
}

static bool covers(const ech_round_samples *samples, const ech_speed_samples *speed,
                   uint32_t repeats)
{
    bool all = true;
    for (uint32_t i = 0; i < samples->point_count; i++) {
        all = all && speed->points[i].repeats >= repeats;
    }
    return all;
}

bool ech_round_samples_cover(const ech_round_samples *samples, uint32_t repeats)
{
    bool any = false;
    for (uint32_t i = 0; i < samples->speed_count; i++) {
        any = any || covers(samples, &samples->speeds[i], repeats);
    }
    return any;
}

/* ---- the end ---- */

static int by_total(const void *left, const void *right)
{
    const double a = ech_round_cost_total(left);
    const double b = ech_round_cost_total(right);
    return (a > b) - (a < b);
}

static int by_size(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* With its own parts, the round that a third of them are shorter than: of three the one in the
 * middle, of many a lower one, since what disturbs a round only makes it longer. */
static ech_calibration_point conclude_point(ech_point_samples *point)
{
    qsort(point->first, point->repeats, sizeof *point->first, by_total);
    qsort(point->later, point->later_count, sizeof *point->later, by_total);
    qsort(point->starts, point->repeats, sizeof *point->starts, by_size);
    return (ech_calibration_point){
        .start_seconds = point->starts[point->repeats / 2],
        .first = point->first[point->repeats / 3],
        .later = point->later[point->later_count / 3],
    };
}

static void conclude_speed(const ech_round_samples *samples, ech_speed_samples *speed,
                           ech_calibration_rounds *out)
{
    out->bytes_per_second = speed->bytes_per_second;
    out->point_count = samples->point_count;
    for (uint32_t i = 0; i < samples->point_count; i++) {
        out->points[i] = conclude_point(&speed->points[i]);
        out->points[i].values = samples->points[i].values;
        out->points[i].workers = samples->points[i].workers;
    }
}

uint32_t ech_round_samples_conclude(ech_round_samples *samples, uint32_t repeats,
                                    ech_calibration_rounds *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < samples->speed_count; i++) {
        if (covers(samples, &samples->speeds[i], repeats)) {
            conclude_speed(samples, &samples->speeds[i], &out[count++]);
        }
    }
    if (count == 0) {
        conclude_speed(samples, &samples->all, &out[count++]);
    }
    return count;
}
