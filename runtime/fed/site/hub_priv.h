/**
 * @file hub_priv.h
 * The inside of hub.h: who is there (hub.c), what they say (hub_messages.c), rounds
 * (hub_round.c), their updates (hub_update.c).
 */
#ifndef ECH_FED_SITE_HUB_PRIV_H
#define ECH_FED_SITE_HUB_PRIV_H

#include "runtime/fed/site/hub.h"
#include "runtime/fed/site/update.h"

enum { ECH_HUB_NO_SLOT = -1, ECH_HUB_TOLD_MAX = 16 };

typedef enum {
    ECH_PART_NONE,    /* not asked */
    ECH_PART_OPEN,    /* asked */
    ECH_PART_COUNTED, /* its update is in the hub's sum */
    ECH_PART_LEFT_OUT
} ech_part_state;

typedef struct {
    const ech_site_entry *entry;
    uint32_t peer; /* number of its key */
    /* the connection */
    ech_route route; /* none: away */
    bool has_joined;
    bool has_left; /* it said so, and has not come back */
    uint64_t heard_ns;
    uint64_t away_ns; /* since when */
    uint32_t told;    /* bad messages that were told */
    uint64_t *samples;
    /* its part in the round */
    ech_part_state part;
    uint32_t first, asked; /* of the hub's workers */
    bool has_round;        /* was sent on this connection, or is held by the site */
    uint64_t model_next, model_acked, model_limit;
    uint64_t update_next, update_limit;
    uint64_t update_ns; /* when its first chunk came */
    int slot;
    bool is_ready; /* waits for a slot */
    ech_site_report totals;
} ech_hub_site;

/* One worker of a site that was asked. */
typedef struct {
    uint32_t site;
    uint32_t worker;
    uint64_t weight;
    bool has_report;
    ech_wire_report report;
} ech_hub_worker;

/* A chunk of the round's model, as the message that sites are sent. */
typedef struct {
    uint64_t sequence;
    ech_message *message; /* NULL: none */
} ech_hub_chunk;

struct ech_hub {
    ech_hub_options options;
    ech_listener *listener;
    ech_packer *packer;
    ech_hub_site *sites;
    uint32_t site_count;
    uint64_t session;
    uint64_t served_ns; /* when it was last called */
    bool is_ended;      /* sites are told so, also those that join now */
    uint8_t *payload;   /* ECH_WIRE_PAYLOAD_MAX */
    /* the round */
    bool is_open;
    ech_hub_round round;
    uint64_t model_bytes, model_chunks;
    ech_hub_chunk chunks[2][ECH_WIRE_WINDOW]; /* of the model, as they are; packed where it pays */
    bool keeps_chunks;                        /* for more sites than one */
    uint64_t start_ns;
    ech_hub_worker *workers; /* by site, then number */
    uint32_t worker_count, worker_capacity;
    uint64_t contributed; /* workers in the sum */
    ech_exact_sum *total; /* what came */
    bool has_total;
    ech_update_reader *readers[ECH_HUB_SLOTS];
    bool slot_taken[ECH_HUB_SLOTS];
};

/** Send; a connection that is gone makes the site away. @return false: it was not sent. */
bool ech_hub_send(ech_hub *hub, ech_hub_site *site, const ech_wire_frame *frame);
bool ech_hub_send_message(ech_hub *hub, ech_hub_site *site, ech_message *message);

/** The site has no connection from now on. */
void ech_hub_lose(ech_hub_site *site, const char *why);

/** A line on a bad message, for the first few of a site. */
void ech_hub_complain(ech_hub_site *site, const char *what);

/** A message of a site. */
void ech_hub_take(ech_hub *hub, const ech_heard *heard);

/* ---- hub_update.c ---- */

/** Room for the site's update, where there is some; it begins at the first chunk. */
bool ech_hub_take_slot(ech_hub *hub, ech_hub_site *site);
void ech_hub_free_slot(ech_hub *hub, ech_hub_site *site);
/** Its update begins at the first chunk again. */
ech_status ech_hub_begin_update(ech_hub *hub, ech_hub_site *site);
ech_hub_worker *ech_hub_find_worker(const ech_hub *hub, const ech_hub_site *site, uint32_t worker);
void ech_hub_take_ready(ech_hub *hub, ech_hub_site *site);
void ech_hub_take_update(ech_hub *hub, ech_hub_site *site, const ech_wire_frame *frame);
void ech_hub_leave_out(ech_hub *hub, ech_hub_site *site, const char *why);

/* ---- hub_round.c ---- */

/** The site has joined, or joined again. */
void ech_hub_resume_site(ech_hub *hub, ech_hub_site *site, const ech_wire_frame *join);
void ech_hub_forget_chunks(ech_hub *hub);
void ech_hub_take_credit(ech_hub *hub, ech_hub_site *site, const ech_wire_frame *frame);

#endif
