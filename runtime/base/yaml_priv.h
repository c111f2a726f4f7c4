/* The tree behind yaml.h, for the files yaml*.c. */
#ifndef ECH_BASE_YAML_PRIV_H
#define ECH_BASE_YAML_PRIV_H

#include "runtime/base/arena.h"
#include "runtime/base/yaml.h"

/* A file, or the text of one --set. */
typedef struct {
    const char *name;
    bool has_lines; /* false: the name alone says where */
    bool has_directory;
} yaml_source;

typedef struct {
    const char *key;
    ech_yaml_node *value;
} yaml_entry;

struct ech_yaml_node {
    ech_yaml_kind kind;
    bool quoted;
    uint32_t line; /* 1 is the first */
    const yaml_source *source;
    const char *text;    /* of a scalar */
    yaml_entry *entries; /* of a sequence (keys are NULL) or a mapping */
    size_t count;
    uint32_t *index; /* of a mapping: an open hash table of entry number + 1; NULL for a few keys */
    size_t index_size;
};

struct ech_yaml {
    ech_arena arena;
    ech_yaml_node *root;
};

/* Read one value from text into the document's arena. */
ech_status yaml_parse(ech_yaml *document, const yaml_source *source, const char *text, size_t bytes,
                      ech_yaml_node **out);

/*
 * Give a mapping its entries (borrowed from the arena) and index them.
 * @return the first entry whose key came before, as `duplicate`; SIZE_MAX if none.
 */
ech_status yaml_set_entries(ech_yaml *document, ech_yaml_node *mapping, yaml_entry *entries,
                            size_t count, size_t *duplicate);

/* Number of the entry with this key, SIZE_MAX if none. */
size_t yaml_find_entry(const ech_yaml_node *mapping, const char *key);

#endif
