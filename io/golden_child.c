#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/golden_priv.h"
#include "runtime/base/clock.h"
#include "runtime/base/memory.h"

/* A reader that hangs never answers; the largest file, ResNet-152's, takes seconds, or half a
 * minute on a machine that is busy with other things. */
static const uint64_t answers_within_ns = UINT64_C(60000000000);

/* What comes first through the pipe: how the reading ended, and then the golden's plain members. */
typedef struct {
    ech_failure failure;
    ech_golden golden; /* its pointers are the child's own */
} answer_head;

/* ---- the child ---- */

static void put(int descriptor, const void *data, size_t bytes)
{
    const char *next = data;
    while (bytes > 0) {
        const ssize_t written = write(descriptor, next, bytes);
        if (written < 0 && errno != EINTR) {
            _exit(1);
        }
        next += written > 0 ? written : 0;
        bytes -= written > 0 ? (size_t)written : 0;
    }
}

static size_t logit_bytes(const ech_golden *golden)
{
    return (size_t)golden->batch * golden->classes * sizeof(double);
}

static void answer(const char *path, int descriptor)
{
    ech_golden *golden = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* HDF5 may go round for ever: not without who asked */
    answer_head head = {.failure = ech_failure_keep(ech_golden_read_here(path, &golden))};
    if (golden != NULL) {
        head.golden = *golden;
    }
    put(descriptor, &head, sizeof head);
    if (golden != NULL) {
        put(descriptor, golden->logits, logit_bytes(golden));
        put(descriptor, golden->eval_logits, logit_bytes(golden));
        put(descriptor, golden->gradients, golden->gradient_count * sizeof(ech_golden_digest));
        put(descriptor, golden->states, golden->state_count * sizeof(ech_golden_digest));
    }
    _exit(0);
}

/* ---- its parent ---- */

typedef struct {
    const char *path;
    int descriptor;
    uint64_t limit_ns, until_ns;
} reader;

/* A signal cuts a wait short, and says nothing of the child. */
static ech_status wait_for_bytes(const reader *from)
{
    for (;;) {
        struct pollfd wait = {.fd = from->descriptor, .events = POLLIN};
        const uint64_t now_ns = ech_clock_ns();
        const int left_ms =
            now_ns < from->until_ns ? (int)((from->until_ns - now_ns) / 1000000) + 1 : 0;
        const int ready = poll(&wait, 1, left_ms);
        if (ready > 0) {
            return ECH_OK;
        }
        if (left_ms == 0) {
            return ech_fail(ECH_ERR_FORMAT, "%s: reading it takes longer than %g s", from->path,
                            ech_clock_seconds(from->limit_ns));
        }
        if (ready < 0 && errno != EINTR) {
            return ech_fail(ECH_ERR_SYSTEM, "%s: cannot wait for its reader: %s", from->path,
                            strerror(errno));
        }
    }
}

static ech_status get(const reader *from, void *data, size_t bytes)
{
    char *next = data;
    while (bytes > 0) {
        const ech_status status = wait_for_bytes(from);
        if (status != ECH_OK) {
            return status;
        }
        const ssize_t got = read(from->descriptor, next, bytes);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return ech_fail(ECH_ERR_FORMAT, "%s: damaged: it made its reader crash", from->path);
        }
        next += got;
        bytes -= (size_t)got;
    }
    return ECH_OK;
}

/* HDF5 may have overwritten the child's memory: nothing that it says is taken on trust. */
static ech_status lost(const reader *from)
{
    return ech_fail(ECH_ERR_FORMAT, "%s: damaged: its reader lost its way", from->path);
}

static bool are_whole(const ech_golden_digest *digests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (digests[i].count > ECH_GOLDEN_ELEMENTS_MAX ||
            memchr(digests[i].name, '\0', sizeof digests[i].name) == NULL) {
            return false;
        }
    }
    return true;
}

static ech_status get_array(const reader *from, size_t count, size_t limit, size_t item_bytes,
                            void **out)
{
    if (count > limit) {
        return lost(from);
    }
    *out = ech_calloc(count, item_bytes);
    return *out != NULL ? get(from, *out, count * item_bytes) : ECH_ERR_MEMORY;
}

static ech_status get_arrays(const reader *from, ech_golden *golden)
{
    const size_t logits = (size_t)golden->batch * golden->classes;
    const struct {
        size_t count, limit, item_bytes;
        void **out;
    } arrays[] = {
        {logits, ECH_GOLDEN_LOGITS_MAX, sizeof(double), (void **)&golden->logits},
        {logits, ECH_GOLDEN_LOGITS_MAX, sizeof(double), (void **)&golden->eval_logits},
        {golden->gradient_count, ECH_GOLDEN_DIGESTS_MAX, sizeof(ech_golden_digest),
         (void **)&golden->gradients},
        {golden->state_count, ECH_GOLDEN_DIGESTS_MAX, sizeof(ech_golden_digest),
         (void **)&golden->states},
    };
    ech_status status = ECH_OK;
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0] && status == ECH_OK; i++) {
        status =
            get_array(from, arrays[i].count, arrays[i].limit, arrays[i].item_bytes, arrays[i].out);
    }
    if (status == ECH_OK && !(are_whole(golden->gradients, golden->gradient_count) &&
                              are_whole(golden->states, golden->state_count))) {
        status = lost(from);
    }
    return status;
}

static ech_status receive(const reader *from, ech_golden *golden)
{
    answer_head head;
    ech_status status = get(from, &head, sizeof head);
    if (status == ECH_OK && (unsigned)head.failure.status >= ECH_STATUS_COUNT) {
        status = lost(from);
    }
    if (status == ECH_OK) {
        head.failure.message[sizeof head.failure.message - 1] = '\0';
        status = ech_failure_restore(&head.failure);
    }
    if (status != ECH_OK) {
        return status;
    }
    *golden = head.golden;
    golden->model[sizeof golden->model - 1] = '\0';
    golden->logits = NULL;
    golden->eval_logits = NULL;
    golden->gradients = NULL;
    golden->states = NULL;
    return get_arrays(from, golden);
}

static ech_status ask_child(const char *path, uint64_t limit_ns, ech_golden *golden)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return ech_fail(ECH_ERR_SYSTEM, "cannot make a pipe: %s", strerror(errno));
    }
    const pid_t child = fork();
    if (child == 0) {
        answer(path, ends[1]);
    }
    close(ends[1]);
    const reader from = {path, ends[0], limit_ns, ech_clock_ns() + limit_ns};
    const ech_status status = child > 0
                                  ? receive(&from, golden)
                                  : ech_fail(ECH_ERR_SYSTEM, "cannot fork: %s", strerror(errno));
    close(ends[0]);
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    return status;
}

ech_status ech_golden_read_within(const char *path, uint64_t limit_ns, ech_golden **out)
{
    ech_golden *golden = ech_calloc(1, sizeof *golden);
    const ech_status status = golden != NULL ? ask_child(path, limit_ns, golden) : ECH_ERR_MEMORY;
    if (status != ECH_OK) {
        ech_golden_destroy(&golden);
    }
    *out = golden;
    return status;
}

ech_status ech_golden_read(const char *path, ech_golden **out)
{
    return ech_golden_read_within(path, answers_within_ns, out);
}
