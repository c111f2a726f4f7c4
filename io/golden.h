/**
 * @file golden.h
 * Golden files: what a trusted program computed for one model, batch and seed, to verify kernels
 * against. Weights, inputs and labels come from formulas and are not in the file.
 *
 * Not collective. A file is read by a child process, as files of others are: one that makes HDF5
 * crash or hang is bad, no more. Not for ranks that already talk through MPI.
 */
#ifndef ECH_IO_GOLDEN_H
#define ECH_IO_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/layout.h"
#include "runtime/base/status.h"

enum { ECH_GOLDEN_ELEMENTS_MAX = 16, ECH_GOLDEN_STEPS = 3 };

/** A tensor's digest. */
typedef struct {
    char name[ECH_LAYOUT_NAME_BYTES];
    double l2, sum; /* over all elements */
    uint32_t count;
    uint64_t index[ECH_GOLDEN_ELEMENTS_MAX]; /* into the flattened tensor */
    double value[ECH_GOLDEN_ELEMENTS_MAX];
} ech_golden_digest;

typedef struct {
    char model[ECH_LAYOUT_NAME_BYTES];
    uint32_t batch, classes;
    uint32_t channels, height, width; /* of one input sample */
    uint64_t seed, parameter_count;
    double loss[ECH_GOLDEN_STEPS];
    double *logits;               /* [batch, classes], first step */
    double *eval_logits;          /* [batch, classes], evaluation mode, after the last step */
    ech_golden_digest *gradients; /* first step */
    size_t gradient_count;
    ech_golden_digest *states; /* after the last step */
    size_t state_count;
} ech_golden;

/**
 * @return ECH_OK; ECH_ERR_FILE (cannot be opened); ECH_ERR_FORMAT (not HDF5, or something missing
 *         or of the wrong size: the message names file and object); ECH_ERR_MEMORY.
 */
ech_status ech_golden_read(const char *path, ech_golden **out);
void ech_golden_destroy(ech_golden **golden);

#endif
