/**
 * @file status.h
 * Status codes, and the message that goes with the last failure of a thread.
 *
 * A function that can fail for reasons outside the program (files, memory, MPI, input) returns an
 * `ech_status`. The place that first knows the facts calls `ech_fail` with them; callers on the way
 * up may put their own facts in front with `ech_fail_context`. Not collective, thread-safe: the
 * message belongs to the calling thread.
 */
#ifndef ECH_BASE_STATUS_H
#define ECH_BASE_STATUS_H

typedef enum {
    ECH_OK = 0,
    ECH_ERR_ARGUMENT,    /* a caller's value is out of its contract */
    ECH_ERR_CONFIG,      /* a configuration, topology or command line is wrong: exit code 2 */
    ECH_ERR_FORMAT,      /* a file's content is not what its format says: exit code 2 */
    ECH_ERR_FILE,        /* the operating system refused a file operation */
    ECH_ERR_MEMORY,      /* an allocation failed */
    ECH_ERR_LIMIT,       /* a declared bound was reached (queue, result size, table) */
    ECH_ERR_NOT_FOUND,   /* a name or key does not exist */
    ECH_ERR_NUMERIC,     /* a value is NaN or infinite */
    ECH_ERR_MPI,         /* an MPI call failed */
    ECH_ERR_HDF5,        /* an HDF5 call failed */
    ECH_ERR_SYSTEM,      /* another operating system call failed */
    ECH_ERR_TIMEOUT,     /* a bounded wait ran out */
    ECH_ERR_CANCELLED,   /* a task was cancelled before it ran */
    ECH_ERR_TASK,        /* a task failed, or one that it depends on did */
    ECH_ERR_UNSUPPORTED, /* built without the library, or not available on this CPU */
    ECH_ERR_INTERRUPTED, /* a signal or walltime asked to stop early */
    ECH_STATUS_COUNT
} ech_status;

/** A short, fixed English name, such as "out of memory". Never NULL. */
const char *ech_status_string(ech_status status);

/**
 * Record a failure's message and return its status, so that `return ech_fail(...)` reads well.
 *
 * @param status  any but ECH_OK; returned as it is.
 * @param format  printf format of one sentence without a line feed, with the facts (file, key,
 *                rank, value). Messages longer than 1,023 bytes are cut.
 */
ech_status ech_fail(ech_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Put "text: " in front of this thread's message; returns `status`. For callers that know more. */
ech_status ech_fail_context(ech_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__
/* The analyzer does not see into other files, and would follow paths on which a failure is ECH_OK.
 */
#define ech_fail(status, ...) (ech_fail(status, __VA_ARGS__), (status))
#define ech_fail_context(status, ...) (ech_fail_context(status, __VA_ARGS__), (status))
#endif

/** Message of this thread's last failure; "" if none. Borrowed; valid until the next failure. */
const char *ech_status_message(void);

/** A failure with its message, kept while other calls may fail. */
typedef struct {
    ech_status status;
    char message[1024];
} ech_failure;

/** Keep `status` and this thread's message. */
ech_failure ech_failure_keep(ech_status status);

/** Make a kept failure this thread's last one again; returns its status. */
ech_status ech_failure_restore(const ech_failure *failure);

/** Forget this thread's message. */
void ech_status_clear(void);

/** Process exit code of DESIGN: 0 done, 1 failed, 2 bad usage or input, 75 stopped early. */
int ech_status_exit_code(ech_status status);

#endif
