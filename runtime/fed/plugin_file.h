/**
 * @file plugin_file.h
 * Is a file a shared object that the loader of this process can map?
 */
#ifndef ECH_FED_PLUGIN_FILE_H
#define ECH_FED_PLUGIN_FILE_H

#include "runtime/base/status.h"

/**
 * The loader maps what an object's headers say. Of a file that was cut short it touches pages that
 * are not there, and the process dies: so the headers are compared with the file's length first.
 * The object's code and tables are the user's, and trusted.
 *
 * @return ECH_OK; ECH_ERR_CONFIG (no shared object of this machine's kind, or not all of one);
 *         ECH_ERR_FILE.
 */
ech_status ech_plugin_file_check(const char *path);

#endif
