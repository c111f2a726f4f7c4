#define _GNU_SOURCE
#include "io/sealed_reader_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ATTEMPTS = 16 };

static bool is_same_file(int descriptor, hid_t file)
{
    int *handle = NULL;
    struct stat checked;
    struct stat opened;
    return H5Fget_vfd_handle(file, H5P_DEFAULT, (void **)&handle) >= 0 &&
           fstat(descriptor, &checked) == 0 && fstat(*handle, &opened) == 0 &&
           checked.st_dev == opened.st_dev && checked.st_ino == opened.st_ino;
}

/* @param[out] file  0 if another file has taken the name since the check. */
static ech_status open_checked(int descriptor, const char *path, ech_seal_kind *kind, hid_t *file)
{
    ech_status status = ech_seal_check(descriptor, path, kind);
    if (status != ECH_OK || *kind == ECH_SEAL_NONE) {
        return status;
    }
    status = ech_h5_open(path, path, file);
    if (status == ECH_OK && !is_same_file(descriptor, *file)) {
        ech_h5_close(file);
    }
    return status;
}

ech_status ech_sealed_open(const char *path, ech_seal_kind *kind, hid_t *file)
{
    ech_status status = ECH_OK;
    *file = 0;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
        if (descriptor < 0) {
            return ech_fail(ECH_ERR_FILE, "%s: cannot open: %s", path, strerror(errno));
        }
        status = open_checked(descriptor, path, kind, file);
        close(descriptor);
        if (status != ECH_OK || *kind == ECH_SEAL_NONE || *file > 0) {
            return status;
        }
    }
    return ech_fail(ECH_ERR_FILE, "%s: replaced faster than it can be read", path);
}

ech_status ech_sealed_open_kind(const char *path, ech_seal_kind kind, hid_t *file)
{
    ech_seal_kind found = ECH_SEAL_NONE;
    ech_status status = ech_sealed_open(path, &found, file);
    if (status == ECH_OK && found != kind) {
        status = ech_fail(ECH_ERR_FORMAT, "%s: is %s, %s was expected", path,
                          ech_seal_kind_text(found), ech_seal_kind_text(kind));
        ech_h5_close(file);
    }
    return status;
}
