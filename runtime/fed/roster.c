#include "runtime/fed/roster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/strategy_rules.h"

/* ---- who is selected ---- */

typedef struct {
    const ech_pace *pace;
    uint64_t time_ns;
} moment;

static bool is_on(uint32_t worker, void *user)
{
    const moment *at = user;
    return ech_pace_next_on(at->pace, worker, at->time_ns) == at->time_ns;
}

/* The first time from `now_ns` on at which anybody is on; ECH_TIME_NEVER. */
static uint64_t first_on(const ech_roster_options *options, uint64_t now_ns)
{
    uint64_t first_ns = ECH_TIME_NEVER;
    for (uint32_t i = 0; i < ech_population_count(options->population); i++) {
        const uint32_t worker = ech_population_worker(options->population, i);
        const uint64_t on_ns = ech_pace_next_on(options->pace, worker, now_ns);
        first_ns = on_ns < first_ns ? on_ns : first_ns;
    }
    return first_ns;
}

static ech_status select_workers(ech_roster *roster, const ech_roster_options *options,
                                 const ech_population *population, uint64_t round)
{
    const ech_status status = options->strategy->rule->select(
        options->strategy, population, options->seed, round, &roster->selection);
    return status == ECH_OK && options->topology != NULL
               ? ech_select_aggregators(options->topology, population, options->seed, round,
                                        &roster->selection)
               : status;
}

static ech_status select_those_on(ech_roster *roster, const ech_roster_options *options,
                                  uint64_t round)
{
    const uint64_t start_ns = first_on(options, roster->start_ns);
    if (start_ns == ECH_TIME_NEVER) {
        roster->selection.count = 0;
        return ECH_OK;
    }
    roster->start_ns = start_ns;
    moment at = {.pace = options->pace, .time_ns = start_ns};
    ech_population *on = NULL;
    ech_status status = ech_population_subset(options->population, is_on, &at, &on);
    if (status == ECH_OK) {
        status = select_workers(roster, options, on, round);
    }
    ech_population_destroy(&on);
    return status;
}

/* ---- when their updates come ---- */

static uint64_t free_from(const ech_roster *roster, uint32_t worker)
{
    for (uint32_t i = 0; i < roster->latecomer_count; i++) {
        if (roster->latecomers[i].worker == worker) {
            return roster->latecomers[i].arrival_ns;
        }
    }
    return 0;
}

static ech_status list_participants(ech_roster *roster, const ech_roster_options *options,
                                    uint64_t round)
{
    const uint32_t count = roster->selection.count;
    if (count > roster->capacity) {
        ech_participant *grown = ech_realloc(roster->participants, count, sizeof *grown);
        if (grown == NULL) {
            return ECH_ERR_MEMORY;
        }
        roster->participants = grown;
        roster->capacity = count;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t worker = roster->selection.workers[i];
        const uint64_t free_ns = free_from(roster, worker);
        ech_participant who = {
            .worker = worker,
            .turn = (uint32_t)round,
            .samples = ech_population_samples(options->population, worker),
            .start_ns = free_ns > roster->start_ns ? free_ns : roster->start_ns,
        };
        if (options->pace != NULL) {
            who.arrival_ns = ech_pace_turn(options->pace, worker, round, who.start_ns).arrival_ns;
        }
        roster->participants[i] = who;
    }
    return ECH_OK;
}

static int by_arrival(const void *left, const void *right)
{
    const ech_participant *a = left;
    const ech_participant *b = right;
    if (a->arrival_ns != b->arrival_ns) {
        return a->arrival_ns < b->arrival_ns ? -1 : 1;
    }
    return (a->worker > b->worker) - (a->worker < b->worker);
}

/* ---- the end of the round ---- */

static uint64_t deadline_ns(const ech_roster_options *options)
{
    return (uint64_t)llround(options->cutoff.deadline * 1e9);
}

/* Updates that come at all; the participants are in the order of arrival. */
static uint32_t count_coming(const ech_roster *roster)
{
    uint32_t count = roster->selection.count;
    while (count > 0 && roster->participants[count - 1].arrival_ns == ECH_TIME_NEVER) {
        count--;
    }
    return count;
}

