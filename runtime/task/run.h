/**
 * @file run.h
 * Running one task: the call, its context, its outcome.
 */
#ifndef ECH_TASK_RUN_H
#define ECH_TASK_RUN_H

#include "runtime/task/task.h"

/** A member's place in a multi-rank task. */
typedef struct {
    uint32_t member;
    uint32_t count;
    void *self;
    ech_status (*exchange)(void *self, uint32_t member, const void *mine, size_t bytes, void *all);
} ech_team;

enum { ECH_OUTCOME_MESSAGE_BYTES = 1024 };

typedef struct {
    uint64_t id;
    uint64_t walltime_ns;
    uint16_t app;
    uint16_t depth;
    uint8_t attempt;
    bool in_team; /* this task or one above it is a multi-rank task */
    uint32_t input_count;
    size_t arguments_bytes;
    const unsigned char *payload; /* arguments, then the inputs' table and values */
    unsigned char *result;
    size_t result_capacity;
    const ech_team *team; /* NULL: an ordinary task */
} ech_call;

typedef struct {
    ech_status status;
    uint8_t flags; /* ECH_RECORD_* */
    uint32_t rank;
    uint16_t host;
    uint16_t core;
    uint64_t started_ticks;
    uint64_t ended_ticks;
    const unsigned char *result;
    size_t result_bytes;
    const char *message; /* of a failure; valid until this thread's next failure */
} ech_outcome;

struct ech_task_context {
    ech_executor *executor;
    const ech_call *call;
    ech_task_context *outer; /* the task that waits below this one on the stack */
    uint32_t open_children;
};

/** Run a task on this rank. Returns after the tasks that it submitted have ended. */
void ech_run_call(ech_executor *executor, const ech_call *call, uint64_t started_ticks,
                  ech_outcome *outcome);

#endif
