#define _GNU_SOURCE
#include "runtime/base/yaml.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "runtime/base/yaml_priv.h"

enum { INDEX_FROM_COUNT = 8, KEY_BYTES_MAX = 256 };

/* The whole of a regular file; `out` is the caller's. */
static ech_status read_file(FILE *file, const char *path, char **out, size_t *bytes)
{
    struct stat facts;
    if (fstat(fileno(file), &facts) != 0) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot be read: %s", path, strerror(errno));
    }
    if (!S_ISREG(facts.st_mode)) {
        return ech_fail(ECH_ERR_FILE, "%s: expected a YAML file, not a directory or device", path);
    }
    if (facts.st_size > ECH_YAML_BYTES_MAX) {
        return ech_fail(ECH_ERR_CONFIG, "%s: larger than %d bytes", path, ECH_YAML_BYTES_MAX);
    }
    char *text = ech_alloc((size_t)facts.st_size);
    if (text == NULL) {
        return ECH_ERR_MEMORY;
    }
    *bytes = fread(text, 1, (size_t)facts.st_size, file);
    if (ferror(file)) {
        ech_free(text);
        return ech_fail(ECH_ERR_FILE, "%s: cannot be read: %s", path, strerror(errno));
    }
    *out = text;
    return ECH_OK;
}

ech_status ech_yaml_file_text(const char *path, char **out, size_t *bytes)
{
    *out = NULL;
    *bytes = 0;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot be read: %s", path, strerror(errno));
    }
    const ech_status status = read_file(file, path, out, bytes);
    fclose(file);
    return status;
}

ech_status ech_yaml_load_file(const char *path, ech_yaml **out)
{
    *out = NULL;
    char *text = NULL;
    size_t bytes = 0;
    ech_status status = ech_yaml_file_text(path, &text, &bytes);
    if (status == ECH_OK) {
        status = ech_yaml_load_text(text, bytes, path, out);
    }
    ech_free(text);
    return status;
}

static const yaml_source *make_source(ech_yaml *document, const char *name, bool is_file)
{
    yaml_source *source = ech_arena_take(&document->arena, sizeof *source);
    if (source == NULL) {
        return NULL;
    }
    source->has_lines = is_file;
    source->has_directory = is_file;
    source->name = ech_arena_copy(&document->arena, name, strlen(name));
    return source->name != NULL ? source : NULL;
}

ech_status ech_yaml_load_text(const char *text, size_t bytes, const char *source, ech_yaml **out)
{
    *out = NULL;
    ech_yaml *document = ech_calloc(1, sizeof *document);
    if (document == NULL) {
        return ECH_ERR_MEMORY;
    }
    const yaml_source *origin = make_source(document, source, true);
    const ech_status status = origin != NULL
                                  ? yaml_parse(document, origin, text, bytes, &document->root)
                                  : ECH_ERR_MEMORY;
    if (status != ECH_OK) {
        ech_yaml_destroy(&document);
        return status;
    }
    *out = document;
    return ECH_OK;
}

void ech_yaml_destroy(ech_yaml **document)
{
    if (document == NULL || *document == NULL) {
        return;
    }
    ech_arena_clear(&(*document)->arena);
    ech_free(*document);
    *document = NULL;
}

const ech_yaml_node *ech_yaml_root(const ech_yaml *document)
{
    return document->root;
}

static size_t first_slot(const ech_yaml_node *mapping, const char *key)
{
    return (size_t)ech_hash_bytes(key, strlen(key)).low & (mapping->index_size - 1);
}

/* Slot of the key, or the free slot where it belongs. */
static size_t find_slot(const ech_yaml_node *mapping, const char *key)
{
    size_t slot = first_slot(mapping, key);
    while (mapping->index[slot] != 0 &&
           strcmp(mapping->entries[mapping->index[slot] - 1].key, key) != 0) {
        slot = (slot + 1) & (mapping->index_size - 1);
    }
    return slot;
}

static size_t scan_entries(const yaml_entry *entries, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i].key, key) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

