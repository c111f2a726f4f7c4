/**
 * @file byte_stream_priv.h
 * A file read from its beginning to its end, plain or compressed with gzip. Private to `io`; no
 * HDF5.
 */
#ifndef ECH_IO_BYTE_STREAM_PRIV_H
#define ECH_IO_BYTE_STREAM_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/** Opaque. */
typedef struct ech_byte_stream ech_byte_stream;

/** @param path  borrowed for the stream's life. @return ECH_OK, ECH_ERR_FILE, ECH_ERR_MEMORY. */
ech_status ech_byte_stream_open(const char *path, ech_byte_stream **out);
void ech_byte_stream_close(ech_byte_stream **stream);

/**
 * Can this many bytes come out of the file? For a plain file all that it holds must be exactly
 * this; for a compressed one this is no more than its size could hold. Call it before asking for
 * memory.
 */
ech_status ech_byte_stream_expect(const ech_byte_stream *stream, uint64_t bytes);

/** Bytes that a plain file holds; the most that a compressed one can. */
uint64_t ech_byte_stream_bytes_max(const ech_byte_stream *stream);

/** Read exactly so many bytes. @return ECH_ERR_FORMAT with the offset where the stream ends. */
ech_status ech_byte_stream_read(ech_byte_stream *stream, void *data, uint64_t bytes);

/** The stream must be at its end (and its checksum right). */
ech_status ech_byte_stream_finish(ech_byte_stream *stream);

#endif
