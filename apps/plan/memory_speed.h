/**
 * @file memory_speed.h
 * What this machine's memory moves while a job's ranks are at work, by which the measurements of a
 * calibration are told apart.
 *
 * Not collective.
 */
#ifndef ECH_APPS_PLAN_MEMORY_SPEED_H
#define ECH_APPS_PLAN_MEMORY_SPEED_H

#include <stdint.h>

#include "apps/memory_probe.h"
#include "apps/plan/calibration.h"
#include "runtime/base/status.h"

/** A probe of as many threads as ranks of that manner, and cores. @return ECH_OK; ECH_ERR_MEMORY.
 */
ech_status ech_memory_speed_probe(const ech_round_manner *manner, uint32_t cores,
                                  ech_memory_probe **out);

/** Bytes a second now, in about a twentieth of a second. */
double ech_memory_speed(ech_memory_probe *probe);

/** The same, of twice in a row that it is alike, within half a second. @return ECH_OK;
 *  ECH_ERR_MEMORY. */
ech_status ech_memory_speed_steady(const ech_round_manner *manner, uint32_t cores,
                                   double *bytes_per_second);

#endif
