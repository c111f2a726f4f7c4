/* A plan for people, and as JSON. */
#include <math.h>

#include "apps/memory_probe.h"
#include "apps/plan/job_plan.h"
#include "apps/plan/round_model.h"
#include "runtime/base/json.h"

enum { HOSTS_SHOWN = 16 };

static const double mib = 1048576.0;

static const char *model_name(const ech_subject *subject)
{
    return subject->options.model.name != NULL ? subject->options.model.name
                                               : subject->options.model.file;
}

/* Aggregators that are placed on a host. */
static uint32_t count_aggregators(const ech_subject *subject, uint32_t host)
{
    const ech_topology *topology = subject->tree.topology;
    uint32_t count = 0;
    for (uint32_t node = 0; node < ech_topology_node_count(topology); node++) {
        count += ech_topology_node(topology, node)->kind == ECH_NODE_AGGREGATOR &&
                 ech_placement_node_host(subject->tree.placement, node) == host;
    }
    return count;
}

/* ---- for people ---- */

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void print_head(const ech_job_plan *plan)
{
    const ech_subject *subject = plan->subject;
    const uint32_t workers = ech_topology_worker_count(subject->tree.topology);
    const uint32_t ranks = subject->hosts * subject->ranks_per_host;
    const uint64_t rounds = subject->options.rounds;
    printf("%s: %s, %llu values; %u worker%s on %u rank%s of %u host%s, %llu round%s\n\n",
           subject->options.name, model_name(subject),
           (unsigned long long)subject->network->layout->value_count, workers, plural(workers),
           ranks, plural(ranks), subject->hosts, plural(subject->hosts), (unsigned long long)rounds,
           plural(rounds));
}

static void print_memory(const ech_job_plan *plan)
{
    const ech_memory_forecast *memory = &plan->memory;
    printf("%-36s %12s %12s %12s %12s\n", "memory, MiB", "a rank", "rank 0 more", "host shared",
           "a host");
    for (uint32_t i = 0; i < memory->count; i++) {
        const ech_memory_part *part = &memory->parts[i];
        printf("  %-34s %12.2f %12.2f %12.2f %12.2f\n", part->name, (double)part->rank_bytes / mib,
               (double)part->first_bytes / mib, (double)part->shared_bytes / mib,
               (double)part->host_bytes / mib);
    }
    printf("  largest rank %.1f MiB, largest host %.1f MiB%s\n\n",
           (double)ech_memory_forecast_rank(memory) / mib,
           (double)ech_memory_forecast_host(memory) / mib,
           plan->is_calibrated ? "" : ", without the program and MPI (not calibrated)");
}

static void print_bytes(const ech_job_plan *plan)
{
    printf("%-36s %12s %12s\n", "bytes of a round, MiB", "down", "up");
    for (uint32_t tier = 1; tier < ech_topology_tier_count(plan->subject->tree.topology); tier++) {
        printf("  tier %-29u %12.3f %12.3f\n", tier, (double)plan->tiers[tier].logical_down / mib,
               (double)plan->tiers[tier].logical_up / mib);
    }
    printf("\n");
}

static void print_placement(const ech_job_plan *plan)
{
    const ech_subject *subject = plan->subject;
    printf("%-36s %12s %12s %12s\n", "placement", "ranks", "aggregators", "workers");
    for (uint32_t host = 0; host < subject->hosts && host < HOSTS_SHOWN; host++) {
        uint32_t first = 0;
        const uint32_t leaves = ech_placement_leaves(subject->tree.placement, host, &first);
        printf("  host %-29u %12u %12u %12u\n", host, subject->ranks_per_host,
               count_aggregators(subject, host), leaves);
    }
    if (subject->hosts > HOSTS_SHOWN) {
        printf("  and %u hosts more\n", subject->hosts - HOSTS_SHOWN);
    }
    printf("\n");
}

