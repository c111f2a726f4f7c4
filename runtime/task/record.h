/**
 * @file record.h
 * What is kept of each run of a task: one fixed-size record, handed to a sink on rank 0.
 *
 * A task leaves one record for each attempt, and one when it ends without running (cancelled,
 * failed by an input, or answered from the memo). Records come in batches, in no order.
 */
#ifndef ECH_TASK_RECORD_H
#define ECH_TASK_RECORD_H

#include <stddef.h>
#include <stdint.h>

enum {
    ECH_RECORD_LATE = 1, /* ran longer than its walltime */
    ECH_RECORD_MEMO = 2, /* not run: the value was known */
};

typedef struct {
    uint64_t task;           /* unique in the job: submitting rank << 40 | number */
    uint64_t queued_ns;      /* submitted; nanoseconds since 1970, as all times here */
    uint64_t started_ns;     /* 0 if it did not run */
    uint64_t ended_ns;       /* of the run, or when it ended without one */
    uint64_t argument_bytes; /* with the values of its inputs */
    uint64_t result_bytes;
    uint32_t rank; /* where it ran; where it was submitted if it did not run */
    uint16_t host;
    uint16_t core; /* the one it ended on */
    uint16_t app;
    uint8_t status;  /* ech_status */
    uint8_t attempt; /* 0 first */
    uint8_t flags;   /* ECH_RECORD_* */
    int8_t priority;
    uint8_t depth; /* 1: submitted by the program, 2: by such a task, ... */
    uint8_t reserved;
} ech_task_record;

/** Where records go. Called on rank 0 only, from within submits, waits and yields; must not submit.
 */
typedef struct {
    void *self;
    void (*write)(void *self, const ech_task_record *records, size_t count);
} ech_task_record_sink;

#endif
