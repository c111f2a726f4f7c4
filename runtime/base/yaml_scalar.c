#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/base/yaml_priv.h"

static ech_status refuse(const ech_yaml_node *node, const char *what, const char *expected)
{
    if (node->kind != ECH_YAML_SCALAR) {
        return ech_yaml_fail(node, "%s: expected %s, got %s", what, expected,
                             ech_yaml_kind_name(node));
    }
    const char *quote = node->quoted ? "\"" : "'";
    return ech_yaml_fail(node, "%s: expected %s, got %s%s%s", what, expected, quote, node->text,
                         quote);
}

static bool is_plain(const ech_yaml_node *node)
{
    return node->kind == ECH_YAML_SCALAR && !node->quoted;
}

ech_status ech_yaml_read_real(const ech_yaml_node *node, const char *what, double *out)
{
    return is_plain(node) && ech_text_read_real(node->text, out) ? ECH_OK
                                                                 : refuse(node, what, "a number");
}

ech_status ech_yaml_read_integer(const ech_yaml_node *node, const char *what, int64_t *out)
{
    return is_plain(node) && ech_text_read_integer(node->text, out)
               ? ECH_OK
               : refuse(node, what, "a whole number");
}

ech_status ech_yaml_read_bool(const ech_yaml_node *node, const char *what, bool *out)
{
    return is_plain(node) && ech_text_read_bool(node->text, out)
               ? ECH_OK
               : refuse(node, what, "true or false");
}

ech_status ech_yaml_read_text(const ech_yaml_node *node, const char *what, const char **out)
{
    if (node->kind != ECH_YAML_SCALAR) {
        return refuse(node, what, "a text");
    }
    *out = node->text;
    return ECH_OK;
}

ech_status ech_yaml_read_path(const ech_yaml_node *node, const char *what, char **out)
{
    if (node->kind != ECH_YAML_SCALAR || node->text[0] == '\0') {
        return refuse(node, what, "a path");
    }
    const char *slash = node->source->has_directory ? strrchr(node->source->name, '/') : NULL;
    if (node->text[0] == '/' || slash == NULL) {
        *out = ech_strdup(node->text);
        return *out != NULL ? ECH_OK : ECH_ERR_MEMORY;
    }
    const size_t directory_bytes = (size_t)(slash - node->source->name) + 1;
    const size_t text_bytes = strlen(node->text) + 1;
    char *path = ech_alloc(directory_bytes + text_bytes);
    if (path == NULL) {
        return ECH_ERR_MEMORY;
    }
    memcpy(path, node->source->name, directory_bytes);
    memcpy(path + directory_bytes, node->text, text_bytes);
    *out = path;
    return ECH_OK;
}

/* Can the text stand without quotes anywhere in YAML, and be itself? */
static bool needs_no_quotes(const char *text)
{
    if (text[0] == '\0' || strcmp(text, "null") == 0) {
        return false;
    }
    if (!isalnum((unsigned char)text[0]) && strchr("/._-+", text[0]) == NULL) {
        return false;
    }
    if (strcmp(text, "-") == 0 || strncmp(text, "---", 3) == 0 || strncmp(text, "...", 3) == 0) {
        return false;
    }
    for (const char *at = text; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("/._-+", *at) == NULL) {
            return false;
        }
    }
    return true;
}

static void write_quoted(const char *text, FILE *file)
{
    fputc('"', file);
    for (const char *at = text; *at != '\0'; at++) {
        const unsigned char byte = (unsigned char)*at;
        if (byte == '"' || byte == '\\') {
            fprintf(file, "\\%c", byte);
        } else if (byte < 0x20 || byte == 0x7f) {
            fprintf(file, "\\x%02x", byte);
        } else {
            fputc(byte, file);
        }
    }
    fputc('"', file);
}

void ech_yaml_write_text(const char *text, FILE *file)
{
    if (needs_no_quotes(text)) {
        fputs(text, file);
    } else {
        write_quoted(text, file);
    }
}

static void write_scalar(const ech_yaml_node *node, FILE *file)
{
    if (node->quoted) {
        write_quoted(node->text, file);
    } else {
        ech_yaml_write_text(node->text, file);
    }
}

void ech_yaml_write(const ech_yaml_node *node, FILE *file)
{
    if (node->kind == ECH_YAML_NULL) {
        fputs("null", file);
        return;
    }
    if (node->kind == ECH_YAML_SCALAR) {
        write_scalar(node, file);
        return;
    }
    const bool is_mapping = node->kind == ECH_YAML_MAPPING;
    fputc(is_mapping ? '{' : '[', file);
    for (size_t i = 0; i < node->count; i++) {
        fputs(i > 0 ? ", " : "", file);
        if (is_mapping) {
            ech_yaml_write_text(node->entries[i].key, file);
            fputs(": ", file);
        }
        ech_yaml_write(node->entries[i].value, file);
    }
    fputc(is_mapping ? '}' : ']', file);
}
