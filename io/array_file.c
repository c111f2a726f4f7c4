#include "io/array_file_priv.h"

#include <string.h>

#include "io/h5_priv.h"
#include "runtime/base/memory.h"

/* Deflate, the strongest filter that is built in, shrinks at most by 1,032. */
enum { COMPRESSION_MAX = 1032 };

struct ech_array_file {
    hid_t file;
    const char *shown;
};

static ech_status bad(const ech_array_file *file, const char *name, const char *what)
{
    H5Eclear2(H5E_DEFAULT);
    return ech_fail(ECH_ERR_FORMAT, "%s: dataset %s %s", file->shown, name, what);
}

ech_status ech_array_file_create(hid_t file, const char *shown, ech_array_file **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        ech_h5_close(&file);
        return ECH_ERR_MEMORY;
    }
    (*out)->file = file;
    (*out)->shown = shown;
    return ECH_OK;
}

void ech_array_file_close(ech_array_file **file)
{
    if (file == NULL || *file == NULL) {
        return;
    }
    ech_h5_close(&(*file)->file);
    ech_free(*file);
    *file = NULL;
}

uint64_t ech_array_row_bytes(const ech_array_info *info)
{
    uint64_t bytes = info->element_bytes;
    for (uint32_t d = 1; d < info->dimension_count; d++) {
        bytes *= info->shape[d];
    }
    return bytes;
}

static int64_t signed_integer(const void *elements, uint32_t element_bytes, uint64_t i)
{
    switch (element_bytes) {
    case sizeof(int8_t):
        return ((const int8_t *)elements)[i];
    case sizeof(int16_t):
        return ((const int16_t *)elements)[i];
    case sizeof(int32_t):
        return ((const int32_t *)elements)[i];
    default:
        return ((const int64_t *)elements)[i];
    }
}

static int64_t unsigned_integer(const void *elements, uint32_t element_bytes, uint64_t i)
{
    switch (element_bytes) {
    case sizeof(uint8_t):
        return ((const uint8_t *)elements)[i];
    case sizeof(uint16_t):
        return ((const uint16_t *)elements)[i];
    case sizeof(uint32_t):
        return ((const uint32_t *)elements)[i];
    default:
        return ((const int64_t *)elements)[i];
    }
}

int64_t ech_array_integer(const ech_array_info *info, const void *elements, uint64_t i)
{
    return info->class == ECH_ARRAY_SIGNED ? signed_integer(elements, info->element_bytes, i)
                                           : unsigned_integer(elements, info->element_bytes, i);
}

static bool is_in_this_file(const ech_array_file *file, hid_t dataset)
{
    H5O_info_t root;
    H5O_info_t object;
    return H5Oget_info(file->file, &root) >= 0 && H5Oget_info(dataset, &object) >= 0 &&
           root.fileno == object.fileno;
}

/* Stored in the file itself, contiguous, compact or chunked. */
static bool is_stored_here(hid_t dataset)
{
    hid_t properties = H5Dget_create_plist(dataset);
    const bool here = properties >= 0 && H5Pget_layout(properties) != H5D_VIRTUAL &&
                      H5Pget_external_count(properties) == 0;
    ech_h5_close(&properties);
    return here;
}

