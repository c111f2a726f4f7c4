/**
 * @file fit_sites.h
 * The remote sites of a run: keys, the hub on rank 0, and waiting until all have joined.
 */
#ifndef ECH_APPS_FIT_SITES_H
#define ECH_APPS_FIT_SITES_H

#include <stdint.h>

#include "apps/fit_options.h"
#include "runtime/base/config.h"
#include "runtime/base/hash.h"
#include "runtime/base/status.h"
#include "runtime/fed/site/hub.h"
#include "runtime/fed/site/site_list.h"
#include "runtime/fed/strategy.h"
#include "runtime/fed/topology.h"
#include "runtime/mpi/machine.h"
#include "runtime/mpi/pin.h"

/** Rank 0's; zero-initialise it. */
typedef struct {
    ech_site_list *list;
    ech_public_key *admitted;
    ech_hub *hub; /* NULL: no remote sites */
} ech_fit_sites;

/** What sites are compared with. All borrowed until the sites are cleared. */
typedef struct {
    const ech_config *config;
    const ech_fit_options *options;
    const ech_topology *topology; /* rank 0's */
    const ech_strategy *strategy;
    const char *engines;
    const ech_pin_result *pinned;
} ech_fit_sites_run;

/** Listen, and wait until all sites of the topology have joined; nothing without any. Collective.
 *  @return the same on every rank: ECH_OK; ECH_ERR_CONFIG; ECH_ERR_TIMEOUT, naming those that have
 *          not come; ECH_ERR_INTERRUPTED; ECH_ERR_SYSTEM; ECH_ERR_UNSUPPORTED. */
ech_status ech_fit_sites_open(ech_fit_sites *sites, ech_machine *machine,
                              const ech_fit_sites_run *run);
void ech_fit_sites_clear(ech_fit_sites *sites);

/** The sites of a topology, with the run's compression where a node says nothing. */
ech_status ech_fit_sites_list(const ech_topology *topology, const ech_fit_options *options,
                              ech_site_list **out);

#endif
