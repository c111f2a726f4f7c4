/**
 * @file inspect.h
 * `echelon inspect`: what is in a file, by its kind. Each prints a table for people or one JSON
 * object on standard output. Not collective.
 */
#ifndef ECH_APPS_INSPECT_INSPECT_H
#define ECH_APPS_INSPECT_INSPECT_H

#include <stdbool.h>

#include "io/service.h"
#include "runtime/base/status.h"

ech_status ech_inspect_checkpoint(ech_io *io, const char *path, bool json);
ech_status ech_inspect_record(ech_io *io, const char *path, bool json);
ech_status ech_inspect_split(ech_io *io, const char *path, bool json);
ech_status ech_inspect_memo(ech_io *io, const char *path, bool json);
ech_status ech_inspect_results(ech_io *io, const char *path, bool json);
ech_status ech_inspect_shards(ech_io *io, const char *path, bool json);
ech_status ech_inspect_data(ech_io *io, const char *path, bool json);

#endif
