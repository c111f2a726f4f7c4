#define _POSIX_C_SOURCE 200809L
#include "apps/plan/calibrate_rounds.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "apps/plan/memory_speed.h"
#include "apps/plan/round_samples.h"
#include "kernels/models.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"

enum {
    ROUNDS = 5,
    PASSES_MAX = 12,
    WORKERS_MOST = 512,
    RANK_WORKERS_MOST = 4,
    SET_BYTES = PATH_MAX + 32,
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

/* Where many ranks take long to start, what was measured once must do. Short rounds are measured
 * again as long as there is time; and all, for some longer, while the memory's speed changes. */
static const double again_seconds = 90.0;
static const double short_again_seconds = 60.0;
static const double most_seconds = 120.0;

typedef struct {
    const ech_short_runs *runs;
    const ech_subject *subject;
    const ech_round_manner *manner;
    double wanted; /* speed of the memory, bytes a second */
    ech_memory_probe *probe;
    const char *models[ECH_CALIBRATION_POINTS_MAX]; /* of the samples' points */
    ech_round_samples samples;
    uint64_t rank_bytes, host_bytes;
} rounds_work;

/* ---- the points ---- */

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

static void add_point(rounds_work *work, const char *model, uint64_t values, uint32_t workers)
{
    const uint32_t point = work->samples.point_count++;
    work->models[point] = model;
    work->samples.points[point].values = values;
    work->samples.points[point].workers = workers;
}

static ech_status list_points(rounds_work *work)
{
    ech_status status = ECH_OK;
    for (size_t m = 0; m < MODELS && status == ECH_OK; m++) {
        uint64_t values = 0;
        uint32_t before = 0;
        status = count_values(grid[m].model, &values);
        for (int i = 0; i < SIZES && grid[m].workers_a_rank[i] > 0; i++) {
            const uint32_t workers = workers_of(work->manner, grid[m].workers_a_rank[i]);
            if (workers > before) {
                add_point(work, grid[m].model, values, workers);
            }
            before = workers;
        }
    }
    return status;
}

/* ---- a sample ---- */

/* Where a transfer's store is, as the configuration says it; its number of texts. */
static size_t set_store(const ech_config *config, const char *transfer, char (*texts)[SET_BYTES])
{
    static const struct {
        const char *transfer;
        const char *key;
    } places[] = {{"redis", "redis.address"},
                  {"redis", "redis.ca"},
                  {"redis", "redis.certificate"},
                  {"redis", "redis.key"},
                  {"file", "transfer_folder"}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *place = ech_config_text(config, places[i].key);
        if (strcmp(places[i].transfer, transfer) == 0 && place != NULL) {
            snprintf(texts[count++], SET_BYTES, "%s=%s", places[i].key, place);
        }
    }
    return count;
}

static ech_status run_point(const rounds_work *work, uint32_t point, ech_short_result *result)
{
    static const char *const fixed[] = {"train.epochs=0",       "topology.kind=star",
                                        "strategy.name=fedavg", "evaluate.every=0",
                                        "checkpoint.every=0",   "checkpoint.keep=1"};
    enum { FIXED = sizeof fixed / sizeof *fixed };
    const ech_round_manner *manner = work->manner;
    char texts[ECH_SHORT_SETS_MAX][SET_BYTES];
    const char *sets[ECH_SHORT_SETS_MAX];
    size_t count = 0;
    snprintf(texts[count++], SET_BYTES, "model.name=%s", work->models[point]);
    snprintf(texts[count++], SET_BYTES, "topology.workers=%llu",
             (unsigned long long)work->samples.points[point].workers);
    snprintf(texts[count++], SET_BYTES, "rounds=%d", ROUNDS);
    snprintf(texts[count++], SET_BYTES, "workers_on=%s", manner->workers_on);
    snprintf(texts[count++], SET_BYTES, "leader=%s", manner->leader);
    snprintf(texts[count++], SET_BYTES, "transfer=%s", manner->transfer);
    count += set_store(work->subject->config, manner->transfer, &texts[count]);
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
static void note_memory(rounds_work *work, const ech_short_result *result)
{
    work->rank_bytes =
        result->rank_bytes > work->rank_bytes ? result->rank_bytes : work->rank_bytes;
    work->host_bytes =
        result->host_bytes > work->host_bytes ? result->host_bytes : work->host_bytes;
}

static ech_status sample_point(rounds_work *work, uint32_t point)
{
    ech_short_result result;
    const double before = ech_memory_speed(work->probe);
    const ech_status status = run_point(work, point, &result);
    if (status != ECH_OK) {
        return status;
    }
    if (result.round_count != ROUNDS) {
        return ech_fail(ECH_ERR_SYSTEM, "a short run recorded %u rounds, expected %d",
                        result.round_count, ROUNDS);
    }
    const ech_round_sample sample = {.before = before,
                                     .after = ech_memory_speed(work->probe),
                                     .rounds = result.rounds,
                                     .round_count = result.round_count,
                                     .start_seconds = result.start_seconds};
    ech_round_samples_add(&work->samples, point, &sample);
    if (point == 0) {
        note_memory(work, &result);
    }
    return ECH_OK;
}

/* ---- all of them ---- */

static ech_status sample_points(rounds_work *work, uint32_t pass, double seconds)
{
    ech_status status = ECH_OK;
    const ech_round_manner *manner = work->manner;
    ech_log(ECH_LOG_INFO,
            "calibration: rounds of %u ranks on %u host%s, transfer: %s, pass %u after %.0f s",
            manner->ranks, manner->hosts, manner->hosts > 1 ? "s" : "", manner->transfer, pass + 1,
            seconds);
    for (uint32_t i = 0; i < work->samples.point_count && status == ECH_OK; i++) {
        if (ech_round_samples_lack(&work->samples, i)) {
            status = sample_point(work, i);
        }
    }
    return status;
}

static uint32_t wanted_repeats(uint32_t passes)
{
    return passes < ECH_SAMPLE_REPEATS ? passes : ECH_SAMPLE_REPEATS;
}

static bool is_enough(const rounds_work *work, uint32_t passes, double seconds)
{
    if (!ech_round_samples_cover(&work->samples, wanted_repeats(passes))) {
        return passes == PASSES_MAX || seconds > most_seconds;
    }
    return passes >= ECH_SAMPLE_REPEATS_MAX ||
           seconds > (passes < ECH_SAMPLE_REPEATS ? again_seconds : short_again_seconds);
}

static const ech_calibration_rounds *nearest_speed(const ech_calibration_rounds *found,
                                                   uint32_t count, double speed)
{
    const ech_calibration_rounds *nearest = &found[0];
    for (uint32_t i = 1; i < count; i++) {
        if (ech_ratio_distance(found[i].bytes_per_second, speed) <
            ech_ratio_distance(nearest->bytes_per_second, speed)) {
            nearest = &found[i];
        }
    }
    return nearest;
}

/* A speed that did not last has the rounds of the nearest: it is not measured over and over. */
static ech_status keep_wanted(const ech_calibration_rounds *nearest, double wanted,
                              ech_calibration *calibration)
{
    if (ech_speeds_alike(nearest->bytes_per_second, wanted)) {
        return ECH_OK;
    }
    ech_calibration_rounds stand_in = *nearest;
    stand_in.bytes_per_second = wanted;
    return ech_calibration_keep_rounds(calibration, &stand_in);
}

static ech_status keep(rounds_work *work, uint32_t passes, ech_calibration *calibration)
{
    ech_calibration_rounds *found = ech_calloc(ECH_SAMPLE_SPEEDS_MAX, sizeof *found);
    if (found == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ECH_OK;
    const uint32_t count =
        ech_round_samples_conclude(&work->samples, wanted_repeats(passes), found);
    for (uint32_t i = 0; i < count && status == ECH_OK; i++) {
        found[i].manner = *work->manner;
        found[i].rank_bytes = work->rank_bytes;
        found[i].host_bytes = work->host_bytes;
        status = ech_calibration_keep_rounds(calibration, &found[i]);
    }
    if (status == ECH_OK) {
        status = keep_wanted(nearest_speed(found, count, work->wanted), work->wanted, calibration);
    }
    ech_free(found);
    return status;
}

static ech_status measure(rounds_work *work, ech_calibration *calibration)
{
    const uint64_t begin_ns = ech_clock_ns();
    ech_status status = list_points(work);
    uint32_t passes = 0;
    double seconds = 0.0;
    while (status == ECH_OK && (passes == 0 || !is_enough(work, passes, seconds))) {
        status = sample_points(work, passes++, seconds);
        seconds = ech_clock_seconds(ech_clock_ns() - begin_ns);
    }
    return status == ECH_OK ? keep(work, passes, calibration) : status;
}

ech_status ech_calibrate_rounds(const ech_short_runs *runs, const ech_subject *subject,
                                const ech_round_need *need, ech_calibration *calibration)
{
    rounds_work *work = ech_calloc(1, sizeof *work);
    if (work == NULL) {
        return ECH_ERR_MEMORY;
    }
    work->runs = runs;
    work->subject = subject;
    work->manner = &need->manner;
    work->wanted = need->bytes_per_second;
    ech_status status = ech_memory_speed_probe(work->manner, calibration->cores, &work->probe);
    if (status == ECH_OK) {
        status = measure(work, calibration);
    }
    ech_memory_probe_destroy(&work->probe);
    ech_free(work);
    return status;
}
