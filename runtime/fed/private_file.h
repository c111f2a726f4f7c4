/**
 * @file private_file.h
 * Files that hold a secret.
 */
#ifndef ECH_FED_PRIVATE_FILE_H
#define ECH_FED_PRIVATE_FILE_H

#include <stdio.h>

#include "runtime/base/status.h"

/** Open such a file to read: one of the user's own, which nobody else may read. It is looked at
 *  once it is open, so that it cannot be swapped in between. @param out the caller's: fclose.
 *  @return ECH_OK; ECH_ERR_FILE; ECH_ERR_CONFIG (its owner or mode). */
ech_status ech_private_file_open(const char *path, FILE **out);

#endif
