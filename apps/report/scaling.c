#include "apps/report/scaling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apps/report/buffer.h"
#include "runtime/base/memory.h"

/* One run as a point. */
typedef struct {
    const ech_run *run;
    char *label;
    double ranks;
    double workers;
    double x;
    double seconds;
    double error; /* of the prediction of the seconds; NaN */
    ech_prediction predicted;
} sample;

/* Wall seconds of a round, without the initial model's row: NaN if there was none. */
static double round_seconds(const ech_run *run)
{
    double sum = 0.0;
    size_t count = 0;
    for (size_t i = 0; i < run->round_count; i++) {
        if (run->rounds[i].round > 0 && isfinite(run->rounds[i].total_seconds)) {
            sum += run->rounds[i].total_seconds;
            count++;
        }
    }
    return count > 0 ? sum / (double)count : NAN;
}

static bool is_size(const char *key)
{
    return strcmp(key, "topology.workers") == 0 || strcmp(key, "seed") == 0;
}

/* What all runs of a curve have in common and other curves have not, as text. */
static ech_status make_label(const ech_runs *runs, const ech_run *run, const char *const *keys,
                             size_t key_count, bool with_workers, char **out)
{
    ech_buffer label = {0};
    ech_buffer_add(&label, "");
    for (size_t i = 0; i < key_count; i++) {
        if (ech_run_setting_is_place(keys[i]) || is_size(keys[i]) ||
            ech_runs_agree_on(runs, keys[i])) {
            continue;
        }
        ech_run_write_distinction(run, keys[i], &label);
    }
    if (with_workers) {
        ech_run_write_distinction(run, "topology.workers", &label);
    }
    *out = label.status == ECH_OK ? ech_strdup(label.length > 0 ? label.bytes : "Echelon") : NULL;
    ech_buffer_clear(&label);
    return *out != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

static ech_scaling_kind kind_of(const sample *samples, size_t count)
{
    bool ranks_vary = false;
    bool workers_vary = false;
    bool ratio_varies = false;
    for (size_t i = 1; i < count; i++) {
        ranks_vary = ranks_vary || samples[i].ranks != samples[0].ranks;
        workers_vary = workers_vary || samples[i].workers != samples[0].workers;
        ratio_varies = ratio_varies || samples[i].workers * samples[0].ranks !=
                                           samples[0].workers * samples[i].ranks;
    }
    if (ranks_vary) {
        return workers_vary && !ratio_varies ? ECH_SCALING_WEAK : ECH_SCALING_STRONG;
    }
    return workers_vary ? ECH_SCALING_POOLED : ECH_SCALING_NONE;
}

static int compare_samples(const void *left, const void *right)
{
    const sample *a = left;
    const sample *b = right;
    const int by_label = strcmp(a->label, b->label);
    if (by_label != 0) {
        return by_label;
    }
    if (a->x != b->x) {
        return a->x < b->x ? -1 : 1;
    }
    return a->seconds < b->seconds ? -1 : a->seconds > b->seconds ? 1 : 0;
}

bool ech_scaling_is_processes(const ech_run *run)
{
    return ech_run_setting_is(run, "workers_on", "rank") &&
           ech_run_number(ech_run_fact(run, "ranks"), NAN) == ech_run_workers(run);
}

static ech_status measured_runs(const ech_runs *runs, sample *samples, size_t *count)
{
    ech_status status = ECH_OK;
    *count = 0;
    for (size_t i = 0; i < runs->count && status == ECH_OK; i++) {
        const ech_run *run = &runs->items[i];
        sample found = {.run = run,
                        .ranks = ech_run_number(ech_run_fact(run, "ranks"), NAN),
                        .workers = ech_run_workers(run),
                        .seconds = round_seconds(run)};
        if (isfinite(found.seconds) && isfinite(found.ranks) && found.workers > 0.0) {
            status = ech_prediction_load(run->info->path, &found.predicted);
            found.error = found.predicted.round_seconds / found.seconds - 1.0;
            samples[(*count)++] = found;
        }
    }
    return status;
}

typedef struct {
    double sum;
    double count;
} mean;

/* What is not known of a run counts for nothing. */
static void add_to(mean *all, double value)
{
    if (isfinite(value)) {
        all->sum += value;
        all->count += 1.0;
    }
}

static double value_of(const mean *all)
{
    return all->count > 0.0 ? all->sum / all->count : NAN;
}

static void add_memory(const sample *samples, size_t begin, size_t end, ech_scaling_point *point)
{
    mean rank = {0};
    mean host = {0};
    for (size_t i = begin; i < end; i++) {
        add_to(&rank, ech_run_number(ech_run_fact(samples[i].run, "peak_rss_bytes"), NAN));
        add_to(&host, ech_run_number(ech_run_fact(samples[i].run, "host_pss_bytes"), NAN));
    }
    point->rank_bytes = value_of(&rank);
    point->host_bytes = value_of(&host);
}

static ech_prediction mean_prediction(const sample *samples, size_t begin, size_t end)
{
    mean seconds = {0};
    mean rank = {0};
    mean host = {0};
    mean rate = {0};
    mean worker = {0};
    for (size_t i = begin; i < end; i++) {
        const ech_prediction *one = &samples[i].predicted;
        add_to(&seconds, one->round_seconds);
        add_to(&rank, one->rank_bytes);
        add_to(&host, one->host_bytes);
        add_to(&rate, one->bytes_per_second);
        add_to(&worker, one->worker_seconds);
    }
    return (ech_prediction){.round_seconds = value_of(&seconds),
                            .rank_bytes = value_of(&rank),
                            .host_bytes = value_of(&host),
                            .bytes_per_second = value_of(&rate),
                            .worker_seconds = value_of(&worker)};
}

/* What is not known comes last. */
static int by_error(const void *left, const void *right)
{
    const double a = ((const sample *)left)->error;
    const double b = ((const sample *)right)->error;
    return isfinite(a) && isfinite(b) ? (a > b) - (a < b) : isfinite(b) - isfinite(a);
}

/* Each repeat has a plan of its own: a machine that is faster by then is so for both. */
static double middle_error(sample *samples, size_t begin, size_t end)
{
    size_t count = 0;
    qsort(samples + begin, end - begin, sizeof *samples, by_error);
    while (begin + count < end && isfinite(samples[begin + count].error)) {
        count++;
    }
    const sample *known = samples + begin;
    if (count == 0) {
        return NAN;
    }
    return count % 2 == 1 ? known[count / 2].error
                          : (known[count / 2 - 1].error + known[count / 2].error) / 2.0;
}

/* The samples [begin, end) repeat one size, and ascend in seconds; now in their errors. */
static ech_scaling_point point_of(sample *samples, size_t begin, size_t end)
{
    const size_t middle = begin + (end - begin) / 2;
    const bool even = (end - begin) % 2 == 0;
    ech_scaling_point point = {.x = samples[begin].x,
                               .least = samples[begin].seconds,
                               .most = samples[end - 1].seconds,
                               .repeats = end - begin};
    point.seconds = even ? (samples[middle - 1].seconds + samples[middle].seconds) / 2.0
                         : samples[middle].seconds;
    for (size_t i = begin; i < end; i++) {
        const ech_run *run = samples[i].run;
        const double rounds = (double)run->rounds[run->round_count - 1].round;
        for (int p = 0; p < ECH_PHASE_COUNT; p++) {
            const double share = p == ECH_PHASE_START ? 1.0 : 1.0 / fmax(rounds, 1.0);
            point.phases[p] += ech_phase_of_run(run, (ech_phase)p) * share / (double)(end - begin);
        }
    }
    add_memory(samples, begin, end, &point);
    point.predicted = mean_prediction(samples, begin, end);
    point.seconds_error = middle_error(samples, begin, end);
    return point;
}

static ech_status add_curve(ech_scaling *out, sample *samples, size_t begin, size_t end)
{
    ech_scaling_curve *curve = &out->curves[out->count];
    curve->points = ech_calloc(end - begin, sizeof *curve->points);
    curve->label = ech_strdup(samples[begin].label);
    curve->run = samples[begin].run;
    curve->number = out->count++;
    if (curve->points == NULL || curve->label == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t first = begin; first < end;) {
        size_t last = first + 1;
        while (last < end && samples[last].x == samples[first].x) {
            last++;
        }
        curve->points[curve->count++] = point_of(samples, first, last);
        first = last;
    }
    return ECH_OK;
}

static ech_status add_curves(ech_scaling *out, sample *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, compare_samples);
    out->curves = ech_calloc(count, sizeof *out->curves);
    ech_status status = out->curves != NULL ? ECH_OK : ECH_ERR_MEMORY;
    for (size_t begin = 0; begin < count && status == ECH_OK;) {
        size_t end = begin + 1;
        while (end < count && strcmp(samples[end].label, samples[begin].label) == 0) {
            end++;
        }
        status = add_curve(out, samples, begin, end);
        begin = end;
    }
    return status;
}

