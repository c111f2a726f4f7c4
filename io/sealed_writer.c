#include "io/sealed_writer_priv.h"

#include <assert.h>
#include <string.h>

#include "io/h5_image_priv.h"
#include "runtime/base/memory.h"

enum { DIMENSIONS_MAX = 4 };

typedef struct {
    uint64_t offset; /* in the file */
    uint64_t bytes;
    const char *text; /* written by layout_done; NULL: by the caller */
} array_place;

struct ech_sealed_writer {
    ech_output *output;
    ech_seal_kind kind;
    ech_h5_image image;
    hid_t file; /* 0 once it is laid out */
    array_place *places;
    size_t place_count;
    size_t place_capacity;
    ech_seal_claim claim; /* once it is sealed */
};

static ech_status fail_h5(const ech_sealed_writer *writer, const char *what)
{
    return ech_h5_fail(ECH_ERR_HDF5, ech_output_path(writer->output), what);
}

ech_status ech_sealed_writer_create(const char *path, ech_seal_kind kind, size_t object_count,
                                    ech_sealed_writer **out)
{
    *out = NULL;
    ech_sealed_writer *writer = ech_calloc(1, sizeof *writer);
    if (writer == NULL) {
        return ECH_ERR_MEMORY;
    }
    writer->kind = kind;
    ech_status status = ech_output_create(path, &writer->output);
    if (status == ECH_OK) {
        writer->file = ech_h5_image_create(&writer->image, ECH_SEAL_BYTES, object_count);
        status = writer->file > 0 ? ECH_OK : fail_h5(writer, "create an HDF5 file");
    }
    if (status != ECH_OK) {
        ech_sealed_writer_destroy(&writer);
    }
    *out = writer;
    return status;
}

void ech_sealed_writer_destroy(ech_sealed_writer **writer)
{
    if (writer == NULL || *writer == NULL) {
        return;
    }
    ech_sealed_writer *dying = *writer;
    ech_h5_close(&dying->file);
    ech_h5_image_free(&dying->image);
    ech_output_destroy(&dying->output);
    ech_free(dying->places);
    ech_free(dying);
    *writer = NULL;
}

static ech_status reserve_place(ech_sealed_writer *writer)
{
    array_place *grown =
        ech_grow(writer->places, writer->place_count, &writer->place_capacity, sizeof *grown);
    if (grown == NULL) {
        return ECH_ERR_MEMORY;
    }
    writer->places = grown;
    return ECH_OK;
}

/* Contiguous, with its place in the file fixed at once and no fill values written to it. */
static hid_t contiguous_now(void)
{
    hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    if (H5Pset_layout(properties, H5D_CONTIGUOUS) < 0 ||
        H5Pset_alloc_time(properties, H5D_ALLOC_TIME_EARLY) < 0 ||
        H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER) < 0 ||
        H5Pset_obj_track_times(properties, 0) < 0) {
        ech_h5_close(&properties);
    }
    return properties;
}

static hid_t with_groups_on_the_way(void)
{
    hid_t properties = H5Pcreate(H5P_LINK_CREATE);
    if (H5Pset_create_intermediate_group(properties, 1) < 0) {
        ech_h5_close(&properties);
    }
    return properties;
}

static hid_t create_dataset(const ech_sealed_writer *writer, const ech_sealed_array *array)
{
    hsize_t shape[DIMENSIONS_MAX] = {0};
    for (uint32_t d = 0; d < array->dimension_count; d++) {
        shape[d] = array->shape[d];
    }
    hid_t space = array->dimension_count > 0
                      ? H5Screate_simple((int)array->dimension_count, shape, NULL)
                      : H5Screate(H5S_SCALAR);
    hid_t creation = contiguous_now();
    hid_t links = with_groups_on_the_way();
    const hid_t dataset =
        H5Dcreate2(writer->file, array->name, array->type, space, links, creation, H5P_DEFAULT);
    ech_h5_close(&links);
    ech_h5_close(&creation);
    ech_h5_close(&space);
    return dataset;
}

static uint64_t array_bytes(const ech_sealed_array *array)
{
    uint64_t bytes = H5Tget_size(array->type);
    for (uint32_t d = 0; d < array->dimension_count; d++) {
        bytes *= array->shape[d];
    }
    return bytes;
}

static bool finish_dataset(hid_t dataset, const ech_sealed_array *array, array_place *place)
{
    place->bytes = array_bytes(array);
    place->text = NULL;
    place->offset = H5Dget_offset(dataset);
    if (place->bytes > 0 && place->offset == HADDR_UNDEF) {
        return false;
    }
    if (array->checksum == NULL) {
        return true;
    }
    char text[ECH_HASH_TEXT_BYTES];
    ech_hash_text(*array->checksum, text);
    return ech_h5_put_text(dataset, "xxh128", text);
}

