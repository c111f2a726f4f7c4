/**
 * @file scenarios_priv.h
 * What the files of the scenarios share: their apps, and how they say what they expect.
 */
#ifndef ECH_TESTS_TASK_SCENARIOS_PRIV_H
#define ECH_TESTS_TASK_SCENARIOS_PRIV_H

#include "tests/task/scenarios.h"

enum { SCENARIO_LARGE_BYTES = 300000 };

/** The first expectation that failed; what tasks say meanwhile does not touch it. */
typedef ech_failure checks;

void expect(checks *done, bool condition, const char *what);

/** Submit an app that takes one integer. `apps` is the registry. */
ech_future *submit(ech_executor *executor, ech_app_registry *apps, const char *app,
                   int64_t argument, const ech_task_options *options);
/** Its value, one integer too; INT64_MIN if it is none. */
int64_t value_of(ech_future *future);

/** Register the apps that the scenarios use. */
ech_status scenarios_register(ech_app_registry *apps);

/* scenarios_pool.c */
ech_status large_values(ech_executor *executor, void *user);
ech_status shell_commands(ech_executor *executor, void *user);
ech_status teams(ech_executor *executor, void *user);
ech_status affinities(ech_executor *executor, void *user);
ech_status priorities_come_first(ech_executor *executor, void *user);
ech_status equal_keys_meet(ech_executor *executor, void *user);
ech_status bad_submits(ech_executor *executor, void *user);
ech_status released_is_cancelled(ech_executor *executor, void *user);
ech_status pending_is_small(ech_executor *executor, void *user);
ech_status submit_waits_for_room(ech_executor *executor, void *user);

#endif
