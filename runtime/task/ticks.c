#include "runtime/task/ticks.h"

static const uint64_t calibration_ns = 1000000;

static double ns_per_tick(const ech_ticks_scale *scale)
{
    const uint64_t ticks = scale->last_ticks - scale->first_ticks;
    return ticks == 0 ? 1.0 : (double)(scale->last_ns - scale->first_ns) / (double)ticks;
}

void ech_ticks_refresh(ech_ticks_scale *scale)
{
    const uint64_t now_ns = ech_clock_wall_ns();
    const uint64_t now_ticks = ech_ticks();
    if (now_ns <= scale->first_ns || now_ticks <= scale->first_ticks) {
        return; /* the wall clock was set back */
    }
    scale->last_ns = now_ns;
    scale->last_ticks = now_ticks;
}

void ech_ticks_begin(ech_ticks_scale *scale)
{
    scale->first_ns = ech_clock_wall_ns();
    scale->first_ticks = ech_ticks();
    scale->last_ns = scale->first_ns;
    scale->last_ticks = scale->first_ticks;
    ech_clock_sleep_ns(calibration_ns);
    ech_ticks_refresh(scale);
}

uint64_t ech_ticks_wall_ns(const ech_ticks_scale *scale, uint64_t ticks)
{
    const double distance = (double)(int64_t)(ticks - scale->last_ticks) * ns_per_tick(scale);
    return scale->last_ns + (uint64_t)(int64_t)distance;
}

uint64_t ech_ticks_of_wall_ns(const ech_ticks_scale *scale, uint64_t ns)
{
    const double distance = (double)(int64_t)(ns - scale->last_ns) / ns_per_tick(scale);
    return scale->last_ticks + (uint64_t)(int64_t)distance;
}

uint64_t ech_ticks_of_ns(const ech_ticks_scale *scale, uint64_t ns)
{
    return (uint64_t)((double)ns / ns_per_tick(scale));
}
