/**
 * @file text.h
 * Text from people: numbers read whole, and the nearest known word to a misspelt one.
 *
 * Not collective; thread-safe.
 */
#ifndef ECH_BASE_TEXT_H
#define ECH_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Read a finite real number: an optional sign, decimal digits with an optional point, an optional
 * exponent, and nothing else. The whole text must be the number; `nan`, `inf`, `0x10`, `0.1abc`,
 * "" and values beyond double are refused. Independent of the locale.
 *
 * @return false if it is no such number; `out` is then unchanged.
 */
bool ech_text_read_real(const char *text, double *out);

/**
 * Read a whole number: as above, if the value is an integer that int64 holds: `100`, `1e2` and
 * `1.5e3` are read exactly, `1.5` and `1e-1` are refused.
 */
bool ech_text_read_integer(const char *text, int64_t *out);

/** Read `true` or `false`. */
bool ech_text_read_bool(const char *text, bool *out);

/**
 * The word among `words` that is nearest to `word` by edit distance, if near enough to be a
 * misspelling (a third of its letters, rounded up); otherwise NULL.
 */
const char *ech_text_nearest(const char *word, const char *const *words, size_t count);

#endif