static bool describe_type(hid_t dataset, ech_array_info *info)
{
    hid_t type = H5Dget_type(dataset);
    const H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    const size_t bytes = type >= 0 ? H5Tget_size(type) : 0;
    bool plain = class == H5T_INTEGER && (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
    if (plain) {
        info->class = H5Tget_sign(type) == H5T_SGN_NONE ? ECH_ARRAY_UNSIGNED : ECH_ARRAY_SIGNED;
    } else if (class == H5T_FLOAT && (bytes == 4 || bytes == 8)) {
        info->class = ECH_ARRAY_REAL;
        plain = true;
    }
    info->element_bytes = (uint32_t)bytes;
    ech_h5_close(&type);
    return plain;
}

static bool describe_shape(hid_t dataset, ech_array_info *info)
{
    hid_t space = H5Dget_space(dataset);
    hsize_t shape[H5S_MAX_RANK] = {0};
    const int count = space >= 0 ? H5Sget_simple_extent_dims(space, shape, NULL) : -1;
    ech_h5_close(&space);
    if (count < 1 || count > ECH_ARRAY_DIMENSIONS_MAX) {
        return false;
    }
    info->dimension_count = (uint32_t)count;
    memcpy(info->shape, shape, (size_t)count * sizeof *shape);
    return true;
}

static bool total_bytes(const ech_array_info *info, uint64_t *bytes)
{
    *bytes = info->element_bytes;
    for (uint32_t d = 0; d < info->dimension_count; d++) {
        if (__builtin_mul_overflow(*bytes, info->shape[d], bytes)) {
            return false;
        }
    }
    return *bytes <= INT64_MAX;
}

static bool is_backed(hid_t dataset, const ech_array_info *info)
{
    uint64_t bytes = 0;
    if (!total_bytes(info, &bytes)) {
        return false;
    }
    return bytes / COMPRESSION_MAX <= H5Dget_storage_size(dataset);
}

static ech_status describe_open(const ech_array_file *file, const char *name, hid_t dataset,
                                ech_array_info *info)
{
    if (!is_in_this_file(file, dataset) || !is_stored_here(dataset)) {
        return bad(file, name, "lies in another file, which is not followed");
    }
    if (!describe_type(dataset, info)) {
        return bad(file, name, "is no array of plain numbers");
    }
    if (!describe_shape(dataset, info)) {
        return bad(file, name, "does not have one to four dimensions");
    }
    if (!is_backed(dataset, info)) {
        return bad(file, name, "promises more elements than the file holds");
    }
    return ECH_OK;
}

ech_status ech_array_file_describe(ech_array_file *file, const char *name, ech_array_info *info)
{
    memset(info, 0, sizeof *info);
    if (!ech_h5_exists(file->file, name)) {
        H5Eclear2(H5E_DEFAULT);
        return ECH_OK;
    }
    hid_t dataset = H5Dopen2(file->file, name, H5P_DEFAULT);
    if (dataset < 0) {
        return bad(file, name, "cannot be opened");
    }
    const ech_status status = describe_open(file, name, dataset, info);
    info->present = status == ECH_OK;
    ech_h5_close(&dataset);
    return status;
}

static hid_t native_type(const ech_array_info *info)
{
    const hid_t is_signed[] = {H5T_NATIVE_INT8, H5T_NATIVE_INT16, H5T_NATIVE_INT32,
                               H5T_NATIVE_INT64};
    const hid_t is_unsigned[] = {H5T_NATIVE_UINT8, H5T_NATIVE_UINT16, H5T_NATIVE_UINT32,
                                 H5T_NATIVE_UINT64};
    const int log2_bytes = __builtin_ctz(info->element_bytes);
    if (info->class == ECH_ARRAY_REAL) {
        return info->element_bytes == sizeof(float) ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
    }
    return info->class == ECH_ARRAY_SIGNED ? is_signed[log2_bytes] : is_unsigned[log2_bytes];
}

static bool read_block(hid_t dataset, const ech_array_info *info, uint64_t first, uint64_t count,
                       void *rows)
{
    hsize_t start[ECH_ARRAY_DIMENSIONS_MAX] = {first};
    hsize_t block[ECH_ARRAY_DIMENSIONS_MAX] = {count};
    for (uint32_t d = 1; d < info->dimension_count; d++) {
        block[d] = info->shape[d];
    }
    hid_t in_file = H5Dget_space(dataset);
    hid_t in_memory = H5Screate_simple((int)info->dimension_count, block, NULL);
    const bool read =
        in_file >= 0 && in_memory >= 0 &&
        H5Sselect_hyperslab(in_file, H5S_SELECT_SET, start, NULL, block, NULL) >= 0 &&
        H5Dread(dataset, native_type(info), in_memory, in_file, H5P_DEFAULT, rows) >= 0;
    ech_h5_close(&in_memory);
    ech_h5_close(&in_file);
    return read;
}

ech_status ech_array_file_read(ech_array_file *file, const char *name, uint64_t first,
                               uint64_t count, void *rows)
{
    ech_array_info info;
    ech_status status = ech_array_file_describe(file, name, &info);
    if (status != ECH_OK) {
        return status;
    }
    if (!info.present || first > info.shape[0] || count > info.shape[0] - first) {
        return bad(file, name, "does not have the rows that were asked for");
    }
    hid_t dataset = H5Dopen2(file->file, name, H5P_DEFAULT);
    if (dataset < 0 || (count > 0 && !read_block(dataset, &info, first, count, rows))) {
        status = bad(file, name, "cannot be read: damaged or truncated");
    }
    ech_h5_close(&dataset);
    return status;
}

ech_status ech_array_file_attribute(ech_array_file *file, const char *object, const char *name,
                                    bool *present, uint64_t *value)
{
    *present = false;
    if (!ech_h5_exists(file->file, object)) {
        return ECH_OK;
    }
    hid_t id = H5Oopen(file->file, object, H5P_DEFAULT);
    if (id < 0) {
        return bad(file, object, "cannot be opened");
    }
    ech_status status = ECH_OK;
    const htri_t exists = H5Aexists(id, name);
    if (exists > 0 && ech_h5_get_u64(id, name, value)) {
        *present = true;
    } else if (exists != 0) {
        status = ech_fail(ECH_ERR_FORMAT, "%s: attribute %s of %s is no integer", file->shown, name,
                          object);
    }
    H5Eclear2(H5E_DEFAULT);
    ech_h5_close(&id);
    return status;
}
