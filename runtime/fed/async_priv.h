/**
 * @file async_priv.h
 * The asynchronous process from inside: what it stands at, and the calls between its parts.
 *
 * async.c runs it, async_units.c trains, async_arrivals.c applies what comes, async_turns.c says
 * who comes next, async_state.c keeps all of it for a resume. The state (nodes, units, versions,
 * events) lives from the creation on; lanes are the tasks in flight of a run.
 *
 * Rank 0's, but for the fields of the creation; not thread-safe.
 */
#ifndef ECH_FED_ASYNC_PRIV_H
#define ECH_FED_ASYNC_PRIV_H

#include "runtime/fed/async.h"
#include "runtime/fed/async_plan.h"
#include "runtime/fed/event_queue.h"
#include "runtime/fed/process.h"
#include "runtime/fed/versions.h"

#define ECH_LANE_NONE UINT32_MAX

/** What an asynchronous node stands at. */
typedef struct {
    uint32_t cell;         /* its current version, on rank 0's host, referenced */
    uint32_t base_cell;    /* the parent's version that it went on from; ECH_CELL_NONE: leader */
    uint64_t base_version; /* its number */
    uint64_t version;
    uint64_t arrivals;
    float *buffer;     /* of a rule with a buffer */
    int64_t *counters; /* the largest that came */
    uint32_t buffered;
    ech_event_queue waiting; /* replay: its units, each until the version it starts from is there */
} ech_async_node_state;

typedef struct {
    uint64_t round;     /* that it trains or trained last; 0: none */
    uint64_t version;   /* of its parent's model that it trains from */
    uint64_t start_ns;  /* virtual */
    uint64_t next_row;  /* replay: of its next arrival in the log; replay_count: none */
    uint32_t base_cell; /* while it trains: that version, referenced; else ECH_CELL_NONE */
    uint32_t lane;      /* while its tasks are in flight */
} ech_async_unit_state;

/** A unit in training: its tasks and the cells that they use. */
typedef struct {
    uint32_t unit;
    uint32_t host;
    uint32_t copy_cell;   /* the unit's base on `host` */
    uint32_t update_cell; /* on `host` */
    uint32_t result_cell; /* on rank 0's host; the same as update_cell there */
    ech_future *open, *mean, *collect;
    ech_future **trains;
    bool is_busy;
} ech_async_lane;

struct ech_async {
    ech_async_process_options options;
    ech_process *process;
    ech_async_plan plan;
    uint32_t lane_count; /* units in training at one time; the same everywhere */

    ech_async_node_state *nodes;
    ech_async_unit_state *units;
    ech_versions *versions;
    ech_async_lane *lanes;
    uint32_t *free_lanes;
    uint32_t free_lane_count;
    uint32_t *host_load; /* workers in training */

    uint32_t *turns; /* a ring of the units that wait for their turn (real clock) */
    uint32_t turn_first, turn_count;
    ech_future **awaited;   /* room for the trainings in flight (real clock) */
    ech_event_queue events; /* virtual clock */
    uint64_t now_ns;        /* virtual */
    uint64_t *row_after;    /* by row of the log: the next of the same unit */
    uint64_t row;           /* of the log that comes next */
    bool is_restored;

    uint64_t round_begin_ns;
    double loss_sum, correct_sum;
};

bool ech_async_is_replay(const ech_async *async);
bool ech_async_is_virtual(const ech_async *async);
const ech_async_rule *ech_async_rule_of(const ech_async *async);

/* ---- async_units.c ---- */

ech_status ech_async_lanes_create(ech_async *async);
void ech_async_lanes_destroy(ech_async *async);
/** Ranks of a host that train. */
uint32_t ech_async_training_ranks(const ech_machine *machine, int host);
/** A unit's next round begins: from its parent's current version. */
void ech_async_unit_begin(ech_async *async, uint32_t number);
/** Submit the tasks of a unit that has begun; a lane is free. */
ech_status ech_async_unit_train(ech_async *async, uint32_t number);
/** Have all the trainings of a lane ended? */
bool ech_async_lane_has_ended(const ech_async *async, const ech_async_lane *lane);
/** What a worker of a lane's unit did, once it is done. */
const ech_train_outcome *ech_async_outcome(const ech_async_lane *lane, uint32_t member);
/** Wait for a lane's trainings and bring their result to its result_cell.
 *  @param[out] contributed  workers whose update is in it; without any it holds nothing. */
ech_status ech_async_lane_collect(ech_async *async, ech_async_lane *lane, uint32_t *contributed);
/** Wait for what is still in flight, and give up all but the result_cell. */
ech_status ech_async_lane_free(ech_async *async, ech_async_lane *lane);
/** The same for every lane of a run that ends early; what they trained is lost. */
void ech_async_lanes_stop(ech_async *async);

/* ---- async_arrivals.c ---- */

/** A unit's training has ended, or is waited for: apply its update, and hand up what is due. */
ech_status ech_async_arrive(ech_async *async, uint32_t number);

/* ---- async_turns.c ---- */

/** Does the log name each unit once a round, in order? */
ech_status ech_async_log_check(const ech_async_process_options *options,
                               const ech_async_plan *plan);
ech_status ech_async_turns_create(ech_async *async);
void ech_async_turns_destroy(ech_async *async);
/** Every unit goes on: from the beginning, or from what was restored. */
ech_status ech_async_turns_begin(ech_async *async);
/** Start what can start, and wait for the unit whose update comes next. */
ech_status ech_async_turns_next(ech_async *async, uint32_t *unit);
/** A unit's update has been applied: its next round, if there is one, gets its turn. */
ech_status ech_async_turns_go_on(ech_async *async, uint32_t unit);

#endif
