/**
 * @file graph.h
 * The data-flow graph of the tasks that one rank submitted: nodes (a task and its future in one),
 * edges from inputs to dependents, and the lists of those ready to run.
 *
 * A node lives while somebody refers to it: the user's handle, the task itself until it ends, and
 * each dependent until that ends. One owner: the submitting rank.
 */
#ifndef ECH_TASK_GRAPH_H
#define ECH_TASK_GRAPH_H

#include "runtime/base/hash.h"
#include "runtime/task/slab.h"
#include "runtime/task/task.h"

enum {
    ECH_PRIORITIES = ECH_PRIORITY_MAX - ECH_PRIORITY_MIN + 1,
    /* Depth 1 is what the program submits. Tasks of depth ECH_LANES - 1 and more share the last
     * lane; they stay on the rank that submitted them. */
    ECH_LANES = 8,
    ECH_LOCAL_LANE = ECH_LANES - 1,
    ECH_INLINE_BYTES = 64,
};

typedef enum {
    ECH_NODE_WAITING,  /* for inputs */
    ECH_NODE_READY,    /* in a ready list */
    ECH_NODE_RELEASED, /* with the executor: queued or running somewhere */
    ECH_NODE_ENDED,
} ech_node_state;

/** Why a task failed, shared by all that fail with it. */
typedef struct {
    uint32_t references;
    char text[];
} ech_cause;

typedef struct ech_edge {
    struct ech_future *input;
    struct ech_future *dependent;
    struct ech_edge *next_input;     /* of the same dependent, in the order given */
    struct ech_edge *next_dependent; /* of the same input */
} ech_edge;

typedef struct ech_continuation {
    void (*run)(ech_future *future, void *user);
    void *user;
    struct ech_continuation *next;
} ech_continuation;

struct ech_future {
    struct ech_future *next; /* in a ready list, or among the ended ones to settle */
    ech_executor *executor;
    uint64_t id;
    uint64_t queued_ticks;
    uint32_t *open_children; /* of the task that submitted it */
    void *heap;              /* arguments, then value, where they exceed `space` */
    uint64_t bytes;          /* of the arguments, then of the value */
    uint32_t references;
    uint32_t unresolved; /* inputs that have not ended */
    uint32_t cell;       /* of the pool, while released */
    uint16_t app;
    uint16_t depth;
    uint8_t state; /* ech_node_state */
    uint8_t status;
    int8_t priority;
    uint8_t affinity; /* ech_affinity_kind */
    uint8_t attempt;
    uint8_t attempts;
    bool strict : 1, retry_elsewhere : 1, memoize : 1, in_team : 1;
    uint32_t ranks;
    uint32_t retry_mask;
    uint32_t avoid_rank; /* plus 1; 0: none */
    uint32_t input_count;
    uint64_t affinity_value;
    uint64_t walltime_ns;
    ech_edge *inputs;
    ech_edge *dependents;
    ech_continuation *continuations;
    ech_cause *cause;
    ech_hash128 memo_key;
    _Alignas(16) unsigned char space[ECH_INLINE_BYTES]; /* small arguments, then small value */
};

typedef struct {
    ech_future *first;
    ech_future *last;
} ech_node_list;

typedef struct {
    ech_slab nodes;
    ech_slab edges;
    ech_node_list ready[ECH_LANES][ECH_PRIORITIES];
    uint32_t ready_priorities[ECH_LANES]; /* bit p: ready[lane][p] is not empty */
    uint32_t ready_lanes;                 /* bit l: lane l has ready nodes */
    uint32_t pending[ECH_LANES];          /* submitted, not ended */
    ech_node_list ended;                  /* whose dependents and continuations come next */
    uint64_t ended_count;                 /* in all */
    size_t heap_bytes;                    /* of arguments and values outside the nodes */
} ech_graph;

void ech_graph_init(ech_graph *graph);
/** Free everything, nodes still referred to included. */
void ech_graph_clear(ech_graph *graph);
size_t ech_graph_held_bytes(const ech_graph *graph);

static inline uint32_t ech_lane_of_depth(uint32_t depth)
{
    return depth < ECH_LOCAL_LANE ? depth : ECH_LOCAL_LANE;
}

/** A node with its arguments copied, in no list yet; one reference, the task's. NULL: no memory. */
ech_future *ech_graph_add(ech_graph *graph, const void *arguments, size_t arguments_bytes);
/** Make `dependent` wait for `input` (which may have ended). The last input first. */
ech_status ech_graph_connect(ech_graph *graph, ech_future *input, ech_future *dependent);
/** One input of this node has ended; true if it was the last and the node is still waiting. */
bool ech_graph_input_ended(ech_graph *graph, ech_future *dependent);
/** Drop a node that never entered a list: the undoing of add and connect. */
void ech_graph_discard(ech_graph *graph, ech_future *node);
/** Drop one reference. */
void ech_graph_unrefer(ech_graph *graph, ech_future *node);

void ech_graph_push_ready(ech_graph *graph, ech_future *node);
/** The ready node to run first: deepest lane of at least `lane`, largest priority, oldest. NULL if
 *  there is none. */
ech_future *ech_graph_first_ready(const ech_graph *graph, uint32_t lane);
/** The same within one lane. */
ech_future *ech_graph_first_ready_in(const ech_graph *graph, uint32_t lane);
/** Put a node that was just taken out back to where it was. */
void ech_graph_push_ready_first(ech_graph *graph, ech_future *node);
/** Take the first of its list out again. */
void ech_graph_pop_ready(ech_graph *graph, ech_future *node);
/** Take any ready node out: linear in the length of its list. */
void ech_graph_remove_ready(ech_graph *graph, ech_future *node);

/** The task has ended. `value` is copied; `cause` may be NULL and is referred to. */
void ech_graph_end(ech_graph *graph, ech_future *node, ech_status status, const void *value,
                   size_t value_bytes, ech_cause *cause);
/** Take the next ended node whose dependents have not been told; NULL if there is none. */
ech_future *ech_graph_next_ended(ech_graph *graph);

ech_cause *ech_cause_create(const char *text);
void ech_cause_unrefer(ech_cause *cause);

/* What a task gets: its arguments, and the values of its inputs behind them. */

typedef struct {
    uint64_t offset; /* from the payload's begin */
    uint64_t bytes;
} ech_payload_input;

/** Bytes of a node's payload: all its inputs have ended. */
size_t ech_payload_bytes(const ech_future *node);
void ech_payload_pack(const ech_future *node, unsigned char *payload);
/** The table of inputs in a packed payload. */
const ech_payload_input *ech_payload_table(const unsigned char *payload, size_t arguments_bytes);

static inline const void *ech_node_data(const ech_future *node)
{
    return node->heap != NULL ? node->heap : node->space;
}

#endif
