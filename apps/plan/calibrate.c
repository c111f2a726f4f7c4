#define _POSIX_C_SOURCE 200809L
#include "apps/plan/calibrate.h"

#include <stdio.h>
#include <stdlib.h>

#include "apps/plan/calibrate_rounds.h"
#include "apps/plan/memory_speed.h"
#include "apps/plan/short_run.h"
#include "runtime/base/log.h"

enum {
    REPEATS = 3,
    NUMBER_BYTES = 24,
    SHAPE_BYTES = 3 * NUMBER_BYTES,
    KERNEL_SETTINGS = 8,
    ARGUMENTS_MAX = 2 * KERNEL_SETTINGS + 4,
};

/* ---- kernels ---- */

/* Sums over the ranks. */
typedef struct {
    uint32_t batch;
    uint32_t ranks;
    double train_rate, forward_seconds;
    uint64_t own_bytes; /* of the largest rank, without what is held in counted blocks */
} kernel_samples;

static ech_status read_number(const ech_yaml_node *node, const char *key, double *out)
{
    const ech_yaml_node *found = ech_yaml_find(node, key);
    return found != NULL ? ech_yaml_read_real(found, key, out)
                         : ech_yaml_fail(node, "%s: missing", key);
}

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

static ech_status calibrate_kernels(const ech_short_runs *runs, const ech_subject *subject,
                                    const ech_kernels_manner *manner, ech_calibration *calibration)
{
    ech_calibration_kernels kernels = {.manner = *manner};
    const ech_status status = measure_kernels(runs, subject, &kernels);
    return status == ECH_OK ? ech_calibration_keep_kernels(calibration, &kernels) : status;
}

/* Rounds at the speed that the memory has now, and whatever speed it has while they are measured.
 */
static ech_status calibrate_need(const ech_short_runs *runs, const ech_subject *subject,
                                 ech_round_need *need, bool anew, ech_calibration *calibration,
                                 bool *changed)
{
    const uint32_t cores = calibration->cores;
    ech_status status = ech_memory_speed_steady(&need->manner, cores, &need->bytes_per_second);
    if (status != ECH_OK ||
        (!anew &&
         ech_calibration_find_rounds(calibration, &need->manner, need->bytes_per_second) != NULL)) {
        return status;
    }
    *changed = true;
    if (anew) {
        ech_calibration_drop_rounds(calibration, &need->manner);
    }
    status = ech_calibrate_rounds(runs, subject, need, calibration);
    return status == ECH_OK ? ech_memory_speed_steady(&need->manner, cores, &need->bytes_per_second)
                            : status;
}

ech_status ech_calibrate(const ech_subject *subject, ech_forecast_needs *needs, bool anew,
                         ech_calibration *calibration, bool *changed)
{
    ech_short_runs runs;
    *changed = false;
    ech_status status = ech_short_runs_begin(&runs);
    for (uint32_t i = 0; i < needs->rounds_count && status == ECH_OK; i++) {
        status = calibrate_need(&runs, subject, &needs->rounds[i], anew, calibration, changed);
    }
    const bool has_kernels = ech_calibration_find_kernels(calibration, &needs->kernels) != NULL;
    if (status == ECH_OK && needs->trains && (anew || !has_kernels)) {
        status = calibrate_kernels(&runs, subject, &needs->kernels, calibration);
        *changed = true;
    }
    ech_short_runs_end(&runs);
    return status;
}
