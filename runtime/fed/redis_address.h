/**
 * @file redis_address.h
 * Where a Redis is, as `redis.address` says it.
 *
 * Not collective.
 */
#ifndef ECH_FED_REDIS_ADDRESS_H
#define ECH_FED_REDIS_ADDRESS_H

#include <stdbool.h>

#include "runtime/base/status.h"

enum { ECH_REDIS_HOST_BYTES = 256, ECH_REDIS_PORT_BYTES = 6 };

typedef struct {
    char host[ECH_REDIS_HOST_BYTES]; /* a name, or an address without brackets */
    char port[ECH_REDIS_PORT_BYTES];
    bool tls;
} ech_redis_address;

/** Read HOST:PORT or redis://HOST:PORT, or rediss://HOST:PORT for TLS; an IPv6 address stands in
 *  brackets. @return ECH_OK; ECH_ERR_CONFIG, with a message that does not repeat the text: it may
 *  hold a password that belongs elsewhere. */
ech_status ech_redis_address_read(const char *text, ech_redis_address *out);

#endif
