/**
 * @file chart_schedule.h
 * Schedules: who was busy with what, when. A row a rank (or worker), a bar a task (or round).
 *
 * Up to ECH_SCHEDULE_BARS_MAX bars are kept and drawn one by one. From there on the schedule is a
 * raster of about the picture's pixels: each cell knows how much of it was busy and with what
 * mostly. So a schedule of a million tasks takes bounded memory, and a picture of a few hundred
 * kilobytes.
 *
 * Not collective. One owner a schedule.
 */
#ifndef ECH_REPORT_CHART_SCHEDULE_H
#define ECH_REPORT_CHART_SCHEDULE_H

#include <stdint.h>

#include "apps/report/frame.h"

enum { ECH_SCHEDULE_BARS_MAX = 2500 };

typedef struct {
    uint64_t row;
    double start_s;
    double end_s;
    uint32_t kind; /* app number or round: chooses the colour */
} ech_schedule_bar;

/** How kinds are coloured. */
typedef struct {
    const char *const *names; /* `count` of them, a colour each; NULL: a ramp from low to high */
    size_t count;
    uint32_t low;
    uint32_t high;
    const char *noun; /* what a kind is: "round" */
} ech_schedule_kinds;

typedef struct ech_schedule ech_schedule;

/** An empty schedule of `row_count` rows over a range of seconds. ECH_ERR_MEMORY. */
ech_status ech_schedule_create(uint64_t row_count, ech_range time, ech_schedule **out);
void ech_schedule_destroy(ech_schedule **schedule);

/** Add a bar, in any order; parts outside of the range, and other rows, are left out. */
void ech_schedule_add(ech_schedule *schedule, const ech_schedule_bar *bar);

/** Append the picture. `rows` names the schedule's rows, as many as it has. */
void ech_chart_schedule(ech_buffer *out, const ech_chart *chart, const ech_schedule *schedule,
                        ech_rows rows, const ech_schedule_kinds *kinds);

/** Append what is drawn as a table: a line a bar, or a stretch of cells with its busy share. */
void ech_csv_schedule(ech_buffer *out, const ech_schedule *schedule, ech_rows rows,
                      const ech_schedule_kinds *kinds);

#endif
