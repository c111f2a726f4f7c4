/**
 * @file calibration.h
 * What a machine was measured to take for rounds and for training, kept in a JSON file with what
 * identifies the machine.
 *
 * - *Rounds*: of one number of ranks a host, one way to move updates and one speed of the memory,
 *   the time of a round that trains nothing, in points over the model's values and the workers: a
 * LogGP-like set of latencies and costs is read from them (time_forecast.h). The first round of a
 * run is kept apart from the later ones, since it meets cold caches.
 * - *Kernels*: of one network, batch and number of ranks at work at once, samples a second of each.
 *
 * Not collective. Plain data.
 */
#ifndef ECH_APPS_PLAN_CALIBRATION_H
#define ECH_APPS_PLAN_CALIBRATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/hash.h"
#include "runtime/base/status.h"
#include "runtime/fed/round.h"
#include "runtime/mpi/hardware.h"

enum {
    ECH_CALIBRATION_POINTS_MAX = 24,
    ECH_CALIBRATION_SETS_MAX = 128,
    ECH_CALIBRATION_WORD_BYTES = 16,
    ECH_ROUND_WAIT = ECH_PHASE_COUNT, /* what is no phase of a rank */
    ECH_ROUND_PARTS,
};

/** Seconds of a round, means over the ranks: they add up to its wall time. */
typedef struct {
    double seconds[ECH_ROUND_PARTS];
} ech_round_cost;

/** "send", "train", "aggregate", "evaluate", "wait". */
const char *ech_round_part_name(int part);
double ech_round_cost_total(const ech_round_cost *cost);

typedef struct {
    uint64_t values;  /* of the model */
    uint64_t workers; /* that took part */
    double start_seconds;
    ech_round_cost first, later;
} ech_calibration_point;

/** How a job's ranks work together: words of the configuration. */
typedef struct {
    uint32_t hosts;
    uint32_t ranks; /* of a host */
    char workers_on[ECH_CALIBRATION_WORD_BYTES];
    char leader[ECH_CALIBRATION_WORD_BYTES];
    char transfer[ECH_CALIBRATION_WORD_BYTES];
} ech_round_manner;

bool ech_round_manner_equal(const ech_round_manner *a, const ech_round_manner *b);

typedef struct {
    ech_round_manner manner;
    double bytes_per_second; /* that as many threads moved meanwhile (memory_probe.h) */
    uint64_t rank_bytes;     /* of the largest rank, for the program and MPI themselves */
    uint64_t host_bytes;     /* the same of all ranks of a host, what they share counted once */
    ech_calibration_point points[ECH_CALIBRATION_POINTS_MAX];
    uint32_t point_count;
} ech_calibration_rounds;

typedef struct {
    char network[ECH_HASH_TEXT_BYTES]; /* its fingerprint */
    char engine[ECH_CALIBRATION_WORD_BYTES];
    uint32_t batch, threads;
    uint32_t ranks; /* at work at once on a host */
} ech_kernels_manner;

bool ech_kernels_manner_equal(const ech_kernels_manner *a, const ech_kernels_manner *b);

typedef struct {
    ech_kernels_manner manner;
    double train_rate;      /* samples a second of one rank */
    double evaluate_rate;   /* the same, forward only */
    uint64_t library_bytes; /* of a rank, for kernels made at run time and BLAS */
} ech_calibration_kernels;

typedef struct {
    char host[ECH_HARDWARE_TEXT_BYTES];
    char processor[ECH_HARDWARE_TEXT_BYTES];
    char mpi[ECH_HARDWARE_TEXT_BYTES];
    uint32_t cores; /* that a job may use */
    uint64_t memory_bytes;
    ech_calibration_rounds rounds[ECH_CALIBRATION_SETS_MAX];
    uint32_t rounds_count;
    ech_calibration_kernels kernels[ECH_CALIBRATION_SETS_MAX];
    uint32_t kernels_count;
} ech_calibration;

/** Of this machine, without a measurement. @return ECH_OK; ECH_ERR_SYSTEM. */
ech_status ech_calibration_begin(ech_calibration *out);

/** $XDG_CACHE_HOME/echelon (or ~/.cache/echelon) and a name that the machine's parts give.
 *  @return ECH_OK; ECH_ERR_CONFIG (there is no such folder, or its path is too long). */
ech_status ech_calibration_path(const ech_calibration *machine, char *path, size_t bytes);

/** @return ECH_OK; ECH_ERR_FILE; ECH_ERR_CONFIG (not such a file, with its line). */
ech_status ech_calibration_load(const char *path, ech_calibration *out);

/** Write it to a temporary name, then rename that; missing folders are made. ECH_ERR_FILE. */
ech_status ech_calibration_save(const ech_calibration *calibration, const char *path);

/** How far two numbers are apart, by their ratio: 0 if they are the same. */
double ech_ratio_distance(double a, double b);

/** The memory was as fast: neither moved a fifth more than the other. */
bool ech_speeds_alike(double a, double b);

/** NULL where there is none of that manner, at about that speed of the memory. */
const ech_calibration_rounds *ech_calibration_find_rounds(const ech_calibration *calibration,
                                                          const ech_round_manner *manner,
                                                          double bytes_per_second);
const ech_calibration_kernels *ech_calibration_find_kernels(const ech_calibration *calibration,
                                                            const ech_kernels_manner *manner);

/** Forget the measurements of that manner, at all speeds. */
void ech_calibration_drop_rounds(ech_calibration *calibration, const ech_round_manner *manner);

/** Keep a measurement, in place of one that `find` would find for it. ECH_ERR_LIMIT: the file is
 *  full. */
ech_status ech_calibration_keep_rounds(ech_calibration *calibration,
                                       const ech_calibration_rounds *rounds);
ech_status ech_calibration_keep_kernels(ech_calibration *calibration,
                                        const ech_calibration_kernels *kernels);

#endif
