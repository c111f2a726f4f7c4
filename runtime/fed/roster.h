/**
 * @file roster.h
 * Who takes part in a round, and, on the virtual clock, whose update comes in time.
 *
 * A round ends when its quorum of updates has come, or at its deadline (Bonawitz et al., "Towards
 * federated learning at scale: system design", MLSys 2019, with more workers selected than are
 * needed). An update that comes later is dropped, its worker told to stop; or kept for the next
 * round, which then ends no sooner than it comes, and its worker is busy until then. With a
 * deadline, an update that takes more than two of them is dropped in any case. With a trace of
 * availability, those are selected who are on when the round begins, which is put off until
 * somebody is.
 *
 * On the real clock everybody is on time here: gather.h cuts off.
 *
 * Rank 0's; not collective. What is decided depends on the seed, the round and the clock alone.
 */
#ifndef ECH_FED_ROSTER_H
#define ECH_FED_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/ledger.h"
#include "runtime/fed/pace.h"
#include "runtime/fed/select.h"
#include "runtime/fed/strategy.h"

typedef enum { ECH_LATE_DROP, ECH_LATE_KEEP } ech_late;

typedef struct {
    double deadline; /* seconds from a round's start; 0: none */
    uint32_t quorum; /* updates that end a round; 0: as many as are selected without more */
    ech_late late;   /* kept: on the virtual clock only */
} ech_cutoff;

typedef struct {
    const ech_strategy *strategy;
    const ech_population *population;
    const ech_pace *pace;         /* the virtual clock; NULL: the real one */
    const ech_topology *topology; /* whose aggregators all take part; NULL: as it comes */
    ech_cutoff cutoff;
    uint64_t seed;
} ech_roster_options;

/** A kept update on its way: plain data, for checkpoints too. */
typedef struct {
    uint32_t worker;
    uint32_t reserved; /* 0 */
    uint64_t arrival_ns;
} ech_latecomer;

/** Zero-initialise it; ech_roster_clear. */
typedef struct {
    ech_participant *participants; /* those in time, then the latecomers that are kept */
    uint32_t capacity;
    uint32_t count;
    uint32_t kept_count;
    uint32_t dropped_count;
    uint32_t selected_count;
    uint64_t start_ns, end_ns; /* virtual */
    ech_latecomer *latecomers; /* of the round before, until the next call; kept_count then */
    uint32_t latecomer_count, latecomer_capacity;
    ech_selection selection;
} ech_roster;

/**
 * The roster of a round that may begin at `now_ns`.
 *
 * @return ECH_OK; what the strategy's selection returns; ECH_ERR_MEMORY.
 */
ech_status ech_roster_call(ech_roster *roster, const ech_roster_options *options, uint64_t round,
                           uint64_t now_ns);

/** Latecomers of the round before a resume: `count` of ech_latecomer, aligned or not.
 * @return ECH_OK or ECH_ERR_MEMORY. */
ech_status ech_roster_resume(ech_roster *roster, const void *latecomers, uint32_t count);

void ech_roster_clear(ech_roster *roster);

/** The most workers that a round can have.
 *  @param topology  whose aggregators all take part; NULL: as it comes. */
uint32_t ech_roster_most(const ech_strategy *strategy, const ech_population *population,
                         const ech_topology *topology);

#endif
