#include "apps/bench_kernels.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/peak.h"
#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"

enum { STEPS_MAX = 1 << 20, WARM_UP_STEPS = 3 };
static const uint64_t images_bytes_max = UINT64_C(64) << 20; /* enough to leave the caches */
static const uint64_t images_count_max = 8192;

/* What the hook between batches notes down. */
typedef struct {
    float *step_ms; /* STEPS_MAX */
    uint64_t steps, begin_ns, last_ns;
    uint64_t measured_ns;
} stopwatch;

typedef struct {
    const ech_bench_options *options;
    ech_learner *learner;
    ech_samples samples;
    uint8_t *images, *labels;
    uint32_t *indices;
    ech_state start, end;
    stopwatch watch;
} bench;

static void note_step(void *user)
{
    stopwatch *watch = user;
    const uint64_t now = ech_clock_ns();
    if (watch->last_ns != 0 && watch->steps < STEPS_MAX) {
        watch->step_ms[watch->steps++] = (float)((double)(now - watch->last_ns) * 1e-6);
        watch->measured_ns += now - watch->last_ns;
    }
    watch->last_ns = now;
}

static uint64_t image_count(const ech_bench_options *options)
{
    const uint64_t bytes = ech_shape_count(options->network->input);
    uint64_t count = images_bytes_max / bytes;
    count = count > images_count_max ? images_count_max : count;
    const uint64_t least = (uint64_t)(WARM_UP_STEPS + 1) * options->batch;
    count = count < least ? least : count;
    return count / options->batch * options->batch; /* whole batches only */
}

