#include "io/memo_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/memo_journal_priv.h"
#include "io/sealed_reader_priv.h"
#include "io/sealed_writer_priv.h"
#include "runtime/base/memory.h"

enum { VERSION = 1, OBJECTS = 3, PIECE_BYTES = 1 << 20, WORDS_A_KEY = 2 };

_Static_assert(sizeof(ech_hash128) == WORDS_A_KEY * sizeof(uint64_t), "a key is two words");

/* The HDF5 file, if there is one. */
typedef struct {
    const char *path; /* borrowed */
    hid_t file;
    uint64_t generation;
    uint64_t count;
    ech_hash128 *keys;
    uint64_t *ends;
} stored_results;

struct ech_memo_file {
    ech_io *io;
    char *path;
    stored_results stored;
    ech_memo_journal *journal;
};

/* ---- reading ---- */

static ech_status bad(const stored_results *stored, const char *what)
{
    return ech_h5_fail(ECH_ERR_FORMAT, stored->path, what);
}

static void close_stored(stored_results *stored)
{
    ech_h5_close(&stored->file);
    ech_free(stored->keys);
    ech_free(stored->ends);
    *stored = (stored_results){.path = stored->path};
}

static bool read_words(hid_t file, const char *name, int rank, const uint64_t *shape, void *data)
{
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    hid_t space = dataset >= 0 ? H5Dget_space(dataset) : H5I_INVALID_HID;
    hsize_t found[WORDS_A_KEY] = {0};
    bool fits = space >= 0 && H5Sget_simple_extent_ndims(space) == rank &&
                H5Sget_simple_extent_dims(space, found, NULL) == rank;
    for (int i = 0; i < rank && fits; i++) {
        fits = found[i] == shape[i];
    }
    const bool read = fits && (shape[0] == 0 || H5Dread(dataset, H5T_NATIVE_UINT64, H5S_ALL,
                                                        H5S_ALL, H5P_DEFAULT, data) >= 0);
    ech_h5_close(&space);
    ech_h5_close(&dataset);
    return read;
}

static ech_status read_index(stored_results *stored)
{
    const uint64_t shape[WORDS_A_KEY] = {stored->count, WORDS_A_KEY};
    stored->keys = ech_calloc(stored->count, sizeof *stored->keys);
    stored->ends = ech_calloc(stored->count, sizeof *stored->ends);
    if (stored->keys == NULL || stored->ends == NULL) {
        return ECH_ERR_MEMORY;
    }
    bool read = read_words(stored->file, "/keys", 2, shape, stored->keys) &&
                read_words(stored->file, "/ends", 1, shape, stored->ends);
    for (uint64_t i = 1; i < stored->count && read; i++) {
        read = stored->ends[i - 1] <= stored->ends[i];
    }
    return read ? ECH_OK : bad(stored, "read /keys and /ends");
}

static ech_status open_stored(stored_results *stored)
{
    uint64_t version = 0;
    if (access(stored->path, F_OK) != 0 && errno == ENOENT) {
        return ECH_OK;
    }
    const ech_status status = ech_sealed_open_kind(stored->path, ECH_SEAL_MEMO, &stored->file);
    if (status != ECH_OK) {
        return status;
    }
    if (!ech_h5_get_u64(stored->file, "version", &version) || version != VERSION) {
        return ech_fail(ECH_ERR_FORMAT, "%s: results of version %llu, %d was expected",
                        stored->path, (unsigned long long)version, VERSION);
    }
    if (!ech_h5_get_u64(stored->file, "generation", &stored->generation) ||
        !ech_h5_get_u64(stored->file, "count", &stored->count)) {
        return bad(stored, "read the attributes generation and count");
    }
    return read_index(stored);
}

static uint64_t begin_of(const stored_results *stored, uint64_t result)
{
    return result == 0 ? 0 : stored->ends[result - 1];
}

static uint64_t stored_bytes(const stored_results *stored)
{
    return begin_of(stored, stored->count);
}

static bool read_values(hid_t dataset, uint64_t offset, size_t bytes, void *data)
{
    const hsize_t start = offset;
    const hsize_t count = bytes;
    hid_t space = H5Dget_space(dataset);
    hid_t memory = H5Screate_simple(1, &count, NULL);
    const bool read =
        bytes == 0 ||
        (H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &count, NULL) >= 0 &&
         H5Dread(dataset, H5T_NATIVE_UINT8, memory, space, H5P_DEFAULT, data) >= 0);
    ech_h5_close(&memory);
    ech_h5_close(&space);
    return read;
}

/* How many results from `first` on make a piece: at least one. */
static uint64_t piece_end(const stored_results *stored, uint64_t first)
{
    uint64_t last = first + 1;
    while (last < stored->count && stored->ends[last] - begin_of(stored, first) <= PIECE_BYTES) {
        last++;
    }
    return last;
}

