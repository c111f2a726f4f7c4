#include "runtime/task/hosts/links.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/mpi/guard.h"
#include "runtime/task/hosts/links_priv.h"

static const uint64_t poll_after_item_ns = 1000000;
static const uint64_t nap_first_ns = 50000;
static const uint64_t nap_max_ns = 2000000;
/* After so long without a message naps may grow further: each costs about 30 us of the processor.
 */
static const uint64_t long_quiet_ns = 1000000000;
static const uint64_t nap_quiet_max_ns = 5000000;
/* Records on their way from one host: a busy host 0 does not have to hold more of each. */
enum { FORWARDS_A_CALL = 256, RECORDS_DUE_MAX = 4096 };

static uint64_t records_room(ech_pool *pool)
{
    const ech_links *links = pool->links;
    return RECORDS_DUE_MAX - links->records_due;
}

/* The records of this host's ranks, on their way to host 0. */
static void send_records(void *self, const ech_task_record *records, size_t count)
{
    ech_links *links = self;
    void *body = ech_mailbox_begin(links->mailbox, 0, ITEM_RECORDS, count * sizeof *records);
    if (body == NULL) {
        ech_abort(ECH_ERR_MEMORY);
    }
    memcpy(body, records, count * sizeof *records);
    links->records_due += count;
}

static void take_stop(ech_links *links, uint64_t program_status)
{
    ech_pool_stop(links->pool, (ech_status)program_status);
}

static ech_status take_records(ech_links *links, int from_host, const ech_task_record *records,
                               size_t bytes)
{
    const ech_task_record_sink *sink = &links->pool->executor->recorder.sink;
    const uint64_t count = bytes / sizeof *records;
    sink->write(sink->self, records, count);
    uint64_t *taken = ech_mailbox_begin(links->mailbox, from_host, ITEM_TAKEN, sizeof count);
    if (taken == NULL) {
        return ECH_ERR_MEMORY;
    }
    *taken = count;
    return ECH_OK;
}

/* There is room for more of them. */
static void take_taken(ech_links *links, uint64_t count)
{
    links->records_due -= count;
    atomic_store(&links->pool->head->records_waiting, 1);
}

static uint64_t word_of(const void *body)
{
    uint64_t word = 0;
    memcpy(&word, body, sizeof word);
    return word;
}

static ech_status take_item(void *self, int from_host, uint32_t kind, const void *body,
                            size_t bytes)
{
    ech_links *links = self;
    switch ((item_kind)kind) {
    case ITEM_TASK:
        return ech_links_admit(links, body, (const unsigned char *)body + sizeof(task_item));
    case ITEM_DONE:
        ech_links_take_done(links, body, (const unsigned char *)body + sizeof(done_item));
        return ECH_OK;
    case ITEM_HUNGRY:
        links->wanted[from_host] = word_of(body);
        return ECH_OK;
    case ITEM_GRANT:
        links->asked[from_host] = false;
        return ECH_OK;
    case ITEM_RECORDS:
        return take_records(links, from_host, body, bytes);
    case ITEM_TAKEN:
        take_taken(links, word_of(body));
        return ECH_OK;
    case ITEM_STOP:
        take_stop(links, word_of(body));
        return ECH_OK;
    case ITEM_BYE:
        links->byes++;
        return ECH_OK;
    case ITEM_ANNOUNCE:
    case ITEM_OFFERS:
    case ITEM_LOCK:
    case ITEM_LOCKED:
    case ITEM_UNLOCK:
    case ITEM_ORDER:
        return ech_links_take_team_item(links, from_host, (item_kind)kind, body, bytes);
    }
    return ech_fail(ECH_ERR_FORMAT, "a task message of unknown kind %u from host %d", kind,
                    from_host);
}

