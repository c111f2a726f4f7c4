#include "runtime/task/future/memo.h"

#include <string.h>

#include "runtime/base/memory.h"

enum { FIRST_CAPACITY = 64 };

void ech_memo_init(ech_memo *memo, const ech_store *store)
{
    memset(memo, 0, sizeof *memo);
    if (store != NULL) {
        memo->store = *store;
    }
}

void ech_memo_clear(ech_memo *memo)
{
    if (memo->is_open) {
        memo->store.close(memo->store.self);
    }
    for (size_t i = 0; i < memo->capacity; i++) {
        ech_free(memo->entries[i].value);
    }
    ech_free(memo->entries);
    memset(memo, 0, sizeof *memo);
}

/* The entry of this key, or the free one where it belongs. The table is never full. */
static ech_memo_entry *slot_of(const ech_memo *memo, ech_hash128 key)
{
    size_t i = (size_t)key.low & (memo->capacity - 1);
    while (memo->entries[i].value != NULL && !ech_hash_equal(memo->entries[i].key, key)) {
        i = (i + 1) & (memo->capacity - 1);
    }
    return &memo->entries[i];
}

static ech_status grow(ech_memo *memo)
{
    ech_memo larger = *memo;
    larger.capacity = memo->capacity == 0 ? FIRST_CAPACITY : 2 * memo->capacity;
    larger.entries = ech_calloc(larger.capacity, sizeof *larger.entries);
    if (larger.entries == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t i = 0; i < memo->capacity; i++) {
        if (memo->entries[i].value != NULL) {
            *slot_of(&larger, memo->entries[i].key) = memo->entries[i];
        }
    }
    ech_free(memo->entries);
    *memo = larger;
    return ECH_OK;
}

static ech_status insert(ech_memo *memo, ech_hash128 key, const void *value, size_t bytes,
                         bool *is_new)
{
    *is_new = false;
    if (2 * (memo->count + 1) > memo->capacity && grow(memo) != ECH_OK) {
        return ECH_ERR_MEMORY;
    }
    ech_memo_entry *entry = slot_of(memo, key);
    if (entry->value != NULL) {
        return ECH_OK;
    }
    entry->value = ech_alloc(bytes);
    if (entry->value == NULL) {
        return ECH_ERR_MEMORY;
    }
    if (bytes > 0) {
        memcpy(entry->value, value, bytes);
    }
    entry->key = key;
    entry->bytes = bytes;
    memo->count++;
    *is_new = true;
    return ECH_OK;
}

static ech_status visit(void *visitor, ech_hash128 key, const void *value, size_t value_bytes)
{
    bool is_new = false;
    return insert(visitor, key, value, value_bytes, &is_new);
}

ech_status ech_memo_load(ech_memo *memo)
{
    if (memo->store.load == NULL) {
        return ECH_OK;
    }
    memo->is_open = true;
    return memo->store.load(memo->store.self, visit, memo);
}

const void *ech_memo_find(const ech_memo *memo, ech_hash128 key, size_t *bytes)
{
    if (memo->count == 0) {
        return NULL;
    }
    const ech_memo_entry *entry = slot_of(memo, key);
    *bytes = entry->bytes;
    return entry->value;
}

ech_status ech_memo_keep(ech_memo *memo, ech_hash128 key, const void *value, size_t bytes)
{
    bool is_new = false;
    const ech_status status = insert(memo, key, value, bytes, &is_new);
    if (status != ECH_OK || !is_new || memo->store.put == NULL) {
        return status;
    }
    return memo->store.put(memo->store.self, key, value, bytes);
}

ech_status ech_memo_flush(ech_memo *memo)
{
    return memo->store.flush == NULL ? ECH_OK : memo->store.flush(memo->store.self);
}
