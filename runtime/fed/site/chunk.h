/**
 * @file chunk.h
 * Chunks of models and updates: what a message of theirs carries. Packed by zstd, bytes of the same
 * significance together, where that saves at least a sixteenth.
 *
 * One owner a packer; not collective. Without libzstd nothing is packed, and what comes in packed
 * is refused.
 */
#ifndef ECH_FED_SITE_CHUNK_H
#define ECH_FED_SITE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/site/codec.h"
#include "runtime/fed/site/wire.h"

/** Never renumber: part of the protocol. */
typedef enum {
    ECH_CHUNK_MODEL = 1, /* float32 values, then int64 counters */
    ECH_CHUNK_REPORTS,   /* of workers: ech_wire_report */
    ECH_CHUNK_SUM,       /* a piece of an exact sum */
    ECH_CHUNK_VALUES,    /* a piece of values in a lossy codec */
    ECH_CHUNK_COUNTERS,  /* int64 counters beside lossy values */
    ECH_CHUNK_KIND_END
} ech_chunk_kind;

enum {
    ECH_CHUNK_HEAD_BYTES = 16,
    ECH_CHUNK_RAW_MAX = ECH_CODEC_PIECE_BYTES + 64, /* the largest of the kinds */
    ECH_CHUNK_PAYLOAD_MAX = ECH_CHUNK_HEAD_BYTES + ECH_CHUNK_RAW_MAX,
};

_Static_assert((int)ECH_CHUNK_RAW_MAX >= (int)ECH_WIRE_CHUNK_BYTES,
               "a chunk of a model or a sum fits");

typedef struct ech_packer ech_packer;

/** Can this program pack? */
bool ech_packer_packs(void);

ech_status ech_packer_create(ech_packer **out);
void ech_packer_destroy(ech_packer **packer);

/** Where the bytes of a chunk are written: it needs no other memory where it stays as it is. */
static inline void *ech_chunk_body(void *payload)
{
    return (uint8_t *)payload + ECH_CHUNK_HEAD_BYTES;
}

/** Make a payload of the bytes that lie at its `ech_chunk_body`. @param packs  try to. @param bytes
 *  at most ECH_CHUNK_RAW_MAX. @param payload  of ECH_CHUNK_PAYLOAD_MAX. @return its bytes. */
size_t ech_chunk_write(ech_packer *packer, ech_chunk_kind kind, bool packs, size_t bytes,
                       void *payload);

/**
 * Read one. @param[out] raw  aligned to 8 bytes; borrowed from the frame, and until the next call.
 *
 * @return ECH_OK; ECH_ERR_FORMAT; ECH_ERR_UNSUPPORTED (packed, and this program has no libzstd).
 */
ech_status ech_chunk_read(ech_packer *packer, const ech_wire_frame *frame, ech_chunk_kind *kind,
                          const void **raw, size_t *bytes);

#endif
