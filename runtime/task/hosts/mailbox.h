/**
 * @file mailbox.h
 * Messages between the leader ranks: small items, gathered into one message a destination.
 *
 * Two-sided and nonblocking, on a communicator of its own: unlike a put, a send returns at once
 * when the other leader rank is busy in a task, so an idle leader never spins behind a busy one.
 * How much is under way is bounded by the pool: tasks by the cells of those who submitted them.
 *
 * Leader ranks only; one thread.
 */
#ifndef ECH_TASK_MAILBOX_H
#define ECH_TASK_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/mpi/comm.h"

/** Opaque. */
typedef struct ech_mailbox ech_mailbox;

/** Receives one item; `body` is aligned to 16 bytes and valid during the call. */
typedef ech_status (*ech_mail_handler)(void *self, int from_host, uint32_t kind, const void *body,
                                       size_t bytes);

/** Collective over the leader ranks; their communicator is duplicated. */
ech_status ech_mailbox_create(ech_comm *leaders, ech_mail_handler handle, void *self,
                              ech_mailbox **out);
/** Collective over the leader ranks; what was sent has arrived (bounded). Accepts NULL. */
void ech_mailbox_destroy(ech_mailbox **mailbox);

/** Room for the body of one item to a host, to be filled before the next call; NULL: no memory. */
void *ech_mailbox_begin(ech_mailbox *mailbox, int to_host, uint32_t kind, size_t bytes);
/** Send off what was begun. */
ech_status ech_mailbox_flush(ech_mailbox *mailbox);
/** Receive what has come and hand it over; `*any` tells whether there was something. */
ech_status ech_mailbox_receive(ech_mailbox *mailbox, bool *any);
/** Has everything sent left this process? */
bool ech_mailbox_is_quiet(ech_mailbox *mailbox);

#endif
