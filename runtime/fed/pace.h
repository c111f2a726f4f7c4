/**
 * @file pace.h
 * How long a worker takes, on the virtual clock: time that is computed from what a worker is, not
 * measured.
 *
 * A worker's turn is: the model comes down, it trains, the update goes up. Training takes samples *
 * epochs * sample_seconds / speed, times a jitter of its own for each round; a transfer takes the
 * latency and bytes / bandwidth. Speeds are drawn once from the seed; a topology file may give a
 * worker its own `speed`, `bandwidth` and `latency`. All of it is integers of nanoseconds and
 * depends on the seed, the worker and the round alone.
 *
 * Not collective. Immutable.
 */
#ifndef ECH_FED_PACE_H
#define ECH_FED_PACE_H

#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/availability.h"
#include "runtime/fed/select.h"
#include "runtime/fed/topology.h"

typedef struct {
    double sample_seconds;  /* of a sample in an epoch, at speed 1; at least 0 */
    double jitter;          /* a training takes 1 - jitter to 1 + jitter times as long; below 1 */
    double speed_sigma;     /* spread of the logarithms of the speeds; at most 20 */
    double straggler_share; /* probability of a worker to be a straggler */
    double straggler_slowdown; /* times longer that it takes; at least 1 */
    double bandwidth;          /* bytes a second, each way; 0: no time */
    double latency;            /* seconds, each way */
} ech_pace_options;

/** What the turns are about. */
typedef struct {
    uint64_t seed;
    const ech_topology *topology;
    const ech_population *population;
    const ech_availability *availability; /* NULL: always on */
    uint64_t model_bytes;
    uint32_t epochs;
} ech_pace_work;

typedef struct ech_pace ech_pace;

/** @param work  what it points to is borrowed until the pace is destroyed.
 *  @return ECH_OK; ECH_ERR_CONFIG (a bad value in the topology's file); ECH_ERR_MEMORY. */
ech_status ech_pace_create(const ech_pace_options *options, const ech_pace_work *work,
                           ech_pace **out);
void ech_pace_destroy(ech_pace **pace);

typedef struct {
    uint64_t train_start_ns; /* the model is there */
    uint64_t train_end_ns;
    uint64_t
        arrival_ns; /* the update is where it goes; ECH_TIME_NEVER: the worker goes off first */
} ech_turn;

/** A worker's turn that begins at `start_ns`, when it is on. */
ech_turn ech_pace_turn(const ech_pace *pace, uint32_t worker, uint64_t round, uint64_t start_ns);

/** The first time from `time_ns` on at which a worker is on; ECH_TIME_NEVER. */
uint64_t ech_pace_next_on(const ech_pace *pace, uint32_t worker, uint64_t time_ns);

#endif
