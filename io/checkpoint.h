/**
 * @file checkpoint.h
 * Checkpoints: the model under its state_dict names, and everything else that decides the next
 * round.
 *
 *     /model/<name>   float32 (counters int64) in PyTorch's shape, for h5py and load_state_dict
 *     /state/<name>   bytes of the one who saved them: strategy, random state, selection, marks
 *     /config         effective configuration, YAML text
 *     attributes of /: kind, version, round, model_xxh128
 *
 * Each dataset carries the attribute `xxh128` of its content; the file carries a digest of itself
 * in its HDF5 user block (seal.h), which is checked before HDF5 sees it. A file is written under a
 * temporary name in its folder, synced, renamed, and the folder synced: a kill, a full disk or a
 * power cut leaves the previous checkpoints as they were. Only the last K stay.
 *
 * Not collective: the rank that owns the run's folder writes. One owner a handle.
 */
#ifndef ECH_IO_CHECKPOINT_H
#define ECH_IO_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/service.h"
#include "runtime/base/hash.h"
#include "runtime/base/layout.h"
#include "runtime/base/status.h"

enum { ECH_CHECKPOINT_BLOB_NAME_BYTES = 64 };

/** Bytes that travel in a checkpoint under a name ("strategy/momentum"; letters, digits, ".-_/").
 */
typedef struct {
    const char *name;
    const void *data; /* may be NULL where `bytes` is 0 */
    size_t bytes;
} ech_blob;

typedef struct {
    uint64_t round;     /* completed rounds: 0 before the first */
    const char *config; /* effective configuration */
    ech_state_view model;
    const ech_blob *blobs;
    size_t blob_count;
    /* Called on the service's thread before the file gets its name: what the checkpoint relies on
     * is safe, or there is none. NULL: it relies on nothing. */
    ech_io_function precondition;
    void *precondition_argument; /* borrowed until the write has ended */
} ech_checkpoint_content;

/** Opaque: writes `checkpoint-<round>.h5` into one folder, one at a time, beside the training. */
typedef struct ech_checkpoint_writer ech_checkpoint_writer;

/**
 * Make a writer; removes temporary files that dead writers left in the folder.
 *
 * @param folder  must exist and be writable.
 * @param layout  borrowed; must outlive the writer.
 * @param keep    files that stay, at least 1.
 * @return ECH_OK; ECH_ERR_ARGUMENT; ECH_ERR_FILE; ECH_ERR_MEMORY.
 */
ech_status ech_checkpoint_writer_create(ech_io *io, const char *folder, const ech_layout *layout,
                                        uint32_t keep, ech_checkpoint_writer **out);

/** Waits for a write in flight (its failure is logged). Accepts NULL. */
void ech_checkpoint_writer_destroy(ech_checkpoint_writer **writer);

/**
 * Copy the content and begin to write it; training may go on and change everything at once.
 * Nothing may be in flight: call ech_checkpoint_writer_finish first.
 *
 * @return ECH_OK; ECH_ERR_ARGUMENT (busy, a bad or repeated blob name); ECH_ERR_MEMORY.
 */
ech_status ech_checkpoint_writer_begin(ech_checkpoint_writer *writer,
                                       const ech_checkpoint_content *content);

/** Is a write in flight and not yet done? Never blocks. */
bool ech_checkpoint_writer_busy(const ech_checkpoint_writer *writer);

/**
 * Wait for the write in flight.
 *
 * @return ECH_OK if it is safe on disk, or if there was none; ECH_ERR_FILE (full disk, read-only
 *         folder, quota), ECH_ERR_HDF5: the folder is then as before the write.
 */
ech_status ech_checkpoint_writer_finish(ech_checkpoint_writer *writer);

/** Path of the newest file that this writer finished, borrowed; NULL if none. */
const char *ech_checkpoint_writer_path(const ech_checkpoint_writer *writer);

/** Opaque: an open checkpoint whose digest was right. */
typedef struct ech_checkpoint ech_checkpoint;

/**
 * Open one file.
 *
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_FORMAT (torn, damaged, not a checkpoint, of a later
 * version).
 */
ech_status ech_checkpoint_open(ech_io *io, const char *path, ech_checkpoint **out);

/**
 * Open the newest intact checkpoint of a folder; torn and damaged ones are skipped with a warning.
 *
 * @return as above, and ECH_ERR_NOT_FOUND if the folder has none.
 */
ech_status ech_checkpoint_open_newest(ech_io *io, const char *folder, ech_checkpoint **out);

/** Close it. Accepts NULL; nulls the pointer. */
void ech_checkpoint_close(ech_checkpoint **checkpoint);

typedef struct {
    const char *path;
    const char *config;
    uint64_t round;
    ech_hash128 model_hash;   /* ech_layout_hash_values of the model */
    const ech_layout *layout; /* as stored, in state_dict order */
    size_t blob_count;
    const ech_blob *blobs; /* names and sizes; `data` is NULL */
} ech_checkpoint_info;

/** Borrowed, lives as long as the handle. */
const ech_checkpoint_info *ech_checkpoint_describe(const ech_checkpoint *checkpoint);

/**
 * Read the model into the caller's memory.
 *
 * @param layout  what the caller expects: names, kinds, shapes and order must be the file's.
 * @return ECH_OK; ECH_ERR_FORMAT (the first tensor that differs is named; a checksum is wrong).
 */
ech_status ech_checkpoint_read_model(ech_checkpoint *checkpoint, const ech_layout *layout,
                                     ech_state model);

/**
 * Read a blob.
 *
 * @param bytes  must be the blob's size.
 * @return ECH_OK; ECH_ERR_NOT_FOUND; ECH_ERR_FORMAT (size or checksum differs).
 */
ech_status ech_checkpoint_read_blob(ech_checkpoint *checkpoint, const char *name, void *data,
                                    size_t bytes);

#endif
