/**
 * @file verify.h
 * The three judgements of `echelon verify`. Not collective.
 *
 * 1. The double reference against what a golden file stores: 1e-9 of each tensor's root mean
 *    square.
 * 2. A float engine, step by step, against the double reference: 2e-5. Also for the next seed with
 *    three samples more.
 * 3. The whole network in float against the double reference, for several seeds.
 */
#ifndef ECH_APPS_VERIFY_H
#define ECH_APPS_VERIFY_H

#include <stdbool.h>

#include "io/golden.h"
#include "kernels/network.h"
#include "kernels/plan.h"

typedef struct {
    ech_engine_choice engine;
    uint32_t threads;
    uint32_t seeds; /* 0 to seeds - 1 in the third judgement */
    bool quiet;     /* one line a file */
} ech_verify_options;

/** What the judgements share: a network, a batch, a seed. */
typedef struct {
    const ech_network *network;
    uint32_t batch;
    uint64_t seed;
    const ech_verify_options *options;
} ech_verify_case;

/* Each sets *passed and prints what it finds. */
ech_status ech_verify_reference(const ech_verify_case *subject, const ech_golden *golden,
                                bool *passed);
ech_status ech_verify_steps(const ech_verify_case *subject, bool *passed);
ech_status ech_verify_network(const ech_verify_case *subject, bool *passed);

#endif
