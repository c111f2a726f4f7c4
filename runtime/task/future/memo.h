/**
 * @file memo.h
 * Results by key: a hash table that grows, optionally filled from a store and written through to
 * it. One owner: the submitting rank.
 */
#ifndef ECH_TASK_MEMO_H
#define ECH_TASK_MEMO_H

#include <stdbool.h>

#include "runtime/base/hash.h"
#include "runtime/task/store.h"

typedef struct {
    ech_hash128 key;
    void *value; /* owned; NULL: the slot is free */
    size_t bytes;
} ech_memo_entry;

typedef struct {
    ech_memo_entry *entries; /* open addressing; capacity a power of two */
    size_t count;
    size_t capacity;
    ech_store store; /* put == NULL: none */
    bool is_open;    /* the store */
} ech_memo;

void ech_memo_init(ech_memo *memo, const ech_store *store);
void ech_memo_clear(ech_memo *memo);
/** Take in what the store has kept. */
ech_status ech_memo_load(ech_memo *memo);
/** NULL if the key is unknown. Borrowed until the clear. */
const void *ech_memo_find(const ech_memo *memo, ech_hash128 key, size_t *bytes);
/** Keep a value, and put it into the store; nothing if the key is known. */
ech_status ech_memo_keep(ech_memo *memo, ech_hash128 key, const void *value, size_t bytes);
ech_status ech_memo_flush(ech_memo *memo);

#endif
