#include "runtime/fed/pace.h"

#include <math.h>

#include "runtime/base/memory.h"
#include "runtime/base/random.h"

enum { OF_THE_WORKER = 0 /* the round of a worker's own draws; rounds begin with 1 */ };

typedef struct {
    double speed;
    uint64_t transfer_ns;
} worker_pace;

struct ech_pace {
    ech_pace_options options;
    ech_pace_work work;
    worker_pace workers[];
};

static ech_status read_own(const ech_topology *topology, uint32_t node, const char *key, bool above,
                           double *value)
{
    const ech_yaml_node *own = ech_topology_extra(topology, node, key);
    if (own == NULL) {
        return ECH_OK;
    }
    const char *expected = above ? "a number above 0" : "a number of at least 0";
    const ech_status status = ech_yaml_read_real(own, expected, value);
    if (status == ECH_OK && (*value < 0.0 || (above && *value == 0.0))) {
        return ech_yaml_fail(own, "%s: expected %s, got %g", key, expected, *value);
    }
    return status;
}

static double draw_speed(const ech_pace *pace, uint32_t worker)
{
    const ech_pace_options *options = &pace->options;
    ech_random stream =
        ech_random_stream(pace->work.seed, ECH_RANDOM_CLOCK, OF_THE_WORKER, worker, 0);
    const double slowdown =
        ech_random_uniform(&stream) < options->straggler_share ? options->straggler_slowdown : 1.0;
    const double speed =
        options->speed_sigma > 0.0 ? ech_random_log_normal(&stream, options->speed_sigma) : 1.0;
    return speed / slowdown;
}

static ech_status fill_worker(ech_pace *pace, uint32_t worker)
{
    const ech_topology *topology = pace->work.topology;
    const uint32_t node = ech_topology_worker_node(topology, worker);
    double speed = draw_speed(pace, worker);
    double bandwidth = pace->options.bandwidth;
    double latency = pace->options.latency;
    ech_status status = read_own(topology, node, "speed", true, &speed);
    if (status == ECH_OK) {
        status = read_own(topology, node, "bandwidth", false, &bandwidth);
    }
    if (status == ECH_OK) {
        status = read_own(topology, node, "latency", false, &latency);
    }
    const double moving = bandwidth > 0.0 ? (double)pace->work.model_bytes / bandwidth : 0.0;
    pace->workers[worker] = (worker_pace){
        .speed = speed,
        .transfer_ns = (uint64_t)llround((latency + moving) * 1e9),
    };
    return status;
}

ech_status ech_pace_create(const ech_pace_options *options, const ech_pace_work *work,
                           ech_pace **out)
{
    const uint32_t count = ech_topology_worker_count(work->topology);
    *out = ech_calloc(1, sizeof **out + count * sizeof(worker_pace));
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->options = *options;
    (*out)->work = *work;
    ech_status status = ECH_OK;
    for (uint32_t worker = 0; worker < count && status == ECH_OK; worker++) {
        status = fill_worker(*out, worker);
    }
    if (status != ECH_OK) {
        ech_pace_destroy(out);
    }
    return status;
}

void ech_pace_destroy(ech_pace **pace)
{
    if (pace != NULL && *pace != NULL) {
        ech_free(*pace);
        *pace = NULL;
    }
}

static uint64_t training_ns(const ech_pace *pace, uint32_t worker, uint64_t round)
{
    const ech_pace_options *options = &pace->options;
    const double passes =
        (double)ech_population_samples(pace->work.population, worker) * (double)pace->work.epochs;
    double factor = 1.0;
    if (options->jitter > 0.0) {
        ech_random stream = ech_random_stream(pace->work.seed, ECH_RANDOM_CLOCK, round, worker, 0);
        factor += options->jitter * (2.0 * ech_random_uniform(&stream) - 1.0);
    }
    return (uint64_t)llround(passes * options->sample_seconds / pace->workers[worker].speed *
                             factor * 1e9);
}

static uint64_t work(const ech_pace *pace, uint32_t worker, uint64_t time_ns, uint64_t work_ns)
{
    return time_ns == ECH_TIME_NEVER
               ? ECH_TIME_NEVER
               : ech_availability_work(pace->work.availability, worker, time_ns, work_ns);
}

ech_turn ech_pace_turn(const ech_pace *pace, uint32_t worker, uint64_t round, uint64_t start_ns)
{
    const uint64_t transfer_ns = pace->workers[worker].transfer_ns;
    ech_turn turn = {.train_start_ns = work(pace, worker, start_ns, transfer_ns)};
    turn.train_end_ns = work(pace, worker, turn.train_start_ns, training_ns(pace, worker, round));
    turn.arrival_ns = work(pace, worker, turn.train_end_ns, transfer_ns);
    return turn;
}

uint64_t ech_pace_next_on(const ech_pace *pace, uint32_t worker, uint64_t time_ns)
{
    return ech_availability_next_on(pace->work.availability, worker, time_ns);
}
