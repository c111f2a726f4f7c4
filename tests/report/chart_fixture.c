#include "tests/report/chart_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

xml_document *read_picture(ech_buffer *svg)
{
    cr_assert_eq(svg->status, ECH_OK);
    xml_document *picture = xml_parse(svg->bytes);
    cr_assert_str_eq(picture->elements[0].name, "svg");
    ech_buffer_clear(svg);
    return picture;
}

static const xml_element *label(const xml_document *picture, const char *text, const char *anchor)
{
    for (size_t i = 0; i < picture->count; i++) {
        const xml_element *element = &picture->elements[i];
        const char *own = xml_attribute(element, "text-anchor");
        if (strcmp(element->name, "text") == 0 && strcmp(element->text, text) == 0 && own != NULL &&
            strcmp(own, anchor) == 0) {
            return element;
        }
    }
    cr_assert_fail("no tick is labelled %s", text);
    return NULL;
}

double x_tick(const xml_document *picture, const char *text)
{
    return xml_number(label(picture, text, "middle"), "x");
}

double y_tick(const xml_document *picture, const char *text)
{
    return xml_number(label(picture, text, "end"), "y") - 4.0;
}

const char *fill_of(const xml_document *picture, const xml_element *element)
{
    while (xml_attribute(element, "fill") == NULL) {
        cr_assert_neq(element->parent, (size_t)(element - picture->elements), "no fill");
        element = &picture->elements[element->parent];
    }
    return xml_attribute(element, "fill");
}
