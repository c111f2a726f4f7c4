#define _POSIX_C_SOURCE 200809L
#include "apps/plan/calibrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/plan/short_run.h"
#include "kernels/models.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"

enum {
    ROUNDS = 5,
    REPEATS = 3,
    SHORT_REPEATS = 9,
    WORKERS_MOST = 512,
    RANK_WORKERS_MOST = 4,
    SET_BYTES = 128,
    NUMBER_BYTES = 24,
    SHAPE_BYTES = 3 * NUMBER_BYTES,
    KERNEL_SETTINGS = 8,
    ARGUMENTS_MAX = 2 * KERNEL_SETTINGS + 4,
};

/* Models from one that no cache notices to one that fits in none, with as many workers a rank, from
 * one on, as give a round that can be measured. The first few workers cost more than those behind
 * them: ranks are woken, and their caches filled. */
enum { SIZES = 5 };
static const struct {
    const char *model;
    uint32_t workers_a_rank[SIZES]; /* 0: no further size */
} grid[] = {{"tinynet", {1, 4, 16, 64, 256}},
            {"smallnet", {1, 4, 16, 64, 256}},
            {"squeezenet", {1, 4, 16, 64, 0}},
            {"resnet18", {1, 4, 16, 0, 0}}};

enum { MODELS = sizeof grid / sizeof *grid };

/* Where many ranks take long to start, what was measured once must do. Short rounds, which anything
 * else on the machine disturbs, are measured again as long as there is time. */
static const double again_seconds = 90.0;
static const double short_again_seconds = 60.0;
static const double short_round_seconds = 0.05;

/* ---- rounds ---- */

/* What is measured at one point, by repeat. */
typedef struct {
    const char *model;
    uint64_t values;
    uint32_t workers;
    ech_round_cost first[SHORT_REPEATS];
    ech_round_cost later[SHORT_REPEATS * (ROUNDS - 1)];
    double starts[SHORT_REPEATS];
    uint32_t repeats;
    uint32_t later_count;
} point_samples;

typedef struct {
    const ech_short_runs *runs;
    const ech_subject *subject;
    ech_calibration_rounds *out;
    point_samples points[SIZES * MODELS];
    uint32_t point_count;
} rounds_work;

static ech_status count_values(const char *model, uint64_t *values)
{
    ech_network *network = NULL;
    const ech_status status = ech_model_create(model, NULL, 0, &network);
    if (status == ECH_OK) {
        *values = network->layout->value_count;
    }
    ech_network_destroy(&network);
    return status;
}

/* A worker that has a rank of its own is one of few there. */
static uint32_t workers_of(const ech_round_manner *manner, uint32_t a_rank)
{
    const bool is_bound = strcmp(manner->workers_on, "rank") == 0;
    const uint32_t ranks = manner->hosts * manner->ranks;
    const uint32_t most = is_bound ? RANK_WORKERS_MOST : WORKERS_MOST / ranks;
    const uint32_t bound = most > 2 ? most : 2;
    return ranks * (a_rank < bound ? a_rank : bound);
}

static ech_status list_points(rounds_work *work)
{
    ech_status status = ECH_OK;
    for (size_t m = 0; m < MODELS && status == ECH_OK; m++) {
        uint64_t values = 0;
        uint32_t before = 0;
        status = count_values(grid[m].model, &values);
        for (int i = 0; i < SIZES && grid[m].workers_a_rank[i] > 0; i++) {
            const uint32_t workers = workers_of(&work->out->manner, grid[m].workers_a_rank[i]);
            if (workers > before) {
                work->points[work->point_count++] =
                    (point_samples){.model = grid[m].model, .values = values, .workers = workers};
            }
            before = workers;
        }
    }
    return status;
}

