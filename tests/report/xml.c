#include "tests/report/xml.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

typedef struct {
    const char *begin;
    const char *at;
    xml_document *document;
    size_t open[DEPTH_MAX];
    size_t depth;
} reader;

static void require(const reader *in, bool holds, const char *what)
{
    if (!holds) {
        cr_assert_fail("not well-formed at byte %zu: %s, near \"%.60s\"",
                       (size_t)(in->at - in->begin), what, in->at);
    }
}

static char *copy(const char *from, size_t bytes)
{
    char *text = malloc(bytes + 1);
    memcpy(text, from, bytes);
    text[bytes] = '\0';
    return text;
}

static void skip_space(reader *in)
{
    in->at += strspn(in->at, " \t\r\n");
}

static char *read_name(reader *in)
{
    size_t bytes = 0;
    while (isalnum((unsigned char)in->at[bytes]) || strchr("-_:", in->at[bytes]) != NULL) {
        if (in->at[bytes] == '\0') {
            break;
        }
        bytes++;
    }
    require(in, bytes > 0 && isalpha((unsigned char)*in->at), "a name");
    char *name = copy(in->at, bytes);
    in->at += bytes;
    return name;
}

/* Bytes of the allowed character at the reader, by the table of the XML 1.0 standard. */
static size_t character_bytes(const reader *in)
{
    const unsigned char *byte = (const unsigned char *)in->at;
    const size_t more = byte[0] < 0x80           ? 0
                        : (byte[0] >> 5U) == 6U  ? 1
                        : (byte[0] >> 4U) == 14U ? 2
                        : (byte[0] >> 3U) == 30U ? 3
                                                 : 9;
    require(in, more < 9, "UTF-8");
    unsigned long code = more == 0 ? byte[0] : byte[0] & (0x3FU >> more);
    for (size_t i = 1; i <= more; i++) {
        require(in, (byte[i] >> 6U) == 2U, "UTF-8");
        code = (code << 6U) | (byte[i] & 0x3FU);
    }
    static const unsigned long least[] = {0, 0x80, 0x800, 0x10000};
    require(in, code >= least[more], "the shortest UTF-8");
    require(in,
            code == 9 || code == 10 || code == 13 || (code >= 0x20 && code <= 0xD7FF) ||
                (code >= 0xE000 && code <= 0xFFFD) || (code >= 0x10000 && code <= 0x10FFFF),
            "a character of XML 1.0");
    return more + 1;
}

/* Append the next character of a text or value, an entity resolved, to `out`. */
static void read_character(reader *in, char *out, size_t *used)
{
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    if (*in->at == '&') {
        for (size_t i = 0; i < 5; i++) {
            if (strncmp(in->at, entities[i], strlen(entities[i])) == 0) {
                out[(*used)++] = "&<>\"'"[i];
                in->at += strlen(entities[i]);
                return;
            }
        }
        require(in, false, "a known entity");
    }
    const size_t bytes = character_bytes(in);
    memcpy(out + *used, in->at, bytes);
    *used += bytes;
    in->at += bytes;
}

static void read_attribute(reader *in, xml_element *element)
{
    require(in, element->attribute_count < XML_ATTRIBUTES_MAX, "fewer attributes");
    char *name = read_name(in);
    require(in, xml_attribute(element, name) == NULL, "no attribute twice");
    require(in, in->at[0] == '=' && in->at[1] == '"', "=\"");
    in->at += 2;
    char *value = malloc(strlen(in->at) + 1);
    size_t used = 0;
    while (*in->at != '"') {
        require(in, *in->at != '\0' && *in->at != '<', "the end of a value");
        read_character(in, value, &used);
    }
    in->at++;
    element->names[element->attribute_count] = name;
    element->values[element->attribute_count++] = copy(value, used);
    free(value);
}

static void open_element(reader *in)
{
    xml_document *document = in->document;
    document->elements =
        realloc(document->elements, (document->count + 1) * sizeof *document->elements);
    const size_t number = document->count++;
    require(in, in->depth > 0 || number == 0, "one root");
    require(in, in->depth < DEPTH_MAX, "less depth");
    xml_element *element = &document->elements[number];
    *element = (xml_element){.parent = in->depth > 0 ? in->open[in->depth - 1] : 0};
    in->at++;
    element->name = read_name(in);
    element->text = copy("", 0);
    skip_space(in);
    while (*in->at != '>' && *in->at != '/') {
        read_attribute(in, element);
        skip_space(in);
    }
    if (*in->at == '/') {
        require(in, in->at[1] == '>', "/>");
        in->at += 2;
        return;
    }
    in->at++;
    in->open[in->depth++] = number;
}

