/**
 * @file picture_file.h
 * A picture as a file of its own. Not collective.
 */
#ifndef ECH_REPORT_PICTURE_FILE_H
#define ECH_REPORT_PICTURE_FILE_H

#include "apps/report/buffer.h"

/**
 * Write a drawn picture.
 *
 * @param path  ends in .svg; or in .png, which the program rsvg-convert makes of it.
 * @return ECH_OK; ECH_ERR_CONFIG (another ending); ECH_ERR_UNSUPPORTED (no rsvg-convert);
 *         ECH_ERR_FILE; ECH_ERR_MEMORY; ECH_ERR_TIMEOUT.
 */
ech_status ech_picture_write(const ech_buffer *svg, const char *path);

#endif
