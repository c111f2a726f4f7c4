/**
 * @file round_samples.h
 * Rounds as they are measured for a calibration, sorted by what the memory moved meanwhile. On a
 * virtual machine that changes in steps: whether its processors share a cache is up to its host,
 * and rounds of models that fit in that cache then change the other way. So each speed has samples
 * of its own.
 *
 * Not collective. Plain data.
 */
#ifndef ECH_APPS_PLAN_ROUND_SAMPLES_H
#define ECH_APPS_PLAN_ROUND_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "apps/plan/calibration.h"

enum {
    ECH_SAMPLE_REPEATS = 3, /* of each point */
    ECH_SAMPLE_REPEATS_MAX =
        9, /* of one with short rounds, which anything on the machine disturbs */
    ECH_SAMPLE_ROUNDS_MAX = 8,
    ECH_SAMPLE_SPEEDS_MAX = 4,
};

/** Of one point, by repeat. */
typedef struct {
    ech_round_cost first[ECH_SAMPLE_REPEATS_MAX];
    ech_round_cost later[ECH_SAMPLE_REPEATS_MAX * (ECH_SAMPLE_ROUNDS_MAX - 1)];
    double starts[ECH_SAMPLE_REPEATS_MAX];
    uint32_t repeats;
    uint32_t later_count;
} ech_point_samples;

/** Of all points, at one speed of the memory. */
typedef struct {
    double bytes_per_second; /* mean */
    uint32_t repeats;        /* of all points */
    ech_point_samples points[ECH_CALIBRATION_POINTS_MAX];
} ech_speed_samples;

/** Zero-initialise it, with the points' values and workers. */
typedef struct {
    struct {
        uint64_t values, workers;
    } points[ECH_CALIBRATION_POINTS_MAX];
    uint32_t point_count;
    ech_speed_samples all; /* at whatever speed */
    ech_speed_samples speeds[ECH_SAMPLE_SPEEDS_MAX];
    uint32_t speed_count;
} ech_round_samples;

/** A run: what the memory moved before and after it, and its rounds (2 to ECH_SAMPLE_ROUNDS_MAX).
 */
typedef struct {
    double before, after; /* bytes a second */
    const ech_round_cost *rounds;
    uint32_t round_count;
    double start_seconds;
} ech_round_sample;

/** One that saw the speed change counts only among all. */
void ech_round_samples_add(ech_round_samples *samples, uint32_t point,
                           const ech_round_sample *sample);

/** The speed with the most samples lacks some of this point: ECH_SAMPLE_REPEATS, or more of short
 *  rounds. */
bool ech_round_samples_lack(const ech_round_samples *samples, uint32_t point);

/** There is a speed with at least so many samples of every point. */
bool ech_round_samples_cover(const ech_round_samples *samples, uint32_t repeats);

/**
 * The costs of the points, for each speed with at least so many samples of every point; where there
 * is none, of all samples.
 *
 * @param out  ECH_SAMPLE_SPEEDS_MAX of them: points and speed are set.
 * @return how many.
 */
uint32_t ech_round_samples_conclude(ech_round_samples *samples, uint32_t repeats,
                                    ech_calibration_rounds *out);

#endif