static void close_element(reader *in)
{
    in->at += 2;
    char *name = read_name(in);
    require(in, in->depth > 0, "an open element");
    require(in, strcmp(name, in->document->elements[in->open[in->depth - 1]].name) == 0,
            "the end of the element that is open");
    require(in, *in->at == '>', ">");
    in->at++;
    in->depth--;
    free(name);
}

static void read_text(reader *in)
{
    const size_t bytes = strcspn(in->at, "<");
    char *read = malloc(bytes + 1);
    size_t used = 0;
    const char *end = in->at + bytes;
    while (in->at < end) {
        read_character(in, read, &used);
    }
    if (in->depth == 0) {
        require(in, strspn(read, " \t\r\n") >= used, "no text beside the root");
    } else {
        xml_element *element = &in->document->elements[in->open[in->depth - 1]];
        const size_t old = strlen(element->text);
        element->text = realloc(element->text, old + used + 1);
        memcpy(element->text + old, read, used);
        element->text[old + used] = '\0';
    }
    free(read);
}

static void skip_prolog(reader *in)
{
    static const char *const prologs[] = {"<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
                                          "<!DOCTYPE html>"};
    for (size_t i = 0; i < 2; i++) {
        if (strncmp(in->at, prologs[i], strlen(prologs[i])) == 0) {
            in->at += strlen(prologs[i]);
        }
    }
    skip_space(in);
}

xml_document *xml_parse(const char *text)
{
    cr_assert_not_null(text);
    reader in = {.begin = text, .at = text, .document = calloc(1, sizeof(xml_document))};
    skip_prolog(&in);
    while (*in.at != '\0') {
        if (in.at[0] == '<' && in.at[1] == '/') {
            close_element(&in);
        } else if (in.at[0] == '<') {
            open_element(&in);
        } else {
            read_text(&in);
        }
    }
    require(&in, in.depth == 0 && in.document->count > 0, "a closed root");
    return in.document;
}

xml_document *xml_parse_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s is missing", path);
    fseek(file, 0, SEEK_END);
    const long bytes = ftell(file);
    rewind(file);
    char *text = calloc((size_t)bytes + 1, 1);
    cr_assert_eq(fread(text, 1, (size_t)bytes, file), (size_t)bytes);
    fclose(file);
    cr_assert_eq(strlen(text), (size_t)bytes, "%s holds a zero byte", path);
    xml_document *document = xml_parse(text);
    free(text);
    return document;
}

void xml_free(xml_document **document)
{
    for (size_t i = 0; i < (*document)->count; i++) {
        xml_element *element = &(*document)->elements[i];
        for (size_t j = 0; j < element->attribute_count; j++) {
            free(element->names[j]);
            free(element->values[j]);
        }
        free(element->name);
        free(element->text);
    }
    free((*document)->elements);
    free(*document);
    *document = NULL;
}

const char *xml_attribute(const xml_element *element, const char *name)
{
    for (size_t i = 0; i < element->attribute_count; i++) {
        if (strcmp(element->names[i], name) == 0) {
            return element->values[i];
        }
    }
    return NULL;
}

double xml_number(const xml_element *element, const char *name)
{
    const char *value = xml_attribute(element, name);
    cr_assert_not_null(value, "<%s> has no %s", element->name, name);
    char *end;
    const double number = strtod(value, &end);
    cr_assert(end != value && *end == '\0', "%s=\"%s\" is no number", name, value);
    return number;
}

const xml_element *xml_find(const xml_document *document, const char *name, size_t which)
{
    for (size_t i = 0; i < document->count; i++) {
        if (strcmp(document->elements[i].name, name) == 0 && which-- == 0) {
            return &document->elements[i];
        }
    }
    return NULL;
}

const xml_element *xml_find_text(const xml_document *document, const char *name, const char *text)
{
    for (size_t i = 0; i < document->count; i++) {
        const xml_element *element = &document->elements[i];
        if (strcmp(element->name, name) == 0 && strcmp(element->text, text) == 0) {
            return element;
        }
    }
    return NULL;
}

size_t xml_count(const xml_document *document, const char *name)
{
    size_t count = 0;
    while (xml_find(document, name, count) != NULL) {
        count++;
    }
    return count;
}