static ech_status label_samples(const ech_runs *runs, ech_scaling_kind kind, sample *samples,
                                size_t count)
{
    const char **keys = NULL;
    size_t key_count = 0;
    ech_status status = ech_runs_keys(runs, &keys, &key_count);
    bool workers_vary = false;
    for (size_t i = 0; i < count; i++) {
        workers_vary = workers_vary || samples[i].workers != samples[0].workers;
    }
    const bool by_ranks = kind == ECH_SCALING_STRONG;
    for (size_t i = 0; i < count && status == ECH_OK; i++) {
        samples[i].x = by_ranks ? samples[i].ranks : samples[i].workers;
        status = make_label(runs, samples[i].run, keys, key_count, by_ranks && workers_vary,
                            &samples[i].label);
    }
    ech_free(keys);
    return status;
}

/* Runs may differ in size without one that is repeated in another: then there is no curve. */
static bool has_a_curve(const ech_scaling *scaling)
{
    for (size_t i = 0; i < scaling->count; i++) {
        if (scaling->curves[i].count > 1) {
            return true;
        }
    }
    return false;
}

ech_status ech_scaling_create(const ech_runs *runs, ech_scaling *out)
{
    *out = (ech_scaling){0};
    sample *samples = ech_calloc(runs->count, sizeof *samples);
    if (samples == NULL) {
        return ECH_ERR_MEMORY;
    }
    size_t count = 0;
    ech_status status = measured_runs(runs, samples, &count);
    const ech_scaling_kind kind =
        status == ECH_OK && count > 1 ? kind_of(samples, count) : ECH_SCALING_NONE;
    if (kind != ECH_SCALING_NONE) {
        out->kind = kind;
        status = label_samples(runs, kind, samples, count);
        status = status == ECH_OK ? add_curves(out, samples, count) : status;
    }
    if (status == ECH_OK && !has_a_curve(out)) {
        ech_scaling_free(out);
    }
    for (size_t i = 0; i < count; i++) {
        ech_free(samples[i].label);
    }
    ech_free(samples);
    return status;
}

