#define _POSIX_C_SOURCE 200809L
#include "runtime/fed/private_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ech_status check_private(int descriptor, const char *path)
{
    struct stat file;
    if (fstat(descriptor, &file) != 0) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot be read: %s", path, strerror(errno));
    }
    if (!S_ISREG(file.st_mode) || (file.st_mode & (S_IRWXG | S_IRWXO)) != 0 ||
        file.st_uid != geteuid()) {
        return ech_fail(ECH_ERR_CONFIG,
                        "%s: its mode is %04o, its owner %u: expected a file of your own that "
                        "nobody else may read (chmod 600)",
                        path, (unsigned)file.st_mode & 07777U, (unsigned)file.st_uid);
    }
    return ECH_OK;
}

ech_status ech_private_file_open(const char *path, FILE **out)
{
    *out = fopen(path, "re");
    if (*out == NULL) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot be opened: %s", path, strerror(errno));
    }
    const ech_status status = check_private(fileno(*out), path);
    if (status != ECH_OK) {
        fclose(*out);
        *out = NULL;
    }
    return status;
}
