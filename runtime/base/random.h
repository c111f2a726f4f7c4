/**
 * @file random.h
 * Counter-based random numbers: Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC'11), from Random123.
 *
 * A stream is named by what it is for, not by who draws from it: (seed, purpose, round, worker,
 * epoch). Two ranks that make the same stream draw the same numbers, so no result depends on where
 * or in which order work is done. Derived numbers (uniform, normal, gamma) use only operations that
 * IEEE 754 rounds correctly, and this file's own logarithm and exponential: the same bits
 * everywhere.
 *
 * Not collective. A stream is a value of its owner; streams are independent across threads.
 */
#ifndef ECH_BASE_RANDOM_H
#define ECH_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/** What a stream is for. Never renumber: the numbers are part of every result. */
typedef enum {
    ECH_RANDOM_INITIALISE = 1, /* a model's first parameters; worker = tensor number */
    ECH_RANDOM_SPLIT = 2,      /* how data is dealt to workers */
    ECH_RANDOM_SELECT = 3,     /* which workers take part in a round */
    ECH_RANDOM_SHUFFLE = 4,    /* order of a worker's samples in an epoch */
    ECH_RANDOM_DROPOUT = 5,
    ECH_RANDOM_AUGMENT = 6,
    ECH_RANDOM_TOPOLOGY = 7,
    ECH_RANDOM_CLOCK = 8, /* simulated durations */
    ECH_RANDOM_TEST = 9,
    ECH_RANDOM_ATTACK = 10, /* hostile workers; worker 0, round 0: which ones */
} ech_random_purpose;

/** A stream's state. Copy it to fork an identical stream. */
typedef struct {
    uint64_t key[2];     /* seed, purpose */
    uint64_t counter[4]; /* block, epoch, worker, round */
    uint64_t block[4];   /* numbers of the current block */
    uint32_t used;       /* of the four */
} ech_random;

/** The stream of this name, at its beginning. */
ech_random ech_random_stream(uint64_t seed, ech_random_purpose purpose, uint64_t round,
                             uint64_t worker, uint64_t epoch);

/** Uniform over all 64-bit numbers. */
uint64_t ech_random_u64(ech_random *stream);

/** Uniform in [0, 1), a multiple of 2^-53. */
double ech_random_uniform(ech_random *stream);

/** Uniform in [0, 1), a multiple of 2^-24: exact in float32. */
float ech_random_uniform_float(ech_random *stream);

/** Uniform in [0, bound), without bias (Lemire 2019). `bound` at least 1. */
uint64_t ech_random_below(ech_random *stream, uint64_t bound);

/** Standard normal (polar method of Marsaglia and Bray 1964). */
double ech_random_normal(ech_random *stream);

/** Exponential of a normal number of mean 0 and standard deviation `sigma`, which is at most 20. */
double ech_random_log_normal(ech_random *stream, double sigma);

/** Gamma of shape `alpha` > 0 and scale 1 (Marsaglia and Tsang 2000). */
double ech_random_gamma(ech_random *stream, double alpha);

/** Shuffle `count` indices in place (Fisher and Yates). */
void ech_random_shuffle_u32(ech_random *stream, uint32_t *items, size_t count);

#endif
