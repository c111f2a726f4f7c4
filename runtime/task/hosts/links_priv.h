/**
 * @file links_priv.h
 * The items that leader ranks send each other, and the state behind links.h.
 */
#ifndef ECH_TASK_LINKS_PRIV_H
#define ECH_TASK_LINKS_PRIV_H

#include "runtime/task/hosts/links.h"
#include "runtime/task/hosts/mailbox.h"
#include "runtime/task/pool/gather.h"

typedef enum {
    ITEM_TASK,    /* task_item, payload */
    ITEM_DONE,    /* done_item, result or message */
    ITEM_HUNGRY,  /* uint64_t: how many tasks the sender could use */
    ITEM_GRANT,   /* uint64_t: how many tasks came, in answer to that */
    ITEM_RECORDS, /* to host 0: ech_task_record[] */
    ITEM_TAKEN,   /* host 0: uint64_t: how many of them it has taken */
    ITEM_STOP,    /* uint64_t: the program's status */
    ITEM_BYE,     /* nothing: all that the sender had to say is said */
    /* Multi-rank tasks: see gather.h. team_pair: number of the gathering, and a value. */
    ITEM_ANNOUNCE, /* host 0 to all; value: lane, 0: none */
    ITEM_OFFERS,   /* to host 0; value: how many */
    ITEM_LOCK,     /* host 0; value: how many at most */
    ITEM_LOCKED,   /* to host 0; value: how many; uint32_t ranks[] */
    ITEM_UNLOCK,   /* host 0 */
    ITEM_ORDER,    /* host 0: order_item, uint32_t ranks[count] padded to 16 bytes, payload */
} item_kind;

typedef struct {
    uint64_t id;
    uint64_t walltime_ns;
    uint64_t home; /* reference on the home host */
    uint32_t arguments_bytes;
    uint32_t payload_bytes;
    uint32_t input_count;
    uint32_t target;
    uint32_t home_host;
    uint16_t app;
    uint16_t depth;
    uint8_t attempt;
    uint8_t flags;
    int8_t priority;
    uint8_t affinity;
} task_item;

typedef struct {
    uint64_t home;
    uint64_t started_ns; /* hosts have different ticks */
    uint64_t ended_ns;
    uint64_t bytes; /* of the result or message behind it */
    uint32_t rank;
    uint16_t host;
    uint16_t core;
    uint8_t status;
    uint8_t flags;
} done_item;

typedef struct {
    uint32_t number;
    uint32_t value;
} team_pair;

typedef struct {
    task_item task;
    uint32_t number;
    uint32_t count;
} order_item;

typedef struct waiting_order {
    struct waiting_order *next;
    _Alignas(16) unsigned char item[];
} waiting_order;

/* A task that has come and found no room in the pool. */
typedef struct waiting_guest {
    struct waiting_guest *next;
    task_item item;
    _Alignas(16) unsigned char payload[];
} waiting_guest;

struct ech_links {
    ech_pool *pool;
    const ech_machine *machine;
    ech_mailbox *mailbox;
    int host;
    int hosts;
    uint32_t *free_guests;
    uint32_t free_guest_count;
    waiting_guest *first_waiting;
    waiting_guest *last_waiting;
    uint64_t *wanted; /* by host: tasks that it could use */
    bool *asked;      /* by host: it knows that I could use some */
    uint64_t last_item_ns;
    uint64_t next_nap_ns;
    int byes;             /* hosts that have left the run */
    uint64_t records_due; /* sent to host 0, which has not said that it took them */
    bool serving;
    team_pair announced; /* by the gatherer */
    uint32_t told_offers;
    waiting_order *waiting_orders;
};

/** guests.c: tasks and outcomes. */
/** Claim a task that is to leave, so that its owner cannot withdraw it while it is away; false if
 * it was withdrawn before, and goes back to its owner. */
bool ech_links_claim(ech_links *links, uint64_t ref);
/** Write a claimed task into the host's message; false: no memory. */
bool ech_links_send_task(ech_links *links, int host, uint64_t ref);
ech_status ech_links_admit(ech_links *links, const task_item *item, const void *payload);
bool ech_links_admit_waiting(ech_links *links);
void ech_links_take_back(ech_pool *pool, uint32_t index);
void ech_links_take_done(ech_links *links, const done_item *item, const void *data);
/** Where a task that is bound elsewhere has to go; -1: it may run here. */
int ech_links_destination(const ech_links *links, const ech_cell *cell);

/** A guest's cell that is in no queue; false: no room. */
bool ech_links_make_guest(ech_links *links, const task_item *item, const void *payload,
                          uint64_t *ref);
/** Give the cell back if it is a guest's: the task has gone on to another host. */
void ech_links_forget_guest(ech_links *links, uint64_t ref);
task_item ech_links_item_of(const ech_links *links, const ech_cell *cell, uint64_t ref);

/** teams.c: multi-rank tasks. */
ech_status ech_links_take_team_item(ech_links *links, int from_host, item_kind kind,
                                    const void *body, size_t bytes);
bool ech_links_admit_orders(ech_links *links);
void ech_links_tell_offers(ech_links *links);

/** steal.c: who has too few tasks, and who can spare some. */
void ech_links_balance(ech_links *links);

#endif
