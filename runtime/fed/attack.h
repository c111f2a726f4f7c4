/**
 * @file attack.h
 * Hostile workers, to study how well a rule bears them: they train like the others and send
 * something else.
 *
 * Which workers are hostile, and what noise they send, comes from the seed alone. Running
 * statistics are sent as trained: with noise they may be no statistics at all. Not collective.
 */
#ifndef ECH_FED_ATTACK_H
#define ECH_FED_ATTACK_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"
#include "runtime/fed/select.h"

typedef enum {
    ECH_ATTACK_REVERSE, /* global - scale * (trained - global) */
    ECH_ATTACK_NOISE,   /* global + a normal number of standard deviation `scale` a parameter */
} ech_attack_kind;

typedef struct {
    ech_attack_kind kind;
    uint32_t workers; /* hostile ones; at most those of the population are; 0: none */
    double scale;
} ech_attack_options;

/** Who is hostile: a bit a worker. Rank 0's; opaque; immutable. */
typedef struct ech_hostiles ech_hostiles;

ech_status ech_hostiles_create(const ech_population *population, uint32_t worker_count,
                               uint32_t hostile_count, uint64_t seed, ech_hostiles **out);
void ech_hostiles_destroy(ech_hostiles **hostiles);

/** NULL holds nobody. */
bool ech_hostiles_hold(const ech_hostiles *hostiles, uint32_t worker);

/** Make a trained update, in place, what a hostile worker sends. */
void ech_attack(const ech_attack_options *options, uint64_t seed, uint64_t round, uint64_t worker,
                const ech_layout *layout, const float *global, float *update);

#endif
