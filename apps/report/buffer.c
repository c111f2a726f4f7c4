#include "apps/report/buffer.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/memory.h"

void ech_buffer_clear(ech_buffer *buffer)
{
    ech_free(buffer->bytes);
    *buffer = (ech_buffer){0};
}

/* Room for `more` bytes and a terminator. */
static bool reserve(ech_buffer *buffer, size_t more)
{
    if (buffer->status != ECH_OK) {
        return false;
    }
    if (buffer->length + more < buffer->capacity) {
        return true;
    }
    size_t capacity = buffer->capacity == 0 ? 256 : 2 * buffer->capacity;
    while (capacity <= buffer->length + more) {
        capacity *= 2;
    }
    char *bytes = ech_realloc(buffer->bytes, capacity, 1);
    if (bytes == NULL) {
        buffer->status = ECH_ERR_MEMORY;
        return false;
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

void ech_buffer_add_bytes(ech_buffer *buffer, const char *piece, size_t bytes)
{
    if (!reserve(buffer, bytes)) {
        return;
    }
    if (bytes > 0) { /* the piece may be NULL then */
        memcpy(buffer->bytes + buffer->length, piece, bytes);
    }
    buffer->length += bytes;
    buffer->bytes[buffer->length] = '\0';
}

void ech_buffer_add(ech_buffer *buffer, const char *piece)
{
    ech_buffer_add_bytes(buffer, piece, strlen(piece));
}

void ech_buffer_format(ech_buffer *buffer, const char *format, ...)
{
    va_list measured;
    va_list printed;
    va_start(measured, format);
    va_copy(printed, measured);
    const int bytes = vsnprintf(NULL, 0, format, measured);
    va_end(measured);
    if (bytes >= 0 && reserve(buffer, (size_t)bytes)) {
        vsnprintf(buffer->bytes + buffer->length, (size_t)bytes + 1, format, printed);
        buffer->length += (size_t)bytes;
    }
    va_end(printed);
}

void ech_buffer_coordinate(ech_buffer *buffer, double value)
{
    char digits[32];
    if (!isfinite(value)) {
        value = 0.0;
    }
    value = fmin(fmax(value, -1e9), 1e9);
    int length = snprintf(digits, sizeof digits, "%.2f", value);
    while (digits[length - 1] == '0') {
        length--;
    }
    if (digits[length - 1] == '.') {
        length--;
    }
    digits[length] = '\0';
    ech_buffer_add(buffer, strcmp(digits, "-0") == 0 ? "0" : digits);
}

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xC0U) == 0x80U;
}

size_t ech_buffer_sequence_bytes(const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    if (byte[0] < 0x80) {
        return byte[0] >= 0x20 || byte[0] == '\t' || byte[0] == '\n' || byte[0] == '\r' ? 1 : 0;
    }
    if (byte[0] >= 0xC2 && byte[0] <= 0xDF) {
        return is_continuation(byte[1]) ? 2 : 0;
    }
    if (byte[0] >= 0xE0 && byte[0] <= 0xEF) {
        const bool overlong = byte[0] == 0xE0 && byte[1] < 0xA0;
        const bool surrogate = byte[0] == 0xED && byte[1] > 0x9F;
        const bool none = byte[0] == 0xEF && byte[1] == 0xBF && byte[2] >= 0xBE;
        const bool bad = overlong || surrogate || none;
        return !bad && is_continuation(byte[1]) && is_continuation(byte[2]) ? 3 : 0;
    }
    if (byte[0] >= 0xF0 && byte[0] <= 0xF4) {
        const bool overlong = byte[0] == 0xF0 && byte[1] < 0x90;
        const bool beyond = byte[0] == 0xF4 && byte[1] > 0x8F;
        return !overlong && !beyond && is_continuation(byte[1]) && is_continuation(byte[2]) &&
                       is_continuation(byte[3])
                   ? 4
                   : 0;
    }
    return 0;
}

static const char *entity(char character)
{
    switch (character) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void ech_buffer_escape(ech_buffer *buffer, const char *piece)
{
    for (size_t i = 0; piece[i] != '\0';) {
        const size_t bytes = ech_buffer_sequence_bytes(piece + i);
        const char *escaped = bytes == 1 ? entity(piece[i]) : NULL;
        if (bytes == 0) {
            ech_buffer_add(buffer, "\xEF\xBF\xBD");
        } else if (escaped != NULL) {
            ech_buffer_add(buffer, escaped);
        } else {
            ech_buffer_add_bytes(buffer, piece + i, bytes);
        }
        i += bytes == 0 ? 1 : bytes;
    }
}

void ech_buffer_csv(ech_buffer *buffer, const char *cell)
{
    if (strpbrk(cell, ",\"\r\n") == NULL) {
        ech_buffer_add(buffer, cell);
        return;
    }
    ech_buffer_add(buffer, "\"");
    for (const char *at = cell; *at != '\0'; at++) {
        ech_buffer_add_bytes(buffer, *at == '"' ? "\"\"" : at, *at == '"' ? 2 : 1);
    }
    ech_buffer_add(buffer, "\"");
}

void ech_buffer_csv_number(ech_buffer *buffer, double value)
{
    if (isfinite(value)) {
        ech_buffer_format(buffer, "%.9g", value);
    }
}

ech_status ech_buffer_write(const ech_buffer *buffer, const char *path)
{
    if (buffer->status != ECH_OK) {
        return buffer->status;
    }
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return ech_fail(ECH_ERR_FILE, "cannot write %s: %s", path, strerror(errno));
    }
    const size_t written =
        buffer->length > 0 ? fwrite(buffer->bytes, 1, buffer->length, file) : buffer->length;
    const bool closed = fclose(file) == 0;
    if (written != buffer->length || !closed) {
        return ech_fail(ECH_ERR_FILE, "cannot write %s: %s", path, strerror(errno));
    }
    return ECH_OK;
}
