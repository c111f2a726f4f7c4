/**
 * @file socket_priv.h
 * What both ends set on their sockets. Only where libzmq is there.
 */
#ifndef ECH_FED_SITE_SOCKET_PRIV_H
#define ECH_FED_SITE_SOCKET_PRIV_H

#include <zmq.h>

#include "runtime/base/status.h"
#include "runtime/fed/site/keys.h"
#include "runtime/fed/site/message.h"

/** ECH_ERR_SYSTEM with libzmq's reason. */
ech_status ech_socket_fail(const char *what);

ech_status ech_socket_set(void *socket, int option, int value);

/** Own keys, the largest message, heartbeats of the connection itself. */
ech_status ech_socket_set_common(void *socket, const ech_private_key *key);

/** Send a sealed message as the last part, without waiting and without a copy of it. 0; -1 with
 *  libzmq's errno. */
int ech_socket_send(void *socket, ech_message *message);

/** Both accept NULL, and null. */
void ech_socket_close(void **socket);
void ech_socket_end(void **context);

#endif
