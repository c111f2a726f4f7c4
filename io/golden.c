#include "io/golden_priv.h"

#include <errno.h>
#include <hdf5.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/memory.h"

/* An open file, and the name to put into messages. */
typedef struct {
    hid_t file;
    const char *path;
} source;

static ech_status fail_object(const source *from, const char *object, const char *expected)
{
    return ech_fail(ECH_ERR_FORMAT, "%s: %s: expected %s", from->path, object, expected);
}

/* Read a numeric attribute of exactly `count` elements, converted to `type`. */
static ech_status read_attribute(const source *from, const char *object, const char *name,
                                 hid_t type, size_t count, void *out)
{
    const hid_t attribute = H5Aopen_by_name(from->file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0) {
        return fail_object(from, object, name);
    }
    const hid_t space = H5Aget_space(attribute);
    const hssize_t found = H5Sget_simple_extent_npoints(space);
    const bool good = found == (hssize_t)count && H5Aread(attribute, type, out) >= 0;
    H5Sclose(space);
    H5Aclose(attribute);
    return good ? ECH_OK : fail_object(from, object, "a numeric attribute of the right size");
}

static ech_status read_model_name(const source *from, char *out, size_t bytes)
{
    const hid_t attribute = H5Aopen(from->file, "model", H5P_DEFAULT);
    if (attribute < 0) {
        return fail_object(from, "/", "an attribute model");
    }
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    char *text = NULL;
    const bool good = H5Aread(attribute, type, &text) >= 0 && text != NULL && strlen(text) < bytes;
    if (good) {
        memcpy(out, text, strlen(text) + 1);
    }
    H5free_memory(text);
    H5Tclose(type);
    H5Aclose(attribute);
    return good ? ECH_OK : fail_object(from, "/", "an attribute model with a short string");
}

/* Read a whole data set of at most `limit` elements. */
static ech_status read_dataset(const source *from, const char *object, hid_t type, size_t limit,
                               void *out, size_t *count)
{
    const hid_t dataset = H5Dopen2(from->file, object, H5P_DEFAULT);
    if (dataset < 0) {
        return fail_object(from, object, "a data set");
    }
    const hid_t space = H5Dget_space(dataset);
    const hssize_t found = H5Sget_simple_extent_npoints(space);
    const bool good = found > 0 && (size_t)found <= limit &&
                      H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0;
    *count = good ? (size_t)found : 0;
    H5Sclose(space);
    H5Dclose(dataset);
    return good ? ECH_OK : fail_object(from, object, "a data set of the right size");
}

