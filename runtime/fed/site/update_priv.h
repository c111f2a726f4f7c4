/**
 * @file update_priv.h
 * How a layout's values are cut into pieces for a lossy codec: a tensor at a time.
 */
#ifndef ECH_FED_SITE_UPDATE_PRIV_H
#define ECH_FED_SITE_UPDATE_PRIV_H

#include "runtime/fed/site/update.h"

typedef struct {
    uint64_t tensor;
    uint64_t element;
} ech_update_place;

typedef struct {
    uint64_t first; /* of the layout's values */
    uint32_t count;
} ech_update_piece;

/** Skips counters. @return false: there are no more values. */
static inline bool ech_update_has_piece(const ech_layout *layout, ech_update_place *place)
{
    while (place->tensor < layout->tensor_count &&
           layout->tensors[place->tensor].kind == ECH_TENSOR_COUNTER) {
        place->tensor++;
    }
    return place->tensor < layout->tensor_count;
}

/** The piece at the place, where there is one; the place moves behind it. */
static inline ech_update_piece ech_update_next_piece(const ech_layout *layout,
                                                     ech_update_place *place)
{
    const ech_tensor *tensor = &layout->tensors[place->tensor];
    const uint64_t left = tensor->count - place->element;
    const uint32_t count =
        left < ECH_CODEC_PIECE_VALUES ? (uint32_t)left : (uint32_t)ECH_CODEC_PIECE_VALUES;
    const ech_update_piece piece = {.first = tensor->offset + place->element, .count = count};
    place->element += count;
    if (count == left) {
        *place = (ech_update_place){.tensor = place->tensor + 1};
    }
    return piece;
}

#endif
