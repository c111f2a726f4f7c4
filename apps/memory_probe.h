/**
 * @file memory_probe.h
 * What the memory moves a second with a round's mix of reads and writes, in arrays far beyond a
 * core's caches. On a shared machine it changes from one minute to the next.
 *
 * Not collective: ranks that measure at once share the memory, and each gets its part.
 */
#ifndef ECH_APPS_MEMORY_PROBE_H
#define ECH_APPS_MEMORY_PROBE_H

#include <stdint.h>

#include "runtime/base/status.h"

enum {
    /* For P values a worker reads 4 P bytes and writes 4 P; the sum reads 4 P, reads and writes
     * 16 P. */
    ECH_PROBE_COPIED_BYTES = 8,
    ECH_PROBE_SUMMED_BYTES = 20,
    ECH_PROBE_MOVED_BYTES = ECH_PROBE_COPIED_BYTES + ECH_PROBE_SUMMED_BYTES,
};

/** Opaque: the arrays of the threads that measure at once, 128 MiB each, resident. */
typedef struct ech_memory_probe ech_memory_probe;

/** @param threads  at least 1; the caller is one of them. @return ECH_OK; ECH_ERR_MEMORY. */
ech_status ech_memory_probe_create(uint32_t threads, ech_memory_probe **out);
void ech_memory_probe_destroy(ech_memory_probe **probe);

/** For at least so long. @return bytes a second of all threads; fewer threads where the system
 *  gives no more. */
double ech_memory_probe_measure(ech_memory_probe *probe, uint64_t nanoseconds);

#endif
