/**
 * @file bench_kernels.h
 * Measures a learner: whole training steps on fresh batches of random images. Not collective.
 */
#ifndef ECH_APPS_BENCH_KERNELS_H
#define ECH_APPS_BENCH_KERNELS_H

#include "kernels/train.h"

typedef struct {
    const ech_network *network;
    uint32_t batch, threads;
    ech_engine_choice engine;
    double seconds; /* measure for at least this long, after a warm-up */
} ech_bench_options;

typedef struct {
    double samples_per_second;        /* over the whole time measured */
    double step_ms;                   /* median */
    double step_ms_low, step_ms_high; /* first and ninth decile */
    double gflops;                    /* of convolutions and linear layers */
    double peak_gflops;               /* of one thread's multiply-adds, measured before and after */
    uint64_t steps;
    uint64_t peak_rss_bytes, plan_bytes;
    uint64_t held_bytes; /* in all blocks: the plan, images, models */
} ech_bench_result;

/** Called with each step's times a training step, in milliseconds. */
typedef void ech_bench_report(const ech_step_info *info, double forward_ms, double backward_ms,
                              void *user);

/** @return ECH_OK, or what ech_learner_create and ech_learner_train return. */
ech_status ech_bench_kernels(const ech_bench_options *options, ech_bench_result *result,
                             ech_bench_report *report, void *user);

#endif
