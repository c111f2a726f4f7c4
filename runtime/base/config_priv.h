/* The configuration behind config.h, for the files config*.c. */
#ifndef ECH_BASE_CONFIG_PRIV_H
#define ECH_BASE_CONFIG_PRIV_H

#include "runtime/base/config.h"

/* The checked value of one option. */
typedef struct {
    const ech_option *option;
    const ech_yaml_node *node; /* NULL: no value */
    bool is_given;             /* false: the default */
    union {
        bool flag;
        int64_t integer;
        double real;
        int choice;
        const char *text;
        char *path;
        struct {
            double *items;
            size_t count;
        } reals;
    } as;
} config_value;

struct ech_config {
    const ech_option_section *sections;
    size_t section_count;
    ech_yaml *given;    /* the file with what the command line sets */
    ech_yaml *defaults; /* a document of the defaults */
    config_value *values;
    size_t value_count; /* of all sections together, in their order */
};

/* Refuse the first key of the document that no section declares. */
ech_status config_check_keys(const ech_config *config);

/* Read the node of a value by its option's type and bounds. */
ech_status config_read_value(config_value *value);

/* The value of a key; NULL if no section declares it. */
const config_value *config_find(const ech_config *config, const char *key);

#endif
