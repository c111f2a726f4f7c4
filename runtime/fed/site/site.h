/**
 * @file site.h
 * A remote site's own job: it trains its workers for a leader elsewhere, by the same tasks, kernels
 * and exact sums as a job that leads itself, and sends their sum.
 *
 * Every rank makes the same site (collective), registers its tasks, and gives it to the executor's
 * program on rank 0, which takes rounds from a member (member.h) until the federation has ended.
 */
#ifndef ECH_FED_SITE_SITE_H
#define ECH_FED_SITE_SITE_H

#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/placement.h"
#include "runtime/fed/select.h"
#include "runtime/fed/site/member.h"
#include "runtime/fed/strategy.h"
#include "runtime/fed/topology.h"
#include "runtime/fed/trainer.h"
#include "runtime/mpi/machine.h"
#include "runtime/task/task.h"

/** What a worker's report may tell; how many samples it has is always told. */
typedef enum {
    ECH_SITE_TELLS_LOSS = 1 << 0,
    ECH_SITE_TELLS_ACCURACY = 1 << 1,
    ECH_SITE_TELLS_TIMES = 1 << 2, /* when it trained, and its steps */
} ech_site_tells;

typedef struct {
    /* Each rank's own; borrowed. */
    const ech_trainer *trainer;
    const ech_strategy *strategy;
    /* Rank 0's, borrowed; ignored on the others. */
    const ech_topology *topology;
    const ech_placement *placement;
    const ech_population *population; /* by the site's own samples */
    /* The same everywhere. */
    ech_homes homes;
    uint64_t seed;
    uint32_t epochs;
    uint32_t tells;       /* ech_site_tells */
    uint32_t epochs_most; /* that it trains in a round; 0: any number */
    uint64_t rounds_most; /* that it takes part in, in this job; 0: any number */
} ech_site_options;

typedef struct ech_site ech_site;

/** Collective. @return the same status on every rank. */
ech_status ech_site_create(ech_machine *machine, const ech_site_options *options, ech_site **out);
/** Collective. */
void ech_site_destroy(ech_site **handle);

ech_status ech_site_register(ech_site *site, ech_app_registry *registry);

/** In the executor's program, on rank 0: until the federation has ended, or its limit of rounds is
 *  reached. @return ECH_OK; what member.h says; the first failure. */
ech_status ech_site_run(ech_site *site, ech_executor *executor, ech_member *member);

/** Rounds whose updates were counted. */
uint64_t ech_site_rounds(const ech_site *site);

#endif
