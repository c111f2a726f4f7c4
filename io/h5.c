#include "io/h5_priv.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/memory.h"

enum { REASON_BYTES = 256, PATH_BYTES = 512 };

/* A file that HDF5 could not close stays half dead in it: ending the library would crash on it. */
static bool close_failed;

ech_status ech_h5_start(void)
{
    H5dont_atexit();
    /* Plug-ins run code: a file must not be able to load one by naming a filter. */
    if (H5open() < 0 || H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0 || H5PLset_loading_state(0) < 0) {
        return ech_fail(ECH_ERR_HDF5, "HDF5 does not start");
    }
    return ECH_OK;
}

void ech_h5_stop(void)
{
    if (!close_failed) {
        H5close();
    }
}

static herr_t take_innermost(unsigned depth, const H5E_error2_t *error, void *user)
{
    (void)depth;
    char *reason = user;
    if (error->desc != NULL && error->desc[0] != '\0') {
        snprintf(reason, REASON_BYTES, ": %s", error->desc);
    }
    return 0;
}

ech_status ech_h5_fail(ech_status status, const char *path, const char *what)
{
    char reason[REASON_BYTES] = "";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, take_innermost, reason);
    H5Eclear2(H5E_DEFAULT);
    return ech_fail(status, "%s: cannot %s%s", path, what, reason);
}

bool ech_h5_close(hid_t *id)
{
    bool closed = true;
    if (*id > 0) {
        closed = H5Idec_ref(*id) >= 0;
        close_failed = close_failed || !closed;
    }
    *id = 0;
    return closed;
}

hid_t ech_h5_text_type(size_t bytes)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    if (type < 0) {
        return type;
    }
    if (H5Tset_size(type, bytes) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
        H5Tset_cset(type, H5T_CSET_UTF8) < 0) {
        H5Tclose(type);
        return H5I_INVALID_HID;
    }
    return type;
}

static bool put_scalar(hid_t where, const char *name, hid_t type, const void *value)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(where, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    const bool written = attribute >= 0 && H5Awrite(attribute, type, value) >= 0;
    const bool closed = ech_h5_close(&attribute);
    ech_h5_close(&space);
    return written && closed;
}

bool ech_h5_put_text(hid_t where, const char *name, const char *text)
{
    /* HDF5 knows no empty string type: one NUL is padding. */
    hid_t type = ech_h5_text_type(text[0] != '\0' ? strlen(text) : 1);
    const bool written = type >= 0 && put_scalar(where, name, type, text);
    ech_h5_close(&type);
    return written;
}

bool ech_h5_put_u64(hid_t where, const char *name, uint64_t value)
{
    return put_scalar(where, name, H5T_NATIVE_UINT64, &value);
}

/* Open a scalar attribute, or one of a single element; negative if there is none. */
static hid_t open_scalar(hid_t where, const char *name)
{
    if (H5Aexists(where, name) <= 0) {
        return H5I_INVALID_HID;
    }
    hid_t attribute = H5Aopen(where, name, H5P_DEFAULT);
    hid_t space = attribute >= 0 ? H5Aget_space(attribute) : H5I_INVALID_HID;
    if (space < 0 || H5Sget_simple_extent_npoints(space) != 1) {
        ech_h5_close(&attribute);
        attribute = H5I_INVALID_HID;
    }
    ech_h5_close(&space);
    return attribute;
}

bool ech_h5_get_u64(hid_t where, const char *name, uint64_t *out)
{
    hid_t attribute = open_scalar(where, name);
    hid_t type = attribute >= 0 ? H5Aget_type(attribute) : H5I_INVALID_HID;
    const bool read = type >= 0 && H5Tget_class(type) == H5T_INTEGER &&
                      H5Aread(attribute, H5T_NATIVE_UINT64, out) >= 0;
    ech_h5_close(&type);
    ech_h5_close(&attribute);
    return read;
}

static char *read_variable_text(hid_t attribute, hid_t type, size_t bytes_max)
{
    char *text = NULL;
    char *copy = NULL;
    if (H5Aread(attribute, type, &text) >= 0 && text != NULL) {
        copy = strlen(text) <= bytes_max ? ech_strdup(text) : NULL;
        H5free_memory(text);
    }
    return copy;
}

static char *read_fixed_text(hid_t attribute, hid_t type, size_t bytes_max)
{
    const size_t bytes = H5Tget_size(type);
    if (bytes == 0 || bytes > bytes_max) {
        return NULL;
    }
    char *text = ech_calloc(bytes + 1, 1);
    if (text != NULL && H5Aread(attribute, type, text) < 0) {
        ech_free(text);
        text = NULL;
    }
    return text;
}

char *ech_h5_get_text(hid_t where, const char *name, size_t bytes_max)
{
    hid_t attribute = open_scalar(where, name);
    hid_t type = attribute >= 0 ? H5Aget_type(attribute) : H5I_INVALID_HID;
    char *text = NULL;
    if (type >= 0 && H5Tget_class(type) == H5T_STRING) {
        text = H5Tis_variable_str(type) > 0 ? read_variable_text(attribute, type, bytes_max)
                                            : read_fixed_text(attribute, type, bytes_max);
    }
    ech_h5_close(&type);
    ech_h5_close(&attribute);
    return text;
}

char *ech_h5_read_text(hid_t file, const char *name, size_t bytes_max)
{
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    hid_t type = dataset >= 0 ? H5Dget_type(dataset) : H5I_INVALID_HID;
    const size_t bytes = type >= 0 && H5Tget_class(type) == H5T_STRING ? H5Tget_size(type) : 0;
    char *text = bytes > 0 && bytes <= bytes_max ? ech_calloc(bytes + 1, 1) : NULL;
    if (text != NULL && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0) {
        ech_free(text);
        text = NULL;
    }
    ech_h5_close(&type);
    ech_h5_close(&dataset);
    return text;
}

bool ech_h5_exists(hid_t file, const char *path)
{
    char prefix[PATH_BYTES];
    const size_t length = strlen(path);
    if (length == 0 || length >= sizeof prefix) {
        return false;
    }
    for (size_t end = 1; end <= length; end++) {
        if (path[end] != '/' && path[end] != '\0') {
            continue;
        }
        memcpy(prefix, path, end);
        prefix[end] = '\0';
        if (H5Lexists(file, prefix, H5P_DEFAULT) <= 0) {
            return false;
        }
    }
    return H5Oexists_by_name(file, path, H5P_DEFAULT) > 0;
}

ech_status ech_h5_open(const char *path, const char *shown, hid_t *file)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(access, 0, 1);
#endif
    *file = H5Fopen(path, H5F_ACC_RDONLY, access);
    /* Before the next call of HDF5, which forgets why this one failed. */
    const ech_status status =
        *file >= 0 ? ECH_OK : ech_h5_fail(ECH_ERR_FORMAT, shown, "open as HDF5");
    ech_h5_close(&access);
    return status;
}