size_t yaml_find_entry(const ech_yaml_node *mapping, const char *key)
{
    if (mapping->index == NULL) {
        return scan_entries(mapping->entries, mapping->count, key);
    }
    const uint32_t number = mapping->index[find_slot(mapping, key)];
    return number != 0 ? number - 1 : SIZE_MAX;
}

static ech_status make_index(ech_yaml *document, ech_yaml_node *mapping)
{
    mapping->index_size = 1;
    while (mapping->index_size < 2 * mapping->count) {
        mapping->index_size *= 2;
    }
    mapping->index = ech_arena_take(&document->arena, mapping->index_size * sizeof *mapping->index);
    return mapping->index != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

ech_status yaml_set_entries(ech_yaml *document, ech_yaml_node *mapping, yaml_entry *entries,
                            size_t count, size_t *duplicate)
{
    *duplicate = SIZE_MAX;
    mapping->kind = ECH_YAML_MAPPING;
    mapping->entries = entries;
    mapping->count = count;
    mapping->index = NULL;
    if (count > INDEX_FROM_COUNT) {
        const ech_status status = make_index(document, mapping);
        if (status != ECH_OK) {
            return status;
        }
    }
    for (size_t i = 0; i < count && *duplicate == SIZE_MAX; i++) {
        if (mapping->index == NULL) {
            *duplicate = scan_entries(entries, i, entries[i].key) != SIZE_MAX ? i : SIZE_MAX;
            continue;
        }
        const size_t slot = find_slot(mapping, entries[i].key);
        *duplicate = mapping->index[slot] != 0 ? i : SIZE_MAX;
        mapping->index[slot] = (uint32_t)i + 1;
    }
    return ECH_OK;
}

/* Append an entry whose key is not there yet. */
static ech_status add_entry(ech_yaml *document, ech_yaml_node *mapping, const char *key,
                            ech_yaml_node *value)
{
    const size_t count = mapping->kind == ECH_YAML_MAPPING ? mapping->count : 0;
    yaml_entry *entries = ech_arena_take(&document->arena, (count + 1) * sizeof *entries);
    if (entries == NULL) {
        return ECH_ERR_MEMORY;
    }
    if (count > 0) {
        memcpy(entries, mapping->entries, count * sizeof *entries);
    }
    entries[count] = (yaml_entry){key, value};
    size_t duplicate = SIZE_MAX;
    const ech_status status = yaml_set_entries(document, mapping, entries, count + 1, &duplicate);
    assert(duplicate == SIZE_MAX);
    return status;
}

static ech_status put_value(ech_yaml *document, ech_yaml_node *mapping, const char *key,
                            ech_yaml_node *value)
{
    const size_t entry =
        mapping->kind == ECH_YAML_MAPPING ? yaml_find_entry(mapping, key) : SIZE_MAX;
    if (entry != SIZE_MAX) {
        mapping->entries[entry].value = value;
        return ECH_OK;
    }
    return add_entry(document, mapping, key, value);
}

/* The mapping at `key`, made if it is missing or null. */
static ech_status step_into(ech_yaml *document, ech_yaml_node **at, const char *key,
                            const yaml_source *source)
{
    const size_t entry = (*at)->kind == ECH_YAML_MAPPING ? yaml_find_entry(*at, key) : SIZE_MAX;
    if (entry != SIZE_MAX) {
        *at = (*at)->entries[entry].value;
        if ((*at)->kind == ECH_YAML_MAPPING || (*at)->kind == ECH_YAML_NULL) {
            return ECH_OK;
        }
        char where[ECH_YAML_WHERE_BYTES];
        return ech_fail(ECH_ERR_CONFIG, "%s: '%s' holds %s (%s), expected keys", source->name, key,
                        ech_yaml_kind_name(*at), ech_yaml_where(*at, where));
    }
    ech_yaml_node *made = ech_arena_take(&document->arena, sizeof *made);
    if (made == NULL) {
        return ECH_ERR_MEMORY;
    }
    *made = (ech_yaml_node){.kind = ECH_YAML_NULL, .line = 1, .source = source, .text = ""};
    const ech_status status = add_entry(document, *at, key, made);
    *at = made;
    return status;
}

static ech_status put_at_path(ech_yaml *document, const char *path, const yaml_source *source,
                              ech_yaml_node *value)
{
    ech_yaml_node *at = document->root;
    if (at->kind != ECH_YAML_MAPPING && at->kind != ECH_YAML_NULL) {
        return ech_yaml_fail(at, "expected keys, got %s", ech_yaml_kind_name(at));
    }
    for (;;) {
        const size_t length = strcspn(path, ".");
        const char *key = ech_arena_copy(&document->arena, path, length);
        if (key == NULL) {
            return ECH_ERR_MEMORY;
        }
        if (length == 0) {
            return ech_fail(ECH_ERR_CONFIG, "%s: a key is empty", source->name);
        }
        if (path[length] == '\0') {
            return put_value(document, at, key, value);
        }
        const ech_status status = step_into(document, &at, key, source);
        if (status != ECH_OK) {
            return status;
        }
        path += length + 1;
    }
}

ech_status ech_yaml_set(ech_yaml *document, const char *path, const char *text)
{
    char name[ECH_YAML_WHERE_BYTES];
    snprintf(name, sizeof name, "--set %s=%s", path, text);
    const yaml_source *source = make_source(document, name, false);
    if (source == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_yaml_node *value = NULL;
    const ech_status status = yaml_parse(document, source, text, strlen(text), &value);
    return status == ECH_OK ? put_at_path(document, path, source, value) : status;
}

ech_yaml_kind ech_yaml_node_kind(const ech_yaml_node *node)
{
    return node->kind;
}

const char *ech_yaml_kind_name(const ech_yaml_node *node)
{
    static const char *const names[] = {
        [ECH_YAML_NULL] = "nothing",
        [ECH_YAML_SCALAR] = "a single value",
        [ECH_YAML_SEQUENCE] = "a list",
        [ECH_YAML_MAPPING] = "keys",
    };
    const bool is_empty_list = node->kind == ECH_YAML_SEQUENCE && node->count == 0;
    return is_empty_list ? "an empty list" : names[node->kind];
}

const char *ech_yaml_source(const ech_yaml_node *node)
{
    return node->source->name;
}

const char *ech_yaml_where(const ech_yaml_node *node, char where[ECH_YAML_WHERE_BYTES])
{
    if (node->source->has_lines) {
        snprintf(where, ECH_YAML_WHERE_BYTES, "%s:%u", node->source->name, node->line);
    } else {
        snprintf(where, ECH_YAML_WHERE_BYTES, "%s", node->source->name);
    }
    return where;
}

size_t ech_yaml_count(const ech_yaml_node *node)
{
    return node->count;
}

const ech_yaml_node *ech_yaml_item(const ech_yaml_node *node, size_t index)
{
    assert(index < node->count);
    return node->entries[index].value;
}

const char *ech_yaml_key(const ech_yaml_node *node, size_t index)
{
    assert(node->kind == ECH_YAML_MAPPING && index < node->count);
    return node->entries[index].key;
}

const ech_yaml_node *ech_yaml_find(const ech_yaml_node *node, const char *key)
{
    const size_t entry = node->kind == ECH_YAML_MAPPING ? yaml_find_entry(node, key) : SIZE_MAX;
    return entry != SIZE_MAX ? node->entries[entry].value : NULL;
}

const char *ech_yaml_text(const ech_yaml_node *node)
{
    return node->kind == ECH_YAML_SCALAR ? node->text : NULL;
}

bool ech_yaml_is_quoted(const ech_yaml_node *node)
{
    return node->quoted;
}

ech_status(ech_yaml_fail)(const ech_yaml_node *node, const char *format, ...)
{
    char problem[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem, sizeof problem, format, arguments);
    va_end(arguments);
    char where[ECH_YAML_WHERE_BYTES];
    return ech_fail(ECH_ERR_CONFIG, "%s: %s", ech_yaml_where(node, where), problem);
}
