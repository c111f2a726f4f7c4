/**
 * @file redis_link.h
 * The bytes between this rank and a Redis: over TCP, plain or within TLS. hiredis makes and reads
 * what they say (transfer_redis.c); the library that clusters have of it knows no TLS, and waits in
 * ways of its own.
 *
 * No wait is unbounded: reaching the server and each wait for it later last at most as long as the
 * options say (resolving a name, as long as resolv.conf says), the handshake a sixth of that. By
 * TLS, the version is 1.2 or later; the server's certificate must be signed by an authority that is
 * trusted, in its time, and for the host that was asked for.
 *
 * Not collective; one thread at a time. Failures are ECH_ERR_SYSTEM or ECH_ERR_TIMEOUT unless said
 * otherwise; after one, a link can only be closed. Messages name neither server nor rank, which the
 * caller knows.
 */
#ifndef ECH_FED_REDIS_LINK_H
#define ECH_FED_REDIS_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/fed/redis_address.h"

typedef struct ech_redis_link ech_redis_link;

/** Borrowed during ech_redis_link_open. The files are PEM, and for TLS only. */
typedef struct {
    const ech_redis_address *address;
    const char *authorities; /* who may sign the server's certificate; NULL: the system's */
    const char *certificate; /* with its chain, for a server that asks for one; NULL: none */
    const char *key;         /* its private key: a file of the user's own that nobody else reads */
    uint64_t limit_ns;
} ech_redis_link_options;

/** @return also ECH_ERR_FILE, ECH_ERR_CONFIG (one of the files), ECH_ERR_UNSUPPORTED (TLS, and
 *  built without OpenSSL). */
ech_status ech_redis_link_open(const ech_redis_link_options *options, ech_redis_link **out);
/** Waits for nothing. */
void ech_redis_link_close(ech_redis_link **link);

/** All of the bytes. */
ech_status ech_redis_link_send(ech_redis_link *link, const void *data, size_t bytes);
/** At least one byte, at most `bytes`. */
ech_status ech_redis_link_receive(ech_redis_link *link, void *into, size_t bytes, size_t *received);

#endif