static ech_status make_samples(bench *b)
{
    const uint64_t count = image_count(b->options);
    const uint64_t bytes = count * ech_shape_count(b->options->network->input);
    b->images = ech_alloc((bytes + 7) / 8 * 8);
    b->labels = ech_alloc(count);
    b->indices = ech_calloc(count, sizeof *b->indices);
    if (b->images == NULL || b->labels == NULL || b->indices == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_random stream = ech_random_stream(1, ECH_RANDOM_TEST, 0, 0, 0);
    for (uint64_t i = 0; i < bytes; i += 8) {
        *(uint64_t *)(void *)(b->images + i) = ech_random_u64(&stream);
    }
    for (uint64_t i = 0; i < count; i++) {
        const uint32_t classes = b->options->network->classes;
        b->labels[i] = (uint8_t)ech_random_below(&stream, classes < 256 ? classes : 256);
        b->indices[i] = (uint32_t)i;
    }
    b->samples = (ech_samples){b->images, b->labels, 1, count};
    return ECH_OK;
}

static ech_status make_states(bench *b)
{
    const ech_layout *layout = b->options->network->layout;
    ech_state *const states[] = {&b->start, &b->end};
    for (int i = 0; i < 2; i++) {
        states[i]->values = ech_calloc(layout->value_count, sizeof *states[i]->values);
        states[i]->counters = ech_calloc(layout->counter_count, sizeof *states[i]->counters);
        if (states[i]->values == NULL || states[i]->counters == NULL) {
            return ECH_ERR_MEMORY;
        }
    }
    ech_network_initialise(b->options->network, 1, b->start);
    return ECH_OK;
}

static ech_status prepare(bench *b)
{
    ech_learner_options options = {
        .network = b->options->network,
        .batch = b->options->batch,
        .threads = b->options->threads,
        .engine = b->options->engine,
        .time_steps = true,
    };
    for (int c = 0; c < ECH_CHANNELS_MAX; c++) {
        options.normalisation.mean[c] = 0.5F;
        options.normalisation.std[c] = 0.5F;
    }
    ech_status status = ech_learner_create(&options, &b->learner);
    if (status == ECH_OK) {
        status = make_samples(b);
    }
    if (status == ECH_OK) {
        status = make_states(b);
    }
    if (status == ECH_OK) {
        b->watch.step_ms = ech_calloc(STEPS_MAX, sizeof *b->watch.step_ms);
        status = b->watch.step_ms != NULL ? ECH_OK : ECH_ERR_MEMORY;
    }
    return status;
}

/* One pass over `count` images; the first step of a pass is not measured. */
static ech_status run_pass(bench *b, uint64_t round, uint64_t count)
{
    const ech_training training = {
        .epochs = 1,
        .batch = b->options->batch,
        .optimizer = {.lr = 1e-4, .momentum = 0.9},
    };
    const ech_training_job job = {
        .seed = 1,
        .round = round,
        .samples = &b->samples,
        .indices = b->indices,
        .index_count = count,
        .training = &training,
        .start = {b->start.values, b->start.counters},
        .yield = note_step,
        .yield_user = &b->watch,
    };
    ech_training_result result;
    b->watch.last_ns = 0;
    return ech_learner_train(b->learner, &job, b->end, &result);
}

/* Images of the next pass: no more than the time that is left needs, at so much a step. The first
 * step is not measured. */
static uint64_t pass_images(const bench *b, double step_seconds)
{
    const double left = b->options->seconds - ech_clock_seconds(b->watch.measured_ns);
    const double batches = ceil(fmax(left, 0.0) / step_seconds) + 1.0;
    const double images = fmax(batches, 2.0) * b->options->batch;
    return images < (double)b->samples.count ? (uint64_t)images : b->samples.count;
}

static ech_status run(bench *b)
{
    ech_status status = run_pass(b, 1, (uint64_t)WARM_UP_STEPS * b->options->batch);
    const double step_seconds = (double)b->watch.step_ms[0] * 1e-3;
    b->watch.steps = 0;
    b->watch.measured_ns = 0;
    ech_learner_reset_times(b->learner);
    for (uint64_t round = 2; status == ECH_OK; round++) {
        status = run_pass(b, round, pass_images(b, step_seconds));
        if (ech_clock_seconds(b->watch.measured_ns) >= b->options->seconds ||
            b->watch.steps == STEPS_MAX) {
            break;
        }
    }
    return status;
}

static int ascending(const void *left, const void *right)
{
    const float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

/* Multiply-adds of one sample's training step: forward, the weights' gradient, and the input's
 * gradient where the layer is not the first. */
static double training_macs(const ech_network *network)
{
    double total = 0.0;
    for (uint32_t l = 0; l < network->layer_count; l++) {
        const ech_layer *layer = &network->layers[l];
        const double passes = layer->inputs[0] == ECH_VALUE_INPUT ? 2.0 : 3.0;
        total += passes * (double)ech_layer_forward_macs(layer);
    }
    return total;
}

static void summarise(bench *b, ech_bench_result *result)
{
    stopwatch *watch = &b->watch;
    qsort(watch->step_ms, watch->steps, sizeof *watch->step_ms, ascending);
    const double seconds = ech_clock_seconds(watch->measured_ns);
    result->steps = watch->steps;
    result->samples_per_second = (double)watch->steps * b->options->batch / seconds;
    result->step_ms = (double)watch->step_ms[watch->steps / 2];
    result->step_ms_low = (double)watch->step_ms[watch->steps / 10];
    result->step_ms_high = (double)watch->step_ms[watch->steps * 9 / 10];
    result->gflops = 2e-9 * training_macs(b->options->network) * result->samples_per_second;
    result->peak_rss_bytes = ech_memory_peak_rss_bytes();
    result->held_bytes = ech_memory_held_bytes();
    result->plan_bytes = ech_plan_memory_bytes(ech_learner_plan(b->learner));
}

static void report_steps(const bench *b, ech_bench_report *report, void *user)
{
    const ech_plan *plan = ech_learner_plan(b->learner);
    for (uint32_t s = 0; s < ech_plan_step_count(plan); s++) {
        ech_step_info info;
        ech_plan_step_info(plan, s, &info);
        const double calls = (double)info.calls * 1e6;
        report(&info, (double)info.forward_ns / calls, (double)info.backward_ns / calls, user);
    }
}

static void clean_up(bench *b)
{
    ech_learner_destroy(&b->learner);
    ech_free(b->images);
    ech_free(b->labels);
    ech_free(b->indices);
    ech_free(b->start.values);
    ech_free(b->start.counters);
    ech_free(b->end.values);
    ech_free(b->end.counters);
    ech_free(b->watch.step_ms);
}

ech_status ech_bench_kernels(const ech_bench_options *options, ech_bench_result *result,
                             ech_bench_report *report, void *user)
{
    bench b = {.options = options};
    *result = (ech_bench_result){0};
    ech_status status = prepare(&b);
    if (status == ECH_OK) {
        const ech_isa isa = ech_plan_isa(ech_learner_plan(b.learner));
        const double before = ech_peak_gflops(isa);
        status = run(&b);
        const double after = ech_peak_gflops(isa);
        result->peak_gflops = before > after ? before : after;
    }
    if (status == ECH_OK) {
        summarise(&b, result);
        report_steps(&b, report, user);
    }
    clean_up(&b);
    return status;
}
