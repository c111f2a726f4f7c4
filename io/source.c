#include "io/source_priv.h"

#include "io/foreign_priv.h"
#include "io/sealed_reader_priv.h"
#include "runtime/base/memory.h"

/* One of the two is set. */
struct ech_source {
    const char *path;
    ech_seal_kind kind;
    ech_array_file *own;
    ech_foreign *foreign;
};

static ech_status open_file(const ech_io *io, ech_source *source)
{
    hid_t file = 0;
    const ech_status status = ech_sealed_open(source->path, &source->kind, &file);
    if (status != ECH_OK) {
        return status;
    }
    return source->kind == ECH_SEAL_NONE ? ech_foreign_open(io, source->path, &source->foreign)
                                         : ech_array_file_create(file, source->path, &source->own);
}

ech_status ech_source_open(const ech_io *io, const char *path, ech_source **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->path = path;
    const ech_status status = open_file(io, *out);
    if (status != ECH_OK) {
        ech_source_close(out);
    }
    return status;
}

void ech_source_close(ech_source **source)
{
    if (source == NULL || *source == NULL) {
        return;
    }
    ech_array_file_close(&(*source)->own);
    ech_foreign_close(&(*source)->foreign);
    ech_free(*source);
    *source = NULL;
}

ech_status ech_source_expect(const ech_source *source, ech_seal_kind kind)
{
    if (source->kind != ECH_SEAL_NONE && source->kind != kind) {
        return ech_fail(ECH_ERR_FORMAT, "%s: is %s, %s was expected", source->path,
                        ech_seal_kind_text(source->kind), ech_seal_kind_text(kind));
    }
    return ECH_OK;
}

ech_status ech_source_describe(ech_source *source, const char *name, ech_array_info *info)
{
    return source->own != NULL ? ech_array_file_describe(source->own, name, info)
                               : ech_foreign_describe(source->foreign, name, info);
}

ech_status ech_source_read(ech_source *source, const char *name, const ech_array_info *info,
                           uint64_t first, uint64_t count, void *rows)
{
    return source->own != NULL ? ech_array_file_read(source->own, name, first, count, rows)
                               : ech_foreign_read(source->foreign, name, info, first, count, rows);
}

ech_status ech_source_attribute(ech_source *source, const char *object, const char *name,
                                bool *present, uint64_t *value)
{
    return source->own != NULL
               ? ech_array_file_attribute(source->own, object, name, present, value)
               : ech_foreign_attribute(source->foreign, object, name, present, value);
}
