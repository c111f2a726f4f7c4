#include "apps/plan/time_forecast.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/plan/round_model.h"
#include "runtime/base/memory.h"

/* ---- what is needed ---- */

static ech_round_need need_of(const ech_subject *subject, uint32_t hosts, uint32_t ranks)
{
    ech_round_need need = {.manner = {.hosts = hosts, .ranks = ranks}, .bytes_per_second = NAN};
    ech_round_manner *manner = &need.manner;
    const char *leader = ech_subject_leader_trains(subject) ? "trains" : "dedicated";
    snprintf(manner->workers_on, sizeof manner->workers_on, "%s",
             ech_config_text(subject->config, "workers_on"));
    snprintf(manner->leader, sizeof manner->leader, "%s", ranks > 1 ? leader : "trains");
    snprintf(manner->transfer, sizeof manner->transfer, "%s",
             ech_config_text(subject->config, "transfer"));
    return need;
}

static uint32_t training_ranks(const ech_subject *subject)
{
    return ech_subject_leader_trains(subject) ? subject->ranks_per_host
                                              : subject->ranks_per_host - 1;
}

void ech_forecast_needs_of(const ech_subject *subject, const ech_calibration *calibration,
                           ech_forecast_needs *out)
{
    const uint32_t half = calibration->cores > 3 ? calibration->cores / 2 : 1;
    *out = (ech_forecast_needs){.rounds_count = 1};
    out->rounds[0] = need_of(subject, 1, subject->ranks_per_host);
    if (subject->hosts > 1) {
        out->rounds[1] = need_of(subject, 2, half);
        out->rounds[2] = need_of(subject, 1, 2 * half);
        out->rounds_count = ECH_NEEDED_ROUNDS_MAX;
    }
    out->trains = subject->has_data && subject->options.train.epochs > 0;
    ech_kernels_manner *kernels = &out->kernels;
    kernels->batch = subject->options.train.batch;
    kernels->threads = subject->options.threads;
    kernels->ranks = training_ranks(subject);
    ech_hash_text(ech_network_hash(subject->network), kernels->network);
    snprintf(kernels->engine, sizeof kernels->engine, "%s",
             ech_engine_choice_name(subject->options.engine));
}

static bool same_words(const ech_round_manner *a, const ech_round_manner *b)
{
    ech_round_manner other = *a;
    other.ranks = b->ranks;
    return ech_round_manner_equal(&other, b);
}

/* The other number of ranks counts first, then the other speed. */
static bool is_nearer(const ech_round_need *need, const ech_calibration_rounds *rounds,
                      const ech_calibration_rounds *other)
{
    const double ranks = ech_ratio_distance(rounds->manner.ranks, need->manner.ranks);
    const double other_ranks = ech_ratio_distance(other->manner.ranks, need->manner.ranks);
    if (ranks != other_ranks) {
        return ranks < other_ranks;
    }
    return isnan(need->bytes_per_second)
               ? rounds->bytes_per_second < other->bytes_per_second
               : ech_ratio_distance(rounds->bytes_per_second, need->bytes_per_second) <
                     ech_ratio_distance(other->bytes_per_second, need->bytes_per_second);
}

const ech_calibration_rounds *ech_forecast_nearest(const ech_calibration *calibration,
                                                   const ech_round_need *need)
{
    const ech_calibration_rounds *nearest = NULL;
    for (uint32_t i = 0; i < calibration->rounds_count; i++) {
        const ech_calibration_rounds *rounds = &calibration->rounds[i];
        if (same_words(&rounds->manner, &need->manner) &&
            (nearest == NULL || is_nearer(need, rounds, nearest))) {
            nearest = rounds;
        }
    }
    return nearest;
}

/* ---- a round ---- */

/* What a round is made of, by turn. */
typedef struct {
    const ech_subject *subject;
    double values;
    double workers_a_host;    /* that take part in a round */
    uint32_t ranks;           /* that train, of all hosts */
    ech_round_cost fixed[2];  /* by ech_round_turn */
    ech_round_cost worker[2]; /* of one worker, as time of its rank */
    double sample_seconds;    /* of training, all epochs */
    double *loads;            /* of the ranks, a heap of the lightest */
    double *costs;            /* of the workers */
    /* sums over the rounds looked at */
    ech_round_cost sum[2];
    double samples;
    uint64_t rounds;
} assembly;