/* What the ranks of this host want to have run on another. */
static bool forward_bound(ech_links *links)
{
    ech_pool *pool = links->pool;
    uint64_t ref = 0;
    bool any = false;
    for (int i = 0; i < FORWARDS_A_CALL &&
                    ech_ring_take(ech_pool_outbound(pool), ECH_POOL_RING_ORDER, &ref, 1) == 1;
         i++) {
        ech_cell *cell = ech_pool_cell(pool, ech_ref_owner(ref), ech_ref_cell(ref));
        any = true;
        if (ech_links_claim(links, ref) &&
            !ech_links_send_task(links, ech_links_destination(links, cell), ref)) {
            ech_abort(ECH_ERR_MEMORY);
        }
    }
    return any;
}

/* Multi-rank tasks go to the gatherer, which takes those of its own host by itself. */
static bool forward_teams(ech_links *links)
{
    ech_pool *pool = links->pool;
    uint64_t ref = 0;
    bool any = false;
    while (links->host != 0 &&
           ech_ring_take(ech_pool_teams(pool), ECH_POOL_RING_ORDER, &ref, 1) == 1) {
        any = true;
        if (ech_links_claim(links, ref) && !ech_links_send_task(links, 0, ref)) {
            ech_abort(ECH_ERR_MEMORY);
        }
    }
    return any;
}

static ech_status serve_once(ech_links *links, bool *any)
{
    bool received = false;
    ech_status status = ech_mailbox_receive(links->mailbox, &received);
    if (status != ECH_OK) {
        return status;
    }
    const bool forwarded = forward_bound(links);
    const bool teams = forward_teams(links);
    const bool admitted = ech_links_admit_waiting(links);
    const bool ordered = ech_links_admit_orders(links);
    if (atomic_load_explicit(&links->pool->head->stopping, memory_order_relaxed) == 0) {
        ech_links_balance(links);
    }
    ech_links_tell_offers(links);
    *any = received || forwarded || teams || admitted || ordered;
    if (*any) {
        links->last_item_ns = ech_clock_ns();
        links->next_nap_ns = nap_first_ns;
    }
    return ech_mailbox_flush(links->mailbox);
}

/* From within a step, a yield or a poll. A failure here is one of MPI or memory: the job ends. */
static bool serve(ech_pool *pool)
{
    ech_links *links = pool->links;
    bool any = false;
    if (links->serving) {
        return false; /* a sink that yields */
    }
    links->serving = true;
    const ech_status status = serve_once(links, &any);
    links->serving = false;
    if (status != ECH_OK) {
        ech_abort(status);
    }
    return any;
}

/* Poll for a millisecond after the last message, then sleep for longer and longer. */
static uint64_t nap_ns(ech_pool *pool)
{
    ech_links *links = pool->links;
    const uint64_t quiet_ns = ech_clock_ns() - links->last_item_ns;
    if (quiet_ns < poll_after_item_ns) {
        return 0;
    }
    const uint64_t nap = links->next_nap_ns;
    const uint64_t longest_ns = quiet_ns < long_quiet_ns ? nap_max_ns : nap_quiet_max_ns;
    links->next_nap_ns = 2 * nap < longest_ns ? 2 * nap : longest_ns;
    return nap;
}

static ech_status allocate(ech_links *links)
{
    const ech_pool_shape *shape = &links->pool->shape;
    links->free_guests = ech_calloc(shape->guest_cells, sizeof *links->free_guests);
    links->wanted = ech_calloc((size_t)links->hosts, sizeof *links->wanted);
    links->asked = ech_calloc((size_t)links->hosts, sizeof *links->asked);
    if (links->free_guests == NULL || links->wanted == NULL || links->asked == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t i = 0; i < shape->guest_cells; i++) {
        links->free_guests[i] = shape->own_cells + shape->guest_cells - 1 - i;
    }
    links->free_guest_count = shape->guest_cells;
    return ECH_OK;
}