static ech_status run_point(const rounds_work *work, const point_samples *point,
                            ech_short_result *result)
{
    static const char *const fixed[] = {"train.epochs=0",       "topology.kind=star",
                                        "strategy.name=fedavg", "evaluate.every=0",
                                        "checkpoint.every=0",   "checkpoint.keep=1"};
    enum { FIXED = sizeof fixed / sizeof *fixed };
    const ech_round_manner *manner = &work->out->manner;
    char texts[ECH_SHORT_SETS_MAX][SET_BYTES];
    const char *sets[ECH_SHORT_SETS_MAX];
    const char *address = ech_config_text(work->subject->config, "redis.address");
    const char *folder = ech_config_text(work->subject->config, "transfer_folder");
    size_t count = 0;
    snprintf(texts[count++], SET_BYTES, "model.name=%s", point->model);
    snprintf(texts[count++], SET_BYTES, "topology.workers=%u", point->workers);
    snprintf(texts[count++], SET_BYTES, "rounds=%d", ROUNDS);
    snprintf(texts[count++], SET_BYTES, "workers_on=%s", manner->workers_on);
    snprintf(texts[count++], SET_BYTES, "leader=%s", manner->leader);
    snprintf(texts[count++], SET_BYTES, "transfer=%s", manner->transfer);
    if (strcmp(manner->transfer, "redis") == 0 && address != NULL) {
        snprintf(texts[count++], SET_BYTES, "redis.address=%.100s", address);
    } else if (strcmp(manner->transfer, "file") == 0 && folder != NULL) {
        snprintf(texts[count++], SET_BYTES, "transfer_folder=%.100s", folder);
    }
    for (size_t i = 0; i < count; i++) {
        sets[i] = texts[i];
    }
    for (size_t i = 0; i < FIXED; i++) {
        sets[count++] = fixed[i];
    }
    return ech_short_run_rounds(work->runs, manner, sets, count, result);
}

/* Of hardly a model: what is left is the program's and MPI's. Another job on the host shares the
 * libraries' pages, and makes a host's part of them smaller. */
static void note_memory(const ech_short_result *result, ech_calibration_rounds *out)
{
    out->rank_bytes = result->rank_bytes > out->rank_bytes ? result->rank_bytes : out->rank_bytes;
    out->host_bytes = result->host_bytes > out->host_bytes ? result->host_bytes : out->host_bytes;
}

static ech_status sample_point(rounds_work *work, point_samples *point)
{
    ech_short_result result;
    const ech_status status = run_point(work, point, &result);
    if (status != ECH_OK) {
        return status;
    }
    if (result.round_count != ROUNDS) {
        return ech_fail(ECH_ERR_SYSTEM, "a short run recorded %u rounds, expected %d",
                        result.round_count, ROUNDS);
    }
    point->first[point->repeats] = result.rounds[0];
    point->starts[point->repeats++] = result.start_seconds;
    for (uint32_t i = 1; i < result.round_count; i++) {
        point->later[point->later_count++] = result.rounds[i];
    }
    if (point == &work->points[0]) {
        note_memory(&result, work->out);
    }
    return ECH_OK;
}

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
static ech_calibration_point conclude_point(point_samples *point)
{
    qsort(point->first, point->repeats, sizeof *point->first, by_total);
    qsort(point->later, point->later_count, sizeof *point->later, by_total);
    qsort(point->starts, point->repeats, sizeof *point->starts, by_size);
    return (ech_calibration_point){
        .values = point->values,
        .workers = point->workers,
        .start_seconds = point->starts[point->repeats / 2],
        .first = point->first[point->repeats / 3],
        .later = point->later[point->later_count / 3],
    };
}

static ech_status read_number(const ech_yaml_node *node, const char *key, double *out)
{
    const ech_yaml_node *found = ech_yaml_find(node, key);
    return found != NULL ? ech_yaml_read_real(found, key, out)
                         : ech_yaml_fail(node, "%s: missing", key);
}

static ech_status measure_bandwidth(ech_calibration_rounds *out)
{
    char ranks[NUMBER_BYTES];
    snprintf(ranks, sizeof ranks, "%u", out->manner.ranks);
    const char *const arguments[] = {"bench",     "round",     "--json", "--model",
                                     "tinynet",   "--workers", ranks,    "--variant",
                                     "processes", "--rounds",  "1",      NULL};
    ech_yaml *document = NULL;
    ech_status status = ech_short_run_job(out->manner.ranks, arguments, &document);
    if (status == ECH_OK) {
        status = read_number(ech_yaml_root(document), "bytes_per_second", &out->bytes_per_second);
    }
    ech_yaml_destroy(&document);
    return status;
}

