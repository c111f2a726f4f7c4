/**
 * @file async_rule.h
 * How an asynchronous aggregator takes updates, one at a time, in the order in which they come.
 *
 * The arithmetic is float64, rounded to float32 once an element and arrival: the same order gives
 * the same bits. Not collective.
 */
#ifndef ECH_FED_ASYNC_RULE_H
#define ECH_FED_ASYNC_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/layout.h"

struct ech_strategy;

/** What an update counts by its staleness t: the versions that the model moved on meanwhile. */
typedef enum {
    ECH_STALENESS_CONSTANT,   /* 1 */
    ECH_STALENESS_POLYNOMIAL, /* (1 + t)^-a */
    ECH_STALENESS_HINGE,      /* 1 up to t = b, then 1 / (a (t - b) + 1) */
} ech_staleness_kind;

/** A rule reads what its paper names and leaves the rest alone. */
typedef struct {
    double alpha; /* fedasync: share of a fresh update in the new model; above 0, up to 1 */
    ech_staleness_kind staleness;
    double staleness_a; /* at least 0 */
    double staleness_b; /* at least 0 */
    uint32_t buffer;    /* fedbuff: updates that make a version, at least 1 */
} ech_async_options;

/** An aggregator's model and an update on its way into it. Arrays of value_count elements. */
typedef struct {
    const float *model; /* the current version */
    float *update;      /* in: as the rule's form says; out: the next version, if one is made */
    float *buffer;      /* zero at first; NULL for a rule without */
    uint32_t buffered;  /* updates in it */
    uint64_t staleness; /* of the update */
} ech_arrival;

typedef struct {
    bool has_buffer;
    /** Take the update. @return whether it made a version. */
    bool (*take)(const struct ech_strategy *strategy, const ech_layout *layout,
                 ech_arrival *arrival);
    /** Nothing more will come: make a version of what the buffer holds, at least one update;
     *  `update` is only written. NULL for a rule without a buffer. */
    void (*flush)(const struct ech_strategy *strategy, const ech_layout *layout,
                  ech_arrival *arrival);
} ech_async_rule;

/** What an update of this staleness counts: above 0, up to 1. */
double ech_staleness_factor(const ech_async_options *options, uint64_t staleness);

#endif
