/**
 * @file report.h
 * From run records to a page that compares them.
 *
 * Not collective.
 */
#ifndef ECH_REPORT_REPORT_H
#define ECH_REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "io/service.h"
#include "runtime/base/status.h"

typedef struct {
    const char *const *paths; /* of the run records, at least one */
    size_t path_count;
    const char *directory; /* is made if it is missing */
    bool published;        /* draw the results of others beside, where the runs repeat theirs */
} ech_report_request;

/**
 * Write `directory/report.html`, and for each picture an SVG and a CSV file.
 *
 * @return ECH_OK; ECH_ERR_FILE, ECH_ERR_FORMAT (of a record, naming it); ECH_ERR_FILE (the
 *         directory or a file in it); ECH_ERR_MEMORY.
 */
ech_status ech_report_write(ech_io *io, const ech_report_request *request);

#endif
