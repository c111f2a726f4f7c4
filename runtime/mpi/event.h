/**
 * @file event.h
 * An eventcount in shared memory: ranks of one host sleep until another rank changes something, and
 * use no processor time meanwhile. (Vyukov's eventcount; futex words are shared, not private.)
 *
 * The waiter decides on its own condition, so nothing is lost:
 *
 *     waiter                                      notifier
 *     ticket = ech_event_prepare(e);              change the condition (atomic store, release);
 *     if (condition) ech_event_cancel(e);         ech_event_notify(e, count);
 *     else ech_event_wait(e, ticket, timeout);
 *
 * `prepare` announces the waiter and `notify` looks for announced waiters by an atomic
 * read-modify-write of the same word, and such operations on one word happen in one order. Either
 * the notifier came second: it sees the waiter and moves the sequence on, so that the wait returns
 * at once. Or the waiter came second: it synchronises with the notifier and so sees the condition.
 * Without waiters a notify is one atomic operation: no system call.
 *
 * Not collective; thread-safe; works between processes that map the same memory. Waits may return
 * early (spuriously): always test the condition again.
 */
#ifndef ECH_MPI_EVENT_H
#define ECH_MPI_EVENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/** In shared memory, zeroed memory is a valid event; at least 64-byte aligned, one cache line. */
typedef struct {
    _Alignas(64) _Atomic uint32_t sequence; /* the futex word */
    _Atomic uint32_t waiters;
} ech_event;

/** For `count` of ech_event_notify. */
#define ECH_EVENT_ALL UINT32_MAX

/** Announce a waiter; pair with exactly one ech_event_wait or ech_event_cancel. */
uint32_t ech_event_prepare(ech_event *event);

/** Take the announcement back: the condition already holds. */
void ech_event_cancel(ech_event *event);

/**
 * Sleep until a notify that came after the `prepare`, or until the time is over.
 *
 * @return false if the time ran out.
 */
bool ech_event_wait(ech_event *event, uint32_t ticket, uint64_t timeout_ns);

/** Wake up to `count` waiters. A woken waiter that died is lost: waits are bounded. */
void ech_event_notify(ech_event *event, uint32_t count);

#endif