static void print_time(const ech_job_plan *plan)
{
    const ech_time_forecast *time = &plan->time;
    if (!time->known) {
        printf("time of a round: not predicted: %s; --calibrate measures what is missing\n\n",
               time->reason);
        return;
    }
    printf("%-36s %12s\n", "time, predicted", "seconds");
    printf("  %-34s %12.5f\n", "start", time->start_seconds);
    for (int part = 0; part < ECH_ROUND_PARTS; part++) {
        printf("  round: %-27s %12.5f\n", ech_round_part_name(part), time->round.seconds[part]);
    }
    printf("  %-34s %12.5f\n", "round", ech_round_cost_total(&time->round));
    printf("  %-34s %12.5f\n", "first round", time->first_seconds);
    printf("  %-34s %12.5f\n", "the whole run", time->total_seconds);
    if (time->samples_per_second > 0.0) {
        printf("  %-34s %12.0f\n", "samples a second", time->samples_per_second);
    }
    if (time->reason[0] != '\0') {
        printf("  %s\n", time->reason);
    }
    printf("\n");
}

static void print_model(const ech_calibration_rounds *rounds, double workers, double now)
{
    ech_round_model model;
    ech_round_model_fit(rounds, ECH_ROUND_LATER, workers, &model);
    printf("  %u rank%s on %u host%s, workers_on: %s, leader: %s, transfer: %s\n",
           rounds->manner.ranks, plural(rounds->manner.ranks), rounds->manner.hosts,
           plural(rounds->manner.hosts), rounds->manner.workers_on, rounds->manner.leader,
           rounds->manner.transfer);
    printf("    measured while the memory moved %.1f GB/s\n", 1e-9 * rounds->bytes_per_second);
    if (!isnan(now)) {
        printf("    it moves %.1f GB/s now\n", 1e-9 * now);
    }
    printf("    a round %.1f us, a worker %.2f us; a value of a round and of a worker:\n",
           1e6 * ech_round_cost_total(&model.latency), 1e6 * ech_round_cost_total(&model.task));
    for (uint32_t i = 0; i < model.knot_count; i++) {
        printf("    models of %10llu values %8.3f ns %8.3f ns\n",
               (unsigned long long)model.knots[i].values,
               1e9 * ech_round_cost_total(&model.knots[i].finish),
               1e9 * ech_round_cost_total(&model.knots[i].move));
    }
}

static void print_calibration(const ech_job_plan *plan)
{
    const ech_calibration *calibration = plan->calibration;
    const ech_forecast_needs *needs = plan->needs;
    printf("calibration of %s, %u cores, in %s\n", calibration->processor, calibration->cores,
           plan->calibration_path);
    for (uint32_t i = 0; i < needs->rounds_count; i++) {
        const ech_calibration_rounds *rounds = ech_forecast_nearest(calibration, &needs->rounds[i]);
        if (rounds != NULL) {
            print_model(rounds, ech_topology_worker_count(plan->subject->tree.topology),
                        needs->rounds[i].bytes_per_second);
        }
    }
    const ech_calibration_kernels *kernels =
        needs->trains ? ech_calibration_find_kernels(calibration, &needs->kernels) : NULL;
    if (kernels != NULL) {
        printf("  kernels, batch %u, %u ranks at once: %.0f samples/s each, %.0f to evaluate\n",
               kernels->manner.batch, kernels->manner.ranks, kernels->train_rate,
               kernels->evaluate_rate);
    }
    printf("\n");
}

void ech_job_plan_print(const ech_job_plan *plan)
{
    print_head(plan);
    print_memory(plan);
    print_bytes(plan);
    print_placement(plan);
    print_time(plan);
    print_calibration(plan);
    printf("job script\n\n%s", plan->script.bytes);
}

/* ---- JSON ---- */

static void write_memory(ech_json *json, const ech_job_plan *plan)
{
    const ech_memory_forecast *memory = &plan->memory;
    ech_json_begin_object(json, "memory");
    ech_json_unsigned(json, "rank_bytes", ech_memory_forecast_rank(memory));
    ech_json_unsigned(json, "host_bytes", ech_memory_forecast_host(memory));
    ech_json_bool(json, "calibrated", plan->is_calibrated);
    ech_json_begin_list(json, "parts");
    for (uint32_t i = 0; i < memory->count; i++) {
        const ech_memory_part *part = &memory->parts[i];
        ech_json_begin_object(json, NULL);
        ech_json_text(json, "name", part->name);
        ech_json_unsigned(json, "rank_bytes", part->rank_bytes);
        ech_json_unsigned(json, "first_bytes", part->first_bytes);
        ech_json_unsigned(json, "shared_bytes", part->shared_bytes);
        ech_json_unsigned(json, "host_bytes", part->host_bytes);
        ech_json_end_object(json);
    }
    ech_json_end_list(json);
    ech_json_end_object(json);
}

