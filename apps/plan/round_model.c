#include "apps/plan/round_model.h"

#include <math.h>

/* The line through a model's points, over the workers. */
typedef struct {
    uint64_t values;
    ech_round_cost fixed, worker;
} line;

static const ech_round_cost *cost_of(const ech_calibration_point *point, ech_round_turn turn)
{
    return turn == ECH_ROUND_FIRST ? &point->first : &point->later;
}

static line line_between(const ech_calibration_point *few, const ech_calibration_point *many,
                         ech_round_turn turn)
{
    line out = {.values = few->values};
    const ech_round_cost *low = cost_of(few, turn);
    const ech_round_cost *high = cost_of(many, turn);
    const double workers = (double)few->workers;
    const double more = (double)many->workers - workers;
    for (int part = 0; part < ECH_ROUND_PARTS; part++) {
        const double least = low->seconds[part];
        const double slope = more > 0.0 ? (high->seconds[part] - least) / more : least / workers;
        out.worker.seconds[part] = slope;
        out.fixed.seconds[part] = more > 0.0 ? least - slope * workers : 0.0;
    }
    return out;
}

/* The next model by size; 0 after the last. */
static uint64_t next_values(const ech_calibration_rounds *rounds, uint64_t below)
{
    uint64_t next = 0;
    for (uint32_t i = 0; i < rounds->point_count; i++) {
        const uint64_t values = rounds->points[i].values;
        if (values > below && (next == 0 || values < next)) {
            next = values;
        }
    }
    return next;
}

static double distance(const ech_calibration_point *point, double workers)
{
    return fabs(log((double)point->workers / workers));
}

/* The point of a model that is nearest to so many workers: of those with at most as many (side -1),
 * with more (1), or with any number but `but` (0). */
static const ech_calibration_point *nearest(const ech_calibration_rounds *rounds, uint64_t values,
                                            double workers, int side, uint64_t but)
{
    const ech_calibration_point *found = NULL;
    for (uint32_t i = 0; i < rounds->point_count; i++) {
        const ech_calibration_point *point = &rounds->points[i];
        const bool is_more = (double)point->workers > workers;
        const bool is_there = side == 0 ? point->workers != but : is_more == (side > 0);
        if (point->values == values && is_there &&
            (found == NULL || distance(point, workers) < distance(found, workers))) {
            found = point;
        }
    }
    return found;
}

static line line_around(const ech_calibration_rounds *rounds, uint64_t values, double workers,
                        ech_round_turn turn)
{
    const ech_calibration_point *few = nearest(rounds, values, workers, -1, 0);
    const ech_calibration_point *many = nearest(rounds, values, workers, 1, 0);
    if (few == NULL && many != NULL) {
        few = nearest(rounds, values, workers, 0, many->workers);
    } else if (many == NULL && few != NULL) {
        many = nearest(rounds, values, workers, 0, few->workers);
    }
    few = few != NULL ? few : many; /* of one point alone */
    many = many != NULL ? many : few;
    if (few == NULL || many == NULL) {
        return (line){.values = values};
    }
    return few->workers < many->workers ? line_between(few, many, turn)
                                        : line_between(many, few, turn);
}

static uint32_t list_lines(const ech_calibration_rounds *rounds, ech_round_turn turn,
                           double workers, line lines[ECH_ROUND_KNOTS_MAX])
{
    uint32_t count = 0;
    for (uint64_t values = next_values(rounds, 0); values > 0;
         values = next_values(rounds, values)) {
        lines[count++] = line_around(rounds, values, workers, turn);
    }
    return count;
}

static ech_round_cost cost_a_value(const ech_round_cost *cost, const ech_round_cost *base,
                                   uint64_t more_values)
{
    ech_round_cost out;
    for (int part = 0; part < ECH_ROUND_PARTS; part++) {
        out.seconds[part] = (cost->seconds[part] - base->seconds[part]) / (double)more_values;
    }
    return out;
}

/* From the smallest and the largest model, whose pages are made. */
static void fit_start(const ech_calibration_rounds *rounds, ech_round_model *out)
{
    const ech_calibration_point *small = &rounds->points[0];
    const ech_calibration_point *large = small;
    for (uint32_t i = 1; i < rounds->point_count; i++) {
        const ech_calibration_point *point = &rounds->points[i];
        small = point->values < small->values ? point : small;
        large = point->values > large->values ? point : large;
    }
    out->start_latency = small->start_seconds;
    if (large->values > small->values) {
        const double more = (double)(large->values - small->values);
        out->start_value = fmax(0.0, (large->start_seconds - small->start_seconds) / more);
    }
}

void ech_round_model_fit(const ech_calibration_rounds *rounds, ech_round_turn turn, double workers,
                         ech_round_model *out)
{
    line lines[ECH_ROUND_KNOTS_MAX];
    *out = (ech_round_model){.knot_count = 0};
    const uint32_t count = list_lines(rounds, turn, workers, lines);
    if (count == 0) {
        return;
    }
    out->latency = lines[0].fixed;
    out->task = lines[0].worker;
    out->least_values = lines[0].values;
    for (uint32_t i = 1; i < count; i++) {
        const uint64_t more = lines[i].values - out->least_values;
        out->knots[out->knot_count++] = (ech_round_knot){
            .values = lines[i].values,
            .finish = cost_a_value(&lines[i].fixed, &out->latency, more),
            .move = cost_a_value(&lines[i].worker, &out->task, more),
        };
    }
    fit_start(rounds, out);
}

/* ---- reading it ---- */

/* Where a model lies between two knots: `*share` of the way from the first to the second. */
static void find_knots(const ech_round_model *model, double values, uint32_t *low, uint32_t *high,
                       double *share)
{
    *high = 0;
    while (*high < model->knot_count && (double)model->knots[*high].values < values) {
        (*high)++;
    }
    *low = *high > 0 ? *high - 1 : 0;
    *high = *high < model->knot_count ? *high : model->knot_count - 1;
    *share = 0.0;
    if (*high > *low) {
        const double from = log((double)model->knots[*low].values);
        *share = (log(values) - from) / (log((double)model->knots[*high].values) - from);
    }
}

static ech_round_cost cost_between(const ech_round_cost *base, const ech_round_cost *low,
                                   const ech_round_cost *high, double share, double more_values)
{
    ech_round_cost out;
    for (int part = 0; part < ECH_ROUND_PARTS; part++) {
        const double value_cost =
            low->seconds[part] + share * (high->seconds[part] - low->seconds[part]);
        out.seconds[part] = base->seconds[part] + more_values * value_cost;
    }
    return out;
}

ech_round_cost ech_round_model_fixed(const ech_round_model *model, double values)
{
    uint32_t low = 0;
    uint32_t high = 0;
    double share = 0.0;
    if (model->knot_count == 0) {
        return model->latency;
    }
    find_knots(model, values, &low, &high, &share);
    return cost_between(&model->latency, &model->knots[low].finish, &model->knots[high].finish,
                        share, values - (double)model->least_values);
}

ech_round_cost ech_round_model_worker(const ech_round_model *model, double values)
{
    uint32_t low = 0;
    uint32_t high = 0;
    double share = 0.0;
    if (model->knot_count == 0) {
        return model->task;
    }
    find_knots(model, values, &low, &high, &share);
    return cost_between(&model->task, &model->knots[low].move, &model->knots[high].move, share,
                        values - (double)model->least_values);
}
