#define _GNU_SOURCE
#include "runtime/base/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/base/progress_priv.h"
#include "runtime/base/terminal.h"

/* A bar is "[####  ] " and the end of the text. */
enum { LINE_BYTES = 512, BAR_COLUMNS = 20, BAR_BYTES = BAR_COLUMNS + 4, ACCURACY_NONE = -1 };

struct ech_progress {
    uint64_t first; /* rounds done before this process began */
    uint64_t last;
    uint64_t start_ns;
    unsigned columns; /* of the terminal; 0: plain lines */
    double accuracy;  /* of the last evaluation; ACCURACY_NONE before it */
    bool is_open;     /* a line stands on the terminal without its end */
};

ech_status ech_progress_create(uint64_t first, uint64_t last, ech_progress **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    (*out)->first = first;
    (*out)->last = last;
    (*out)->start_ns = ech_clock_ns();
    (*out)->columns = ech_terminal_columns();
    (*out)->accuracy = ACCURACY_NONE;
    return ECH_OK;
}

/* "12.3 s", "4 min 05 s", "3 h 07 min" */
static void write_duration(double seconds, char *text, size_t bytes)
{
    const unsigned long whole = (unsigned long)(seconds + 0.5);
    if (seconds < 99.95) {
        snprintf(text, bytes, "%.1f s", seconds);
    } else if (whole < 3600) {
        snprintf(text, bytes, "%lu min %02lu s", whole / 60, whole % 60);
    } else {
        snprintf(text, bytes, "%lu h %02lu min", whole / 3600, whole / 60 % 60);
    }
}

static void write_value(const char *name, double value, bool is_known, char *text, size_t bytes)
{
    if (is_known) {
        snprintf(text, bytes, "%s %.4f", name, value);
    } else {
        snprintf(text, bytes, "%s -", name);
    }
}

void progress_describe(const progress_facts *facts, char *text, size_t bytes)
{
    char accuracy[48];
    char loss[48];
    char passed[32];
    char rest_text[32];
    char left[48] = "";
    write_value("accuracy", facts->accuracy, facts->accuracy >= 0, accuracy, sizeof accuracy);
    write_value("loss", facts->loss, isfinite(facts->loss), loss, sizeof loss);
    write_duration(facts->seconds, passed, sizeof passed);
    const double done = (double)(facts->round - facts->first);
    const double rest = (double)(facts->last - facts->round);
    if (done > 0) {
        write_duration(facts->seconds / done * rest, rest_text, sizeof rest_text);
        snprintf(left, sizeof left, ", %s left", rest_text);
    }
    int digits = snprintf(NULL, 0, "%llu", (unsigned long long)facts->last);
    snprintf(text, bytes, "round %*llu/%llu  %s  %s  %s%s", digits,
             (unsigned long long)facts->round, (unsigned long long)facts->last, accuracy, loss,
             passed, left);
}

static void write_bar(uint64_t round, uint64_t last, char bar[BAR_BYTES])
{
    const uint64_t filled = last > 0 ? round * BAR_COLUMNS / last : BAR_COLUMNS;
    memset(bar, ' ', BAR_BYTES);
    memset(bar + 1, '#', filled < BAR_COLUMNS ? (size_t)filled : BAR_COLUMNS);
    bar[0] = '[';
    bar[BAR_COLUMNS + 1] = ']';
    bar[BAR_BYTES - 1] = '\0';
}

/* One write, so that lines of other ranks do not come in between. */
static void put(const char *line, size_t length)
{
    const ssize_t ignored = write(STDERR_FILENO, line, length);
    (void)ignored;
}

/* The cursor goes back to the line's beginning, so that a message overwrites it. */
static void rewrite_line(ech_progress *progress, uint64_t round, const char *text)
{
    char bar[BAR_BYTES];
    char line[2 * LINE_BYTES];
    write_bar(round, progress->last, bar);
    const bool has_room = strlen(bar) + strlen(text) < progress->columns;
    const int room = (int)progress->columns - (has_room ? BAR_BYTES : 1);
    const int length =
        snprintf(line, sizeof line, "%s%.*s\x1b[K\r", has_room ? bar : "", room, text);
    put(line, (size_t)length);
    progress->is_open = true;
}

void ech_progress_show(ech_progress *progress, const ech_progress_round *round)
{
    if (round->evaluated) {
        progress->accuracy = round->accuracy;
    }
    const progress_facts facts = {
        .first = progress->first,
        .round = round->round,
        .last = progress->last,
        .accuracy = progress->accuracy,
        .loss = round->loss,
        .seconds = ech_clock_seconds(ech_clock_ns() - progress->start_ns),
    };
    char text[LINE_BYTES - 1];
    progress_describe(&facts, text, sizeof text);
    if (progress->columns > 0) {
        rewrite_line(progress, round->round, text);
        return;
    }
    char line[LINE_BYTES];
    const int length = snprintf(line, sizeof line, "%s\n", text);
    put(line, (size_t)length);
}

void ech_progress_destroy(ech_progress **progress)
{
    if (progress == NULL || *progress == NULL) {
        return;
    }
    if ((*progress)->is_open) {
        put("\n", 1);
    }
    ech_free(*progress);
    *progress = NULL;
}