ech_status ech_links_create(ech_pool *pool, ech_machine *machine, ech_links **out)
{
    ech_links *links = ech_calloc(1, sizeof *links);
    *out = links;
    if (links == NULL) {
        return ECH_ERR_MEMORY;
    }
    links->pool = pool;
    links->machine = machine;
    links->host = ech_machine_host(machine);
    links->hosts = ech_machine_host_count(machine);
    ech_status status = allocate(links);
    const ech_status made =
        ech_mailbox_create(ech_machine_leader_comm(machine), take_item, links, &links->mailbox);
    status = status != ECH_OK ? status : made;
    if (status != ECH_OK) {
        ech_links_destroy(out);
        return status;
    }
    pool->links = links;
    pool->serve = serve;
    pool->nap_ns = nap_ns;
    pool->take_back = ech_links_take_back;
    if (links->host != 0) {
        pool->records_sink = (ech_task_record_sink){.self = links, .write = send_records};
        pool->records_room = records_room;
    }
    return ECH_OK;
}

void ech_links_destroy(ech_links **links)
{
    if (links == NULL || *links == NULL) {
        return;
    }
    ech_mailbox_destroy(&(*links)->mailbox);
    while ((*links)->first_waiting != NULL) {
        waiting_guest *first = (*links)->first_waiting;
        (*links)->first_waiting = first->next;
        ech_free(first);
    }
    while ((*links)->waiting_orders != NULL) {
        waiting_order *first = (*links)->waiting_orders;
        (*links)->waiting_orders = first->next;
        ech_free(first);
    }
    ech_free((*links)->free_guests);
    ech_free((*links)->wanted);
    ech_free((*links)->asked);
    ech_free(*links);
    *links = NULL;
}

void ech_links_begin_run(ech_links *links)
{
    memset(links->wanted, 0, (size_t)links->hosts * sizeof *links->wanted);
    memset(links->asked, 0, (size_t)links->hosts * sizeof *links->asked);
    links->byes = 0;
    links->announced = (team_pair){0};
    links->told_offers = 0;
    links->records_due = 0;
    links->last_item_ns = ech_clock_ns();
    links->next_nap_ns = nap_first_ns;
}

/* Serve in naps until a condition holds; bounded from the last message on. */
static ech_status serve_until(ech_links *links, bool (*holds)(ech_links *links), const char *what)
{
    uint64_t until = ech_clock_ns() + ECH_COMM_TIMEOUT_NS;
    while (!holds(links)) {
        if (serve(links->pool)) {
            until = ech_clock_ns() + ECH_COMM_TIMEOUT_NS;
        } else {
            ech_clock_sleep_ns(nap_first_ns);
        }
        if (ech_clock_ns() > until) {
            return ech_fail(ECH_ERR_TIMEOUT, "hosts did not answer while %s", what);
        }
    }
    return ECH_OK;
}

static bool all_left(ech_links *links)
{
    return links->byes == links->hosts - 1 && ech_mailbox_is_quiet(links->mailbox);
}

static bool all_recorded(ech_links *links)
{
    ech_pool_read_records(links->pool);
    return !ech_pool_has_records(links->pool) && links->records_due == 0;
}

static bool all_sent(ech_links *links)
{
    return ech_mailbox_is_quiet(links->mailbox);
}

ech_status ech_links_end_run(ech_links *links, ech_status program_status)
{
    for (int host = 1; host < links->hosts; host++) {
        uint64_t *body = ech_mailbox_begin(links->mailbox, host, ITEM_STOP, sizeof(uint64_t));
        if (body == NULL) {
            return ECH_ERR_MEMORY;
        }
        *body = (uint64_t)program_status;
    }
    return serve_until(links, all_left, "the run ends");
}

ech_status ech_links_leave_run(ech_links *links)
{
    ech_pool_end_records(links->pool);
    ech_status status = serve_until(links, all_recorded, "a host hands its records over");
    if (status != ECH_OK) {
        return status;
    }
    if (ech_mailbox_begin(links->mailbox, 0, ITEM_BYE, 0) == NULL) {
        return ECH_ERR_MEMORY;
    }
    status = ech_mailbox_flush(links->mailbox);
    return status != ECH_OK ? status : serve_until(links, all_sent, "a host leaves the run");
}
