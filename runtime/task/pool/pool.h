/**
 * @file pool.h
 * The pool of one host: memory that its ranks (processes or threads) share, and each rank's view.
 *
 * A task that is released lives in a *cell* of the rank that submitted it: descriptor, small
 * arguments, later outcome and small result. Queues hold references to cells, 8 bytes each:
 * a ring for each depth and priority that all ranks take from, an inbox a rank for tasks bound to
 * it, and a ring a rank in which the cells it owns come back. A rank has a fixed number of cells,
 * and the ring in which they come back has room for all of them: so whoever has run a task never
 * waits to hand it back, and nothing in the pool grows.
 *
 * Only the owner takes and gives cells and arena blocks, so their books are private. What two ranks
 * both change are the rings, a cell's claim (run it or withdraw it), and who sleeps.
 */
#ifndef ECH_TASK_POOL_H
#define ECH_TASK_POOL_H

#include "runtime/mpi/event.h"
#include "runtime/task/executor_priv.h"
#include "runtime/task/pool/arena.h"
#include "runtime/task/pool/ring.h"
#include "runtime/task/team.h"

enum {
    ECH_CELL_DATA_BYTES = 208,
    ECH_CELL_RUNS = 1,      /* claims: 0 is queued */
    ECH_CELL_WITHDRAWN = 2, /* its owner has cancelled it */
    ECH_CELL_IN_TEAM = 1,   /* flags */
    ECH_CELL_STRICT = 2,
    ECH_CELL_NO_OUTCOME = 4, /* a guest of members other than 0: nobody waits for its outcome */
    ECH_AFFINITY_TEAM = 16,  /* beside ech_affinity_kind: as many ranks as `target` says */
    ECH_POOL_RING_ORDER = 12,
    ECH_POOL_STASH_ORDER = 6,
    ECH_POOL_RECORDS_ORDER = 12,
    ECH_POOL_BATCH = 32,
    ECH_POOL_NO_DEPTH = 1 << 24, /* deeper than any task: none may be run */
};

/** A cell: written by its owner, then by the one rank that claimed it, then read by its owner. */
typedef struct {
    _Alignas(64) uint64_t id;
    uint64_t walltime_ns;
    uint64_t block; /* offset in the owner's arena; UINT64_MAX: none */
    uint64_t home;  /* of a task from another host: its reference there */
    uint32_t arguments_bytes;
    uint32_t payload_bytes;
    uint32_t input_count;
    uint32_t target; /* rank, host or number of ranks that it is bound to */
    uint32_t home_host;
    uint16_t app;
    uint16_t depth;
    uint8_t attempt;
    uint8_t flags;
    int8_t priority;
    uint8_t affinity;

    _Alignas(64) _Atomic uint32_t claim;
    uint32_t rank; /* the outcome, from here on */
    uint64_t started_ticks;
    uint64_t ended_ticks;
    uint64_t result_bytes;
    uint16_t host;
    uint16_t core;
    uint8_t status;
    uint8_t outcome_flags;
    _Atomic uint32_t members_left;                        /* of this host, of a multi-rank task */
    _Alignas(16) unsigned char data[ECH_CELL_DATA_BYTES]; /* payload, then result or message */
} ech_cell;

/** Queues: pinned tasks stay on this host, shared ones may be taken by other hosts. */
typedef enum { ECH_QUEUE_SHARED, ECH_QUEUE_PINNED, ECH_QUEUE_KINDS } ech_queue_kind;

/** A rank's place: how the others wake it. */
typedef struct {
    ech_event event;
    /* While it sleeps: 1 + depth of the task that it waits in, or UINT32_MAX if it runs no tasks.
     * 0: awake, or being woken. */
    _Alignas(64) _Atomic uint32_t sleeping;
    _Atomic uint32_t offer; /* to take part in a multi-rank task: see gather.c */
} ech_post;

