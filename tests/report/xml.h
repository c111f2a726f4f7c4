/**
 * @file xml.h
 * A strict reader of the XML that pictures and pages are made of. What is not well-formed fails the
 * calling test, with the place: unbalanced tags, unquoted or repeated attributes, bare `&` or `<`,
 * unknown entities, characters that XML does not allow, more than one root.
 */
#ifndef ECH_TESTS_REPORT_XML_H
#define ECH_TESTS_REPORT_XML_H

#include <stddef.h>

enum { XML_ATTRIBUTES_MAX = 16 };

typedef struct {
    char *name;
    char *names[XML_ATTRIBUTES_MAX];
    char *values[XML_ATTRIBUTES_MAX];
    size_t attribute_count;
    char *text;    /* of the element itself, entities resolved */
    size_t parent; /* index; the root's is its own */
} xml_element;

typedef struct {
    xml_element *elements; /* in the order of their opening tags */
    size_t count;
} xml_document;

xml_document *xml_parse(const char *text);
xml_document *xml_parse_file(const char *path);
void xml_free(xml_document **document);

/** Value of an attribute; NULL if there is none. */
const char *xml_attribute(const xml_element *element, const char *name);

/** An attribute that must be there and be a number. */
double xml_number(const xml_element *element, const char *name);

/** The `which`-th element of a name, from 0; NULL if there are fewer. */
const xml_element *xml_find(const xml_document *document, const char *name, size_t which);

/** The first element of a name whose text is exactly this; NULL if there is none. */
const xml_element *xml_find_text(const xml_document *document, const char *name, const char *text);

size_t xml_count(const xml_document *document, const char *name);

#endif