static ech_status read_logits(const source *from, const char *object, size_t count, double **out)
{
    *out = ech_calloc(count, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    size_t found = 0;
    const ech_status status = read_dataset(from, object, H5T_NATIVE_DOUBLE, count, *out, &found);
    if (status == ECH_OK && found != count) {
        return fail_object(from, object, "batch x classes numbers");
    }
    return status;
}

static ech_status read_digest(const source *from, const char *group, const char *name,
                              ech_golden_digest *digest)
{
    char object[256];
    size_t values = 0, indices = 0;
    if (strlen(name) >= sizeof digest->name) {
        return fail_object(from, name, "a shorter name");
    }
    memcpy(digest->name, name, strlen(name) + 1);
    snprintf(object, sizeof object, "%s/%s", group, name);
    ech_status status = read_attribute(from, object, "l2", H5T_NATIVE_DOUBLE, 1, &digest->l2);
    if (status == ECH_OK) {
        status = read_attribute(from, object, "sum", H5T_NATIVE_DOUBLE, 1, &digest->sum);
    }
    if (status == ECH_OK) {
        snprintf(object, sizeof object, "%s/%s/index", group, name);
        status = read_dataset(from, object, H5T_NATIVE_UINT64, ECH_GOLDEN_ELEMENTS_MAX,
                              digest->index, &indices);
    }
    if (status == ECH_OK) {
        snprintf(object, sizeof object, "%s/%s/value", group, name);
        status = read_dataset(from, object, H5T_NATIVE_DOUBLE, ECH_GOLDEN_ELEMENTS_MAX,
                              digest->value, &values);
    }
    digest->count = (uint32_t)values;
    return status == ECH_OK && values != indices ? fail_object(from, object, "one value an index")
                                                 : status;
}

static ech_status read_digests(const source *from, const char *group, ech_golden_digest **out,
                               size_t *count)
{
    H5G_info_t info;
    if (H5Gget_info_by_name(from->file, group, &info, H5P_DEFAULT) < 0) {
        return fail_object(from, group, "a group of digests");
    }
    if (info.nlinks > ECH_GOLDEN_DIGESTS_MAX) {
        return fail_object(from, group, "fewer digests");
    }
    *out = ech_calloc(info.nlinks, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    *count = info.nlinks;
    for (hsize_t i = 0; i < info.nlinks; i++) {
        char name[128] = "";
        if (H5Lget_name_by_idx(from->file, group, H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name,
                               H5P_DEFAULT) < 0) {
            return fail_object(from, group, "readable names");
        }
        const ech_status status = read_digest(from, group, name, &(*out)[i]);
        if (status != ECH_OK) {
            return status;
        }
    }
    return ECH_OK;
}

static ech_status read_sizes(const source *from, ech_golden *golden)
{
    uint32_t shape[3] = {0};
    ech_status status = read_model_name(from, golden->model, sizeof golden->model);
    const struct {
        const char *name;
        hid_t type;
        size_t count;
        void *out;
    } attributes[] = {
        {"batch", H5T_NATIVE_UINT32, 1, &golden->batch},
        {"classes", H5T_NATIVE_UINT32, 1, &golden->classes},
        {"seed", H5T_NATIVE_UINT64, 1, &golden->seed},
        {"params", H5T_NATIVE_UINT64, 1, &golden->parameter_count},
        {"input_shape", H5T_NATIVE_UINT32, 3, shape},
    };
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0] && status == ECH_OK; i++) {
        status = read_attribute(from, "/", attributes[i].name, attributes[i].type,
                                attributes[i].count, attributes[i].out);
    }
    golden->channels = shape[0];
    golden->height = shape[1];
    golden->width = shape[2];
    return status;
}

static ech_status read_all(const source *from, ech_golden *golden)
{
    ech_status status = read_sizes(from, golden);
    for (int step = 0; step < ECH_GOLDEN_STEPS && status == ECH_OK; step++) {
        char group[16];
        snprintf(group, sizeof group, "/step%d", step + 1);
        status = read_attribute(from, group, "loss", H5T_NATIVE_DOUBLE, 1, &golden->loss[step]);
    }
    const size_t logits = (size_t)golden->batch * golden->classes;
    if (status == ECH_OK && (logits == 0 || logits > ECH_GOLDEN_LOGITS_MAX)) {
        status = fail_object(from, "/", "a batch and classes of a size that can be verified");
    }
    if (status == ECH_OK) {
        status = read_logits(from, "/step1/logits", logits, &golden->logits);
    }
    if (status == ECH_OK) {
        status = read_logits(from, "/eval_logits", logits, &golden->eval_logits);
    }
    if (status == ECH_OK) {
        status = read_digests(from, "/step1/grad", &golden->gradients, &golden->gradient_count);
    }
    if (status == ECH_OK) {
        status = read_digests(from, "/step3/state", &golden->states, &golden->state_count);
    }
    return status;
}

ech_status ech_golden_read_here(const char *path, ech_golden **out)
{
    *out = NULL;
    if (access(path, R_OK) != 0) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot be read: %s", path, strerror(errno));
    }
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const source from = {.file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), .path = path};
    if (from.file < 0) {
        return ech_fail(ECH_ERR_FORMAT, "%s: expected an HDF5 file", path);
    }
    ech_golden *golden = ech_calloc(1, sizeof *golden);
    const ech_status status = golden != NULL ? read_all(&from, golden) : ECH_ERR_MEMORY;
    H5Fclose(from.file);
    if (status != ECH_OK) {
        ech_golden_destroy(&golden);
    }
    *out = golden;
    return status;
}

void ech_golden_destroy(ech_golden **golden)
{
    if (golden == NULL || *golden == NULL) {
        return;
    }
    ech_free((*golden)->logits);
    ech_free((*golden)->eval_logits);
    ech_free((*golden)->gradients);
    ech_free((*golden)->states);
    ech_free(*golden);
    *golden = NULL;
}