/** What the ranks of a host share, besides queues and cells. */
typedef struct {
    _Alignas(64) _Atomic uint32_t stopping;
    uint32_t program_status;                /* of the run that ends; written before `stopping` */
    _Atomic uint32_t left;                  /* ranks that have left the run, but the leader rank */
    _Alignas(64) _Atomic uint32_t spinning; /* ranks that look for any task */
    _Alignas(64) _Atomic uint32_t sleepers;
    _Alignas(64) _Atomic uint64_t task_ticks; /* what a task has taken lately, on some rank */
    _Alignas(64) _Atomic uint64_t gathering;  /* for a multi-rank task: see gather.c */
    _Atomic uint32_t offers_made;             /* so far: the leader rank sees that it changes */
    _Atomic uint32_t records_waiting;         /* somebody's ring of records is half full */
    /* Priorities ever used in each lane: only those rings are looked at. */
    _Alignas(64) _Atomic uint32_t used[ECH_QUEUE_KINDS][ECH_LANES];
} ech_pool_head;

/** Sizes, the same for all ranks of a host. */
typedef struct {
    uint32_t ranks;
    uint32_t cores;         /* processors that the ranks share */
    uint32_t own_cells;     /* a rank, for what it submits */
    uint32_t guest_cells;   /* of rank 0, for what comes from other hosts; behind its own */
    uint32_t returns_order; /* rings with room for all cells of a rank */
    uint64_t arena_bytes;   /* a rank */
} ech_pool_shape;

/** A bound task that waits in its rank's private heap. */
typedef struct {
    uint64_t key; /* larger first: lane, priority, age */
    uint64_t ref;
} ech_bound_task;

/** What a rank needs to take part in a multi-rank task; written by its host's leader rank. */
typedef struct {
    uint64_t ref;    /* the task, on this host */
    void *room;      /* where members that are threads meet */
    uint32_t number; /* of the gathering: the same for all members */
    uint32_t member;
    uint32_t count;
    uint32_t ranks[ECH_TEAM_RANKS_MAX]; /* of the job, by member */
} ech_team_order;

/** Who is who. */
typedef struct {
    uint32_t self;            /* my number on this host */
    const bool *runs_tasks;   /* by rank of the job */
    const int *local_of_rank; /* by rank of the job: its number on this host, -1 elsewhere */
} ech_pool_ranks;

typedef struct ech_pool {
    ech_executor *executor;
    ech_pool_shape shape;
    ech_pool_head *head;
    ech_post *posts;
    unsigned char *outbound;
    unsigned char *queues; /* sections of the shared memory, and the sizes of their members */
    unsigned char *rank_rings;
    unsigned char *cells;
    unsigned char *records;
    unsigned char *orders;
    unsigned char *arenas;
    uint64_t queue_bytes;
    uint64_t rings_bytes;
    uint64_t cells_bytes;
    uint64_t records_bytes;
    uint32_t self; /* my number on this host */
    bool runs_tasks;
    bool *rank_runs_tasks; /* by rank of the job */
    int *local_of_rank;    /* by rank of the job: its number on this host, -1 elsewhere */

    /* Owner: what I have submitted. */
    ech_pool_arena arena;
    ech_future **nodes; /* by cell */
    uint32_t *free_cells;
    uint32_t free_count;
    uint32_t releases; /* so far: every few ones, what came back is collected */

    /* Runner: what I have claimed. */
    ech_bound_task *bound;
    uint32_t bound_count;
    uint32_t bound_capacity;
    uint64_t bound_age;
    uint32_t stashed; /* references in my stash at most: others may have taken some */
    uint32_t stash_place;
    uint64_t task_ticks; /* what a task has taken lately, at least */
    uint64_t last_ticks; /* when the last one ended; 0: something happened since */
    uint64_t batch_ticks;
    uint64_t poll_ticks;
    bool quiet; /* the last sleep ended by its time, and nothing has happened since */

    /* Records: see records.c. */
    struct ech_spill *spill;                         /* mine that found no room; NULL: none yet */
    uint64_t records_lost;                           /* mine for which there was no file either */
    bool reads_records;                              /* leader rank: is about it */
    ech_task_record_sink records_sink;               /* leader rank: where this host's go */
    uint64_t (*records_room)(struct ech_pool *pool); /* how many may go now; NULL: all */

    /* Multi-rank tasks. */
    struct ech_gatherer *gatherer;               /* rank 0 of the job */
    uint32_t offers_seen;                        /* leader rank: of `offers_made` */
    void (*team_prepare)(ech_team_order *order); /* may be NULL */
    ech_status (*team_enter)(struct ech_pool *pool, const ech_team_order *order, ech_team *team);
    /* The end of a member: exchange its report once all have come to their ends. */
    ech_status (*team_finish)(const ech_team *team, const void *mine, size_t bytes, void *all);
    void (*team_leave)(ech_team *team);

    /* Other hosts; all NULL where there is one host. */
    void *links;
    bool (*serve)(struct ech_pool *pool);      /* leader rank: messages */
    uint64_t (*nap_ns)(struct ech_pool *pool); /* leader rank: how long it may sleep; 0: not yet */
    void (*take_back)(struct ech_pool *pool, uint32_t cell); /* a guest's cell has come back */
} ech_pool;

