/* What decides the next round, beside model, strategy and what workers keep: bytes for a
 * checkpoint. A header, the latecomers, then the pieces of the sum of what was kept. */
#include <stddef.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/sync_priv.h"

enum { PIECE_BYTES = 1 << 20 };

typedef struct {
    uint64_t bytes; /* of all of it */
    uint64_t now_ns;
    uint64_t late_updates;
    uint64_t latecomer_count;
} header;

/* Grows as it is filled. */
typedef struct {
    char *bytes;
    size_t length, capacity;
} writer;

static ech_status append(writer *out, const void *source, size_t length)
{
    if (out->length + length > out->capacity) {
        const size_t capacity = 2 * (out->length + length);
        char *grown = ech_realloc(out->bytes, capacity, 1);
        if (grown == NULL) {
            return ECH_ERR_MEMORY;
        }
        out->bytes = grown;
        out->capacity = capacity;
    }
    if (length > 0) {
        memcpy(out->bytes + out->length, source, length);
    }
    out->length += length;
    return ECH_OK;
}

static ech_sum *late_sum(const ech_sync *sync)
{
    return ech_replica_sum(sync->process->replica, sync->late_slot);
}

static ech_status append_sum(const ech_sync *sync, writer *out)
{
    void *piece = ech_alloc(PIECE_BYTES);
    ech_sum_cursor cursor = {0};
    size_t bytes = 1;
    ech_status status = piece != NULL ? ECH_OK : ECH_ERR_MEMORY;
    while (status == ECH_OK && bytes > 0) {
        status = ech_sum_export(late_sum(sync), &cursor, piece, PIECE_BYTES, &bytes);
        const uint64_t length = bytes;
        if (status == ECH_OK && bytes > 0) {
            status = append(out, &length, sizeof length);
        }
        if (status == ECH_OK) {
            status = append(out, piece, bytes);
        }
    }
    ech_free(piece);
    return status;
}

ech_status ech_sync_save(const ech_sync *sync, void **bytes, size_t *count)
{
    const ech_roster *roster = &sync->roster;
    header head = {.now_ns = sync->now_ns,
                   .late_updates = sync->late_updates,
                   .latecomer_count = roster->latecomer_count};
    writer out = {0};
    ech_status status = append(&out, &head, sizeof head);
    if (status == ECH_OK) {
        status =
            append(&out, roster->latecomers, roster->latecomer_count * sizeof *roster->latecomers);
    }
    if (status == ECH_OK && sync->late_updates > 0) {
        status = append_sum(sync, &out);
    }
    if (status != ECH_OK) {
        ech_free(out.bytes);
        return status;
    }
    head.bytes = out.length;
    memcpy(out.bytes, &head, sizeof head);
    *bytes = out.bytes;
    *count = out.length;
    return ECH_OK;
}

static ech_status fail_damaged(size_t count)
{
    return ech_fail(ECH_ERR_FORMAT, "%zu bytes are not the state of rounds in step", count);
}

/* Pieces are copied, to be aligned. */
static ech_status import_pieces(ech_sync *sync, const char *at, const char *end)
{
    void *piece = ech_alloc(PIECE_BYTES);
    ech_status status = piece != NULL ? ECH_OK : ECH_ERR_MEMORY;
    while (status == ECH_OK && at < end) {
        uint64_t length = 0;
        if ((size_t)(end - at) < sizeof length) {
            status = fail_damaged((size_t)(end - at));
            break;
        }
        memcpy(&length, at, sizeof length);
        at += sizeof length;
        if (length > PIECE_BYTES || length > (size_t)(end - at)) {
            status = fail_damaged((size_t)(end - at));
            break;
        }
        memcpy(piece, at, length);
        at += length;
        status = ech_sum_import(late_sum(sync), piece, length, ECH_LEAF_OWN);
    }
    ech_free(piece);
    return status;
}

ech_status ech_sync_restore(ech_sync *sync, const void *bytes, size_t count)
{
    header head = {0};
    if (count >= sizeof head) {
        memcpy(&head, bytes, sizeof head);
    }
    const uint64_t room = (count - (count < sizeof head ? count : sizeof head));
    if (count < sizeof head || head.bytes != count ||
        head.latecomer_count > room / sizeof(ech_latecomer)) {
        return fail_damaged(count);
    }
    sync->now_ns = head.now_ns;
    sync->late_updates = head.late_updates;
    const char *at = (const char *)bytes + sizeof head;
    const char *end = (const char *)bytes + count;
    ech_status status = ech_roster_resume(&sync->roster, at, (uint32_t)head.latecomer_count);
    if (status == ECH_OK && head.late_updates > 0) {
        status = ech_sum_begin(late_sum(sync), ech_sync_late_bound(sync), 1);
        if (status == ECH_OK) {
            status = import_pieces(sync, at + head.latecomer_count * sizeof(ech_latecomer), end);
        }
    }
    return status;
}
