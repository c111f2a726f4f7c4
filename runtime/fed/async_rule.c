#include "runtime/fed/async_rule.h"

#include <math.h>

double ech_staleness_factor(const ech_async_options *options, uint64_t staleness)
{
    const double behind = (double)staleness;
    switch (options->staleness) {
    case ECH_STALENESS_CONSTANT:
        return 1.0;
    case ECH_STALENESS_POLYNOMIAL:
        return pow(1.0 + behind, -options->staleness_a);
    case ECH_STALENESS_HINGE:
        return behind <= options->staleness_b
                   ? 1.0
                   : 1.0 / (options->staleness_a * (behind - options->staleness_b) + 1.0);
    }
    return 1.0;
}