/* References. */

static inline uint64_t ech_ref(uint32_t owner, uint32_t cell, uint32_t lane, uint32_t priority,
                               ech_queue_kind kind)
{
    return (uint64_t)cell | (uint64_t)owner << 24 | (uint64_t)lane << 40 |
           (uint64_t)priority << 48 | (uint64_t)kind << 56;
}

static inline uint32_t ech_ref_cell(uint64_t ref)
{
    return (uint32_t)(ref & 0xffffff);
}

static inline uint32_t ech_ref_owner(uint64_t ref)
{
    return (uint32_t)(ref >> 24 & 0xffff);
}

static inline uint32_t ech_ref_lane(uint64_t ref)
{
    return (uint32_t)(ref >> 40 & 0xff);
}

static inline uint32_t ech_ref_priority(uint64_t ref)
{
    return (uint32_t)(ref >> 48 & 0xff);
}

static inline ech_queue_kind ech_ref_kind(uint64_t ref)
{
    return (ech_queue_kind)(ref >> 56 & 1);
}

/** Bytes that the ranks of a host share. */
uint64_t ech_pool_bytes(const ech_pool_shape *shape);

/** Make a rank's view of zeroed memory of that size. `executor` has its rank and host set. */
ech_status ech_pool_open(ech_pool *pool, ech_executor *executor, const ech_pool_shape *shape,
                         void *base, const ech_pool_ranks *ranks);
void ech_pool_close(ech_pool *pool);

ech_ring *ech_pool_queue(const ech_pool *pool, ech_queue_kind kind, uint32_t lane,
                         uint32_t priority);
ech_ring *ech_pool_inbox(const ech_pool *pool, uint32_t rank);
ech_ring *ech_pool_stash(const ech_pool *pool, uint32_t rank);
ech_ring *ech_pool_returns(const ech_pool *pool, uint32_t rank);
/** Tasks for other hosts, on their way to the leader rank. */
ech_ring *ech_pool_outbound(const ech_pool *pool);
/** Multi-rank tasks, on their way to who gathers ranks for them. */
ech_ring *ech_pool_teams(const ech_pool *pool);
ech_team_order *ech_pool_order(const ech_pool *pool, uint32_t rank);
ech_cell *ech_pool_cell(const ech_pool *pool, uint32_t owner, uint32_t cell);
unsigned char *ech_pool_block(const ech_pool *pool, uint32_t owner, uint64_t block);

/** Put a reference where the ranks of this host find it; false if there is no room now. */
bool ech_pool_enqueue(ech_pool *pool, uint64_t ref);
bool ech_pool_send_to_rank(ech_pool *pool, uint32_t rank, uint64_t ref);
/** Hand a task to the leader rank, for another host. */
bool ech_pool_send_out(ech_pool *pool, uint64_t ref);
/** Hand a multi-rank task to the leader rank. */
bool ech_pool_send_team(ech_pool *pool, uint64_t ref);
/** Give a cell that was run or withdrawn back to its owner, and wake that. */
void ech_pool_hand_back(ech_pool *pool, uint64_t ref);
/** For whoever runs a task or sends it away; false if it was withdrawn. */
bool ech_pool_claim(ech_cell *cell);

/* Where a cell's payload and result lie: in the cell if they fit, else in its block. */

static inline size_t ech_pool_padded(size_t bytes)
{
    return (bytes + 15) / 16 * 16;
}

/** Bytes of the block that a task needs; 0: none. */
static inline size_t ech_pool_block_bytes(size_t payload_bytes, size_t result_bytes_max)
{
    return (payload_bytes > ECH_CELL_DATA_BYTES ? ech_pool_padded(payload_bytes) : 0) +
           (result_bytes_max > ECH_CELL_DATA_BYTES ? result_bytes_max : 0);
}

