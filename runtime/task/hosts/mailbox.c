#include "runtime/task/hosts/mailbox.h"

#include <limits.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"

enum { TAG = 1, FIRST_BYTES = 4096, FULL_BYTES = 1 << 18, NAP_NS = 50000, RECEIVES_A_CALL = 64 };

/* In front of each item. */
typedef struct {
    uint32_t kind;
    uint32_t reserved;
    uint64_t bytes;
} item_header;

_Static_assert(sizeof(item_header) == 16, "bodies stay aligned");

/* A message being filled for a host, or one under way. */
typedef struct message {
    struct message *next;
    MPI_Request request;
    int host; /* to or from */
    size_t bytes;
    size_t capacity;
    unsigned char *data;
} message;

struct ech_mailbox {
    ech_comm *comm;
    int hosts;
    ech_mail_handler handle;
    void *self;
    message **filling;  /* by host */
    message *sending;   /* under way */
    message *receiving; /* large ones, not complete yet */
    message *spare;     /* small ones to use again */
};

ech_status ech_mailbox_create(ech_comm *leaders, ech_mail_handler handle, void *self,
                              ech_mailbox **out)
{
    ech_mailbox *mailbox = ech_calloc(1, sizeof *mailbox);
    *out = mailbox;
    if (mailbox == NULL) {
        return ECH_ERR_MEMORY;
    }
    mailbox->handle = handle;
    mailbox->self = self;
    mailbox->hosts = ech_comm_size(leaders);
    mailbox->filling = ech_calloc((size_t)mailbox->hosts, sizeof(message *));
    ech_status status = mailbox->filling == NULL ? ECH_ERR_MEMORY : ECH_OK;
    if (status == ECH_OK) {
        status = ech_comm_create(ech_comm_handle(leaders), ECH_COMM_TIMEOUT_NS, &mailbox->comm);
    }
    if (status != ECH_OK) {
        ech_mailbox_destroy(out);
    }
    return status;
}

static void free_message(message *what)
{
    if (what != NULL) {
        ech_free(what->data);
        ech_free(what);
    }
}

static void free_list(message **list)
{
    while (*list != NULL) {
        message *first = *list;
        *list = first->next;
        free_message(first);
    }
}

static message *make_message(ech_mailbox *mailbox, int host, size_t bytes)
{
    message *made = mailbox->spare;
    if (made != NULL && bytes <= made->capacity) {
        mailbox->spare = made->next;
    } else {
        made = ech_calloc(1, sizeof *made);
        const size_t capacity = bytes < FIRST_BYTES ? FIRST_BYTES : bytes;
        if (made == NULL || (made->data = ech_alloc(capacity)) == NULL) {
            ech_free(made);
            return NULL;
        }
        made->capacity = capacity;
    }
    made->next = NULL;
    made->host = host;
    made->bytes = 0;
    return made;
}

static void recycle(ech_mailbox *mailbox, message *used)
{
    if (used->capacity > FULL_BYTES) {
        free_message(used);
        return;
    }
    used->next = mailbox->spare;
    mailbox->spare = used;
}

static ech_status send_off(ech_mailbox *mailbox, int host)
{
    message *sent = mailbox->filling[host];
    mailbox->filling[host] = NULL;
    if (sent->bytes > INT_MAX) {
        free_message(sent);
        return ech_fail(ECH_ERR_LIMIT, "a message of over 2 GiB to host %d", host);
    }
    const ech_status status =
        ech_mpi_check(MPI_Isend(sent->data, (int)sent->bytes, MPI_BYTE, host, TAG,
                                ech_comm_handle(mailbox->comm), &sent->request),
                      "MPI_Isend of a task message");
    if (status != ECH_OK) {
        free_message(sent);
        return status;
    }
    sent->next = mailbox->sending;
    mailbox->sending = sent;
    return ECH_OK;
}

static bool grow(message *what, size_t bytes)
{
    size_t capacity = what->capacity;
    while (capacity < bytes) {
        capacity *= 2;
    }
    if (capacity > what->capacity) {
        unsigned char *larger = ech_realloc(what->data, capacity, 1);
        if (larger == NULL) {
            return false;
        }
        what->data = larger;
        what->capacity = capacity;
    }
    return true;
}

void *ech_mailbox_begin(ech_mailbox *mailbox, int to_host, uint32_t kind, size_t bytes)
{
    const size_t padded = (bytes + 15) / 16 * 16;
    message *what = mailbox->filling[to_host];
    if (what != NULL && what->bytes + padded > FULL_BYTES) {
        if (send_off(mailbox, to_host) != ECH_OK) {
            return NULL;
        }
        what = NULL;
    }
    if (what == NULL) {
        what = make_message(mailbox, to_host, sizeof(item_header) + padded);
        mailbox->filling[to_host] = what;
    }
    if (what == NULL || !grow(what, what->bytes + sizeof(item_header) + padded)) {
        return NULL;
    }
    const item_header header = {.kind = kind, .bytes = bytes};
    unsigned char *at = what->data + what->bytes;
    memcpy(at, &header, sizeof header);
    what->bytes += sizeof header + padded;
    return at + sizeof header;
}

