#define _GNU_SOURCE
#include "runtime/base/clock.h"

#include <errno.h>
#include <time.h>

static const uint64_t ns_per_second = 1000000000;

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * ns_per_second + (uint64_t)now.tv_nsec;
}

uint64_t ech_clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t ech_clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t ech_clock_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void ech_clock_sleep_ns(uint64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / ns_per_second),
                            .tv_nsec = (long)(ns % ns_per_second)};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
}
