#define _GNU_SOURCE
#include "runtime/base/options.h"

#include <math.h>
#include <string.h>

#include "runtime/base/options_priv.h"

enum { KEY_COLUMNS = 35, PAGE_COLUMNS = 100 };

static const double counts_end = 0x1p53; /* beyond, a double does not hold each whole number */

const ech_option *ech_options_find(const ech_option_section *sections, size_t count,
                                   const char *key)
{
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < sections[s].count; i++) {
            if (strcmp(sections[s].options[i].key, key) == 0) {
                return &sections[s].options[i];
            }
        }
    }
    return NULL;
}

static void describe_bounds(const ech_option *option, char *text, size_t bytes)
{
    text[0] = '\0';
    if (option->least == 0 && option->most == 0) {
        return;
    }
    if (isinf(option->most) || (option->type == ECH_OPTION_INTEGER && option->most >= counts_end)) {
        snprintf(text, bytes, option->above ? " above %.15g" : " of at least %.15g", option->least);
        return;
    }
    if (!option->above && !option->below) {
        snprintf(text, bytes, " from %.15g to %.15g", option->least, option->most);
        return;
    }
    snprintf(text, bytes, "%s %.15g and %s %.15g", option->above ? " above" : " of at least",
             option->least, option->below ? "below" : "at most", option->most);
}

static void describe_choices(const ech_option *option, char *text, size_t bytes)
{
    size_t used = (size_t)snprintf(text, bytes, "one of ");
    for (const char *at = option->choices; *at != '\0' && used + 3 < bytes; at++) {
        used += (size_t)snprintf(text + used, bytes - used, *at == '|' ? ", " : "%c", *at);
    }
}

void options_describe(const ech_option *option, char *text, size_t bytes)
{
    static const char *const names[] = {
        [ECH_OPTION_BOOL] = "true or false", [ECH_OPTION_INTEGER] = "a whole number",
        [ECH_OPTION_REAL] = "a number",      [ECH_OPTION_REALS] = "a list of numbers",
        [ECH_OPTION_CHOICE] = "one of",      [ECH_OPTION_TEXT] = "a text",
        [ECH_OPTION_PATH] = "a path",        [ECH_OPTION_ANY] = "keys of its own",
    };
    if (option->type == ECH_OPTION_CHOICE) {
        describe_choices(option, text, bytes);
        return;
    }
    char bounds[96];
    describe_bounds(option, bounds, sizeof bounds);
    snprintf(text, bytes, "%s%s", names[option->type], bounds);
}

bool options_in_bounds(const ech_option *option, double value)
{
    if (option->least == 0 && option->most == 0) {
        return true;
    }
    const bool is_low = option->above ? value <= option->least : value < option->least;
    const bool is_high = option->below ? value >= option->most : value > option->most;
    return !is_low && !is_high;
}

int options_choice_number(const char *choices, const char *text)
{
    const size_t length = strlen(text);
    int number = 0;
    for (const char *at = choices;; at++, number++) {
        const size_t word = strcspn(at, "|");
        if (word == length && strncmp(at, text, length) == 0) {
            return number;
        }
        at += word;
        if (*at == '\0') {
            return -1;
        }
    }
}

/* A text in the column behind the keys, broken between words; the key stands before its first line.
 */
static void print_wrapped(FILE *file, const char *key, const char *text)
{
    const size_t width = PAGE_COLUMNS - KEY_COLUMNS;
    for (size_t length = 0; *text != '\0'; text += length, text += strspn(text, " "), key = "") {
        length = strlen(text);
        if (length > width) {
            const char *end = memrchr(text, ' ', width + 1);
            length = end != NULL ? (size_t)(end - text) : strcspn(text, " ");
        }
        fprintf(file, "  %-*s %.*s\n", KEY_COLUMNS - 3, key, (int)length, text);
    }
}

static void print_option(FILE *file, const ech_option *option)
{
    char what[256];
    char line[512];
    options_describe(option, what, sizeof what);
    snprintf(line, sizeof line, "%s%s%s%s", what, option->standard != NULL ? "; default " : "",
             option->standard != NULL ? option->standard : "",
             option->required ? "; required" : "");
    print_wrapped(file, option->key, line);
    print_wrapped(file, "", option->help);
    if (option->only_if != NULL) {
        const int key = (int)strcspn(option->only_if, "=");
        const char *choices = option->only_if + key + 1;
        snprintf(line, sizeof line, "Only %s %.*s%s%s", choices[0] != '\0' ? "with" : "without",
                 key, option->only_if, choices[0] != '\0' ? ": " : "", choices);
        print_wrapped(file, "", line);
    }
}

void ech_options_print(FILE *file, const ech_option_section *sections, size_t count)
{
    for (size_t s = 0; s < count; s++) {
        fprintf(file, "%s%s\n", s > 0 ? "\n" : "", sections[s].title);
        for (size_t i = 0; i < sections[s].count; i++) {
            print_option(file, &sections[s].options[i]);
        }
    }
}
