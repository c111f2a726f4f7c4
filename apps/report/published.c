#include "apps/report/published.h"

#include <stdio.h>
#include <string.h>

#include "apps/report/published_data.h"
#include "runtime/base/text.h"

enum { FIELDS_MAX = 4, FIELD_BYTES = 32 };

/* A line of a published table. */
typedef struct {
    char fields[FIELDS_MAX][FIELD_BYTES];
} row;

/* Read the line at `text`. @return where the next begins; NULL after the last. */
static const char *read_row(const char *text, row *out)
{
    memset(out, 0, sizeof *out);
    if (*text == '\0') {
        return NULL;
    }
    for (size_t i = 0; *text != '\n' && *text != '\0'; i++) {
        const size_t bytes = strcspn(text, ",\n");
        if (i < FIELDS_MAX) {
            snprintf(out->fields[i], FIELD_BYTES, "%.*s", (int)bytes, text);
        }
        text += bytes + (text[bytes] == ',' ? 1 : 0);
    }
    return *text == '\n' ? text + 1 : text;
}

/* Which rows of a table make one line, and of which of their fields. */
typedef struct {
    const char *table;
    const char *wanted[2]; /* text of the first two fields; NULL: any */
    size_t x;
    size_t y;
    double x_shift;
    double y_factor;
} choice;

static bool is_wanted(const row *found, const choice *what)
{
    for (size_t i = 0; i < 2; i++) {
        if (what->wanted[i] != NULL && strcmp(found->fields[i], what->wanted[i]) != 0) {
            return false;
        }
    }
    return true;
}

/* Fill the points, or count them (x NULL). @return their number. */
static size_t points(const choice *what, double *x, double *y)
{
    row found;
    size_t count = 0;
    const char *next = read_row(what->table, &found); /* the heads */
    while (next != NULL && (next = read_row(next, &found)) != NULL) {
        double at;
        double value;
        if (!is_wanted(&found, what) || !ech_text_read_real(found.fields[what->x], &at) ||
            !ech_text_read_real(found.fields[what->y], &value)) {
            continue;
        }
        if (x != NULL) {
            x[count] = at + what->x_shift;
            y[count] = value * what->y_factor;
        }
        count++;
    }
    return count;
}

/* Append one line, grey, with the dashes of its number. */
static void add_line(ech_series *series, const char *who, int dashes, const choice *what)
{
    const size_t count = points(what, NULL, NULL);
    if (count == 0) {
        return;
    }
    char label[128];
    snprintf(label, sizeof label, "%s (published, other machines)", who);
    double *x;
    double *y;
    ech_series_add(series, label, 0, count, &x, &y);
    ech_line *line = ech_series_last(series);
    if (line != NULL) {
        points(what, x, y);
        line->colour = ECH_COLOUR_OTHERS;
        line->dashes = dashes;
    }
}

void ech_published_hierarchy(ech_series *series, const char *strategy)
{
    static const char *const heights[] = {"1", "2", "4", "8"};
    for (int i = 0; i < 4; i++) {
        char who[64];
        snprintf(who, sizeof who, "Flight, height %s", heights[i]);
        add_line(series, who, i,
                 &(choice){.table = ech_published_hierarchy_csv,
                           .wanted = {heights[i], strategy},
                           .x = 2,
                           .y = 3,
                           .x_shift = -1.0, /* it evaluates each round's starting model */
                           .y_factor = 1.0});
    }
}

void ech_published_remote(ech_series *series)
{
    add_line(
        series, "Flight, remote sites", 1,
        &(choice){
            .table = ech_published_remote_csv, .x = 0, .y = 1, .x_shift = -1.0, .y_factor = 1.0});
}

void ech_published_idle(ech_series *series, const char *mode)
{
    const bool async = strcmp(mode, "async") == 0;
    add_line(
        series, async ? "Flight, async" : "Flight, sync", 0,
        &(choice){.table = ech_published_idle_csv, .x = 0, .y = async ? 2 : 1, .y_factor = 0.01});
    ech_line *line = ech_series_last(series);
    if (line != NULL) {
        line->marks_only = true;
    }
}

void ech_published_scaling(ech_series *series, const char *model)
{
    static const char *const systems[][2] = {{"flight-parsl", "Flight, Parsl"},
                                             {"flight-parsl-redis", "Flight, Parsl and Redis"},
                                             {"flower", "Flower"}};
    for (int i = 0; i < 3; i++) {
        char who[96];
        snprintf(who, sizeof who, "%s, %.40s", systems[i][1], model);
        add_line(series, who, i + 1,
                 &(choice){.table = ech_published_scaling_csv,
                           .wanted = {model, systems[i][0]},
                           .x = 2,
                           .y = 3,
                           .y_factor = 1.0});
    }
}
