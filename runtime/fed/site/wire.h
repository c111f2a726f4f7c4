/**
 * @file wire.h
 * The messages between a leader and its remote sites, as bytes: docs/protocol.md has the states.
 *
 * A message is a header of 64 bytes and a payload of at most ECH_WIRE_PAYLOAD_MAX, little-endian,
 * with a checksum over both. What comes in is checked whole before any of it is used. Pure
 * functions; not collective.
 */
#ifndef ECH_FED_SITE_WIRE_H
#define ECH_FED_SITE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/hash.h"
#include "runtime/base/status.h"

enum {
    ECH_WIRE_VERSION = 1,
    ECH_WIRE_HEADER_BYTES = 64,
    ECH_WIRE_PAYLOAD_MAX = 512 << 10,
    ECH_WIRE_CHUNK_BYTES = 256 << 10, /* of a model or an update, before packing */
    ECH_WIRE_WINDOW = 32,             /* chunks that may be under way to a receiver */
    ECH_WIRE_NAME_BYTES = 64,
    ECH_WIRE_ENGINES_BYTES = 256,
    ECH_WIRE_TEXT_BYTES = 512,
    ECH_WIRE_WORKERS_MAX = 32768, /* of one site */
};

/** Never renumber: the numbers are the protocol. */
typedef enum {
    ECH_WIRE_JOIN = 1, /* site: here I am, or here I am again */
    ECH_WIRE_WELCOME,  /* leader: admitted, and how much of the site's update it has */
    ECH_WIRE_REFUSE,   /* either: no, and why, as text */
    ECH_WIRE_ROUND,    /* leader: a round's description; the model follows */
    ECH_WIRE_MODEL,    /* leader: a chunk of the model */
    ECH_WIRE_CREDIT,   /* either: chunks [0, argument) may be sent; those before sequence are in */
    ECH_WIRE_READY,    /* site: an update waits for credit */
    ECH_WIRE_UPDATE,   /* site: a chunk of its update */
    ECH_WIRE_DONE,     /* leader: the round needs nothing more of this site */
    ECH_WIRE_BEAT,     /* either: still there */
    ECH_WIRE_LEAVE,    /* site: it goes for good, and why, as text */
    ECH_WIRE_END,      /* leader: the federation has ended */
    ECH_WIRE_TYPE_END
} ech_wire_type;

typedef struct {
    ech_wire_type type;
    uint64_t session; /* of the leader's process; 0: none known */
    uint64_t round;
    uint64_t sequence;
    uint64_t argument;
    const void *payload; /* of a decoded frame: borrowed from the message, of any alignment */
    uint32_t payload_bytes;
} ech_wire_frame;

/** Sites and leaders go by names of at most 63 letters, digits, '.', '_' and '-'. ECH_ERR_CONFIG
 *  with what was expected. */
ech_status ech_wire_check_name(const char *name);

/** "join", "welcome", ... */
const char *ech_wire_type_name(ech_wire_type type);

/**
 * Write a whole message. @param message  ECH_WIRE_HEADER_BYTES and the payload's, which may be
 * there already. @return its bytes.
 */
size_t ech_wire_encode(const ech_wire_frame *frame, void *message);

/** @return ECH_OK; ECH_ERR_UNSUPPORTED (another version of the protocol); ECH_ERR_FORMAT
 * (truncated, oversized, damaged, of no known type). */
ech_status ech_wire_decode(const void *message, size_t bytes, ech_wire_frame *out);

/* ---- payloads ---- */

/** What a site tells of itself. */
typedef struct {
    char name[ECH_WIRE_NAME_BYTES];
    ech_hash128 config; /* of what decides the bits of an update */
    ech_hash128 model;  /* of the model's layout */
    char engines[ECH_WIRE_ENGINES_BYTES];
    uint32_t worker_count;
} ech_wire_join;

/** A worker of the site and its samples. */
typedef struct {
    uint32_t worker;
    uint64_t samples;
} ech_wire_worker;

/** A round, as far as a site takes part in it. */
typedef struct {
    uint64_t weight_bound; /* of the exact sums of the round */
    uint64_t model_bytes;
    uint32_t epochs;
    uint32_t codec;           /* ech_codec */
    uint32_t packs;           /* 1: chunks are packed where it pays */
    uint32_t keep_millionths; /* of an update's values, where the codec keeps a part */
    uint32_t worker_count;
} ech_wire_round;

/** A worker's part in a round, as the site tells it. */
typedef struct {
    uint32_t worker;
    uint32_t refused; /* 1: its update was not finite, and is not in the sum */
    uint64_t samples;
    uint64_t steps;
    double loss;
    double accuracy;
    uint64_t start_ns, end_ns; /* wall clock */
} ech_wire_report;

enum {
    ECH_WIRE_WORKER_BYTES = 12,
    ECH_WIRE_REPORT_BYTES = 56,
    ECH_WIRE_REPORTS_A_CHUNK = ECH_WIRE_CHUNK_BYTES / ECH_WIRE_REPORT_BYTES,
};

/** Write into a payload of ECH_WIRE_PAYLOAD_MAX; at most ECH_WIRE_WORKERS_MAX workers. @return its
 *  bytes. */
size_t ech_wire_put_join(const ech_wire_join *join, const ech_wire_worker *workers, void *payload);
size_t ech_wire_put_round(const ech_wire_round *round, const uint32_t *workers, void *payload);
size_t ech_wire_put_reports(const ech_wire_report *reports, uint32_t count, void *payload);
size_t ech_wire_put_text(const char *text, void *payload);

/** Read what these wrote. Lists are read one by one behind it. ECH_ERR_FORMAT. */
ech_status ech_wire_take_join(const ech_wire_frame *frame, ech_wire_join *out);
ech_wire_worker ech_wire_join_worker(const ech_wire_frame *frame, uint32_t index);
ech_status ech_wire_take_round(const ech_wire_frame *frame, ech_wire_round *out);
uint32_t ech_wire_round_worker(const ech_wire_frame *frame, uint32_t index);
/** @param bytes  of whole reports. */
ech_wire_report ech_wire_report_at(const void *reports, uint32_t index);
/** Printable characters only; cut. */
void ech_wire_take_text(const ech_wire_frame *frame, char text[ECH_WIRE_TEXT_BYTES]);

#endif
