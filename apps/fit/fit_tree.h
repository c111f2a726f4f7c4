/**
 * @file fit_tree.h
 * Rank 0's view of who takes part: the topology, where its nodes are placed, who can be selected.
 *
 * Not collective.
 */
#ifndef ECH_APPS_FIT_TREE_H
#define ECH_APPS_FIT_TREE_H

#include "apps/fit_options.h"
#include "runtime/base/config.h"
#include "runtime/base/status.h"
#include "runtime/fed/placement.h"
#include "runtime/fed/select.h"
#include "runtime/fed/topology.h"
#include "runtime/mpi/machine.h"

typedef struct {
    ech_topology *topology;
    ech_placement *placement;
    ech_population *population;
    uint64_t *samples; /* of each worker; NULL without data */
} ech_fit_tree;

/** Read or generate the topology. ECH_ERR_CONFIG with file and line. */
ech_status ech_fit_tree_grow(ech_fit_tree *tree, const ech_config *config,
                             const ech_fit_options *options);

/** Place it on the machine. */
ech_status ech_fit_tree_place(ech_fit_tree *tree, const ech_machine *machine);

/** Who says how many samples a worker has. */
typedef struct {
    uint64_t (*samples)(void *user, uint32_t worker);
    void *user;
} ech_fit_census;

/** Count who has samples. */
ech_status ech_fit_tree_populate(ech_fit_tree *tree, ech_fit_census census);

/** Free what there is. Accepts an empty tree. */
void ech_fit_tree_clear(ech_fit_tree *tree);

#endif