static bool is_short(const point_samples *point)
{
    bool found = false;
    for (uint32_t i = 0; i < point->repeats; i++) {
        found = found || ech_round_cost_total(&point->first[i]) < short_round_seconds;
    }
    return found;
}

/* All points, or those with short rounds. */
static ech_status sample_points(rounds_work *work, int repeat, double seconds)
{
    ech_status status = ECH_OK;
    const ech_round_manner *manner = &work->out->manner;
    ech_log(ECH_LOG_INFO,
            "calibration: rounds of %u ranks on %u host%s, transfer: %s, pass %d after %.0f s",
            manner->ranks, manner->hosts, manner->hosts > 1 ? "s" : "", manner->transfer,
            repeat + 1, seconds);
    for (uint32_t i = 0; i < work->point_count && status == ECH_OK; i++) {
        if (repeat < REPEATS || is_short(&work->points[i])) {
            status = sample_point(work, &work->points[i]);
        }
    }
    return status;
}

static ech_status measure_rounds(const ech_short_runs *runs, const ech_subject *subject,
                                 ech_calibration_rounds *out)
{
    rounds_work *work = ech_calloc(1, sizeof *work);
    if (work == NULL) {
        return ECH_ERR_MEMORY;
    }
    *work = (rounds_work){.runs = runs, .subject = subject, .out = out};
    ech_status status = list_points(work);
    if (status == ECH_OK) {
        status = measure_bandwidth(out);
    }
    const uint64_t begin_ns = ech_clock_ns();
    double seconds = 0.0;
    for (int repeat = 0; repeat < SHORT_REPEATS && status == ECH_OK; repeat++) {
        if (repeat > 0 && seconds > (repeat < REPEATS ? again_seconds : short_again_seconds)) {
            break;
        }
        status = sample_points(work, repeat, seconds);
        seconds = ech_clock_seconds(ech_clock_ns() - begin_ns);
    }
    for (uint32_t i = 0; i < work->point_count && status == ECH_OK; i++) {
        out->points[out->point_count++] = conclude_point(&work->points[i]);
    }
    ech_free(work);
    return status;
}

/* ---- kernels ---- */

/* Sums over the ranks. */
typedef struct {
    uint32_t batch;
    uint32_t ranks;
    double train_rate, forward_seconds;
    uint64_t own_bytes; /* of the largest rank, without what is held in counted blocks */
} kernel_samples;

static ech_status take_kernels(const ech_yaml_node *root, void *user)
{
    kernel_samples *all = user;
    const ech_yaml_node *layers = ech_yaml_find(root, "layers");
    double rate = 0.0;
    double peak_bytes = 0.0;
    double held_bytes = 0.0;
    ech_status status = read_number(root, "samples_per_second", &rate);
    if (status == ECH_OK) {
        status = read_number(root, "peak_rss_bytes", &peak_bytes);
    }
    if (status == ECH_OK) {
        status = read_number(root, "held_bytes", &held_bytes);
    }
    for (size_t i = 0; status == ECH_OK && i < ech_yaml_count(layers); i++) {
        double forward_ms = 0.0;
        status = read_number(ech_yaml_item(layers, i), "forward_ms", &forward_ms);
        all->forward_seconds += forward_ms * 1e-3;
    }
    const uint64_t own = peak_bytes > held_bytes ? (uint64_t)(peak_bytes - held_bytes) : 0;
    all->own_bytes = own > all->own_bytes ? own : all->own_bytes;
    all->train_rate += rate;
    all->ranks++;
    return status;
}

static ech_status run_kernels(const ech_short_runs *runs, uint32_t ranks,
                              const char *const *settings, kernel_samples *out)
{
    const char *arguments[ARGUMENTS_MAX] = {"bench", "kernels", "--json"};
    size_t count = 3;
    for (size_t i = 0; settings[i] != NULL; i++) {
        arguments[count++] = settings[i];
    }
    return ech_short_run_each(runs, ranks, arguments, take_kernels, out);
}

static int by_rate(const void *left, const void *right)
{
    const kernel_samples *a = left;
    const kernel_samples *b = right;
    return (a->train_rate > b->train_rate) - (a->train_rate < b->train_rate);
}

