/**
 * @file chart_fixture.h
 * What the suites of charts share: where a drawn picture's axes lie.
 */
#ifndef ECH_TESTS_REPORT_CHART_FIXTURE_H
#define ECH_TESTS_REPORT_CHART_FIXTURE_H

#include "apps/report/frame.h"
#include "tests/report/xml.h"

/** Parse a picture and clear it; not well-formed fails the test. */
xml_document *read_picture(ech_buffer *svg);

/** Pixel of the label `text` of a tick of the x axis (its middle), or of the y axis (its baseline -
 * 4). */
double x_tick(const xml_document *picture, const char *text);
double y_tick(const xml_document *picture, const char *text);

/** Colour that an element is painted in: its own fill or the nearest group's. */
const char *fill_of(const xml_document *picture, const xml_element *element);

#endif