ech_status ech_sealed_writer_add(ech_sealed_writer *writer, const ech_sealed_array *array,
                                 size_t *which)
{
    assert(array->dimension_count <= DIMENSIONS_MAX);
    const ech_status status = reserve_place(writer);
    if (status != ECH_OK) {
        return status;
    }
    hid_t dataset = create_dataset(writer, array);
    const bool made =
        dataset >= 0 && finish_dataset(dataset, array, &writer->places[writer->place_count]);
    if (!ech_h5_close(&dataset) || !made) {
        return fail_h5(writer, array->name);
    }
    *which = writer->place_count++;
    return ECH_OK;
}

ech_status ech_sealed_writer_add_group(ech_sealed_writer *writer, const char *name)
{
    hid_t links = with_groups_on_the_way();
    hid_t group = H5Gcreate2(writer->file, name, links, H5P_DEFAULT, H5P_DEFAULT);
    const bool made = group >= 0;
    ech_h5_close(&group);
    ech_h5_close(&links);
    return made ? ECH_OK : fail_h5(writer, name);
}

ech_status ech_sealed_writer_put_text(ech_sealed_writer *writer, const char *where,
                                      const char *name, const char *text)
{
    hid_t object = H5Oopen(writer->file, where, H5P_DEFAULT);
    const bool put = object >= 0 && ech_h5_put_text(object, name, text);
    ech_h5_close(&object);
    return put ? ECH_OK : fail_h5(writer, name);
}

ech_status ech_sealed_writer_put_u64(ech_sealed_writer *writer, const char *where, const char *name,
                                     uint64_t value)
{
    hid_t object = H5Oopen(writer->file, where, H5P_DEFAULT);
    const bool put = object >= 0 && ech_h5_put_u64(object, name, value);
    ech_h5_close(&object);
    return put ? ECH_OK : fail_h5(writer, name);
}

ech_status ech_sealed_writer_add_text(ech_sealed_writer *writer, const char *name, const char *text)
{
    /* HDF5 knows no empty string type: the terminator is kept as padding. */
    hid_t type = ech_h5_text_type(strlen(text) + 1);
    const ech_hash128 checksum = ech_hash_bytes(text, strlen(text) + 1);
    const ech_sealed_array array = {.name = name, .type = type, .checksum = &checksum};
    size_t which = 0;
    const ech_status status =
        type >= 0 ? ech_sealed_writer_add(writer, &array, &which) : fail_h5(writer, name);
    ech_h5_close(&type);
    if (status == ECH_OK) {
        writer->places[which].text = text;
    }
    return status;
}

static uint64_t file_bytes(const ech_sealed_writer *writer)
{
    uint64_t bytes = writer->image.file_bytes;
    bytes = bytes > writer->image.bytes ? bytes : writer->image.bytes;
    for (size_t i = 0; i < writer->place_count; i++) {
        const uint64_t end = writer->places[i].offset + writer->places[i].bytes;
        bytes = writer->places[i].bytes > 0 && end > bytes ? end : bytes;
    }
    return bytes;
}

/* The content comes after it, over what the image has in its place. */
static ech_status write_structure(ech_sealed_writer *writer)
{
    ech_status status = ech_output_reserve(writer->output, file_bytes(writer));
    if (status == ECH_OK) {
        status = ech_output_write(writer->output, 0, writer->image.data, writer->image.bytes);
    }
    ech_h5_image_free(&writer->image);
    return status;
}

ech_status ech_sealed_writer_layout_done(ech_sealed_writer *writer)
{
    if (!ech_h5_image_close(&writer->image, &writer->file)) {
        return fail_h5(writer, "lay out the HDF5 file");
    }
    ech_status status = write_structure(writer);
    for (size_t i = 0; i < writer->place_count && status == ECH_OK; i++) {
        const array_place *place = &writer->places[i];
        if (place->text != NULL) {
            status = ech_sealed_writer_write(writer, i, 0, place->text, (size_t)place->bytes);
        }
    }
    return status;
}

ech_status ech_sealed_writer_write(ech_sealed_writer *writer, size_t which, uint64_t offset,
                                   const void *data, size_t bytes)
{
    const array_place *place = &writer->places[which];
    assert(writer->file == 0 && offset <= place->bytes && bytes <= place->bytes - offset);
    return bytes > 0 ? ech_output_write(writer->output, place->offset + offset, data, bytes)
                     : ECH_OK;
}

ech_status ech_sealed_writer_commit(ech_sealed_writer *writer, ech_output_durability durability)
{
    const ech_status status = ech_seal_write(writer->output, writer->kind, &writer->claim);
    return status == ECH_OK ? ech_output_commit(writer->output, durability) : status;
}

uint64_t ech_sealed_writer_place(const ech_sealed_writer *writer, size_t which)
{
    return writer->places[which].offset;
}

const ech_seal_claim *ech_sealed_writer_claim(const ech_sealed_writer *writer)
{
    return &writer->claim;
}