unsigned char *ech_pool_payload(const ech_pool *pool, uint32_t owner, const ech_cell *cell);
/** The result's place in the block; NULL: in the cell. */
unsigned char *ech_pool_large_result(const ech_pool *pool, uint32_t owner, const ech_cell *cell);

/* Owner (owner.c). */

/** Pass ready nodes on while there are cells, blocks and room in the queues. */
void ech_pool_release(ech_pool *pool);
/** Take back cells that were run; false if there were none. */
bool ech_pool_collect(ech_pool *pool);
bool ech_pool_withdraw(ech_pool *pool, ech_future *node);

/* Runner (runner.c). */

/** Take and run tasks deeper than `depth`, at most one batch; false if there were none. */
bool ech_pool_run_some(ech_pool *pool, uint32_t depth);

/** Is there a task deeper than `depth` that this rank could take? */
bool ech_pool_has_tasks(ech_pool *pool, uint32_t depth);
/** Run a cell's function; its result goes to `result`. */
void ech_pool_call_cell(ech_pool *pool, uint32_t owner, const ech_cell *cell, const ech_team *team,
                        unsigned char *result, ech_outcome *outcome);
void ech_pool_write_outcome(ech_cell *cell, const ech_outcome *outcome, bool result_in_cell);

/** Leader rank: messages, multi-rank tasks and records; true if something happened. On other ranks
 *  nothing. */
bool ech_pool_serve(ech_pool *pool);

/* Records (records.c). */

/** Bytes of one rank's ring. */
uint64_t ech_pool_records_bytes(void);
/** Where a rank that is not the leader rank puts its own. */
ech_task_record_sink ech_pool_record_sink(ech_pool *pool);
/** Leader rank: pass on what the ranks of this host have put; true if there was something. */
bool ech_pool_read_records(ech_pool *pool);
/** Has a rank of this host put some that were not read? */
bool ech_pool_has_records(const ech_pool *pool);
/** The run has ended: put what is in this rank's file, and say what is lost. Waits for the leader
 *  rank; bounded. */
void ech_pool_end_records(ech_pool *pool);

/* Sleep and wake (sleep.c). */

/** There is a new task in a queue of this lane: wake a rank for it if none is looking. */
void ech_pool_wake_one(ech_pool *pool, uint32_t lane);
/** The same, from one who has just taken a task and leaves `left` behind. */
void ech_pool_wake_next(ech_pool *pool, uint32_t lane, uint64_t left);
void ech_pool_wake_rank(ech_pool *pool, uint32_t rank);
void ech_pool_wake_all(ech_pool *pool);
/** Poll for a moment, then sleep until something may have changed. */
void ech_pool_idle(ech_pool *pool, uint32_t depth);
/** Does a queue hold a task deeper than `depth`? */
bool ech_pool_queue_has_tasks(const ech_pool *pool, uint32_t depth);

/* The parts of an executor's table that threads and mpi share (variant.c). Their backend begins
 * with the pool. */
void ech_pool_variant_release(ech_executor *executor);
bool ech_pool_variant_step(ech_executor *executor, bool run);
void ech_pool_variant_idle(ech_executor *executor);
bool ech_pool_variant_withdraw(ech_executor *executor, ech_future *node);
void ech_pool_variant_yield(ech_executor *executor);
void ech_pool_variant_retract(ech_executor *executor);
ech_status ech_pool_variant_check_team(const ech_executor *executor, uint32_t ranks);
size_t ech_pool_variant_bytes_max(const ech_executor *executor);
/** Serve tasks until the run stops. */
void ech_pool_serve_run(ech_executor *executor);
/** Leader rank: before the ranks of this host begin a run. */
void ech_pool_begin_run(ech_pool *pool);
/** The program has ended: let the ranks of this host return. */
void ech_pool_stop(ech_pool *pool, ech_status program_status);
/** Leader rank: wait until so many other ranks of the host have left the run, and serve them;
 *  bounded. @return ECH_OK; ECH_ERR_TIMEOUT. */
ech_status ech_pool_await_leaving(ech_pool *pool, uint32_t others);

#endif
