#include "runtime/base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

ech_json ech_json_writer(FILE *file)
{
    return (ech_json){.file = file};
}

static void write_quoted(FILE *file, const char *text)
{
    fputc('"', file);
    for (const char *at = text; *at != '\0'; at++) {
        const unsigned char byte = (unsigned char)*at;
        if (byte == '"' || byte == '\\') {
            fprintf(file, "\\%c", byte);
        } else if (byte < 0x20) {
            fprintf(file, "\\u%04x", byte);
        } else {
            fputc(byte, file);
        }
    }
    fputc('"', file);
}

/* What stands in front of a value: comma, line feed, indentation, key. */
static void begin_value(ech_json *json, const char *key)
{
    if (json->has_items[json->depth]) {
        fputc(',', json->file);
    }
    json->has_items[json->depth] = true;
    if (json->depth > 0) {
        fprintf(json->file, "\n%*s", 2 * (int)json->depth, "");
    }
    if (key != NULL) {
        write_quoted(json->file, key);
        fputs(": ", json->file);
    }
}

static void open_level(ech_json *json, const char *key, char bracket)
{
    begin_value(json, key);
    fputc(bracket, json->file);
    assert(json->depth < ECH_JSON_DEPTH_MAX);
    json->depth++;
    json->has_items[json->depth] = false;
}

static void close_level(ech_json *json, char bracket)
{
    assert(json->depth > 0);
    const bool had_items = json->has_items[json->depth];
    json->depth--;
    if (had_items) {
        fprintf(json->file, "\n%*s", 2 * (int)json->depth, "");
    }
    fputc(bracket, json->file);
}

void ech_json_begin_object(ech_json *json, const char *key)
{
    open_level(json, key, '{');
}

void ech_json_end_object(ech_json *json)
{
    close_level(json, '}');
}

void ech_json_begin_list(ech_json *json, const char *key)
{
    open_level(json, key, '[');
}

void ech_json_end_list(ech_json *json)
{
    close_level(json, ']');
}

void ech_json_text(ech_json *json, const char *key, const char *text)
{
    begin_value(json, key);
    if (text != NULL) {
        write_quoted(json->file, text);
    } else {
        fputs("null", json->file);
    }
}

void ech_json_real(ech_json *json, const char *key, double value)
{
    begin_value(json, key);
    if (isfinite(value)) {
        fprintf(json->file, "%.17g", value);
    } else {
        fputs("null", json->file);
    }
}

void ech_json_integer(ech_json *json, const char *key, int64_t value)
{
    begin_value(json, key);
    fprintf(json->file, "%" PRId64, value);
}

void ech_json_unsigned(ech_json *json, const char *key, uint64_t value)
{
    begin_value(json, key);
    fprintf(json->file, "%" PRIu64, value);
}

void ech_json_bool(ech_json *json, const char *key, bool value)
{
    begin_value(json, key);
    fputs(value ? "true" : "false", json->file);
}

ech_status ech_json_finish(ech_json *json)
{
    assert(json->depth == 0);
    fputc('\n', json->file);
    if (fflush(json->file) != 0 || ferror(json->file)) {
        return ech_fail(ECH_ERR_FILE, "the JSON output cannot be written");
    }
    return ECH_OK;
}
