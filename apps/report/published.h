/**
 * @file published.h
 * Results that others published, to draw beside ours: Flight's and Flower's, from the Flight
 * paper's public artifacts (arXiv 2409.16495). They were measured on their authors' machines, and
 * each series says so.
 *
 * Each function appends grey lines to a set. Not collective.
 */
#ifndef ECH_REPORT_PUBLISHED_H
#define ECH_REPORT_PUBLISHED_H

#include "apps/report/series.h"

/** Test accuracy over rounds of the hierarchy experiment, a line a height (1, 2, 4, 8); nothing for
 * a strategy that it did not run. x = 0 is the initial model. */
void ech_published_hierarchy(ech_series *series, const char *strategy);

/** The same of the experiment with remote sites. */
void ech_published_remote(ech_series *series);

/** Idle share of each of the 12 workers of the async experiment, by mode: "sync" or "async".
 * x = 1 is the first worker. */
void ech_published_idle(ech_series *series, const char *mode);

/** Seconds of one round without training over workers, a line a system; nothing for a model that
 * it did not run. */
void ech_published_scaling(ech_series *series, const char *model);

#endif
