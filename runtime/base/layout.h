/**
 * @file layout.h
 * How a model's state lies in memory: one flat array of float32 values (parameters and running
 * statistics, in state_dict order, without gaps) and one flat array of int64 counters
 * (`num_batches_tracked`). The word that kernels, federation and files share about a model.
 *
 * Not collective. Immutable once built; readable from any thread.
 */
#ifndef ECH_BASE_LAYOUT_H
#define ECH_BASE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/hash.h"
#include "runtime/base/status.h"

enum { ECH_LAYOUT_DIMENSIONS_MAX = 4, ECH_LAYOUT_NAME_BYTES = 64 };

typedef enum {
    ECH_TENSOR_PARAMETER, /* trained: has a gradient */
    ECH_TENSOR_STATISTIC, /* float32, not trained: running mean or variance; averaged like
                             parameters */
    ECH_TENSOR_COUNTER,   /* one int64; aggregated as the largest of the contributors */
} ech_tensor_kind;

typedef struct {
    char name[ECH_LAYOUT_NAME_BYTES]; /* state_dict name, e.g. "layer1.0.bn1.running_mean" */
    ech_tensor_kind kind;
    uint32_t dimension_count;                  /* 0 for a scalar */
    uint64_t shape[ECH_LAYOUT_DIMENSIONS_MAX]; /* PyTorch's shape, C order */
    uint64_t count;                            /* elements: the product of the shape */
    uint64_t offset; /* first element, in `values`; in `counters` for a counter */
} ech_tensor;

typedef struct {
    ech_tensor *tensors; /* state_dict order */
    size_t tensor_count;
    size_t tensor_capacity;
    uint64_t value_count;     /* float32 values in all */
    uint64_t parameter_count; /* of them trained */
    uint64_t counter_count;   /* int64 counters in all */
} ech_layout;

/** One state: arrays of `value_count` and `counter_count` elements, owned by somebody else. */
typedef struct {
    float *values;
    int64_t *counters; /* may be NULL where counter_count is 0 */
} ech_state;

/** The same, to read only. */
typedef struct {
    const float *values;
    const int64_t *counters;
} ech_state_view;

/** An empty layout to which `ech_layout_add` appends. @return ECH_OK or ECH_ERR_MEMORY. */
ech_status ech_layout_create(ech_layout **out);
void ech_layout_destroy(ech_layout **layout);

/**
 * Append a tensor; offsets follow from the order.
 *
 * @param shape  `dimension_count` sizes, each at least 1.
 * @return ECH_OK; ECH_ERR_ARGUMENT (name too long or taken, bad shape, overflow); ECH_ERR_MEMORY.
 */
ech_status ech_layout_add(ech_layout *layout, const char *name, ech_tensor_kind kind,
                          uint32_t dimension_count, const uint64_t *shape);

/** The tensor of this name, or NULL. */
const ech_tensor *ech_layout_find(const ech_layout *layout, const char *name);

/** Bytes of one state as PyTorch stores it: 4 a value, 8 a counter. */
uint64_t ech_layout_state_bytes(const ech_layout *layout);

/**
 * The model's published fingerprint: XXH128 of all float32 values, little-endian, in state_dict
 * order (counters are left out). See DESIGN, command line: `model xxh128`.
 */
ech_hash128 ech_layout_hash_values(const ech_layout *layout, const float *values);

#endif