static double crowding(double ranks, double cores)
{
    return fmax(1.0, ranks / cores);
}

/* The time of a rank that a worker takes: a measured round has that many ranks at work at once. */
static void read_turn(assembly *all, const ech_calibration_rounds *rounds, double cores,
                      ech_round_turn turn, ech_round_model *model)
{
    ech_round_model_fit(rounds, turn, all->workers_a_host, model);
    const double measured = rounds->manner.ranks;
    const double ranks = all->subject->ranks_per_host;
    const double at_once = measured * crowding(ranks, cores) / crowding(measured, cores);
    all->fixed[turn] = ech_round_model_fixed(model, all->values);
    all->worker[turn] = ech_round_model_worker(model, all->values);
    for (int part = 0; part < ECH_ROUND_PARTS; part++) {
        all->worker[turn].seconds[part] *= at_once;
    }
}

/* What a second host adds to a round: a copy of the model there, and its sum back. It is done as
 * often, one behind the other, as a binomial tree over the hosts is high. */
static void add_links(assembly *all, const ech_calibration_rounds *two,
                      const ech_calibration_rounds *one, ech_round_turn turn)
{
    ech_round_model far;
    ech_round_model near;
    const double workers = one->manner.ranks;
    ech_round_model_fit(two, turn, workers, &far);
    ech_round_model_fit(one, turn, workers, &near);
    const double steps = ceil(log2(all->subject->hosts));
    const ech_round_cost far_fixed = ech_round_model_fixed(&far, all->values);
    const ech_round_cost far_worker = ech_round_model_worker(&far, all->values);
    const ech_round_cost near_fixed = ech_round_model_fixed(&near, all->values);
    const ech_round_cost near_worker = ech_round_model_worker(&near, all->values);
    for (int part = 0; part < ECH_ROUND_PARTS; part++) {
        const double with = far_fixed.seconds[part] + workers * far_worker.seconds[part];
        const double without = near_fixed.seconds[part] + workers * near_worker.seconds[part];
        all->fixed[turn].seconds[part] += steps * fmax(0.0, with - without);
    }
}

static int heaviest_first(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a < b) - (a > b);
}

/* Give the lightest rank, at the heap's top, another worker. */
static void load_lightest(assembly *all, double cost)
{
    double *loads = all->loads;
    uint32_t at = 0;
    loads[0] += cost;
    for (;;) {
        uint32_t least = 2 * at + 1;
        if (least + 1 < all->ranks && loads[least + 1] < loads[least]) {
            least++;
        }
        if (least >= all->ranks || loads[at] <= loads[least]) {
            return;
        }
        const double moved = loads[at];
        loads[at] = loads[least];
        loads[least] = moved;
        at = least;
    }
}

static double heaviest(const assembly *all)
{
    double most = 0.0;
    for (uint32_t rank = 0; rank < all->ranks; rank++) {
        most = fmax(most, all->loads[rank]);
    }
    return most;
}

/* Seconds until the last rank has trained its workers: each has its own, or takes the largest that
 * is left. */
static double busy_seconds(assembly *all, const ech_participant *workers, uint32_t count,
                           double worker_seconds)
{
    const ech_subject *subject = all->subject;
    const ech_placement *placement = subject->tree.placement;
    const uint32_t a_host = all->ranks / subject->hosts;
    memset(all->loads, 0, all->ranks * sizeof *all->loads);
    for (uint32_t i = 0; i < count; i++) {
        const double samples = subject->has_data ? (double)workers[i].samples : 0.0;
        all->costs[i] = worker_seconds + samples * all->sample_seconds;
        if (subject->options.workers_on == ECH_HOMES_RANK) {
            const uint32_t worker = workers[i].worker;
            const uint32_t rank = ech_placement_worker_rank(placement, worker) % a_host;
            all->loads[ech_placement_worker_host(placement, worker) * a_host + rank] +=
                all->costs[i];
        }
    }
    if (subject->options.workers_on != ECH_HOMES_RANK) {
        qsort(all->costs, count, sizeof *all->costs, heaviest_first);
        for (uint32_t i = 0; i < count; i++) {
            load_lightest(all, all->costs[i]);
        }
    }
    return heaviest(all);
}

