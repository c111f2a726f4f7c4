/**
 * @file short_folder.h
 * The temporary folder of a calibration's short runs. For short_run.c.
 *
 * Its configuration is locked as long as its process lives: a folder whose lock is free was left by
 * one that was killed, and goes when the next is made.
 */
#ifndef ECH_APPS_PLAN_SHORT_FOLDER_H
#define ECH_APPS_PLAN_SHORT_FOLDER_H

#include <limits.h>

#include "runtime/base/status.h"

/** Zero-initialise it. */
typedef struct {
    char path[PATH_MAX];
    char config[PATH_MAX + 32]; /* an empty configuration there */
    int lock;                   /* that file, open */
} ech_short_folder;

/** Make it, below $TMPDIR or /tmp. @return ECH_OK; ECH_ERR_FILE: clear it all the same. */
ech_status ech_short_folder_create(ech_short_folder *out);

/** Remove it with its files. */
void ech_short_folder_clear(ech_short_folder *folder);

#endif
