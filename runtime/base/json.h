/**
 * @file json.h
 * Writes one JSON value to a stream, for the `--json` outputs.
 *
 * Numbers are written so that they read back to the same bits (%.17g); a number that is not finite
 * is written as null. Keys are given inside objects and are NULL inside lists and at the top.
 * Nesting is checked by assert. Not collective; one owner.
 */
#ifndef ECH_BASE_JSON_H
#define ECH_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/base/status.h"

enum { ECH_JSON_DEPTH_MAX = 32 };

/** A value of its owner; use it through the functions. */
typedef struct {
    FILE *file;
    unsigned depth;
    bool has_items[ECH_JSON_DEPTH_MAX + 1];
} ech_json;

ech_json ech_json_writer(FILE *file);

void ech_json_begin_object(ech_json *json, const char *key);
void ech_json_end_object(ech_json *json);
void ech_json_begin_list(ech_json *json, const char *key);
void ech_json_end_list(ech_json *json);

void ech_json_text(ech_json *json, const char *key, const char *text); /* NULL: null */
void ech_json_real(ech_json *json, const char *key, double value);
void ech_json_integer(ech_json *json, const char *key, int64_t value);
void ech_json_unsigned(ech_json *json, const char *key, uint64_t value);
void ech_json_bool(ech_json *json, const char *key, bool value);

/** End the value with a line feed and flush. @return ECH_OK, or ECH_ERR_FILE if a write failed. */
ech_status ech_json_finish(ech_json *json);

#endif
