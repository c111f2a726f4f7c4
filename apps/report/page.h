/**
 * @file page.h
 * One HTML page that needs nothing but itself: no network, no scripts, inline pictures, light or
 * dark as the reader's system is; and beside it each picture as SVG and its numbers as CSV.
 *
 * Not collective. One owner a page.
 */
#ifndef ECH_REPORT_PAGE_H
#define ECH_REPORT_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "apps/report/buffer.h"

typedef struct ech_page ech_page;

/**
 * Begin a page, to be `directory/report.html`; the directory is made if it is missing.
 *
 * @return ECH_OK; ECH_ERR_FILE (cannot be made); ECH_ERR_MEMORY.
 */
ech_status ech_page_create(const char *directory, const char *title, ech_page **out);
void ech_page_destroy(ech_page **page);

/** Begin a section; the one before ends. */
void ech_page_section(ech_page *page, const char *title);

/** A paragraph of plain text. */
void ech_page_paragraph(ech_page *page, const char *text);

/**
 * Put a picture: `directory/NAME.svg`, `directory/NAME.csv`, and inline on the page. Both texts are
 * cleared.
 *
 * @param name  letters, digits and hyphens.
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_MEMORY (also of the texts themselves).
 */
ech_status ech_page_picture(ech_page *page, const char *name, ech_buffer *svg, ech_buffer *csv);

/** A table: open, its rows' cells in order, close. `folded`: shown when the reader opens it. */
void ech_page_table_open(ech_page *page, const char *caption, bool folded, const char *const *heads,
                         size_t head_count);
void ech_page_row_open(ech_page *page, const char *head);
void ech_page_cell(ech_page *page, const char *text);
void ech_page_row_close(ech_page *page);
void ech_page_table_close(ech_page *page);

/** Write the page. ECH_ERR_FILE; ECH_ERR_MEMORY. */
ech_status ech_page_finish(ech_page *page);

/** Path of the page; borrowed. */
const char *ech_page_path(const ech_page *page);

#endif
