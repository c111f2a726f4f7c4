/**
 * @file models.h
 * The models that Echelon knows by name, one file each under models/.
 *
 * Not collective; thread-safe.
 */
#ifndef ECH_KERNELS_MODELS_H
#define ECH_KERNELS_MODELS_H

#include <stddef.h>

#include "kernels/network.h"

typedef struct {
    const char *name;    /* "smallconv" */
    const char *summary; /* one line for --help, with its source */
    ech_shape input;     /* where nothing else is asked for */
    uint32_t classes;
    /** Append the model's layers. The result is `ech_network_finish`'s. */
    ech_status (*build)(ech_network *network);
} ech_model;

/** The models one after the other, from number 0; NULL after the last. */
const ech_model *ech_model_at(size_t number);

/** The model of this name, or NULL. */
const ech_model *ech_model_find(const char *name);

/**
 * Build a model by name.
 *
 * @param input    NULL: the model's own input shape.
 * @param classes  0: the model's own.
 * @return ECH_OK; ECH_ERR_CONFIG (unknown name: the message lists those known; an input too small
 *         for it); ECH_ERR_MEMORY.
 */
ech_status ech_model_create(const char *name, const ech_shape *input, uint32_t classes,
                            ech_network **out);

/**
 * Build a model that a YAML file describes, without compiling:
 *
 *     name: mynet
 *     input: [3, 32, 32]                     # channels, height, width; the caller's come first
 *     classes: 10
 *     layers:
 *       - conv: {name: conv1, filters: 16, kernel: 3, pad: 1}
 *       - relu: {as: trunk}                  # a name for its output
 *       - conv: {name: conv2, filters: 16, kernel: 3, pad: 1, bias: false}
 *       - batch_norm: {name: bn2}
 *       - add: {inputs: [trunk, previous]}
 *       - max_pool: {kernel: 2, stride: 2}
 *       - linear: {name: fc}                 # outputs: the classes, where it is left out
 *
 * Kinds: conv (filters, kernel, stride, pad, groups, bias), linear (outputs, bias), batch_norm,
 * relu, max_pool and avg_pool (kernel, stride, pad, ceil), adaptive_avg_pool (height, width),
 * dropout (probability), add, concat (inputs). Any layer may have `input` (a name; the layer
 * before, where it is left out) and `as`. Weights begin as PyTorch's defaults.
 *
 * @param input    NULL: the file's.
 * @param classes  0: the file's.
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_CONFIG (file, line, key and what was expected);
 *         ECH_ERR_MEMORY.
 */
ech_status ech_model_read(const char *path, const ech_shape *input, uint32_t classes,
                          ech_network **out);

/** The same from the text of such a file. @param source  its name, for messages. */
ech_status ech_model_read_text(const char *text, size_t bytes, const char *source,
                               const ech_shape *input, uint32_t classes, ech_network **out);

/** Build a model by name, or from a file: what has a '.' or a '/' in it is a path. */
ech_status ech_model_open(const char *name_or_path, const ech_shape *input, uint32_t classes,
                          ech_network **out);

#endif
