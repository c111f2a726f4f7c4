/**
 * @file stream.h
 * Flow-controlled byte streams between the leader ranks of two hosts.
 *
 * The receiver lends the sender a *lane* of its window: a few chunk slots, each with a sequence
 * word. The sender puts a chunk, then the slot's word; the receiver uses the chunk in place and
 * puts its count of freed slots back. So memory is bounded by the streams that a host receives at
 * once (lanes x slots x chunk) plus 64 bytes for each other host, whatever the stream's length.
 *
 * One stream at a time from a host to another; `tag` is agreed on by the two and checked. A side
 * that waits calls `idle` and naps when that found nothing to do; a wait without any progress of
 * the peer ends after the timeout with ECH_ERR_TIMEOUT. Leader ranks only; from one thread.
 */
#ifndef ECH_MPI_STREAM_H
#define ECH_MPI_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/mpi/machine.h"

/* Measured: 256 KiB moves as fast as 1 MiB, and a lane stays inside a core's cache. */
enum { ECH_STREAM_CHUNK_BYTES = 1 << 18, ECH_STREAM_SLOTS = 4 };

/** Opaque: the lanes of all hosts. */
typedef struct ech_streams ech_streams;
/** Opaque: one end of one stream. */
typedef struct ech_stream ech_stream;

typedef struct {
    uint32_t lanes; /* streams that a host can receive at once, at least 1; the same everywhere */
    uint64_t timeout_ns; /* of a wait in which the peer does nothing; 0: ECH_COMM_TIMEOUT_NS */
    /* Called while waiting; returns true if it found something to do. May be NULL. */
    bool (*idle)(void *user);
    void *idle_user;
} ech_stream_options;

/** Collective over all ranks of the machine; on ranks that are not leaders the result only takes
 * part in the destruction. @return ECH_OK, ECH_ERR_MEMORY, ECH_ERR_MPI, ECH_ERR_TIMEOUT. */
ech_status ech_streams_create(ech_machine *machine, const ech_stream_options *options,
                              ech_streams **out);
void ech_streams_destroy(ech_streams **streams);

/** Begin to send to a host; waits until the receiver has begun too (at the first write).
 *  @return ECH_OK; ECH_ERR_ARGUMENT (own host, no such host, not a leader, one open already). */
ech_status ech_stream_begin_send(ech_streams *streams, int to_host, uint32_t tag, ech_stream **out);

/** Send bytes. `source` may be reused at once. May be called any number of times, with any sizes;
 *  each call's bytes travel as chunks of up to ECH_STREAM_CHUNK_BYTES, cut from its start.
 *  @return ECH_OK, ECH_ERR_TIMEOUT, ECH_ERR_MPI, ECH_ERR_FORMAT (the receiver's tag differs). */
ech_status ech_stream_write(ech_stream *stream, const void *source, uint64_t bytes);

/** Begin to receive from a host; does not wait. @return ECH_OK; ECH_ERR_LIMIT (no free lane);
 *  ECH_ERR_ARGUMENT as above; ECH_ERR_MPI. */
ech_status ech_stream_begin_receive(ech_streams *streams, int from_host, uint32_t tag,
                                    ech_stream **out);

/** Is there something to read (or the end)? Does not wait. */
bool ech_stream_readable(ech_stream *stream);

/**
 * The next bytes in place: waits for at least one.
 *
 * @param[out] data   borrowed, valid until the next call on this stream; aligned to 64 bytes at the
 *                    start of a chunk.
 * @param[out] bytes  how many; 0 once the sender has ended.
 */
ech_status ech_stream_next(ech_stream *stream, const void **data, uint64_t *bytes);

/** Copy exactly `bytes`; ECH_ERR_FORMAT if the stream ends before. */
ech_status ech_stream_read(ech_stream *stream, void *destination, uint64_t bytes);

/**
 * End one's side and null the pointer. A sender waits until its last chunk has been put, not until
 * it is read. A receiver that has not read everything gets ECH_ERR_FORMAT, with the tag.
 */
ech_status ech_stream_end(ech_stream **stream);

/** Bytes that this rank put into other hosts' windows for streams (words and chunks), and that it
 * received, since the creation. */
uint64_t ech_streams_sent_bytes(const ech_streams *streams);
uint64_t ech_streams_received_bytes(const ech_streams *streams);

#endif