static void conclude_kernels(const kernel_samples *samples, uint64_t bare_bytes,
                             ech_calibration_kernels *out)
{
    out->train_rate = samples->train_rate / samples->ranks;
    out->evaluate_rate = out->manner.batch * samples->ranks / samples->forward_seconds;
    out->library_bytes = samples->own_bytes > bare_bytes ? samples->own_bytes - bare_bytes : 0;
}

static ech_status measure_kernels(const ech_short_runs *runs, const ech_subject *subject,
                                  ech_calibration_kernels *out)
{
    const ech_shape input = subject->network->input;
    const ech_fit_options *options = &subject->options;
    char shape[SHAPE_BYTES];
    char classes[NUMBER_BYTES];
    char batch[NUMBER_BYTES];
    char threads[NUMBER_BYTES];
    snprintf(shape, sizeof shape, "%u,%u,%u", input.channels, input.height, input.width);
    snprintf(classes, sizeof classes, "%u", subject->network->classes);
    snprintf(batch, sizeof batch, "%u", out->manner.batch);
    snprintf(threads, sizeof threads, "%u", out->manner.threads);
    const char *const settings[] = {
        "--model",   options->model.file != NULL ? options->model.file : options->model.name,
        "--input",   shape,
        "--classes", classes,
        "--batch",   batch,
        "--threads", threads,
        "--engine",  out->manner.engine,
        "--seconds", "1",
        NULL};
    static const char *const least[] = {"--model", "tinynet", "--seconds", "0.01", NULL};
    kernel_samples samples[REPEATS] = {{.ranks = 0}};
    kernel_samples bare = {.ranks = 0};
    ech_log(ECH_LOG_INFO, "calibration: kernels with batches of %u on %u ranks at once",
            out->manner.batch, out->manner.ranks);
    ech_status status = ECH_OK;
    for (int repeat = 0; repeat < REPEATS && status == ECH_OK; repeat++) {
        status = run_kernels(runs, out->manner.ranks, settings, &samples[repeat]);
    }
    if (status == ECH_OK) {
        status = run_kernels(runs, 1, least, &bare);
    }
    if (status == ECH_OK) {
        qsort(samples, REPEATS, sizeof *samples, by_rate);
        conclude_kernels(&samples[REPEATS / 2], bare.own_bytes, out);
    }
    return status;
}

/* ---- all ---- */

static ech_status calibrate_rounds(const ech_short_runs *runs, const ech_subject *subject,
                                   const ech_round_manner *manner, ech_calibration *calibration)
{
    ech_calibration_rounds *rounds = ech_calloc(1, sizeof *rounds);
    if (rounds == NULL) {
        return ECH_ERR_MEMORY;
    }
    rounds->manner = *manner;
    ech_status status = measure_rounds(runs, subject, rounds);
    if (status == ECH_OK) {
        status = ech_calibration_keep_rounds(calibration, rounds);
    }
    ech_free(rounds);
    return status;
}

static ech_status calibrate_kernels(const ech_short_runs *runs, const ech_subject *subject,
                                    const ech_kernels_manner *manner, ech_calibration *calibration)
{
    ech_calibration_kernels kernels = {.manner = *manner};
    const ech_status status = measure_kernels(runs, subject, &kernels);
    return status == ECH_OK ? ech_calibration_keep_kernels(calibration, &kernels) : status;
}

ech_status ech_calibrate(const ech_subject *subject, const ech_forecast_needs *needs, bool anew,
                         ech_calibration *calibration, bool *changed)
{
    ech_short_runs runs;
    *changed = false;
    ech_status status = ech_short_runs_begin(&runs);
    for (uint32_t i = 0; i < needs->rounds_count && status == ECH_OK; i++) {
        const ech_round_manner *manner = &needs->rounds[i];
        if (anew || ech_calibration_find_rounds(calibration, manner) == NULL) {
            status = calibrate_rounds(&runs, subject, manner, calibration);
            *changed = true;
        }
    }
    const bool has_kernels = ech_calibration_find_kernels(calibration, &needs->kernels) != NULL;
    if (status == ECH_OK && needs->trains && (anew || !has_kernels)) {
        status = calibrate_kernels(&runs, subject, &needs->kernels, calibration);
        *changed = true;
    }
    ech_short_runs_end(&runs);
    return status;
}