/* Take the sends that are complete off the list. */
static void reap_sent(ech_mailbox *mailbox)
{
    message **link = &mailbox->sending;
    while (*link != NULL) {
        message *sent = *link;
        int complete = 0;
        if (MPI_Test(&sent->request, &complete, MPI_STATUS_IGNORE) != MPI_SUCCESS || !complete) {
            link = &sent->next;
            continue;
        }
        *link = sent->next;
        recycle(mailbox, sent);
    }
}

ech_status ech_mailbox_flush(ech_mailbox *mailbox)
{
    ech_status status = ECH_OK;
    for (int host = 0; host < mailbox->hosts && status == ECH_OK; host++) {
        if (mailbox->filling[host] != NULL) {
            status = send_off(mailbox, host);
        }
    }
    if (mailbox->sending != NULL) {
        reap_sent(mailbox);
    }
    return status;
}

static ech_status hand_over(ech_mailbox *mailbox, const message *got)
{
    size_t at = 0;
    while (at + sizeof(item_header) <= got->bytes) {
        item_header header;
        memcpy(&header, got->data + at, sizeof header);
        at += sizeof header;
        if (header.bytes > got->bytes - at) {
            break;
        }
        const ech_status status =
            mailbox->handle(mailbox->self, got->host, header.kind, got->data + at, header.bytes);
        if (status != ECH_OK) {
            return status;
        }
        at += (header.bytes + 15) / 16 * 16;
    }
    return at == got->bytes
               ? ECH_OK
               : ech_fail(ECH_ERR_FORMAT, "a task message from host %d is damaged", got->host);
}

/* Begin to receive the next message, if there is one. */
static ech_status begin_receive(ech_mailbox *mailbox, bool *any)
{
    int flag = 0;
    int bytes = 0;
    MPI_Message matched;
    MPI_Status envelope;
    *any = false;
    ech_status status =
        ech_mpi_check(MPI_Improbe(MPI_ANY_SOURCE, TAG, ech_comm_handle(mailbox->comm), &flag,
                                  &matched, &envelope),
                      "MPI_Improbe");
    if (status != ECH_OK || !flag) {
        return status;
    }
    *any = true;
    MPI_Get_count(&envelope, MPI_BYTE, &bytes);
    message *got = make_message(mailbox, envelope.MPI_SOURCE, (size_t)bytes);
    if (got == NULL) {
        return ECH_ERR_MEMORY;
    }
    got->bytes = (size_t)bytes;
    status = ech_mpi_check(MPI_Imrecv(got->data, bytes, MPI_BYTE, &matched, &got->request),
                           "MPI_Imrecv");
    message **end = &mailbox->receiving;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = got;
    return status;
}

/* In the order in which they came: a small message may be complete before a large one ahead. */
static ech_status finish_received(ech_mailbox *mailbox)
{
    while (mailbox->receiving != NULL) {
        message *got = mailbox->receiving;
        int complete = 0;
        ech_status status =
            ech_mpi_check(MPI_Test(&got->request, &complete, MPI_STATUS_IGNORE), "MPI_Test");
        if (status == ECH_OK && !complete) {
            return ECH_OK;
        }
        mailbox->receiving = got->next;
        if (status == ECH_OK) {
            status = hand_over(mailbox, got);
        }
        recycle(mailbox, got);
        if (status != ECH_OK) {
            return status;
        }
    }
    return ECH_OK;
}

ech_status ech_mailbox_receive(ech_mailbox *mailbox, bool *any)
{
    bool more = true;
    *any = false;
    for (int i = 0; i < RECEIVES_A_CALL && more; i++) {
        const ech_status status = begin_receive(mailbox, &more);
        if (status != ECH_OK) {
            return status;
        }
        *any = *any || more;
        if (mailbox->receiving != NULL) {
            const ech_status finished = finish_received(mailbox);
            if (finished != ECH_OK) {
                return finished;
            }
        }
    }
    return ECH_OK;
}

bool ech_mailbox_is_quiet(ech_mailbox *mailbox)
{
    reap_sent(mailbox);
    return mailbox->sending == NULL && mailbox->receiving == NULL;
}

void ech_mailbox_destroy(ech_mailbox **mailbox)
{
    if (mailbox == NULL || *mailbox == NULL) {
        return;
    }
    const uint64_t until = ech_clock_ns() + ECH_COMM_TIMEOUT_NS;
    while (!ech_mailbox_is_quiet(*mailbox) && ech_clock_ns() < until) {
        ech_clock_sleep_ns(NAP_NS);
    }
    free_list(&(*mailbox)->sending);
    free_list(&(*mailbox)->receiving);
    free_list(&(*mailbox)->spare);
    for (int host = 0; (*mailbox)->filling != NULL && host < (*mailbox)->hosts; host++) {
        free_message((*mailbox)->filling[host]);
    }
    ech_free((*mailbox)->filling);
    ech_comm_destroy(&(*mailbox)->comm);
    ech_free(*mailbox);
    *mailbox = NULL;
}