static ech_status visit_piece(const stored_results *stored, hid_t dataset, uint64_t first,
                              uint64_t last, ech_memo_file_visit visit, void *visitor)
{
    const uint64_t begin = begin_of(stored, first);
    const size_t bytes = stored->ends[last - 1] - begin;
    unsigned char *piece = ech_alloc(bytes);
    ech_status status = piece == NULL                               ? ECH_ERR_MEMORY
                        : read_values(dataset, begin, bytes, piece) ? ECH_OK
                                                                    : bad(stored, "read /values");
    for (uint64_t i = first; i < last && status == ECH_OK; i++) {
        const uint64_t at = begin_of(stored, i);
        status = visit(visitor, stored->keys[i], piece + (at - begin), stored->ends[i] - at);
    }
    ech_free(piece);
    return status;
}

static ech_status visit_stored(const stored_results *stored, ech_memo_file_visit visit,
                               void *visitor)
{
    if (stored->count == 0) {
        return ECH_OK;
    }
    hid_t dataset = H5Dopen2(stored->file, "/values", H5P_DEFAULT);
    ech_status status = dataset >= 0 ? ECH_OK : bad(stored, "open /values");
    for (uint64_t first = 0; first < stored->count && status == ECH_OK;) {
        const uint64_t last = piece_end(stored, first);
        status = visit_piece(stored, dataset, first, last, visit, visitor);
        first = last;
    }
    ech_h5_close(&dataset);
    return status;
}

/* ---- writing ---- */

/* A file being written: results come one by one, values leave in pieces. */
typedef struct {
    ech_sealed_writer *file;
    size_t keys_array, ends_array, values_array;
    uint64_t count; /* of what it will hold */
    uint64_t bytes;
    ech_hash128 *keys;
    uint64_t *ends;
    uint64_t taken;
    unsigned char *piece;
    size_t piece_bytes;
    uint64_t written; /* of the values */
} rewriting;

static ech_status write_piece(rewriting *work, const void *data, size_t bytes)
{
    const ech_status status =
        ech_sealed_writer_write(work->file, work->values_array, work->written, data, bytes);
    work->written += bytes;
    return status;
}

static ech_status flush_piece(rewriting *work)
{
    const size_t bytes = work->piece_bytes;
    work->piece_bytes = 0;
    return bytes == 0 ? ECH_OK : write_piece(work, work->piece, bytes);
}

static ech_status take_result(void *self, ech_hash128 key, const void *value, size_t value_bytes)
{
    rewriting *work = self;
    ech_status status = ECH_OK;
    if (work->piece_bytes + value_bytes > PIECE_BYTES) {
        status = flush_piece(work);
    }
    if (status == ECH_OK && value_bytes > PIECE_BYTES) {
        status = write_piece(work, value, value_bytes);
    } else if (status == ECH_OK && value_bytes > 0) {
        memcpy(work->piece + work->piece_bytes, value, value_bytes);
        work->piece_bytes += value_bytes;
    }
    work->keys[work->taken] = key;
    work->ends[work->taken++] = work->written + work->piece_bytes;
    return status;
}

static ech_status lay_out(rewriting *work, uint64_t generation)
{
    const uint64_t shape[WORDS_A_KEY] = {work->count, WORDS_A_KEY};
    const struct {
        const char *name;
        uint64_t value;
    } facts[] = {{"version", VERSION}, {"generation", generation}, {"count", work->count}};
    ech_status status = ech_sealed_writer_put_text(work->file, "/", "kind", "memo");
    for (size_t i = 0; i < sizeof facts / sizeof facts[0] && status == ECH_OK; i++) {
        status = ech_sealed_writer_put_u64(work->file, "/", facts[i].name, facts[i].value);
    }
    const ech_sealed_array keys = {"/keys", H5T_NATIVE_UINT64, 2, shape, NULL};
    const ech_sealed_array ends = {"/ends", H5T_NATIVE_UINT64, 1, shape, NULL};
    const ech_sealed_array values = {"/values", H5T_NATIVE_UINT8, 1, &work->bytes, NULL};
    if (status == ECH_OK) {
        status = ech_sealed_writer_add(work->file, &keys, &work->keys_array);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_add(work->file, &ends, &work->ends_array);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_add(work->file, &values, &work->values_array);
    }
    return status == ECH_OK ? ech_sealed_writer_layout_done(work->file) : status;
}

static ech_status copy_results(rewriting *work, ech_memo_file *file)
{
    ech_status status = visit_stored(&file->stored, take_result, work);
    if (status == ECH_OK) {
        status = ech_memo_journal_visit(file->journal, take_result, work);
    }
    if (status == ECH_OK) {
        status = flush_piece(work);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_write(work->file, work->keys_array, 0, work->keys,
                                         work->count * sizeof *work->keys);
    }
    return status == ECH_OK ? ech_sealed_writer_write(work->file, work->ends_array, 0, work->ends,
                                                      work->count * sizeof *work->ends)
                            : status;
}

