/* What options.c shares with config*.c. */
#ifndef ECH_BASE_OPTIONS_PRIV_H
#define ECH_BASE_OPTIONS_PRIV_H

#include "runtime/base/options.h"

/* What a value must be, for messages: "a number above 0". */
void options_describe(const ech_option *option, char *text, size_t bytes);

bool options_in_bounds(const ech_option *option, double value);

/* Number of the word `text` in "a|b|c", -1 if none. */
int options_choice_number(const char *choices, const char *text);

#endif
