#include "runtime/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_FAILED = 1, EXIT_BAD_INPUT = 2, EXIT_STOPPED_EARLY = 75 };

static _Thread_local char message[sizeof((ech_failure){0}.message)];

const char *ech_status_string(ech_status status)
{
    static const char *const names[ECH_STATUS_COUNT] = {
        [ECH_OK] = "ok",
        [ECH_ERR_ARGUMENT] = "invalid argument",
        [ECH_ERR_CONFIG] = "bad configuration",
        [ECH_ERR_FORMAT] = "bad file content",
        [ECH_ERR_FILE] = "file error",
        [ECH_ERR_MEMORY] = "out of memory",
        [ECH_ERR_LIMIT] = "limit reached",
        [ECH_ERR_NOT_FOUND] = "not found",
        [ECH_ERR_NUMERIC] = "not a finite number",
        [ECH_ERR_MPI] = "MPI error",
        [ECH_ERR_HDF5] = "HDF5 error",
        [ECH_ERR_SYSTEM] = "system error",
        [ECH_ERR_TIMEOUT] = "timed out",
        [ECH_ERR_CANCELLED] = "cancelled",
        [ECH_ERR_TASK] = "task failed",
        [ECH_ERR_UNSUPPORTED] = "not supported",
        [ECH_ERR_INTERRUPTED] = "interrupted",
    };
    if ((unsigned)status >= ECH_STATUS_COUNT) {
        return "unknown status";
    }
    return names[status];
}

ech_status(ech_fail)(ech_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return status;
}

ech_status(ech_fail_context)(ech_status status, const char *format, ...)
{
    char old[sizeof message];
    memcpy(old, message, sizeof old);
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof message) {
        snprintf(message + length, sizeof message - (size_t)length, ": %s", old);
    }
    return status;
}

const char *ech_status_message(void)
{
    return message;
}

ech_failure ech_failure_keep(ech_status status)
{
    ech_failure failure = {.status = status};
    memcpy(failure.message, message, sizeof message);
    return failure;
}

ech_status ech_failure_restore(const ech_failure *failure)
{
    memcpy(message, failure->message, sizeof message);
    return failure->status;
}

void ech_status_clear(void)
{
    message[0] = '\0';
}

int ech_status_exit_code(ech_status status)
{
    switch (status) {
    case ECH_OK:
        return 0;
    case ECH_ERR_ARGUMENT:
    case ECH_ERR_CONFIG:
    case ECH_ERR_FORMAT:
    case ECH_ERR_NOT_FOUND:
        return EXIT_BAD_INPUT;
    case ECH_ERR_INTERRUPTED:
        return EXIT_STOPPED_EARLY;
    default:
        return EXIT_FAILED;
    }
}
