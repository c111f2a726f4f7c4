/**
 * @file availability.h
 * When workers are on: availability traces for the virtual clock.
 *
 * A trace is a text file with a line for each stretch of time in which a worker is on, `worker from
 * until` in seconds; `#` begins a comment. Stretches of a worker are in order and apart. A worker
 * that the file does not name is always on; one that it names is off but for its stretches.
 *
 *     # worker  from  until
 *     0         0     3600
 *     0         7200  10800
 *     3         600   1e9
 *
 * Not collective. Immutable once loaded.
 */
#ifndef ECH_FED_AVAILABILITY_H
#define ECH_FED_AVAILABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

#define ECH_TIME_NEVER UINT64_MAX

typedef struct ech_availability ech_availability;

/** @return ECH_OK; ECH_ERR_CONFIG (naming file and line); ECH_ERR_FILE; ECH_ERR_MEMORY. */
ech_status ech_availability_load(const char *path, uint32_t worker_count, ech_availability **out);
void ech_availability_destroy(ech_availability **availability);

/* NULL stands for a trace in which everybody is always on. */

/** The first time from `time_ns` on at which the worker is on; ECH_TIME_NEVER. */
uint64_t ech_availability_next_on(const ech_availability *availability, uint32_t worker,
                                  uint64_t time_ns);

/** When work that begins then and takes so long is done, if it stands still while the worker is
 *  off; ECH_TIME_NEVER. */
uint64_t ech_availability_work(const ech_availability *availability, uint32_t worker,
                               uint64_t time_ns, uint64_t work_ns);

#endif
