#define _GNU_SOURCE
#include "runtime/base/text.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

enum { WORD_BYTES_MAX = 128, POWER_MAX = 1 << 20 };

/* The parts of [+-]digits[.digits][e[+-]digits]. */
typedef struct {
    bool negative;
    const char *whole;
    size_t whole_count;
    const char *fraction;
    size_t fraction_count;
    long exponent; /* cut to +-POWER_MAX */
} decimal;

static size_t count_digits(const char *at)
{
    return strspn(at, "0123456789");
}

/* What follows the 'e'. */
static bool split_exponent(const char *at, long *exponent)
{
    const bool is_negative = *at == '-';
    at += *at == '+' || *at == '-';
    const size_t count = count_digits(at);
    if (count == 0 || at[count] != '\0') {
        return false;
    }
    const long size = strtol(at, NULL, 10);
    const long cut = size < POWER_MAX ? size : POWER_MAX;
    *exponent = is_negative ? -cut : cut;
    return true;
}

static bool split_decimal(const char *at, decimal *out)
{
    *out = (decimal){.negative = *at == '-'};
    at += *at == '+' || *at == '-';
    out->whole = at;
    out->whole_count = count_digits(at);
    at += out->whole_count;
    at += *at == '.';
    out->fraction = at;
    if (at > out->whole + out->whole_count) {
        out->fraction_count = count_digits(at);
        at += out->fraction_count;
    }
    if (out->whole_count + out->fraction_count == 0) {
        return false;
    }
    return (*at == 'e' || *at == 'E') ? split_exponent(at + 1, &out->exponent) : *at == '\0';
}

static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool ech_text_read_real(const char *text, double *out)
{
    static once_flag once = ONCE_FLAG_INIT;
    decimal parts;
    if (!split_decimal(text, &parts)) {
        return false;
    }
    call_once(&once, make_c_locale);
    const double value =
        c_locale != (locale_t)0 ? strtod_l(text, NULL, c_locale) : strtod(text, NULL);
    if (!isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

/* Digit `index` of whole and fraction written together. */
static unsigned digit_at(const decimal *parts, size_t index)
{
    const char digit = index < parts->whole_count ? parts->whole[index]
                                                  : parts->fraction[index - parts->whole_count];
    return (unsigned)(digit - '0');
}

/* `value = value * 10 + digit`, unless it leaves 0 to 2^63. */
static bool append_digit(uint64_t *value, unsigned digit)
{
    uint64_t next = 0;
    if (__builtin_mul_overflow(*value, UINT64_C(10), &next) ||
        __builtin_add_overflow(next, (uint64_t)digit, &next) || next > (uint64_t)INT64_MAX + 1) {
        return false;
    }
    *value = next;
    return true;
}

bool ech_text_read_integer(const char *text, int64_t *out)
{
    decimal parts;
    if (!split_decimal(text, &parts)) {
        return false;
    }
    size_t count = parts.whole_count + parts.fraction_count;
    long power = parts.exponent - (long)parts.fraction_count;
    while (count > 0 && digit_at(&parts, count - 1) == 0) {
        count--;
        power++;
    }
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (!append_digit(&size, digit_at(&parts, i))) {
            return false;
        }
    }
    if (size != 0 && power < 0) {
        return false;
    }
    for (long i = 0; size != 0 && i < power; i++) {
        if (!append_digit(&size, 0)) {
            return false;
        }
    }
    if (size > INT64_MAX && !parts.negative) {
        return false;
    }
    *out = parts.negative ? (int64_t)-size : (int64_t)size;
    return true;
}

bool ech_text_read_bool(const char *text, bool *out)
{
    const bool is_true = strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0) {
        return false;
    }
    *out = is_true;
    return true;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edit distance in which two neighbours that changed places count once (optimal string alignment).
 */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][WORD_BYTES_MAX + 1];
    for (size_t j = 0; j <= b_length; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        const size_t *two_up = rows[(i + 1) % 3];
        const size_t *up = rows[(i - 1) % 3];
        size_t *row = rows[i % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            const size_t change = up[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = smaller(change, smaller(up[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = smaller(row[j], two_up[j - 2] + 1);
            }
        }
    }
    return rows[a_length % 3][b_length];
}

const char *ech_text_nearest(const char *word, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    const size_t length = strlen(word);
    size_t least = (length + 2) / 3;
    for (size_t i = 0; i < count && length <= WORD_BYTES_MAX; i++) {
        const size_t other = strlen(words[i]);
        const size_t distance =
            other <= WORD_BYTES_MAX ? edit_distance(word, length, words[i], other) : SIZE_MAX;
        if (distance <= least && (nearest == NULL || distance < least)) {
            least = distance;
            nearest = words[i];
        }
    }
    return nearest;
}
