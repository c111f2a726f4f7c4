/**
 * @file redis_link_priv.h
 * The inside of redis_link.h: what TCP and TLS have in common, and TLS. redis_tls.c is with
 * OpenSSL, redis_no_tls.c without.
 */
#ifndef ECH_FED_REDIS_LINK_PRIV_H
#define ECH_FED_REDIS_LINK_PRIV_H

#include "runtime/fed/redis_link.h"

/** Wait until a socket is ready for poll's `events`. @return ECH_OK; ECH_ERR_TIMEOUT at
 *  `deadline_ns` of ech_clock_ns; ECH_ERR_SYSTEM. */
ech_status ech_redis_link_wait(int socket, short events, uint64_t deadline_ns);

/** The failure of a connection with this errno; 0: its end. */
ech_status ech_redis_link_fail(int error);

typedef struct ech_redis_tls ech_redis_tls;

/** The handshake, on a connected socket that does not block, and that stays the caller's. */
ech_status ech_redis_tls_open(int socket, const ech_redis_link_options *options,
                              uint64_t deadline_ns, ech_redis_tls **out);
void ech_redis_tls_close(ech_redis_tls **handle);
ech_status ech_redis_tls_send(ech_redis_tls *tls, const void *data, size_t bytes);
ech_status ech_redis_tls_receive(ech_redis_tls *tls, void *into, size_t bytes, size_t *received);

#endif