void ech_scaling_free(ech_scaling *scaling)
{
    for (size_t i = 0; i < scaling->count; i++) {
        ech_free(scaling->curves[i].label);
        ech_free(scaling->curves[i].points);
    }
    ech_free(scaling->curves);
    *scaling = (ech_scaling){0};
}

const char *ech_scaling_x_title(const ech_scaling *scaling)
{
    return scaling->kind == ECH_SCALING_STRONG ? "ranks" : "workers";
}

double ech_scaling_ideal(ech_scaling_kind kind, const ech_scaling_curve *curve, size_t at)
{
    const double first = curve->points[0].seconds;
    const double growth = curve->points[at].x / curve->points[0].x;
    switch (kind) {
    case ECH_SCALING_STRONG:
        return first / growth;
    case ECH_SCALING_POOLED:
        return first * growth;
    case ECH_SCALING_WEAK:
    case ECH_SCALING_NONE:
        break;
    }
    return first;
}

double ech_scaling_efficiency(ech_scaling_kind kind, const ech_scaling_curve *curve, size_t at)
{
    return ech_scaling_ideal(kind, curve, at) / curve->points[at].seconds;
}

double ech_scaling_speedup(ech_scaling_kind kind, const ech_scaling_curve *curve, size_t at)
{
    return ech_scaling_efficiency(kind, curve, at) * curve->points[at].x / curve->points[0].x;
}
