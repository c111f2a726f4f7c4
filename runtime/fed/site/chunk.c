#include "runtime/fed/site/chunk.h"

#include <assert.h>
#include <string.h>

#ifdef ECH_HAVE_ZSTD
#include <zstd.h>
#endif

#include "runtime/base/memory.h"

/* What does not pay is not tried again for so many chunks. */
enum { PAYS_ABOVE_SHARE = 16, SKIP_AFTER_LOSS = 15, LEVEL = 1 };

enum { FORM_RAW, FORM_PACKED };

typedef struct {
    uint32_t kind;
    uint32_t form;
    uint32_t raw_bytes;
    uint32_t reserved;
} chunk_head;

_Static_assert(sizeof(chunk_head) == ECH_CHUNK_HEAD_BYTES, "no padding");

struct ech_packer {
    uint32_t skip[ECH_CHUNK_KIND_END]; /* chunks that are not tried */
    void *compressor, *decompressor;
    uint8_t planes[ECH_CHUNK_RAW_MAX];
    _Alignas(8) uint8_t raw[ECH_CHUNK_RAW_MAX];
};

/* Bytes of a number, of which those of the same place are put together. */
static size_t word_of(ech_chunk_kind kind)
{
    switch (kind) {
    case ECH_CHUNK_MODEL:
        return sizeof(float);
    case ECH_CHUNK_SUM:
        return sizeof(int64_t);
    default:
        return 1;
    }
}

#ifdef ECH_HAVE_ZSTD

bool ech_packer_packs(void)
{
    return true;
}

static ech_status create_contexts(ech_packer *packer)
{
    packer->compressor = ZSTD_createCCtx();
    packer->decompressor = ZSTD_createDCtx();
    return packer->compressor != NULL && packer->decompressor != NULL
               ? ECH_OK
               : ech_fail(ECH_ERR_MEMORY, "out of memory: zstd");
}

static void destroy_contexts(ech_packer *packer)
{
    ZSTD_freeCCtx(packer->compressor);
    ZSTD_freeDCtx(packer->decompressor);
}

/* Those behind the last whole word stay as they are. */
static void to_planes(const uint8_t *raw, size_t bytes, size_t word, uint8_t *planes)
{
    const size_t count = bytes / word;
    for (size_t place = 0; place < word; place++) {
        for (size_t i = 0; i < count; i++) {
            planes[place * count + i] = raw[i * word + place];
        }
    }
    memcpy(planes + count * word, raw + count * word, bytes - count * word);
}

static void from_planes(const uint8_t *planes, size_t bytes, size_t word, uint8_t *raw)
{
    const size_t count = bytes / word;
    for (size_t place = 0; place < word; place++) {
        for (size_t i = 0; i < count; i++) {
            raw[i * word + place] = planes[place * count + i];
        }
    }
    memcpy(raw + count * word, planes + count * word, bytes - count * word);
}

/* What does not pay stays as it is. @return bytes; 0: it does not pay. */
static size_t pack(ech_packer *packer, ech_chunk_kind kind, void *body, size_t bytes)
{
    const size_t most = bytes - bytes / PAYS_ABOVE_SHARE;
    to_planes(body, bytes, word_of(kind), packer->planes);
    const size_t packed =
        ZSTD_compressCCtx(packer->compressor, packer->raw, most, packer->planes, bytes, LEVEL);
    if (ZSTD_isError(packed)) {
        return 0;
    }
    memcpy(body, packer->raw, packed);
    return packed;
}

static ech_status unpack(ech_packer *packer, const chunk_head *head, const void *packed,
                         size_t bytes)
{
    const size_t got =
        ZSTD_decompressDCtx(packer->decompressor, packer->planes, head->raw_bytes, packed, bytes);
    if (ZSTD_isError(got) || got != head->raw_bytes) {
        return ech_fail(ECH_ERR_FORMAT, "a chunk of %zu bytes cannot be unpacked into %u", bytes,
                        head->raw_bytes);
    }
    from_planes(packer->planes, got, word_of((ech_chunk_kind)head->kind), packer->raw);
    return ECH_OK;
}