static void add_turn(assembly *all, const ech_participant *workers, uint32_t count,
                     ech_round_turn turn)
{
    const double share = (double)count / (double)all->ranks;
    const double worker_seconds = ech_round_cost_total(&all->worker[turn]);
    const double busy = busy_seconds(all, workers, count, worker_seconds);
    double samples = 0.0;
    for (uint32_t i = 0; i < count && all->subject->has_data; i++) {
        samples += (double)workers[i].samples;
    }
    const double train = samples * all->sample_seconds / (double)all->ranks;
    double *seconds = all->sum[turn].seconds;
    for (int part = 0; part < ECH_ROUND_PARTS; part++) {
        seconds[part] += all->fixed[turn].seconds[part] + share * all->worker[turn].seconds[part];
    }
    seconds[ECH_PHASE_TRAIN] += train;
    seconds[ECH_ROUND_WAIT] += busy - share * worker_seconds - train;
    if (turn == ECH_ROUND_LATER) {
        all->samples += samples;
        all->rounds++;
    }
}

static ech_status add_round(const ech_participant *workers, uint32_t count, void *user)
{
    add_turn(user, workers, count, ECH_ROUND_FIRST);
    add_turn(user, workers, count, ECH_ROUND_LATER);
    return ECH_OK;
}

/* ---- the whole ---- */

static void conclude(const assembly *all, const ech_calibration_kernels *kernels,
                     const ech_round_model *model, ech_time_forecast *out)
{
    const ech_subject *subject = all->subject;
    const ech_fit_options *options = &subject->options;
    const double looked = (double)all->rounds;
    const double rounds = (double)options->rounds;
    double evaluate = 0.0;
    if (kernels != NULL && options->evaluate_every > 0) {
        evaluate = (double)subject->info.samples[ECH_DATA_TEST] /
                   ((double)all->ranks * kernels->evaluate_rate);
    }
    for (int part = 0; part < ECH_ROUND_PARTS; part++) {
        const double first = all->sum[ECH_ROUND_FIRST].seconds[part] / looked;
        const double later = all->sum[ECH_ROUND_LATER].seconds[part] / looked;
        out->round.seconds[part] = (first + (rounds - 1.0) * later) / rounds;
        out->first_seconds += first;
    }
    if (evaluate > 0.0) {
        out->round.seconds[ECH_PHASE_EVALUATE] += evaluate / (double)options->evaluate_every;
        out->first_seconds += options->evaluate_every == 1 ? evaluate : 0.0;
    }
    const double bytes_a_value = 4.0 * subject->ranks_per_host + 12.0; /* populated at start */
    const double data_bytes =
        (double)((subject->info.samples[ECH_DATA_TRAIN] + subject->info.samples[ECH_DATA_TEST]) *
                 ech_dataset_sample_bytes(&subject->info));
    out->start_seconds =
        model->start_latency + model->start_value * (all->values + data_bytes / bytes_a_value);
    const double seconds = ech_round_cost_total(&out->round);
    out->total_seconds = out->start_seconds + evaluate + rounds * seconds;
    out->samples_per_second = all->samples / looked * options->train.epochs / seconds;
    out->known = true;
}

