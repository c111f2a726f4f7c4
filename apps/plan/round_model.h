/**
 * @file round_model.h
 * The time of a round without training as a function of the model's values and the workers: LogGP's
 * latency, overhead a message and gap a byte (Alexandrov et al., SPAA 1995), for a federation's
 * rounds and read from measured points.
 *
 *     seconds(P, W) = latency + P * finish(P) + W * (task + P * move(P))
 *
 * for P values more than the smallest model that was measured has, which is hardly one. `latency`
 * is of a round, `task` of a worker's task, `finish` of what is done once a round to each value
 * (the mean, the update), `move` of what is done to each value for each worker (the copy out, the
 * exact sum in). The two costs a value depend on whether a model fits in the caches: between the
 * measured models they are interpolated by the logarithm of P, and beyond them constant. Each part
 * of a round has such a set of its own.
 *
 * Not collective. Pure.
 */
#ifndef ECH_APPS_PLAN_ROUND_MODEL_H
#define ECH_APPS_PLAN_ROUND_MODEL_H

#include "apps/plan/calibration.h"

enum { ECH_ROUND_KNOTS_MAX = ECH_CALIBRATION_POINTS_MAX };

/** Costs of one value in a model of so many, in seconds. */
typedef struct {
    uint64_t values;
    ech_round_cost finish, move;
} ech_round_knot;

typedef struct {
    uint64_t least_values; /* of the model whose values count for nothing */
    ech_round_cost latency, task;
    ech_round_knot knots[ECH_ROUND_KNOTS_MAX]; /* ascending values */
    uint32_t knot_count;
    double start_latency; /* seconds until the first round, whatever the model */
    double start_value;   /* and for each value of it */
} ech_round_model;

typedef enum { ECH_ROUND_FIRST, ECH_ROUND_LATER } ech_round_turn;

/**
 * Read it from the points of a calibration, for rounds of about so many workers: of each model the
 * two numbers of workers around it, or the two nearest on one side. A model that was measured with
 * one number of workers only says nothing of others: its whole cost goes to the workers.
 */
void ech_round_model_fit(const ech_calibration_rounds *rounds, ech_round_turn turn, double workers,
                         ech_round_model *out);

/** What a round costs whatever its workers, and what each of them adds. */
ech_round_cost ech_round_model_fixed(const ech_round_model *model, double values);
ech_round_cost ech_round_model_worker(const ech_round_model *model, double values);

#endif
