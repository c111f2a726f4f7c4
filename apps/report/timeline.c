#include "apps/report/timeline.h"

#include <math.h>

#include "runtime/base/memory.h"

struct ech_timeline {
    ech_range time;
    double partial[ECH_TIMELINE_BINS];    /* bins that an interval covers in part, in bins */
    double change[ECH_TIMELINE_BINS + 1]; /* of the number that covers whole bins, at each edge */
};

ech_status ech_timeline_create(ech_range time, ech_timeline **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->time = ech_range_widened(time);
    return ECH_OK;
}

void ech_timeline_destroy(ech_timeline **timeline)
{
    if (timeline != NULL) {
        ech_free(*timeline);
        *timeline = NULL;
    }
}

static double bin_seconds(const ech_timeline *timeline)
{
    return (timeline->time.high - timeline->time.low) / ECH_TIMELINE_BINS;
}

void ech_timeline_add(ech_timeline *timeline, double start_s, double end_s)
{
    const double width = bin_seconds(timeline);
    const double from = fmax((start_s - timeline->time.low) / width, 0.0);
    const double to = fmin((end_s - timeline->time.low) / width, ECH_TIMELINE_BINS);
    if (!(from < to)) {
        return;
    }
    const size_t first = (size_t)from;
    const size_t last = (size_t)to; /* ECH_TIMELINE_BINS if it ends with the range */
    if (first == last) {
        timeline->partial[first] += to - from;
        return;
    }
    timeline->partial[first] += (double)first + 1.0 - from;
    timeline->change[first + 1] += 1.0;
    timeline->change[last] -= 1.0;
    if (last < ECH_TIMELINE_BINS) {
        timeline->partial[last] += to - (double)last;
    }
}

void ech_timeline_means(const ech_timeline *timeline, double factor, double *middles_s,
                        double *means)
{
    double whole = 0.0;
    for (size_t i = 0; i < ECH_TIMELINE_BINS; i++) {
        whole += timeline->change[i];
        middles_s[i] = timeline->time.low + bin_seconds(timeline) * ((double)i + 0.5);
        means[i] = factor * (whole + timeline->partial[i]);
    }
}
