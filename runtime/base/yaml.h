/**
 * @file yaml.h
 * YAML and JSON documents as a tree that knows where each value was written.
 *
 * Read through libyaml. Every key is kept, known or not, in the order of the file. What makes a
 * document ambiguous or unbounded is refused: duplicate keys, aliases and anchors, tags, keys that
 * are not scalars, several documents in a file, a depth above ECH_YAML_DEPTH_MAX, a file above
 * ECH_YAML_BYTES_MAX. A failure's message starts with "FILE:LINE: ".
 *
 * Not collective. A document has one owner; reading it is thread-safe. Nodes and their texts are
 * borrowed from their document.
 */
#ifndef ECH_BASE_YAML_H
#define ECH_BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/base/status.h"

enum { ECH_YAML_DEPTH_MAX = 64, ECH_YAML_BYTES_MAX = 1 << 29, ECH_YAML_WHERE_BYTES = 256 };

typedef struct ech_yaml ech_yaml;           /* a document; opaque */
typedef struct ech_yaml_node ech_yaml_node; /* a value in it; opaque */

typedef enum {
    ECH_YAML_NULL, /* nothing after a colon, `~` or `null` */
    ECH_YAML_SCALAR,
    ECH_YAML_SEQUENCE,
    ECH_YAML_MAPPING,
} ech_yaml_kind;

/**
 * Read a file. @return ECH_OK; ECH_ERR_FILE (cannot be read); ECH_ERR_CONFIG (not such a document,
 * with file and line); ECH_ERR_MEMORY.
 */
ech_status ech_yaml_load_file(const char *path, ech_yaml **out);

/**
 * A file's text as it is, for those who pass it on before it is read (`ech_yaml_load_text` with
 * `path` as its source). @param out  the caller's: ech_free. @return as above.
 */
ech_status ech_yaml_file_text(const char *path, char **out, size_t *bytes);

/**
 * Read text.
 *
 * @param source  stands for the file's name in messages and, up to its last '/', for the directory
 *                that relative paths start from; copied.
 */
ech_status ech_yaml_load_text(const char *text, size_t bytes, const char *source, ech_yaml **out);

void ech_yaml_destroy(ech_yaml **document);

/** The document's value; of kind ECH_YAML_NULL for an empty file. Never NULL. */
const ech_yaml_node *ech_yaml_root(const ech_yaml *document);

/**
 * Put a value, as `--set a.b=text` does: keys that are missing on the way are made, a value that is
 * there is replaced. Nodes read before stay valid, but may be no longer part of the tree.
 *
 * @param path  keys joined by dots: "data.split.kind".
 * @param text  the value in YAML: `3`, `[0.5, 0.5]`, `{kind: star}`.
 * @return ECH_OK; ECH_ERR_CONFIG (bad path or text, or a key on the way is not a mapping);
 *         ECH_ERR_MEMORY.
 */
ech_status ech_yaml_set(ech_yaml *document, const char *path, const char *text);

ech_yaml_kind ech_yaml_node_kind(const ech_yaml_node *node);

/** A kind's name for messages: "a list". */
const char *ech_yaml_kind_name(const ech_yaml_node *node);

/** Name of the file (or text) that a node was written in. Borrowed from the document. */
const char *ech_yaml_source(const ech_yaml_node *node);

/** Where a node was written: "FILE:LINE", or "--set a.b=text". @return `where`. */
const char *ech_yaml_where(const ech_yaml_node *node, char where[ECH_YAML_WHERE_BYTES]);

/** Items of a sequence or entries of a mapping; 0 for other kinds. */
size_t ech_yaml_count(const ech_yaml_node *node);

/** Item `index` of a sequence, or the value of entry `index` of a mapping. */
const ech_yaml_node *ech_yaml_item(const ech_yaml_node *node, size_t index);

/** Key of entry `index` of a mapping. */
const char *ech_yaml_key(const ech_yaml_node *node, size_t index);

/** The value of a key: constant time. NULL if there is no such key, or `node` is no mapping. */
const ech_yaml_node *ech_yaml_find(const ech_yaml_node *node, const char *key);

/** Text of a scalar; NULL for other kinds. */
const char *ech_yaml_text(const ech_yaml_node *node);

/** Was a scalar written in quotes? */
bool ech_yaml_is_quoted(const ech_yaml_node *node);

/*
 * Scalars by type, read whole (see text.h). A quoted scalar is text, never a number. `what` names
 * the value in the message, such as a key: "FILE:LINE: train.lr: expected a number, got 'fast'".
 * @return ECH_OK; ECH_ERR_CONFIG.
 */
ech_status ech_yaml_read_real(const ech_yaml_node *node, const char *what, double *out);
ech_status ech_yaml_read_integer(const ech_yaml_node *node, const char *what, int64_t *out);
ech_status ech_yaml_read_bool(const ech_yaml_node *node, const char *what, bool *out);
/** Any scalar, quoted or not; borrowed. */
ech_status ech_yaml_read_text(const ech_yaml_node *node, const char *what, const char **out);
/** A path; a relative one is relative to the file that names it. `out` is the caller's: ech_free.
 */
ech_status ech_yaml_read_path(const ech_yaml_node *node, const char *what, char **out);

/** Write a value in one line of YAML that reads back to the same tree: `{kind: star, workers: 4}`.
 */
void ech_yaml_write(const ech_yaml_node *node, FILE *file);

/** Write a text so that YAML reads it back as text or, if it was one, as a number or word. */
void ech_yaml_write_text(const char *text, FILE *file);

/** ECH_ERR_CONFIG with the message "WHERE: ...". */
ech_status ech_yaml_fail(const ech_yaml_node *node, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__
#define ech_yaml_fail(...) (ech_yaml_fail(__VA_ARGS__), ECH_ERR_CONFIG) /* as in status.h */
#endif

#endif
