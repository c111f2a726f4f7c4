#include "runtime/fed/site/message.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/memory.h"

struct ech_message {
    atomic_uint holders;
    size_t room;  /* for a payload */
    size_t bytes; /* header and payload, once sealed */
    _Alignas(8) uint8_t content[];
};

ech_status ech_message_create(size_t payload_room, ech_message **out)
{
    assert(payload_room <= ECH_WIRE_PAYLOAD_MAX);
    *out = ech_alloc(sizeof **out + ECH_WIRE_HEADER_BYTES + payload_room);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    atomic_init(&(*out)->holders, 1);
    (*out)->room = payload_room;
    (*out)->bytes = 0;
    return ECH_OK;
}

ech_status ech_message_of(const ech_wire_frame *frame, ech_message **out)
{
    const ech_status status = ech_message_create(frame->payload_bytes, out);
    if (status != ECH_OK) {
        return status;
    }
    if (frame->payload_bytes > 0) {
        memcpy(ech_message_payload(*out), frame->payload, frame->payload_bytes);
    }
    ech_message_seal(*out, frame);
    return ECH_OK;
}

ech_message *ech_message_hold(ech_message *message)
{
    atomic_fetch_add_explicit(&message->holders, 1, memory_order_relaxed);
    return message;
}

void ech_message_release(ech_message **message)
{
    if (message == NULL || *message == NULL) {
        return;
    }
    if (atomic_fetch_sub_explicit(&(*message)->holders, 1, memory_order_acq_rel) == 1) {
        ech_free(*message);
    }
    *message = NULL;
}

void *ech_message_payload(ech_message *message)
{
    return message->content + ECH_WIRE_HEADER_BYTES;
}

void ech_message_seal(ech_message *message, const ech_wire_frame *frame)
{
    assert(frame->payload_bytes <= message->room);
    ech_wire_frame in_place = *frame;
    in_place.payload = ech_message_payload(message);
    message->bytes = ech_wire_encode(&in_place, message->content);
}

void *ech_message_bytes(ech_message *message, size_t *bytes)
{
    *bytes = message->bytes;
    return message->content;
}
