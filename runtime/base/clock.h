/**
 * @file clock.h
 * Time of one host's monotonic clock. Not collective; thread-safe.
 */
#ifndef ECH_BASE_CLOCK_H
#define ECH_BASE_CLOCK_H

#include <stdint.h>

/** Nanoseconds of CLOCK_MONOTONIC: comparable between the processes of one host. */
uint64_t ech_clock_ns(void);

/** Nanoseconds since 1970 (CLOCK_REALTIME): for records that hosts share. */
uint64_t ech_clock_wall_ns(void);

/** Nanoseconds of processor time that the calling thread has used. */
uint64_t ech_clock_thread_cpu_ns(void);

/** Sleep for at least `ns`, whatever signals arrive. */
void ech_clock_sleep_ns(uint64_t ns);

/** Nanoseconds as seconds. */
static inline double ech_clock_seconds(uint64_t ns)
{
    return (double)ns * 1e-9;
}

#endif