static void write_bytes(ech_json *json, const ech_job_plan *plan)
{
    ech_json_begin_list(json, "tiers");
    for (uint32_t tier = 1; tier < ech_topology_tier_count(plan->subject->tree.topology); tier++) {
        ech_json_begin_object(json, NULL);
        ech_json_unsigned(json, "tier", tier);
        ech_json_unsigned(json, "down_bytes", plan->tiers[tier].logical_down);
        ech_json_unsigned(json, "up_bytes", plan->tiers[tier].logical_up);
        ech_json_end_object(json);
    }
    ech_json_end_list(json);
}

static void write_placement(ech_json *json, const ech_subject *subject)
{
    ech_json_begin_list(json, "placement");
    for (uint32_t host = 0; host < subject->hosts; host++) {
        uint32_t first = 0;
        const uint32_t leaves = ech_placement_leaves(subject->tree.placement, host, &first);
        ech_json_begin_object(json, NULL);
        ech_json_unsigned(json, "host", host);
        ech_json_unsigned(json, "ranks", subject->ranks_per_host);
        ech_json_unsigned(json, "aggregators", count_aggregators(subject, host));
        ech_json_unsigned(json, "first_position", first);
        ech_json_unsigned(json, "workers", leaves);
        ech_json_end_object(json);
    }
    ech_json_end_list(json);
}

static double known(const ech_time_forecast *time, double seconds)
{
    return time->known ? seconds : NAN;
}

static void write_time(ech_json *json, const ech_time_forecast *time)
{
    ech_json_begin_object(json, "seconds");
    ech_json_real(json, "start", known(time, time->start_seconds));
    ech_json_real(json, "round", known(time, ech_round_cost_total(&time->round)));
    ech_json_real(json, "first_round", known(time, time->first_seconds));
    for (int part = 0; part < ECH_ROUND_PARTS; part++) {
        ech_json_real(json, ech_round_part_name(part), known(time, time->round.seconds[part]));
    }
    ech_json_real(json, "total", known(time, time->total_seconds));
    ech_json_end_object(json);
    ech_json_real(json, "samples_per_second", known(time, time->samples_per_second));
    ech_json_text(json, "note", time->reason[0] != '\0' ? time->reason : NULL);
}

/* What a worker's update takes at least, by the memory alone. */
static double bound_seconds(const ech_job_plan *plan)
{
    const double values = (double)plan->subject->strategy->layout->value_count;
    return values * ECH_PROBE_MOVED_BYTES / plan->bytes_per_second;
}

static void write_bandwidth(ech_json *json, const ech_job_plan *plan)
{
    ech_json_begin_object(json, "bandwidth");
    ech_json_real(json, "bytes_per_second", plan->bytes_per_second);
    ech_json_real(json, "worker_seconds", bound_seconds(plan));
    ech_json_end_object(json);
}

ech_status ech_job_plan_write_json(const ech_job_plan *plan, FILE *file)
{
    const ech_subject *subject = plan->subject;
    ech_json json = ech_json_writer(file);
    ech_json_begin_object(&json, NULL);
    ech_json_text(&json, "name", subject->options.name);
    ech_json_text(&json, "model", model_name(subject));
    ech_json_unsigned(&json, "values", subject->network->layout->value_count);
    ech_json_unsigned(&json, "workers", ech_topology_worker_count(subject->tree.topology));
    ech_json_unsigned(&json, "rounds", subject->options.rounds);
    ech_json_unsigned(&json, "hosts", subject->hosts);
    ech_json_unsigned(&json, "ranks", subject->hosts * subject->ranks_per_host);
    write_memory(&json, plan);
    write_bytes(&json, plan);
    write_placement(&json, subject);
    write_time(&json, &plan->time);
    write_bandwidth(&json, plan);
    ech_json_text(&json, "processor", plan->calibration->processor);
    ech_json_text(&json, "calibration", plan->calibration_path);
    ech_json_text(&json, "script", plan->script.bytes);
    ech_json_end_object(&json);
    return ech_json_finish(&json);
}
