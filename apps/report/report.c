#include "apps/report/report.h"

#include <stdio.h>

#include "apps/report/pictures.h"

/* A reader looks at single runs when they are few; of many, at what they have in common. */
enum { DETAILED_RUNS_MAX = 16 };

static ech_status fill_details(ech_page *page, const ech_runs *runs, bool published)
{
    ech_status status = ech_report_time(page, runs);
    if (status == ECH_OK) {
        status = ech_report_bytes(page, runs);
    }
    if (status == ECH_OK) {
        status = ech_report_workers(page, runs, published);
    }
    return status == ECH_OK ? ech_report_tasks(page, runs) : status;
}

static ech_status fill(ech_page *page, const ech_runs *runs, bool published)
{
    ech_status status = ech_report_tables(page, runs);
    if (status == ECH_OK) {
        status = ech_report_scaling(page, runs, published);
    }
    if (status == ECH_OK) {
        status = ech_report_model(page, runs, published);
    }
    if (status == ECH_OK && runs->count <= DETAILED_RUNS_MAX) {
        status = fill_details(page, runs, published);
    } else if (status == ECH_OK) {
        char text[160];
        snprintf(text, sizeof text,
                 "Schedules, tasks, phases and bytes of single runs are drawn for at most %d runs.",
                 DETAILED_RUNS_MAX);
        ech_page_paragraph(page, text);
    }
    return status == ECH_OK ? ech_page_finish(page) : status;
}

ech_status ech_report_write(ech_io *io, const ech_report_request *request)
{
    ech_runs runs;
    ech_page *page = NULL;
    ech_status status = ech_runs_open(io, request->paths, request->path_count, &runs);
    if (status == ECH_OK) {
        char title[256];
        if (runs.count == 1) {
            snprintf(title, sizeof title, "Echelon: %s", runs.items[0].label);
        } else {
            snprintf(title, sizeof title, "Echelon: %zu runs", runs.count);
        }
        status = ech_page_create(request->directory, title, &page);
    }
    if (status == ECH_OK) {
        status = fill(page, &runs, request->published);
    }
    ech_page_destroy(&page);
    ech_runs_close(&runs);
    return status;
}
