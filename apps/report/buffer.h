/**
 * @file buffer.h
 * A growing text with a sticky error, so that drawing code need not check each piece: it appends,
 * and its caller asks once, at the end, whether memory sufficed.
 *
 * Not collective. One owner a text.
 */
#ifndef ECH_REPORT_BUFFER_H
#define ECH_REPORT_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/** Zero-initialise before the first use. `bytes` is NULL or ends with a terminator. */
typedef struct {
    char *bytes;
    size_t length;
    size_t capacity;
    ech_status status; /* ECH_OK, or the first failure: what follows it is dropped */
} ech_buffer;

/** Free the text and make it empty, ready for reuse. */
void ech_buffer_clear(ech_buffer *buffer);

void ech_buffer_add(ech_buffer *buffer, const char *piece);
void ech_buffer_add_bytes(ech_buffer *buffer, const char *piece, size_t bytes);
void ech_buffer_format(ech_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** A coordinate: at most two decimals, no trailing zeros, never an exponent, `nan` or `-0`. */
void ech_buffer_coordinate(ech_buffer *buffer, double value);

/**
 * Characters of an XML text or attribute: markup is escaped; bytes that XML 1.0 does not allow
 * (control characters, what is not UTF-8) become U+FFFD.
 */
void ech_buffer_escape(ech_buffer *buffer, const char *piece);

/** One cell of a CSV line (RFC 4180): quoted where it must be. No separator is added. */
void ech_buffer_csv(ech_buffer *buffer, const char *cell);

/** A number for a CSV: nine significant digits, empty if it is not finite. */
void ech_buffer_csv_number(ech_buffer *buffer, double value);

/** Write the whole text to a file, replacing it. ECH_ERR_FILE names the path; ECH_ERR_MEMORY. */
ech_status ech_buffer_write(const ech_buffer *buffer, const char *path);

/** Bytes of the UTF-8 sequence at `text`, or 0 if it is not one that XML 1.0 allows. */
size_t ech_buffer_sequence_bytes(const char *text);

#endif
