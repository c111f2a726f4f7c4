#include "runtime/fed/ledger.h"

#include <math.h>

#include "runtime/base/log.h"

void ech_ledger_begin(ech_ledger *ledger, ech_round_report *report, ech_tier_bytes *tiers)
{
    ledger->report = report;
    ledger->tiers = tiers;
    ledger->loss_sum = 0.0;
    ledger->correct_sum = 0.0;
    ledger->kept = 0;
}

void ech_ledger_add_step(ech_ledger *ledger, const ech_step_result *step)
{
    for (int phase = 0; phase < ECH_PHASE_COUNT; phase++) {
        ledger->report->phase_seconds[phase] += (double)step->phase_ns[phase] * 1e-9;
    }
}

static uint32_t node_of(const ech_ledger *ledger, const ech_participant *who)
{
    return ech_topology_worker_node(ledger->topology, who->worker);
}

static ech_status tell(const ech_ledger *ledger, const ech_participant *who,
                       const ech_train_outcome *outcome)
{
    const uint32_t node = node_of(ledger, who);
    ech_worker_report report = {
        .round = ledger->report->round,
        .worker = who->worker,
        .node = node,
        .parent = ech_topology_node(ledger->topology, node)->parent,
        .rank = outcome->rank,
        .host = outcome->host,
        .samples = who->samples,
        .steps = outcome->train.steps,
        .loss = outcome->train.loss,
        .accuracy = outcome->train.accuracy,
        .start_ns = outcome->start_ns,
        .end_ns = outcome->end_ns,
        .staleness = who->staleness,
        .refused = outcome->refused != 0,
    };
    if (ledger->pace != NULL) {
        const ech_turn turn = ech_pace_turn(ledger->pace, who->worker, who->turn, who->start_ns);
        report.start_ns = turn.train_start_ns;
        report.end_ns = turn.train_end_ns;
    }
    return ledger->observer->worker_done(ledger->observer->self, &report);
}

static void warn_of_refusal(const ech_ledger *ledger, const ech_participant *who,
                            const ech_train_outcome *outcome)
{
    char buffer[ECH_TOPOLOGY_NAME_BYTES];
    ech_log(ECH_LOG_WARNING, "round %llu: worker %s (number %u) is left out: %s",
            (unsigned long long)ledger->report->round,
            ech_topology_name(ledger->topology, node_of(ledger, who), buffer), who->worker,
            outcome->reason);
}

static void add_contribution(ech_ledger *ledger, ech_participant *who,
                             const ech_train_outcome *outcome)
{
    if (ledger->states != NULL) {
        ech_worker_states_mark(ledger->states, who->worker);
    }
    if (who->staleness > 0) {
        ledger->kept++;
    } else if (!who->has_contributed) {
        ledger->report->contributed++;
        who->has_contributed = true;
    }
    ledger->report->samples += outcome->train.samples;
    ledger->loss_sum += outcome->train.loss * (double)outcome->train.samples;
    ledger->correct_sum += outcome->train.accuracy * (double)outcome->train.samples;
}

static ech_tier_bytes *tier_of(const ech_ledger *ledger, const ech_participant *who)
{
    return &ledger->tiers[ech_topology_node(ledger->topology, node_of(ledger, who))->tier];
}

void ech_ledger_add_collection(ech_ledger *ledger, const ech_participant *who,
                               const ech_step_result *step)
{
    ech_ledger_add_step(ledger, step);
    tier_of(ledger, who)->wire_up += step->wire_bytes;
}

ech_status ech_ledger_add_training(ech_ledger *ledger, ech_participant *who,
                                   const ech_train_outcome *outcome)
{
    ech_ledger_add_step(ledger, &outcome->step);
    ech_tier_bytes *tier = tier_of(ledger, who);
    tier->wire_up += outcome->step.wire_bytes;
    tier->wire_down += outcome->model_bytes;
    if (outcome->refused == 0) {
        add_contribution(ledger, who, outcome);
    } else {
        warn_of_refusal(ledger, who, outcome);
    }
    return ledger->observer->worker_done != NULL ? tell(ledger, who, outcome) : ECH_OK;
}

void ech_ledger_end(ech_ledger *ledger)
{
    ech_round_report *report = ledger->report;
    const double samples = (double)report->samples;
    report->train_loss = samples > 0.0 ? ledger->loss_sum / samples : NAN;
    report->train_accuracy = samples > 0.0 ? ledger->correct_sum / samples : NAN;
}
