#include "apps/fit/fit_deadline.h"

#include "runtime/base/clock.h"
#include "runtime/base/log.h"

/* Rounds differ: the next may take an eighth longer than the longest so far. */
enum { SLACK_PARTS = 8 };

static const uint64_t ns_a_second = UINT64_C(1000000000);

void ech_fit_deadline_add(ech_fit_deadline *deadline, uint64_t round_ns)
{
    deadline->longest_ns = round_ns > deadline->longest_ns ? round_ns : deadline->longest_ns;
}

bool ech_fit_deadline_stops(const ech_fit_deadline *deadline)
{
    if (deadline->until_s == 0) {
        return false;
    }
    const uint64_t now_ns = ech_clock_wall_ns();
    const uint64_t until_ns = deadline->until_s * ns_a_second;
    const uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    const uint64_t needed_ns = deadline->longest_ns + deadline->longest_ns / SLACK_PARTS;
    if (left_ns > needed_ns) {
        return false;
    }
    ech_log(ECH_LOG_WARNING, "%.1f s are left until the deadline, a round may take %.1f s",
            ech_clock_seconds(left_ns), ech_clock_seconds(needed_ns));
    return true;
}
