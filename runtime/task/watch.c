#define _GNU_SOURCE
#include "runtime/task/watch.h"

#include <string.h>
#include <time.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"

static const uint64_t ns_per_second = 1000000000;

void ech_watch_init(ech_watch *watch)
{
    pthread_condattr_t attributes;
    memset(watch, 0, sizeof *watch);
    pthread_mutex_init(&watch->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

void ech_watch_clear(ech_watch *watch)
{
    if (watch->running) {
        pthread_mutex_lock(&watch->lock);
        watch->stopping = true;
        pthread_cond_signal(&watch->changed);
        pthread_mutex_unlock(&watch->lock);
        pthread_join(watch->thread, NULL);
        watch->running = false;
    }
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
}

static void report(ech_watch_entry *entry)
{
    entry->late = true;
    ech_log(ECH_LOG_WARNING,
            "task %llu (%s) on rank %d, host %d, is past its walltime of %.3f s and still runs",
            (unsigned long long)entry->task, entry->app, entry->rank, entry->host,
            ech_clock_seconds(entry->walltime_ns));
}

/* Report what is late; returns when the next one will be, 0 if none. */
static uint64_t look(const ech_watch *watch, uint64_t now_ns)
{
    uint64_t next_ns = 0;
    for (ech_watch_entry *entry = watch->innermost; entry != NULL; entry = entry->outer) {
        if (entry->late) {
            continue;
        }
        if (entry->deadline_ns <= now_ns) {
            report(entry);
        } else if (next_ns == 0 || entry->deadline_ns < next_ns) {
            next_ns = entry->deadline_ns;
        }
    }
    return next_ns;
}

static void *watch_tasks(void *argument)
{
    ech_watch *watch = argument;
    pthread_mutex_lock(&watch->lock);
    while (!watch->stopping) {
        const uint64_t next_ns = look(watch, ech_clock_ns());
        if (next_ns == 0) {
            pthread_cond_wait(&watch->changed, &watch->lock);
        } else {
            const struct timespec until = {.tv_sec = (time_t)(next_ns / ns_per_second),
                                           .tv_nsec = (long)(next_ns % ns_per_second)};
            pthread_cond_timedwait(&watch->changed, &watch->lock, &until);
        }
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

void ech_watch_enter(ech_watch *watch, ech_watch_entry *entry)
{
    entry->late = false;
    entry->deadline_ns = ech_clock_ns() + entry->walltime_ns;
    pthread_mutex_lock(&watch->lock);
    entry->outer = watch->innermost;
    watch->innermost = entry;
    if (!watch->running) {
        watch->running = pthread_create(&watch->thread, NULL, watch_tasks, watch) == 0;
    }
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
}

bool ech_watch_leave(ech_watch *watch, ech_watch_entry *entry)
{
    pthread_mutex_lock(&watch->lock);
    watch->innermost = entry->outer;
    const bool late = entry->late || ech_clock_ns() > entry->deadline_ns;
    pthread_mutex_unlock(&watch->lock);
    return late;
}
