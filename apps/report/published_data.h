/**
 * @file published_data.h
 * The files of `published/`, as texts: made from them when the program is built, so that the
 * program needs no files beside it.
 */
#ifndef ECH_REPORT_PUBLISHED_DATA_H
#define ECH_REPORT_PUBLISHED_DATA_H

extern const char ech_published_hierarchy_csv[];
extern const char ech_published_idle_csv[];
extern const char ech_published_remote_csv[];
extern const char ech_published_scaling_csv[];

#endif
