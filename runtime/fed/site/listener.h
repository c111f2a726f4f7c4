/**
 * @file listener.h
 * The leader's end: one port, on which sites whose public keys are admitted are heard. Others are
 * refused during CURVE's handshake (ZAP, ZeroMQ RFC 27), before a message of theirs is read.
 *
 * One thread's. Never waits longer than it is told. Without libzmq: ECH_ERR_UNSUPPORTED.
 */
#ifndef ECH_FED_SITE_LISTENER_H
#define ECH_FED_SITE_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/site/keys.h"
#include "runtime/fed/site/message.h"

enum { ECH_ROUTE_BYTES = 16 };

/** One connection of a peer. */
typedef struct {
    uint8_t bytes[ECH_ROUTE_BYTES];
    uint8_t count; /* 0: none */
} ech_route;

typedef struct {
    const char *endpoint;           /* tcp://HOST:PORT; HOST may be *, PORT too */
    const ech_private_key *key;     /* used by the call only */
    const ech_public_key *admitted; /* borrowed */
    size_t admitted_count;
} ech_listener_options;

/** A message. Borrowed until the next call. */
typedef struct {
    uint32_t peer; /* number of its key among those admitted */
    ech_route route;
    const void *bytes;
    size_t count;
} ech_heard;

typedef struct ech_listener ech_listener;

/** @return ECH_OK; ECH_ERR_SYSTEM (the port cannot be had); ECH_ERR_UNSUPPORTED; ECH_ERR_MEMORY. */
ech_status ech_listener_create(const ech_listener_options *options, ech_listener **out);
/** Messages that were sent get two seconds to leave. */
void ech_listener_destroy(ech_listener **handle);

/** Where it listens, its port as a number. */
const char *ech_listener_endpoint(const ech_listener *listener);

/** Wait for a message, for at most so long. @param[out] got  one came. @return ECH_OK;
 *  ECH_ERR_SYSTEM. */
ech_status ech_listener_receive(ech_listener *listener, int timeout_ms, ech_heard *out, bool *got);

/** @param message  sealed. @return ECH_OK; ECH_ERR_NOT_FOUND (that connection is gone);
 *  ECH_ERR_LIMIT (it takes no more now). */
ech_status ech_listener_send(ech_listener *listener, const ech_route *route, ech_message *message);

#endif
