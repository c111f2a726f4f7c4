/**
 * @file options.h
 * Options of a configuration, declared once with type, default, bounds and help.
 *
 * What is configured declares its options in a constant table beside itself; a command joins the
 * tables that it reads into an array of sections and loads a configuration against it (config.h).
 *
 *     static const ech_option options[] = {
 *         {.key = "train.lr", .type = ECH_OPTION_REAL, .standard = "0.01", .above = true,
 *          .least = 0, .most = INFINITY, .help = "learning rate of local training"},
 *         {.key = "process", .type = ECH_OPTION_CHOICE, .choices = "sync|async",
 *          .standard = "sync", .help = "rounds in step, or updates as they come"},
 *     };
 *
 * Not collective; constant data.
 */
#ifndef ECH_BASE_OPTIONS_H
#define ECH_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum {
    ECH_OPTION_BOOL,
    ECH_OPTION_INTEGER, /* int64 */
    ECH_OPTION_REAL,    /* finite double */
    ECH_OPTION_REALS,   /* a list of one or more finite doubles, each within the bounds */
    ECH_OPTION_CHOICE,  /* one of `choices` */
    ECH_OPTION_TEXT,
    ECH_OPTION_PATH, /* relative to the file that names it, or to the working directory in --set */
    ECH_OPTION_ANY,  /* a subtree that its reader checks itself */
} ech_option_type;

typedef struct {
    const char *key; /* keys joined by dots */
    ech_option_type type;
    const char *standard; /* the default, as YAML text; NULL: absent unless given */
    bool required;        /* an error if absent */
    double least;         /* bounds of numbers; both 0: none */
    double most;
    bool above;          /* `least` itself is out of bounds */
    bool below;          /* `most` itself is out of bounds */
    const char *choices; /* "sync|async", in the order of the reader's enum */
    const char *only_if; /* "data.split.kind=dirichlet|label": belongs to those choices only; with
                            another, giving it is an error and its default does not count.
                            "data.shards=": belongs to configurations without that key */
    const char *help;    /* one line, with the unit where there is one */
} ech_option;

typedef struct {
    const char *title; /* one line, for the reference of all keys */
    const ech_option *options;
    size_t count;
} ech_option_section;

/** The option of this key among the sections, or NULL. */
const ech_option *ech_options_find(const ech_option_section *sections, size_t count,
                                   const char *key);

/** Print the reference: each key with its type, bounds or choices, default and help. */
void ech_options_print(FILE *file, const ech_option_section *sections, size_t count);

#endif
