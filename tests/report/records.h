/**
 * @file records.h
 * Run records to report on, made up by rules that a test can check: written through `io`.
 */
#ifndef ECH_TESTS_REPORT_RECORDS_H
#define ECH_TESTS_REPORT_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/record.h"

/**
 * Round t takes train_seconds / ranks + 0.1 s; the model's accuracy after it is 1 - 0.9 / (t + 1)
 * and its loss 2 / (t + 1). Worker w trains (w + 1) * 0.1 s a round, on node 1 + w, in a shared
 * round (sync) or one round after the other (async). Tier d carries 1000 * d bytes up and half of
 * it down, the wire half of both. Task i runs on rank i modulo ranks, for 1 ms, one after the
 * other, all submitted at once; each tenth is an evaluation, each hundredth fails, each two
 * hundredth is a second attempt. Eight apps before these two run nothing.
 */
typedef struct {
    const char *config; /* YAML */
    uint32_t ranks;
    uint32_t workers;
    uint32_t rounds;
    uint32_t tiers;
    uint64_t tasks;
    double train_seconds;
    bool async;
} made_run;

/** Write `folder/name/run.h5`; its path in `path` (ECH_TEST_PATH_BYTES). */
void make_record(ech_io *io, const char *folder, const char *name, const made_run *run, char *path);

#endif
