#define _GNU_SOURCE
#include "runtime/mpi/event.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const uint64_t ns_per_second = 1000000000;

uint32_t ech_event_prepare(ech_event *event)
{
    atomic_fetch_add_explicit(&event->waiters, 1, memory_order_acq_rel);
    return atomic_load_explicit(&event->sequence, memory_order_acquire);
}

void ech_event_cancel(ech_event *event)
{
    atomic_fetch_sub_explicit(&event->waiters, 1, memory_order_relaxed);
}

bool ech_event_wait(ech_event *event, uint32_t ticket, uint64_t timeout_ns)
{
    const struct timespec limit = {.tv_sec = (time_t)(timeout_ns / ns_per_second),
                                   .tv_nsec = (long)(timeout_ns % ns_per_second)};
    const long result = syscall(SYS_futex, &event->sequence, FUTEX_WAIT, ticket, &limit, NULL, 0);
    const bool timed_out = result != 0 && errno == ETIMEDOUT;
    ech_event_cancel(event);
    return !timed_out;
}

void ech_event_notify(ech_event *event, uint32_t count)
{
    if (atomic_fetch_add_explicit(&event->waiters, 0, memory_order_acq_rel) == 0) {
        return;
    }
    atomic_fetch_add_explicit(&event->sequence, 1, memory_order_release);
    const int wake = count > INT_MAX ? INT_MAX : (int)count;
    syscall(SYS_futex, &event->sequence, FUTEX_WAKE, wake, NULL, NULL, 0);
}
