/**
 * @file short_run.h
 * A short run of Echelon on this machine's ranks, in a folder of its own. For calibrate.c.
 */
#ifndef ECH_APPS_PLAN_SHORT_RUN_H
#define ECH_APPS_PLAN_SHORT_RUN_H

#include <stdint.h>

#include "apps/plan/calibration.h"
#include "apps/plan/short_folder.h"
#include "apps/run/launch.h"
#include "io/service.h"
#include "runtime/base/status.h"
#include "runtime/base/yaml.h"

enum { ECH_SHORT_ROUNDS_MAX = 8, ECH_SHORT_SETS_MAX = 20 };

typedef struct {
    ech_short_folder folder;
    ech_io *io;
} ech_short_runs;

/** Make the folder; from now on the signals of interrupt.h end a run early, which then returns
 *  ECH_ERR_INTERRUPTED. */
ech_status ech_short_runs_begin(ech_short_runs *out);
/** Remove it. */
void ech_short_runs_end(ech_short_runs *runs);

/** What a run of `fit` that trains nothing took. */
typedef struct {
    ech_round_cost rounds[ECH_SHORT_ROUNDS_MAX];
    uint32_t round_count;
    double start_seconds;
    uint64_t rank_bytes, host_bytes;
} ech_short_result;

/** @param sets  keys of the configuration, `set_count` of them at most ECH_SHORT_SETS_MAX. */
ech_status ech_short_run_rounds(const ech_short_runs *runs, const ech_round_manner *manner,
                                const char *const *sets, size_t set_count, ech_short_result *out);

/**
 * Run `echelon` with these arguments, ended by NULL, on so many ranks at once, each by itself, and
 * read what each writes, one JSON object.
 *
 * @param take  called with each of them.
 */
ech_status ech_short_run_each(const ech_short_runs *runs, uint32_t ranks,
                              const char *const *arguments,
                              ech_status (*take)(const ech_yaml_node *root, void *user),
                              void *user);

#endif
