/**
 * @file ticks.h
 * The cheapest clock: raw ticks that all cores of a host share, turned into time later, in batches.
 * A system clock call costs several times as much as a no-op task.
 */
#ifndef ECH_TASK_TICKS_H
#define ECH_TASK_TICKS_H

#include <stdint.h>

#include "runtime/base/clock.h"

/** Ticks since some moment; comparable between the processes of one host. */
static inline uint64_t ech_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return ech_clock_ns();
#endif
}

/** How ticks relate to time: two moments at which both were read. */
typedef struct {
    uint64_t first_ticks;
    uint64_t first_ns; /* CLOCK_REALTIME */
    uint64_t last_ticks;
    uint64_t last_ns;
} ech_ticks_scale;

/** Read both clocks; waits for about a millisecond so that the rate is known at once. */
void ech_ticks_begin(ech_ticks_scale *scale);
/** Read both again: the rate gets better with the distance. */
void ech_ticks_refresh(ech_ticks_scale *scale);
/** Nanoseconds since 1970 of a moment. */
uint64_t ech_ticks_wall_ns(const ech_ticks_scale *scale, uint64_t ticks);
/** The ticks of a moment. */
uint64_t ech_ticks_of_wall_ns(const ech_ticks_scale *scale, uint64_t ns);
/** Ticks in so many nanoseconds. */
uint64_t ech_ticks_of_ns(const ech_ticks_scale *scale, uint64_t ns);

#endif
