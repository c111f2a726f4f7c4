#include "apps/report/phases.h"

#include <math.h>

const char *const ech_phase_names[ECH_PHASE_COUNT] = {"start",     "send",     "train",
                                                      "aggregate", "evaluate", "wait"};
const int ech_phase_colours[ECH_PHASE_COUNT] = {7, 5, 0, 2, 4, 9};

double ech_phase_of_round(const ech_round_row *row, ech_phase phase)
{
    switch (phase) {
    case ECH_PHASE_SEND:
        return row->send_seconds;
    case ECH_PHASE_TRAIN:
        return row->train_seconds;
    case ECH_PHASE_AGGREGATE:
        return row->aggregate_seconds;
    case ECH_PHASE_EVALUATE:
        return row->evaluate_seconds;
    case ECH_PHASE_WAIT:
        return row->wait_seconds;
    case ECH_PHASE_START:
    case ECH_PHASE_COUNT:
        break;
    }
    return 0.0;
}

double ech_phase_of_run(const ech_run *run, ech_phase phase)
{
    if (phase == ECH_PHASE_START) {
        const bool known = run->round_count > 0 && isfinite(run->rounds[0].start);
        return known ? run->rounds[0].start : 0.0;
    }
    double sum = 0.0;
    for (size_t i = 0; i < run->round_count; i++) {
        const double seconds = ech_phase_of_round(&run->rounds[i], phase);
        sum += isfinite(seconds) ? seconds : 0.0;
    }
    return sum;
}
