/**
 * @file pin_plan.h
 * Which processors each rank of a host gets: a pure function of the machine's shape, the allowed
 * processors, and the numbers of ranks and threads. Not collective. Inside runtime/mpi only.
 */
#ifndef ECH_MPI_PIN_PLAN_H
#define ECH_MPI_PIN_PLAN_H

#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/mpi/pin.h"

/** Where the machine's shape comes from: this host if both are NULL. */
typedef struct {
    const char *synthetic; /* hwloc's description, e.g. "package:2 core:8 pu:1" */
    const char *xml_path;  /* a file of lstopo's */
    const char *allowed;   /* list of processors such as "0-3,8" that may be used; NULL: all that
                              the machine's shape says are allowed */
} ech_pin_source;

typedef struct {
    ech_pin_outcome outcome; /* ECH_PIN_DONE, ECH_PIN_CROWDED or ECH_PIN_IMPOSSIBLE */
    uint32_t cores;          /* allowed */
    uint32_t rank_count;
    uint32_t *first; /* by rank, one more at the end: where its processors begin in `cpus` */
    uint32_t *cpus;  /* the operating system's numbers; NULL unless done */
} ech_pin_plan;

/** @return ECH_OK, ECH_ERR_MEMORY, or ECH_ERR_ARGUMENT (no ranks or threads, a source that hwloc
 * does not understand). Free it with ech_pin_plan_free. */
ech_status ech_pin_plan_make(const ech_pin_source *source, uint32_t rank_count, uint32_t threads,
                             ech_pin_plan *out);
void ech_pin_plan_free(ech_pin_plan *plan);

#endif
