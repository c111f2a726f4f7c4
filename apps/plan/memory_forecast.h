/**
 * @file memory_forecast.h
 * What a run holds in memory, part by part, from the formulas of those who lay it out.
 *
 * A rank's resident set has all that its host shares; the host has that once. Rank 0 is the largest
 * rank: it also keeps the copy that checkpoints are written from. Not collective.
 */
#ifndef ECH_APPS_PLAN_MEMORY_FORECAST_H
#define ECH_APPS_PLAN_MEMORY_FORECAST_H

#include <stdint.h>

#include "apps/plan/subject.h"
#include "runtime/base/status.h"

enum { ECH_MEMORY_PARTS_MAX = 16 };

typedef struct {
    const char *name;      /* static */
    uint64_t rank_bytes;   /* of each rank, its own */
    uint64_t first_bytes;  /* of rank 0 alone */
    uint64_t shared_bytes; /* of each host, once */
    uint64_t host_bytes;   /* of rank 0's host, with all its ranks */
} ech_memory_part;

typedef struct {
    ech_memory_part parts[ECH_MEMORY_PARTS_MAX];
    uint32_t count;
} ech_memory_forecast;

/** Without the program and MPI themselves, which a calibration measures. @return ECH_OK, or what
 *  ech_learner_create and ech_stations_need return. */
ech_status ech_memory_forecast_make(const ech_subject *subject, ech_memory_forecast *out);

/** Add what a calibration has measured: bytes of each rank, and of all ranks of a host, who share
 *  some of them. */
void ech_memory_forecast_add(ech_memory_forecast *forecast, const char *name, uint64_t rank_bytes,
                             uint64_t host_bytes);

/** Resident bytes of rank 0, the largest. */
uint64_t ech_memory_forecast_rank(const ech_memory_forecast *forecast);
/** Bytes of rank 0's host, the largest: what is shared counts once. */
uint64_t ech_memory_forecast_host(const ech_memory_forecast *forecast);

#endif