#else

bool ech_packer_packs(void)
{
    return false;
}

static ech_status create_contexts(ech_packer *packer)
{
    (void)packer;
    return ECH_OK;
}

static void destroy_contexts(ech_packer *packer)
{
    (void)packer;
}

static size_t pack(ech_packer *packer, ech_chunk_kind kind, void *body, size_t bytes)
{
    (void)packer;
    (void)kind;
    (void)body;
    (void)bytes;
    return 0;
}

static ech_status unpack(ech_packer *packer, const chunk_head *head, const void *packed,
                         size_t bytes)
{
    (void)packer;
    (void)head;
    (void)packed;
    (void)bytes;
    return ech_fail(ECH_ERR_UNSUPPORTED, "this echelon was built without libzstd (Debian: "
                                         "libzstd-dev), and the other side packs");
}

#endif

ech_status ech_packer_create(ech_packer **out)
{
    *out = ech_calloc(1, sizeof **out);
    const ech_status status = *out != NULL ? create_contexts(*out) : ECH_ERR_MEMORY;
    if (status != ECH_OK) {
        ech_packer_destroy(out);
    }
    return status;
}

void ech_packer_destroy(ech_packer **packer)
{
    if (packer == NULL || *packer == NULL) {
        return;
    }
    destroy_contexts(*packer);
    ech_free(*packer);
    *packer = NULL;
}

size_t ech_chunk_write(ech_packer *packer, ech_chunk_kind kind, bool packs, size_t bytes,
                       void *payload)
{
    assert(bytes <= ECH_CHUNK_RAW_MAX);
    size_t packed = 0;
    if (packs && packer->skip[kind] == 0) {
        packed = pack(packer, kind, ech_chunk_body(payload), bytes);
        packer->skip[kind] = packed > 0 ? 0 : SKIP_AFTER_LOSS;
    } else if (packs) {
        packer->skip[kind]--;
    }
    const chunk_head head = {.kind = (uint32_t)kind,
                             .form = packed > 0 ? FORM_PACKED : FORM_RAW,
                             .raw_bytes = (uint32_t)bytes};
    memcpy(payload, &head, sizeof head);
    return sizeof head + (packed > 0 ? packed : bytes);
}

/* In place, where its numbers can be read there. */
static ech_status take_raw(ech_packer *packer, const chunk_head *head, const void *body,
                           size_t bytes, const void **raw)
{
    if (bytes != head->raw_bytes) {
        return ech_fail(ECH_ERR_FORMAT, "a chunk of %zu bytes says that it has %u", bytes,
                        head->raw_bytes);
    }
    *raw = body;
    if ((uintptr_t)body % sizeof(uint64_t) != 0) {
        memcpy(packer->raw, body, bytes);
        *raw = packer->raw;
    }
    return ECH_OK;
}

ech_status ech_chunk_read(ech_packer *packer, const ech_wire_frame *frame, ech_chunk_kind *kind,
                          const void **raw, size_t *bytes)
{
    chunk_head head;
    if (frame->payload_bytes < sizeof head) {
        return ech_fail(ECH_ERR_FORMAT, "a chunk of %u bytes", frame->payload_bytes);
    }
    memcpy(&head, frame->payload, sizeof head);
    if (head.kind < ECH_CHUNK_MODEL || head.kind >= ECH_CHUNK_KIND_END || head.form > FORM_PACKED ||
        head.raw_bytes > ECH_CHUNK_RAW_MAX || head.reserved != 0) {
        return ech_fail(ECH_ERR_FORMAT, "a chunk of kind %u and form %u, of %u bytes", head.kind,
                        head.form, head.raw_bytes);
    }
    const uint8_t *body = (const uint8_t *)frame->payload + sizeof head;
    const size_t body_bytes = frame->payload_bytes - sizeof head;
    *kind = (ech_chunk_kind)head.kind;
    *bytes = head.raw_bytes;
    *raw = packer->raw;
    return head.form == FORM_PACKED ? unpack(packer, &head, body, body_bytes)
                                    : take_raw(packer, &head, body, body_bytes, raw);
}