static ech_status rewrite(rewriting *work, ech_memo_file *file)
{
    work->keys = ech_calloc(work->count, sizeof *work->keys);
    work->ends = ech_calloc(work->count, sizeof *work->ends);
    work->piece = ech_alloc(PIECE_BYTES);
    if (work->keys == NULL || work->ends == NULL || work->piece == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_status status = ech_sealed_writer_create(file->path, ECH_SEAL_MEMO, OBJECTS, &work->file);
    if (status == ECH_OK) {
        status = lay_out(work, file->stored.generation + 1);
    }
    if (status == ECH_OK) {
        status = copy_results(work, file);
    }
    return status == ECH_OK ? ech_sealed_writer_commit(work->file, ECH_OUTPUT_DURABLE) : status;
}

static ech_status flush_on_thread(void *argument)
{
    ech_memo_file *file = argument;
    const ech_memo_file_info whole = ech_memo_file_describe(file);
    rewriting work = {.count = whole.results, .bytes = whole.value_bytes};
    ech_status status = rewrite(&work, file);
    ech_sealed_writer_destroy(&work.file);
    ech_free(work.keys);
    ech_free(work.ends);
    ech_free(work.piece);
    stored_results stored = {.path = file->path};
    if (status == ECH_OK) {
        status = open_stored(&stored);
    }
    if (status != ECH_OK) {
        close_stored(&stored);
        return status;
    }
    close_stored(&file->stored);
    file->stored = stored;
    return ech_memo_journal_begin(file->journal, stored.generation);
}

/* ---- the interface ---- */

static ech_status open_on_thread(void *argument)
{
    ech_memo_file *file = argument;
    const size_t bytes = strlen(file->path) + sizeof ".journal";
    char *journal = ech_alloc(bytes);
    if (journal == NULL) {
        return ECH_ERR_MEMORY;
    }
    snprintf(journal, bytes, "%s.journal", file->path);
    ech_status status = open_stored(&file->stored);
    if (status == ECH_OK) {
        status = ech_memo_journal_open(journal, file->stored.generation, &file->journal);
    }
    ech_free(journal);
    return status;
}

ech_status ech_memo_file_open(ech_io *io, const char *path, ech_memo_file **out)
{
    ech_memo_file *file = ech_calloc(1, sizeof *file);
    *out = file;
    if (file == NULL) {
        return ECH_ERR_MEMORY;
    }
    file->io = io;
    file->path = ech_strdup(path);
    file->stored.path = file->path;
    const ech_status status =
        file->path == NULL ? ECH_ERR_MEMORY : ech_io_run(io, open_on_thread, file);
    if (status != ECH_OK) {
        ech_memo_file_close(out);
    }
    return status;
}

typedef struct {
    ech_memo_file *file;
    ech_memo_file_visit visit;
    void *visitor;
} load_job;

static ech_status load_on_thread(void *argument)
{
    const load_job *job = argument;
    const ech_status status = visit_stored(&job->file->stored, job->visit, job->visitor);
    return status == ECH_OK ? ech_memo_journal_visit(job->file->journal, job->visit, job->visitor)
                            : status;
}

ech_status ech_memo_file_load(ech_memo_file *file, ech_memo_file_visit visit, void *visitor)
{
    load_job job = {file, visit, visitor};
    return ech_io_run(file->io, load_on_thread, &job);
}

ech_status ech_memo_file_put(ech_memo_file *file, ech_hash128 key, const void *value,
                             size_t value_bytes)
{
    return ech_memo_journal_append(file->journal, key, value, value_bytes);
}

ech_status ech_memo_file_flush(ech_memo_file *file)
{
    return ech_memo_journal_describe(file->journal).results == 0
               ? ECH_OK
               : ech_io_run(file->io, flush_on_thread, file);
}

ech_memo_file_info ech_memo_file_describe(const ech_memo_file *file)
{
    ech_memo_file_info info = ech_memo_journal_describe(file->journal);
    info.results += file->stored.count;
    info.value_bytes += stored_bytes(&file->stored);
    return info;
}

static ech_status close_on_thread(void *argument)
{
    close_stored(argument);
    return ECH_OK;
}

void ech_memo_file_close(ech_memo_file **file)
{
    if (file == NULL || *file == NULL) {
        return;
    }
    ech_io_run((*file)->io, close_on_thread, &(*file)->stored);
    ech_memo_journal_close(&(*file)->journal);
    ech_free((*file)->path);
    ech_free(*file);
    *file = NULL;
}

typedef struct {
    const char *path;
    ech_memo_file_info *info;
} info_job;

static ech_status read_info_on_thread(void *argument)
{
    const info_job *job = argument;
    stored_results stored = {.path = job->path};
    const ech_status status = open_stored(&stored);
    *job->info = (ech_memo_file_info){0};
    if (status == ECH_OK) {
        *job->info = (ech_memo_file_info){stored.count, stored_bytes(&stored)};
    }
    close_stored(&stored);
    return status;
}

ech_status ech_memo_file_read_info(ech_io *io, const char *path, ech_memo_file_info *out)
{
    info_job job = {path, out};
    return ech_io_run(io, read_info_on_thread, &job);
}
