#include "kernels/lanes/kernels_priv.h"
#include "kernels/lanes/vector.h"

/* As many independent sums as hide the latency of two multiply-adds a cycle, and fit in registers.
 */
enum { PEAK_SUMS = 12 };

double ECH_LANES_NAME(ech_lanes_peak)(uint64_t rounds, float *sink)
{
    vector sums[PEAK_SUMS];
    const vector factor = vector_of(0.999F), addend = vector_of(sink[0]);
    for (int i = 0; i < PEAK_SUMS; i++) {
        sums[i] = vector_of((float)i);
    }
    for (uint64_t r = 0; r < rounds; r++) {
        for (int i = 0; i < PEAK_SUMS; i++) {
            sums[i] = vector_fma(sums[i], factor, addend);
        }
    }
    for (int i = 0; i < PEAK_SUMS; i++) {
        sink[0] += sums[i][0];
    }
    return 2.0 * PEAK_SUMS * VECTOR_LANES * (double)rounds;
}
