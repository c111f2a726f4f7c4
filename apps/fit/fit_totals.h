/**
 * @file fit_totals.h
 * A run added up: what the closing table, `--json` and nothing else need. Plain data; rank 0's.
 */
#ifndef ECH_APPS_FIT_TOTALS_H
#define ECH_APPS_FIT_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/hash.h"
#include "runtime/base/status.h"
#include "runtime/fed/round.h"

typedef struct {
    uint64_t rounds; /* number of the last whole round */
    bool evaluated;
    double test_accuracy; /* of the last evaluation */
    double test_loss;
    uint64_t left_out; /* workers' parts in rounds that are not in the model */
    uint64_t samples;  /* trained on: n_k times epochs, over workers and rounds */
    double total_seconds;
    double start_seconds;                  /* until the first round began */
    double round_seconds;                  /* wall time of all rounds */
    double phase_seconds[ECH_PHASE_COUNT]; /* means over the ranks */
    double wait_seconds;                   /* the rest of the rounds */
    ech_tier_bytes *tiers;                 /* sums over the rounds; [0] is 0; owned */
    uint32_t tier_count;
    uint64_t peak_rss_bytes; /* largest rank */
    uint64_t host_pss_bytes; /* largest host: proportional sets of its ranks, at the end */
    uint32_t ranks, hosts;
    ech_hash128 model_hash;
    const char *checkpoint_path; /* borrowed; NULL if none */
    const char *record_path;     /* borrowed */
} ech_fit_totals;

ech_status ech_fit_totals_create(ech_fit_totals *totals, uint32_t tier_count, uint32_t ranks,
                                 uint32_t hosts);
void ech_fit_totals_clear(ech_fit_totals *totals);

/** Add a round; `epochs` of each sample. */
void ech_fit_totals_add(ech_fit_totals *totals, const ech_round_report *report, uint32_t epochs);

/** The round's time that no rank spent in a phase, a mean over the ranks. */
double ech_fit_wait_seconds(const ech_round_report *report, uint32_t ranks);

/** Sums over the tiers. */
ech_tier_bytes ech_fit_all_tiers(const ech_tier_bytes *tiers, uint32_t count);

/** The closing table, on standard output. */
void ech_fit_totals_print(const ech_fit_totals *totals);

/** The one JSON object, on standard output. */
ech_status ech_fit_totals_write_json(const ech_fit_totals *totals);

#endif