static uint64_t end_of_round(const ech_roster *roster, const ech_roster_options *options,
                             uint32_t coming)
{
    const ech_select_rule *selection = &options->strategy->options.selection;
    uint32_t quorum = options->cutoff.quorum;
    if (quorum == 0) {
        quorum = selection->more > 0.0 ? ech_select_goal(options->population, selection) : coming;
    }
    quorum = quorum < coming ? quorum : coming;
    uint64_t end_ns = quorum > 0 ? roster->participants[quorum - 1].arrival_ns : roster->start_ns;
    if (options->cutoff.deadline > 0.0) {
        const uint64_t at_most_ns = roster->start_ns + deadline_ns(options);
        end_ns = quorum == 0 || end_ns > at_most_ns ? at_most_ns : end_ns;
    }
    for (uint32_t i = 0; i < roster->latecomer_count; i++) {
        const uint64_t arrival_ns = roster->latecomers[i].arrival_ns;
        end_ns = arrival_ns > end_ns ? arrival_ns : end_ns;
    }
    return end_ns;
}

static bool is_kept(const ech_roster *roster, const ech_roster_options *options,
                    const ech_participant *who)
{
    return options->cutoff.late == ECH_LATE_KEEP && who->arrival_ns != ECH_TIME_NEVER &&
           (options->cutoff.deadline == 0.0 ||
            who->arrival_ns <= roster->start_ns + 2 * deadline_ns(options));
}

static void sort_out(ech_roster *roster, const ech_roster_options *options)
{
    const uint32_t coming = count_coming(roster);
    roster->end_ns = end_of_round(roster, options, coming);
    while (roster->count < coming &&
           roster->participants[roster->count].arrival_ns <= roster->end_ns) {
        roster->count++;
    }
    for (uint32_t i = roster->count; i < roster->selection.count; i++) {
        ech_participant *who = &roster->participants[i];
        if (is_kept(roster, options, who)) {
            who->staleness = 1;
            roster->participants[roster->count + roster->kept_count++] = *who;
        }
    }
    roster->dropped_count = roster->selection.count - roster->count - roster->kept_count;
}

static ech_status remember_latecomers(ech_roster *roster)
{
    if (roster->kept_count > roster->latecomer_capacity) {
        ech_latecomer *grown = ech_realloc(roster->latecomers, roster->kept_count, sizeof *grown);
        if (grown == NULL) {
            return ECH_ERR_MEMORY;
        }
        roster->latecomers = grown;
        roster->latecomer_capacity = roster->kept_count;
    }
    for (uint32_t i = 0; i < roster->kept_count; i++) {
        const ech_participant *who = &roster->participants[roster->count + i];
        roster->latecomers[i] =
            (ech_latecomer){.worker = who->worker, .arrival_ns = who->arrival_ns};
    }
    roster->latecomer_count = roster->kept_count;
    return ECH_OK;
}

ech_status ech_roster_call(ech_roster *roster, const ech_roster_options *options, uint64_t round,
                           uint64_t now_ns)
{
    roster->start_ns = now_ns;
    roster->count = 0;
    roster->kept_count = 0;
    roster->dropped_count = 0;
    ech_status status = options->pace != NULL
                            ? select_those_on(roster, options, round)
                            : select_workers(roster, options, options->population, round);
    if (status == ECH_OK) {
        status = list_participants(roster, options, round);
    }
    if (status != ECH_OK) {
        return status;
    }
    roster->selected_count = roster->selection.count;
    if (options->pace == NULL) {
        roster->count = roster->selection.count;
        return ECH_OK;
    }
    qsort(roster->participants, roster->selection.count, sizeof *roster->participants, by_arrival);
    sort_out(roster, options);
    return remember_latecomers(roster);
}

ech_status ech_roster_resume(ech_roster *roster, const void *latecomers, uint32_t count)
{
    roster->latecomers = ech_calloc(count, sizeof *roster->latecomers);
    if (roster->latecomers == NULL) {
        return ECH_ERR_MEMORY;
    }
    roster->latecomer_count = count;
    roster->latecomer_capacity = count;
    if (count > 0) {
        memcpy(roster->latecomers, latecomers, count * sizeof *roster->latecomers);
    }
    return ECH_OK;
}

void ech_roster_clear(ech_roster *roster)
{
    ech_free(roster->participants);
    ech_free(roster->latecomers);
    ech_selection_clear(&roster->selection);
    *roster = (ech_roster){0};
}

uint32_t ech_roster_most(const ech_strategy *strategy, const ech_population *population,
                         const ech_topology *topology)
{
    uint32_t most = strategy->rule->select == ech_strategy_select
                        ? ech_select_most(population, &strategy->options.selection)
                        : ech_population_count(population);
    if (topology != NULL) {
        most += ech_topology_node_count(topology) - ech_topology_worker_count(topology);
    }
    return most;
}
