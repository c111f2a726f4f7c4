/**
 * @file ledger.h
 * The accounts of a round: what its trainings add to its report, and what the observer is told of
 * each of them.
 *
 * Rank 0's; not collective.
 */
#ifndef ECH_FED_LEDGER_H
#define ECH_FED_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/pace.h"
#include "runtime/fed/round.h"
#include "runtime/fed/round_apps.h"
#include "runtime/fed/topology.h"
#include "runtime/fed/worker_states.h"

/** A worker that takes part in a round. */
typedef struct {
    uint32_t worker;
    uint32_t sum;      /* that its update enters; ECH_SUM_NONE: that of the host it runs on */
    uint32_t position; /* of its leaf in the topology */
    uint32_t leaf;     /* of the sum, that its update is */
    uint32_t turn;     /* number of this training among the worker's own, from 1 on */
    uint64_t samples;
    uint64_t start_ns;   /* of its turn, on the virtual clock */
    uint64_t arrival_ns; /* of its update there */
    uint64_t staleness;  /* of its update where it will be applied */
    uint32_t host;       /* it trained on */
    bool has_contributed;
} ech_participant;

typedef struct {
    /* Borrowed, for the run. */
    const ech_topology *topology;
    const ech_pace *pace; /* the virtual clock; NULL: the real one */
    const ech_round_observer *observer;
    ech_worker_states *states; /* NULL where workers keep nothing */
    /* Of the round. */
    ech_round_report *report;
    ech_tier_bytes *tiers;
    double loss_sum, correct_sum;
    uint64_t kept; /* updates that came for the next round */
} ech_ledger;

/** @param report, tiers  borrowed until the end; what is there grows. */
void ech_ledger_begin(ech_ledger *ledger, ech_round_report *report, ech_tier_bytes *tiers);

/** A task's time. */
void ech_ledger_add_step(ech_ledger *ledger, const ech_step_result *step);

/** A training has ended. @return what the observer says. */
ech_status ech_ledger_add_training(ech_ledger *ledger, ech_participant *who,
                                   const ech_train_outcome *outcome);

/** An update that waited in a store has been added to its sum. */
void ech_ledger_add_collection(ech_ledger *ledger, const ech_participant *who,
                               const ech_step_result *step);

/** Means over what came. */
void ech_ledger_end(ech_ledger *ledger);

#endif
