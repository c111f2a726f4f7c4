#include <string.h>
#include <yaml.h>

#include "runtime/base/memory.h"
#include "runtime/base/yaml_priv.h"

/* Entries of the collections that are open: an inner one's lie above its parent's. */
typedef struct {
    yaml_entry *items;
    size_t count;
    size_t capacity;
} entry_stack;

typedef struct {
    ech_yaml *document;
    const yaml_source *source;
    yaml_parser_t parser;
    entry_stack open;
    unsigned depth;
} reader;

static ech_status refuse_at(const reader *in, size_t line, const char *problem)
{
    if (!in->source->has_lines) {
        return ech_fail(ECH_ERR_CONFIG, "%s: %s", in->source->name, problem);
    }
    return ech_fail(ECH_ERR_CONFIG, "%s:%zu: %s", in->source->name, line, problem);
}

static uint32_t line_of(const yaml_event_t *event)
{
    return (uint32_t)event->start_mark.line + 1;
}

static ech_status refuse_event(const reader *in, const yaml_event_t *event, const char *problem)
{
    return refuse_at(in, line_of(event), problem);
}

/* What libyaml found wrong, in one line. */
static ech_status refuse_text(const reader *in)
{
    const yaml_parser_t *parser = &in->parser;
    if (parser->error == YAML_MEMORY_ERROR) {
        return ech_fail(ECH_ERR_MEMORY, "%s: out of memory while reading", in->source->name);
    }
    const bool is_encoding = parser->error == YAML_READER_ERROR;
    const size_t line = is_encoding ? parser->mark.line + 1 : parser->problem_mark.line + 1;
    char problem[ECH_YAML_WHERE_BYTES];
    snprintf(problem, sizeof problem, "not valid YAML: %s%s%s",
             parser->problem != NULL ? parser->problem : "cannot be read",
             parser->context != NULL ? ", " : "", parser->context != NULL ? parser->context : "");
    return refuse_at(in, line, problem);
}

static ech_status next_event(reader *in, yaml_event_t *event)
{
    return yaml_parser_parse(&in->parser, event) ? ECH_OK : refuse_text(in);
}

static ech_status push_entry(entry_stack *open, yaml_entry entry)
{
    yaml_entry *items = ech_grow(open->items, open->count, &open->capacity, sizeof *items);
    if (items == NULL) {
        return ECH_ERR_MEMORY;
    }
    open->items = items;
    open->items[open->count++] = entry;
    return ECH_OK;
}

