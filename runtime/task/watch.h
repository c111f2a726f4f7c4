/**
 * @file watch.h
 * Reports tasks that run longer than their walltime, while they run: a function cannot be stopped
 * from outside, but its rank can say that it is late. The watching thread is made when the first
 * task with a walltime begins; a rank without such tasks has none.
 *
 * One owner, the rank; entries live on its stack, innermost first.
 */
#ifndef ECH_TASK_WATCH_H
#define ECH_TASK_WATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef struct ech_watch_entry {
    uint64_t task;
    const char *app;
    int rank;
    int host;
    uint64_t walltime_ns;
    uint64_t deadline_ns; /* of ech_clock_ns */
    bool late;
    struct ech_watch_entry *outer;
} ech_watch_entry;

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool running;
    bool stopping;
    ech_watch_entry *innermost;
} ech_watch;

void ech_watch_init(ech_watch *watch);
/** Ends the thread. */
void ech_watch_clear(ech_watch *watch);
/** `entry` has its task, app, rank, host and walltime set. Without a thread to be had, lateness is
 * only noticed at the end. */
void ech_watch_enter(ech_watch *watch, ech_watch_entry *entry);
/** True if the task was late. */
bool ech_watch_leave(ech_watch *watch, ech_watch_entry *entry);

#endif
