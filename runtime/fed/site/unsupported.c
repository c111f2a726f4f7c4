/* Remote sites where libzmq is missing: every call says so. */
#include <stddef.h>

#include "runtime/fed/site/dialer.h"
#include "runtime/fed/site/keys.h"
#include "runtime/fed/site/listener.h"

static ech_status refuse(void)
{
    return ech_fail(ECH_ERR_UNSUPPORTED, "this echelon was built without libzmq, which remote "
                                         "sites need (Debian: libzmq3-dev)");
}

ech_status ech_key_generate(const char *name, const char *folder, ech_public_key *out)
{
    (void)name;
    (void)folder;
    (void)out;
    return refuse();
}

ech_status ech_private_key_read(const char *path, ech_private_key *out)
{
    (void)path;
    (void)out;
    return refuse();
}

void ech_private_key_clear(ech_private_key *key)
{
    *key = (ech_private_key){0};
}

ech_status ech_public_keys_read(const char *path, ech_public_key **out, size_t *count)
{
    (void)path;
    *out = NULL;
    *count = 0;
    return refuse();
}

ech_status ech_listener_create(const ech_listener_options *options, ech_listener **out)
{
    (void)options;
    *out = NULL;
    return refuse();
}

void ech_listener_destroy(ech_listener **listener)
{
    (void)listener;
}

const char *ech_listener_endpoint(const ech_listener *listener)
{
    (void)listener;
    return "";
}

ech_status ech_listener_receive(ech_listener *listener, int timeout_ms, ech_heard *out, bool *got)
{
    (void)listener;
    (void)timeout_ms;
    (void)out;
    *got = false;
    return refuse();
}

ech_status ech_listener_send(ech_listener *listener, const ech_route *route, ech_message *message)
{
    (void)listener;
    (void)route;
    (void)message;
    return refuse();
}

ech_status ech_dialer_create(const ech_dialer_options *options, ech_dialer **out)
{
    (void)options;
    *out = NULL;
    return refuse();
}

void ech_dialer_destroy(ech_dialer **dialer)
{
    (void)dialer;
}

ech_status ech_dialer_open(ech_dialer *dialer)
{
    (void)dialer;
    return refuse();
}

void ech_dialer_close(ech_dialer *dialer)
{
    (void)dialer;
}

ech_status ech_dialer_receive(ech_dialer *dialer, int timeout_ms, ech_dialer_event *event,
                              const void **message, size_t *bytes)
{
    (void)dialer;
    (void)timeout_ms;
    (void)message;
    (void)bytes;
    *event = ECH_DIALER_NOTHING;
    return refuse();
}

ech_status ech_dialer_send(ech_dialer *dialer, ech_message *message)
{
    (void)dialer;
    (void)message;
    return refuse();
}
