#include "apps/memo_store.h"

#include "io/memo_file.h"
#include "runtime/base/memory.h"

struct ech_memo_store {
    ech_store interface;
    char *path;
    ech_io *io; /* while it is open */
    ech_memo_file *file;
};

static ech_status load(void *self, ech_store_visit visit, void *visitor)
{
    ech_memo_store *store = self;
    ech_status status = ech_io_create(NULL, &store->io);
    if (status == ECH_OK) {
        status = ech_memo_file_open(store->io, store->path, &store->file);
    }
    return status == ECH_OK ? ech_memo_file_load(store->file, visit, visitor) : status;
}

static ech_status put(void *self, ech_hash128 key, const void *value, size_t value_bytes)
{
    const ech_memo_store *store = self;
    return ech_memo_file_put(store->file, key, value, value_bytes);
}

static ech_status flush(void *self)
{
    const ech_memo_store *store = self;
    return ech_memo_file_flush(store->file);
}

static void close_file(void *self)
{
    ech_memo_store *store = self;
    ech_memo_file_close(&store->file);
    ech_io_destroy(&store->io);
}

ech_status ech_memo_store_create(const char *path, ech_memo_store **out)
{
    ech_memo_store *store = ech_calloc(1, sizeof *store);
    *out = store;
    if (store == NULL) {
        return ECH_ERR_MEMORY;
    }
    store->interface =
        (ech_store){.self = store, .load = load, .put = put, .flush = flush, .close = close_file};
    store->path = ech_strdup(path);
    if (store->path == NULL) {
        ech_memo_store_destroy(out);
        return ECH_ERR_MEMORY;
    }
    return ECH_OK;
}

void ech_memo_store_destroy(ech_memo_store **store)
{
    if (store == NULL || *store == NULL) {
        return;
    }
    ech_free((*store)->path);
    ech_free(*store);
    *store = NULL;
}

const ech_store *ech_memo_store_interface(const ech_memo_store *store)
{
    return &store->interface;
}
