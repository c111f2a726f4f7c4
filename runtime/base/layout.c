#include "runtime/base/layout.h"

#include <string.h>

#include "runtime/base/memory.h"

ech_status ech_layout_create(ech_layout **out)
{
    *out = ech_calloc(1, sizeof **out);
    return *out != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

void ech_layout_destroy(ech_layout **layout)
{
    if (layout == NULL || *layout == NULL) {
        return;
    }
    ech_free((*layout)->tensors);
    ech_free(*layout);
    *layout = NULL;
}

static ech_status reserve_one_more(ech_layout *layout)
{
    ech_tensor *grown =
        ech_grow(layout->tensors, layout->tensor_count, &layout->tensor_capacity, sizeof *grown);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    layout->tensors = grown;
    return ECH_OK;
}

static ech_status count_elements(const char *name, uint32_t dimension_count, const uint64_t *shape,
                                 uint64_t *out)
{
    uint64_t count = 1;
    for (uint32_t d = 0; d < dimension_count; d++) {
        if (shape[d] == 0 || __builtin_mul_overflow(count, shape[d], &count)) {
            return ech_fail(ECH_ERR_ARGUMENT,
                            "tensor %s: dimension %u of size %llu is empty or "
                            "makes it too large",
                            name, d, (unsigned long long)shape[d]);
        }
    }
    *out = count;
    return ECH_OK;
}

ech_status ech_layout_add(ech_layout *layout, const char *name, ech_tensor_kind kind,
                          uint32_t dimension_count, const uint64_t *shape)
{
    if (strlen(name) >= ECH_LAYOUT_NAME_BYTES || dimension_count > ECH_LAYOUT_DIMENSIONS_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "tensor %.64s: name too long or more than %d dimensions",
                        name, ECH_LAYOUT_DIMENSIONS_MAX);
    }
    if (ech_layout_find(layout, name) != NULL) {
        return ech_fail(ECH_ERR_ARGUMENT, "tensor %s is there twice", name);
    }
    ech_tensor tensor = {.kind = kind, .dimension_count = dimension_count};
    ech_status status = count_elements(name, dimension_count, shape, &tensor.count);
    if (status == ECH_OK) {
        status = reserve_one_more(layout);
    }
    if (status != ECH_OK) {
        return status;
    }
    memcpy(tensor.name, name, strlen(name) + 1);
    if (dimension_count > 0) {
        memcpy(tensor.shape, shape, dimension_count * sizeof *shape);
    }
    uint64_t *total = kind == ECH_TENSOR_COUNTER ? &layout->counter_count : &layout->value_count;
    tensor.offset = *total;
    *total += tensor.count;
    if (kind == ECH_TENSOR_PARAMETER) {
        layout->parameter_count += tensor.count;
    }
    layout->tensors[layout->tensor_count++] = tensor;
    return ECH_OK;
}

const ech_tensor *ech_layout_find(const ech_layout *layout, const char *name)
{
    for (size_t i = 0; i < layout->tensor_count; i++) {
        if (strcmp(layout->tensors[i].name, name) == 0) {
            return &layout->tensors[i];
        }
    }
    return NULL;
}

uint64_t ech_layout_state_bytes(const ech_layout *layout)
{
    return layout->value_count * sizeof(float) + layout->counter_count * sizeof(int64_t);
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the model's fingerprint is defined on little-endian values: swap them here"
#endif

ech_hash128 ech_layout_hash_values(const ech_layout *layout, const float *values)
{
    return ech_hash_bytes(values, layout->value_count * sizeof *values);
}
