#define _POSIX_C_SOURCE 200809L
#include "runtime/fed/availability.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/memory.h"

/* Times beyond a century are none: they would not fit nanoseconds well. */
static const double seconds_max = 4e9;

typedef struct {
    uint32_t worker;
    uint64_t from_ns, until_ns;
} stretch;

struct ech_availability {
    stretch *stretches; /* by worker, then by time */
    size_t count;
    size_t capacity;
};

typedef struct {
    ech_availability *into;
    const char *path;
    uint32_t worker_count;
    unsigned line;
} reader;

static ech_status add(reader *reading, const stretch *added)
{
    ech_availability *into = reading->into;
    stretch *grown = ech_grow(into->stretches, into->count, &into->capacity, sizeof *grown);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    into->stretches = grown;
    into->stretches[into->count++] = *added;
    return ECH_OK;
}

static ech_status refuse(const reader *reading, const char *text)
{
    return ech_fail(ECH_ERR_CONFIG,
                    "%s:%u: expected a worker below %u and two times in seconds, the first before "
                    "the second, got '%s'",
                    reading->path, reading->line, reading->worker_count, text);
}

static bool read_seconds(char **text, uint64_t *out_ns)
{
    char *end = NULL;
    const double seconds = strtod(*text, &end);
    if (end == *text || !(seconds >= 0.0 && seconds <= seconds_max)) {
        return false;
    }
    *text = end;
    *out_ns = (uint64_t)llround(seconds * 1e9);
    return true;
}

static ech_status read_line(reader *reading, char *text)
{
    text[strcspn(text, "#\r\n")] = '\0';
    char *at = text + strspn(text, " \t");
    if (*at == '\0') {
        return ECH_OK;
    }
    char *end = at;
    const unsigned long long worker = isdigit((unsigned char)*at) ? strtoull(at, &end, 10) : 0;
    stretch read = {.worker = (uint32_t)worker};
    if (end == at || worker >= reading->worker_count || !read_seconds(&end, &read.from_ns) ||
        !read_seconds(&end, &read.until_ns) || end[strspn(end, " \t")] != '\0' ||
        read.from_ns >= read.until_ns) {
        return refuse(reading, text);
    }
    return add(reading, &read);
}

static ech_status read_file(reader *reading)
{
    FILE *file = fopen(reading->path, "r");
    if (file == NULL) {
        return ech_fail(ECH_ERR_FILE, "cannot open %s: %s", reading->path, strerror(errno));
    }
    char *text = NULL;
    size_t capacity = 0;
    ech_status status = ECH_OK;
    while (status == ECH_OK && getline(&text, &capacity, file) >= 0) {
        reading->line++;
        status = read_line(reading, text);
    }
    if (status == ECH_OK && ferror(file)) {
        status = ech_fail(ECH_ERR_FILE, "cannot read %s: %s", reading->path, strerror(errno));
    }
    free(text);
    fclose(file);
    return status;
}

static int by_worker_and_time(const void *left, const void *right)
{
    const stretch *a = left;
    const stretch *b = right;
    if (a->worker != b->worker) {
        return a->worker < b->worker ? -1 : 1;
    }
    return (a->from_ns > b->from_ns) - (a->from_ns < b->from_ns);
}

static ech_status check_apart(const reader *reading)
{
    const ech_availability *read = reading->into;
    for (size_t i = 1; i < read->count; i++) {
        const stretch *before = &read->stretches[i - 1];
        const stretch *after = &read->stretches[i];
        if (before->worker == after->worker && before->until_ns >= after->from_ns) {
            return ech_fail(ECH_ERR_CONFIG,
                            "%s: worker %u is on until %.9g s and again from %.9g s: expected "
                            "stretches that do not touch",
                            reading->path, after->worker, (double)before->until_ns * 1e-9,
                            (double)after->from_ns * 1e-9);
        }
    }
    return ECH_OK;
}

ech_status ech_availability_load(const char *path, uint32_t worker_count, ech_availability **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    reader reading = {.into = *out, .path = path, .worker_count = worker_count};
    ech_status status = read_file(&reading);
    if (status == ECH_OK && (*out)->count > 0) {
        qsort((*out)->stretches, (*out)->count, sizeof(stretch), by_worker_and_time);
        status = check_apart(&reading);
    }
    if (status != ECH_OK) {
        ech_availability_destroy(out);
    }
    return status;
}

void ech_availability_destroy(ech_availability **availability)
{
    if (availability == NULL || *availability == NULL) {
        return;
    }
    ech_free((*availability)->stretches);
    ech_free(*availability);
    *availability = NULL;
}

/* The first stretch of a worker or of a later one that ends after a time; perhaps the end. */
static size_t find(const ech_availability *availability, uint32_t worker, uint64_t time_ns)
{
    size_t low = 0;
    size_t high = availability->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const stretch *at = &availability->stretches[middle];
        if (at->worker < worker || (at->worker == worker && at->until_ns <= time_ns)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_of(const ech_availability *availability, size_t index, uint32_t worker)
{
    return index < availability->count && availability->stretches[index].worker == worker;
}

static bool is_named(const ech_availability *availability, uint32_t worker)
{
    return availability != NULL && is_of(availability, find(availability, worker, 0), worker);
}

uint64_t ech_availability_next_on(const ech_availability *availability, uint32_t worker,
                                  uint64_t time_ns)
{
    if (!is_named(availability, worker)) {
        return time_ns;
    }
    const size_t index = find(availability, worker, time_ns);
    if (!is_of(availability, index, worker)) {
        return ECH_TIME_NEVER;
    }
    const uint64_t from_ns = availability->stretches[index].from_ns;
    return from_ns > time_ns ? from_ns : time_ns;
}

uint64_t ech_availability_work(const ech_availability *availability, uint32_t worker,
                               uint64_t time_ns, uint64_t work_ns)
{
    if (!is_named(availability, worker)) {
        return time_ns + work_ns;
    }
    uint64_t left_ns = work_ns;
    for (size_t index = find(availability, worker, time_ns); is_of(availability, index, worker);
         index++) {
        const stretch *on = &availability->stretches[index];
        const uint64_t from_ns = on->from_ns > time_ns ? on->from_ns : time_ns;
        if (left_ns <= on->until_ns - from_ns) {
            return from_ns + left_ns;
        }
        left_ns -= on->until_ns - from_ns;
    }
    return ECH_TIME_NEVER;
}
