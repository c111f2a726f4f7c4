/**
 * @file dialer.h
 * A site's end: one connection to the leader at a time. A connection keeps messages whole and in
 * order, and is never mended: when it breaks, the owner opens another and joins again.
 *
 * One thread's. Never waits longer than it is told. Without libzmq: ECH_ERR_UNSUPPORTED.
 */
#ifndef ECH_FED_SITE_DIALER_H
#define ECH_FED_SITE_DIALER_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/status.h"
#include "runtime/fed/site/keys.h"
#include "runtime/fed/site/message.h"

typedef struct {
    const char *endpoint;  /* tcp://HOST:PORT; borrowed */
    ech_private_key key;   /* copied */
    ech_public_key leader; /* copied */
} ech_dialer_options;

typedef enum {
    ECH_DIALER_NOTHING, /* in that time */
    ECH_DIALER_MESSAGE,
    ECH_DIALER_BROKEN,  /* the connection is no more, or could not be made */
    ECH_DIALER_REFUSED, /* the leader does not admit this key */
} ech_dialer_event;

typedef struct ech_dialer ech_dialer;

/** The library's threads run on the caller's processors of now. */
ech_status ech_dialer_create(const ech_dialer_options *options, ech_dialer **out);
/** Messages that were sent get a second to leave. */
void ech_dialer_destroy(ech_dialer **handle);

/** Begin a connection; the one before, if any, is dropped with what was under way in it. */
ech_status ech_dialer_open(ech_dialer *dialer);
void ech_dialer_close(ech_dialer *dialer);

/** On an open connection. @param[out] message, bytes  borrowed until the next call. */
ech_status ech_dialer_receive(ech_dialer *dialer, int timeout_ms, ech_dialer_event *event,
                              const void **message, size_t *bytes);

/** @param message  sealed. @return ECH_OK; ECH_ERR_LIMIT (it takes no more now); ECH_ERR_SYSTEM. */
ech_status ech_dialer_send(ech_dialer *dialer, ech_message *message);

#endif