static bool is_null(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

/* What makes a document ambiguous or endless: names for values, types by tag, hidden NULs. */
static ech_status check_event(const reader *in, const yaml_event_t *event)
{
    const bool is_scalar = event->type == YAML_SCALAR_EVENT;
    const bool is_sequence = event->type == YAML_SEQUENCE_START_EVENT;
    const yaml_char_t *anchor = is_scalar     ? event->data.scalar.anchor
                                : is_sequence ? event->data.sequence_start.anchor
                                              : event->data.mapping_start.anchor;
    const yaml_char_t *tag = is_scalar     ? event->data.scalar.tag
                             : is_sequence ? event->data.sequence_start.tag
                                           : event->data.mapping_start.tag;
    if (anchor != NULL) {
        return refuse_event(in, event, "anchors (&name) and aliases (*name) are not read here");
    }
    if (tag != NULL) {
        return refuse_event(in, event, "tags (!name) are not read here");
    }
    if (is_scalar && strlen((const char *)event->data.scalar.value) != event->data.scalar.length) {
        return refuse_event(in, event, "a text contains a NUL character");
    }
    return ECH_OK;
}

static ech_status read_node(reader *in, const yaml_event_t *event, uint32_t line,
                            ech_yaml_node **out);

static ech_status read_scalar(reader *in, const yaml_event_t *event, ech_yaml_node *node)
{
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->kind = is_null(event) ? ECH_YAML_NULL : ECH_YAML_SCALAR;
    node->text = ech_arena_copy(&in->document->arena, (const char *)event->data.scalar.value,
                                event->data.scalar.length);
    return node->text != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

/* Move the entries above `first` from the stack into the arena. */
static ech_status pop_entries(reader *in, size_t first, yaml_entry **out, size_t *count)
{
    *count = in->open.count - first;
    *out = ech_arena_take(&in->document->arena, *count * sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    if (*count > 0) {
        memcpy(*out, in->open.items + first, *count * sizeof **out);
    }
    in->open.count = first;
    return ECH_OK;
}

static ech_status read_sequence(reader *in, ech_yaml_node *node)
{
    const size_t first = in->open.count;
    for (;;) {
        yaml_event_t event;
        ech_status status = next_event(in, &event);
        if (status != ECH_OK) {
            return status;
        }
        const bool is_end = event.type == YAML_SEQUENCE_END_EVENT;
        yaml_entry entry = {NULL, NULL};
        if (!is_end) {
            status = read_node(in, &event, line_of(&event), &entry.value);
        }
        yaml_event_delete(&event);
        if (is_end) {
            return pop_entries(in, first, &node->entries, &node->count);
        }
        if (status == ECH_OK) {
            status = push_entry(&in->open, entry);
        }
        if (status != ECH_OK) {
            return status;
        }
    }
}

static ech_status read_key(reader *in, const yaml_event_t *event, const char **key)
{
    if (event->type != YAML_SCALAR_EVENT || is_null(event)) {
        return refuse_event(in, event, "a key must be a name");
    }
    const ech_status status = check_event(in, event);
    if (status != ECH_OK) {
        return status;
    }
    *key = ech_arena_copy(&in->document->arena, (const char *)event->data.scalar.value,
                          event->data.scalar.length);
    return *key != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

/* A value counts as written where its key is: a block of keys would begin a line later. */
static ech_status read_value(reader *in, const char *key, uint32_t key_line)
{
    yaml_event_t event;
    ech_status status = next_event(in, &event);
    if (status != ECH_OK) {
        return status;
    }
    yaml_entry entry = {.key = key};
    status = read_node(in, &event, key_line, &entry.value);
    yaml_event_delete(&event);
    return status == ECH_OK ? push_entry(&in->open, entry) : status;
}

static ech_status end_mapping(reader *in, size_t first, ech_yaml_node *node)
{
    yaml_entry *entries = NULL;
    size_t count = 0;
    ech_status status = pop_entries(in, first, &entries, &count);
    if (status != ECH_OK) {
        return status;
    }
    size_t duplicate = SIZE_MAX;
    status = yaml_set_entries(in->document, node, entries, count, &duplicate);
    if (status == ECH_OK && duplicate != SIZE_MAX) {
        char problem[ECH_YAML_WHERE_BYTES];
        snprintf(problem, sizeof problem, "key '%s' is given twice", entries[duplicate].key);
        return refuse_at(in, entries[duplicate].value->line, problem);
    }
    return status;
}

static ech_status read_mapping(reader *in, ech_yaml_node *node)
{
    const size_t first = in->open.count;
    for (;;) {
        yaml_event_t event;
        ech_status status = next_event(in, &event);
        if (status != ECH_OK) {
            return status;
        }
        const bool is_end = event.type == YAML_MAPPING_END_EVENT;
        const char *key = NULL;
        if (!is_end) {
            status = read_key(in, &event, &key);
        }
        const uint32_t line = line_of(&event);
        yaml_event_delete(&event);
        if (is_end) {
            return end_mapping(in, first, node);
        }
        if (status == ECH_OK) {
            status = read_value(in, key, line);
        }
        if (status != ECH_OK) {
            return status;
        }
    }
}

static ech_status read_collection(reader *in, const yaml_event_t *event, ech_yaml_node *node)
{
    if (in->depth == ECH_YAML_DEPTH_MAX) {
        return refuse_event(in, event, "lists and keys are nested too deeply");
    }
    const bool is_sequence = event->type == YAML_SEQUENCE_START_EVENT;
    node->kind = is_sequence ? ECH_YAML_SEQUENCE : ECH_YAML_MAPPING;
    in->depth++;
    const ech_status status = is_sequence ? read_sequence(in, node) : read_mapping(in, node);
    in->depth--;
    return status;
}

static ech_status read_node(reader *in, const yaml_event_t *event, uint32_t line,
                            ech_yaml_node **out)
{
    if (event->type == YAML_ALIAS_EVENT) {
        return refuse_event(in, event, "anchors (&name) and aliases (*name) are not read here");
    }
    const ech_status status = check_event(in, event);
    if (status != ECH_OK) {
        return status;
    }
    ech_yaml_node *node = ech_arena_take(&in->document->arena, sizeof *node);
    if (node == NULL) {
        return ECH_ERR_MEMORY;
    }
    node->source = in->source;
    node->line = line;
    *out = node;
    return event->type == YAML_SCALAR_EVENT ? read_scalar(in, event, node)
                                            : read_collection(in, event, node);
}

static ech_status empty_document(reader *in, ech_yaml_node **out)
{
    ech_yaml_node *node = ech_arena_take(&in->document->arena, sizeof *node);
    if (node == NULL) {
        return ECH_ERR_MEMORY;
    }
    *node = (ech_yaml_node){.kind = ECH_YAML_NULL, .line = 1, .source = in->source, .text = ""};
    *out = node;
    return ECH_OK;
}

/* The events of one stream: start, at most one document around one node, end. */
static ech_status read_stream(reader *in, ech_yaml_node **out)
{
    *out = NULL;
    for (;;) {
        yaml_event_t event;
        ech_status status = next_event(in, &event);
        if (status != ECH_OK) {
            return status;
        }
        const yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && *out != NULL) {
            status = refuse_event(in, &event, "a second document starts here: expected one");
        } else if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT &&
                   type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT) {
            status = read_node(in, &event, line_of(&event), out);
        }
        yaml_event_delete(&event);
        if (status != ECH_OK) {
            return status;
        }
        if (type == YAML_STREAM_END_EVENT) {
            return *out != NULL ? ECH_OK : empty_document(in, out);
        }
    }
}

ech_status yaml_parse(ech_yaml *document, const yaml_source *source, const char *text, size_t bytes,
                      ech_yaml_node **out)
{
    reader in = {.document = document, .source = source};
    if (!yaml_parser_initialize(&in.parser)) {
        return ech_fail(ECH_ERR_MEMORY, "%s: cannot start the YAML reader", source->name);
    }
    yaml_parser_set_input_string(&in.parser, (const unsigned char *)text, bytes);
    const ech_status status = read_stream(&in, out);
    ech_free(in.open.items);
    yaml_parser_delete(&in.parser);
    return status;
}
