/**
 * @file message.h
 * A message in memory of its own: its payload is written in place, and it is sent without a copy,
 * to one peer or to many.
 *
 * Counted: whoever lets go of it last frees it, and that may be a thread of libzmq's. Once sealed
 * it does not change.
 */
#ifndef ECH_FED_SITE_MESSAGE_H
#define ECH_FED_SITE_MESSAGE_H

#include <stddef.h>

#include "runtime/base/status.h"
#include "runtime/fed/site/wire.h"

typedef struct ech_message ech_message;

/** @param payload_room  bytes, at most ECH_WIRE_PAYLOAD_MAX. @return ECH_OK; ECH_ERR_MEMORY. */
ech_status ech_message_create(size_t payload_room, ech_message **out);

/** A message of this frame, sealed, with a copy of its payload. */
ech_status ech_message_of(const ech_wire_frame *frame, ech_message **out);

/** One holder more. @return the message. */
ech_message *ech_message_hold(ech_message *message);
/** One less; NULL is fine, and the caller's pointer becomes it. */
void ech_message_release(ech_message **message);

/** Where its payload is written; aligned to 8 bytes. */
void *ech_message_payload(ech_message *message);

/** Write the header, and the checksum. @param frame  of as many bytes as the payload now has; its
 *  `payload` is not looked at. */
void ech_message_seal(ech_message *message, const ech_wire_frame *frame);

/** All of a sealed one. */
void *ech_message_bytes(ech_message *message, size_t *bytes);

#endif
