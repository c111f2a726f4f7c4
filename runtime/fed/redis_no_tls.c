#include <assert.h>

#include "runtime/fed/redis_link_priv.h"

/* Built without OpenSSL: no connection by TLS comes to be, and none is asked for anything. */

ech_status ech_redis_tls_open(int socket, const ech_redis_link_options *options,
                              uint64_t deadline_ns, ech_redis_tls **out)
{
    (void)socket;
    (void)options;
    (void)deadline_ns;
    *out = NULL;
    return ech_fail(ECH_ERR_UNSUPPORTED, "TLS needs OpenSSL (Debian: libssl-dev), which was not "
                                         "there when Echelon was built");
}

void ech_redis_tls_close(ech_redis_tls **handle)
{
    assert(*handle == NULL);
    (void)handle;
}

ech_status ech_redis_tls_send(ech_redis_tls *tls, const void *data, size_t bytes)
{
    (void)tls;
    (void)data;
    (void)bytes;
    return ECH_ERR_UNSUPPORTED;
}

ech_status ech_redis_tls_receive(ech_redis_tls *tls, void *into, size_t bytes, size_t *received)
{
    (void)tls;
    (void)into;
    (void)bytes;
    (void)received;
    return ECH_ERR_UNSUPPORTED;
}
