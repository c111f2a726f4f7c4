#include "kernels/peak.h"

#include "kernels/lanes/kernels.h"
#include "runtime/base/clock.h"

enum { RUNS = 10 };

double ech_peak_gflops(ech_isa isa)
{
    static const uint64_t rounds = 1000000;
    const ech_lanes_kernels *kernels = ech_lanes_kernels_for(isa);
    double best = 0.0;
    float sink = 0.0F;
    for (int run = 0; run < RUNS; run++) {
        const uint64_t begin = ech_clock_ns();
        const double operations = kernels->peak(rounds, &sink);
        const double rate = operations / (double)(ech_clock_ns() - begin);
        best = rate > best ? rate : best;
    }
    return best;
}
