/**
 * @file pictures.h
 * The pictures and tables of a report, each from run records to the page.
 *
 * Each function puts what the records hold, and nothing where they hold nothing. ECH_OK; errors of
 * reading a record, of writing a file, ECH_ERR_MEMORY. Not collective.
 */
#ifndef ECH_REPORT_PICTURES_H
#define ECH_REPORT_PICTURES_H

#include "apps/report/page.h"
#include "apps/report/run.h"

/** What was run: results, differences between the configurations, settings, machines. */
ech_status ech_report_tables(ech_page *page, const ech_runs *runs);

/** Test accuracy and loss over rounds and over time. `published`: with those of others beside. */
ech_status ech_report_model(ech_page *page, const ech_runs *runs, bool published);

/** Seconds by phase, over runs and over rounds; bytes by tier. */
ech_status ech_report_time(ech_page *page, const ech_runs *runs);
ech_status ech_report_bytes(ech_page *page, const ech_runs *runs);

/** Schedule by worker and round, idle share by worker, training accuracy, staleness. */
ech_status ech_report_workers(ech_page *page, const ech_runs *runs, bool published);

/** Schedule by rank, utilisation, queue length, wait and run times; apps. */
ech_status ech_report_tasks(ech_page *page, const ech_runs *runs);

/** Where runs differ in ranks or workers: time, speed-up and efficiency over them. */
ech_status ech_report_scaling(ech_page *page, const ech_runs *runs, bool published);

#endif
