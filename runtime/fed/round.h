/**
 * @file round.h
 * What a federation tells about its rounds: to run records, progress lines and checkpoints.
 *
 * Plain data, made on rank 0.
 */
#ifndef ECH_FED_ROUND_H
#define ECH_FED_ROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"

/** How the message of a run that was asked to stop begins: who started it reads this. */
#define ECH_RUN_STOPPED "stopped "

/** What a rank's time goes to; the rest of it is waiting. */
typedef enum {
    ECH_PHASE_SEND,      /* moving the global model */
    ECH_PHASE_TRAIN,     /* local training */
    ECH_PHASE_AGGREGATE, /* adding updates, merging sums, the strategy's update */
    ECH_PHASE_EVALUATE,
    ECH_PHASE_COUNT
} ech_phase;

/** "send", "train", "aggregate", "evaluate". */
const char *ech_phase_name(ech_phase phase);

/** Bytes over the edges above one tier of the topology. */
typedef struct {
    uint64_t logical_down, logical_up; /* the algorithm's, in float32, whoever shares memory */
    uint64_t wire_down, wire_up;       /* counted where bytes are copied or sent, real widths */
} ech_tier_bytes;

/** One worker's part in a round. */
typedef struct {
    uint64_t round;
    uint32_t worker; /* worker number */
    uint32_t node;   /* of the topology */
    uint32_t parent;
    int32_t rank; /* that trained it */
    int32_t host;
    uint64_t samples;
    uint64_t steps;
    double loss;       /* of its last local epoch */
    double accuracy;   /* of its last local epoch */
    uint64_t start_ns; /* by the run's clock: wall clock, or the virtual clock, which starts at 0 */
    uint64_t end_ns;
    uint64_t staleness; /* versions behind the model it is applied to; 0 in sync */
    bool refused;       /* left out: its loss or update was not finite */
} ech_worker_report;

/** An update of the asynchronous process at the node that applies it: a line of the log. */
typedef struct {
    uint32_t node;      /* of the topology: where it comes from */
    uint32_t parent;    /* that applied it */
    uint64_t round;     /* of `node`: 1 is the first */
    uint64_t version;   /* of the parent's model that `node` started from */
    uint64_t staleness; /* versions that the parent's model moved on meanwhile */
} ech_arrival_report;

/** A remote site's part in a round. */
typedef struct {
    const char *name;             /* borrowed */
    uint32_t node;                /* of the topology */
    uint32_t workers;             /* that were asked; 0: it took no part */
    bool counts;                  /* its update is in the model */
    uint64_t raw_down, wire_down; /* bytes of chunks, before and after packing */
    uint64_t raw_up, wire_up;     /* the same; raw: the exact sum's integers */
    double seconds;               /* from the round's start until it was counted or left out */
    double down_seconds;          /* until the site had the whole model; 0: it never said so */
    double up_seconds;            /* from the update's first chunk to its last; 0: not all came */
} ech_site_report;

typedef struct {
    uint64_t round; /* 0: the initial model */
    bool evaluated;
    double test_accuracy; /* of the model after the round; if evaluated */
    double test_loss;
    uint64_t selected;
    uint64_t contributed;  /* whose update is in the model, those kept from the round before too */
    uint64_t kept;         /* of them, from the round before */
    uint64_t late;         /* whose update came after the round's end, dropped or kept */
    uint64_t samples;      /* trained on, an epoch each */
    double train_loss;     /* mean over those samples; NaN if there are none */
    double train_accuracy; /* mean over those samples */
    uint64_t start_ns;     /* by the run's clock */
    double clock_seconds;  /* time of the round by the run's clock */
    double seconds;        /* wall time of the round */
    double phase_seconds[ECH_PHASE_COUNT]; /* sums over the ranks */
    const ech_tier_bytes *tiers;           /* entry d: edges between tier d - 1 and d; [0] is 0 */
    uint32_t tier_count;
    const ech_site_report *sites; /* remote ones */
    uint32_t site_count;
} ech_round_report;

/** Who hears of it. Calls come on rank 0, between tasks; a failure stops the run. */
typedef struct {
    void *self;
    /** A worker's part ended. May be NULL. */
    ech_status (*worker_done)(void *self, const ech_worker_report *report);
    /** An update was applied, in the order of the calls. May be NULL. */
    ech_status (*update_arrived)(void *self, const ech_arrival_report *report);
    /** A round ended (round 0: the initial model was evaluated). `global` is read in place: copy
     *  what outlives the call. May be NULL. */
    ech_status (*round_done)(void *self, const ech_round_report *report, ech_state_view global);
    /** Stop after this round (a signal, a walltime)? May be NULL. */
    bool (*should_stop)(void *self);
} ech_round_observer;

#endif
