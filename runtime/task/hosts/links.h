/**
 * @file links.h
 * What the leader rank of a host does for the others: tasks and their outcomes between hosts.
 *
 * A task that comes from another host becomes a *guest*: a cell of the leader rank, in the queues
 * like any other. When it comes back, its outcome goes to its home host and into the cell there. A
 * host that runs out of tasks tells its neighbours (on a hypercube of hosts, so that work reaches
 * all in few hops); each remembers that and sends tasks as soon as it can spare some ("lifelines":
 * Saraswat et al., PPoPP 2011), so nobody asks twice and an idle job exchanges no messages.
 *
 * Leader ranks only, where there are several hosts; one thread.
 */
#ifndef ECH_TASK_LINKS_H
#define ECH_TASK_LINKS_H

#include "runtime/mpi/machine.h"
#include "runtime/task/pool/gather.h"
#include "runtime/task/pool/pool.h"

/** Opaque. */
typedef struct ech_links ech_links;

/** Fills in the pool's `links` and its functions. Collective over the leader ranks. */
ech_status ech_links_create(ech_pool *pool, ech_machine *machine, ech_links **out);
/** Collective over the leader ranks. Accepts NULL. */
void ech_links_destroy(ech_links **links);

/** What the gatherer of multi-rank tasks asks the other hosts. */
ech_gather_hosts ech_links_gather_hosts(ech_links *links);

/** Begin a run: nothing is left of the last one. */
void ech_links_begin_run(ech_links *links);
/** Host 0: the program has ended; tell the others and wait until they have sent their records. */
ech_status ech_links_end_run(ech_links *links, ech_status program_status);
/** Other hosts, after the ranks of this host have stopped: send what is left, say goodbye. */
ech_status ech_links_leave_run(ech_links *links);

#endif