static ech_status assemble(assembly *all, const ech_calibration *calibration,
                           const ech_calibration_rounds *const rounds[ECH_NEEDED_ROUNDS_MAX],
                           const ech_calibration_kernels *kernels, ech_time_forecast *out)
{
    ech_round_model model;
    for (int turn = ECH_ROUND_LATER; turn >= ECH_ROUND_FIRST; turn--) {
        read_turn(all, rounds[0], calibration->cores, (ech_round_turn)turn, &model);
        if (rounds[1] != NULL && rounds[2] != NULL) {
            add_links(all, rounds[1], rounds[2], (ech_round_turn)turn);
        }
    }
    if (kernels != NULL) {
        all->sample_seconds = all->subject->options.train.epochs / kernels->train_rate;
    }
    all->loads = ech_calloc(all->ranks, sizeof *all->loads);
    all->costs =
        ech_calloc(ech_topology_worker_count(all->subject->tree.topology), sizeof *all->costs);
    ech_status status = ECH_ERR_MEMORY;
    if (all->loads != NULL && all->costs != NULL) {
        status = ech_subject_visit_rounds(all->subject, add_round, all);
    }
    if (status == ECH_OK) {
        conclude(all, kernels, &model, out);
    }
    ech_free(all->loads);
    ech_free(all->costs);
    return status;
}

static const char *cannot_tell(const ech_subject *subject)
{
    if (subject->options.process == ECH_FIT_PROCESS_ASYNC) {
        return "process: async has no rounds in step";
    }
    if (ech_subject_has_stations(subject)) {
        return "aggregators that look at each update, or have rounds of their own, are not "
               "calibrated";
    }
    return subject->options.aggregators == ECH_FIT_MATERIALISED
               ? "aggregators: materialised is not calibrated"
               : NULL;
}

/* Rounds of another number of ranks do at need, kernels of another network do not. */
static bool find_measurements(const ech_calibration *calibration, const ech_forecast_needs *needs,
                              const ech_calibration_rounds *rounds[ECH_NEEDED_ROUNDS_MAX],
                              const ech_calibration_kernels **kernels, ech_time_forecast *out)
{
    const ech_round_manner *own = &needs->rounds[0].manner;
    for (uint32_t i = 0; i < needs->rounds_count; i++) {
        rounds[i] = ech_forecast_nearest(calibration, &needs->rounds[i]);
        if (rounds[i] == NULL || rounds[i]->point_count == 0) {
            snprintf(out->reason, sizeof out->reason,
                     "rounds of workers_on: %s, leader: %s, transfer: %s%s are not calibrated",
                     own->workers_on, own->leader, own->transfer,
                     needs->rounds[i].manner.hosts > 1 ? " on several hosts" : "");
            return false;
        }
    }
    *kernels = needs->trains ? ech_calibration_find_kernels(calibration, &needs->kernels) : NULL;
    if (needs->trains && *kernels == NULL) {
        snprintf(out->reason, sizeof out->reason,
                 "the model's kernels with batches of %u on %u ranks at once are not calibrated",
                 needs->kernels.batch, needs->kernels.ranks);
        return false;
    }
    if (rounds[0] == NULL) { /* which is always needed */
        return false;
    }
    if (rounds[0]->manner.ranks != own->ranks) {
        snprintf(out->reason, sizeof out->reason, "from rounds of %u ranks a host, the nearest",
                 rounds[0]->manner.ranks);
    }
    return true;
}

ech_status ech_time_forecast_make(const ech_subject *subject, const ech_calibration *calibration,
                                  const ech_forecast_needs *needs, ech_time_forecast *out)
{
    *out = (ech_time_forecast){.known = false};
    const ech_calibration_rounds *rounds[ECH_NEEDED_ROUNDS_MAX] = {NULL};
    const ech_calibration_kernels *kernels = NULL;
    const char *reason = cannot_tell(subject);
    if (reason != NULL) {
        snprintf(out->reason, sizeof out->reason, "%s", reason);
        return ECH_OK;
    }
    if (!find_measurements(calibration, needs, rounds, &kernels, out)) {
        return ECH_OK;
    }
    const uint32_t workers =
        ech_select_goal(subject->tree.population, &subject->options.strategy.options.selection);
    assembly all = {.subject = subject,
                    .values = (double)subject->strategy->layout->value_count,
                    .workers_a_host = fmax(1.0, (double)workers / subject->hosts),
                    .ranks = subject->hosts * training_ranks(subject)};
    return assemble(&all, calibration, rounds, kernels, out);
}
