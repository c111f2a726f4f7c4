#include "io/h5_image_priv.h"

#include "runtime/base/memory.h"

enum { GROWTH_BYTES = 1 << 16, STRUCTURE_BYTES = 4096, OBJECT_BYTES = 640 };

/* HDF5's core driver asks these for its memory; the last call leaves the whole file in the image.
 */
static void *resize_image(void *block, size_t bytes, H5FD_file_image_op_t operation, void *user)
{
    (void)operation;
    ech_h5_image *image = user;
    void *moved = ech_realloc(block, bytes, 1);
    if (moved != NULL) {
        image->data = moved;
        image->bytes = bytes;
    }
    return moved;
}

static void *allocate_image(size_t bytes, H5FD_file_image_op_t operation, void *user)
{
    return resize_image(NULL, bytes, operation, user);
}

static herr_t keep_image(void *block, H5FD_file_image_op_t operation, void *user)
{
    (void)block;
    (void)operation;
    (void)user;
    return 0;
}

static void *share_user(void *user)
{
    return user;
}

static herr_t leave_user(void *user)
{
    (void)user;
    return 0;
}

static hid_t in_memory(ech_h5_image *image, size_t object_count)
{
    H5FD_file_image_callbacks_t callbacks = {.image_malloc = allocate_image,
                                             .image_realloc = resize_image,
                                             .image_free = keep_image,
                                             .udata_copy = share_user,
                                             .udata_free = leave_user,
                                             .udata = image};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    /* One block for the whole structure, so that it lies together in front of the content. */
    if (access >= 0 && (H5Pset_fapl_core(access, GROWTH_BYTES, 0) < 0 ||
                        H5Pset_file_image_callbacks(access, &callbacks) < 0 ||
                        H5Pset_meta_block_size(
                            access, STRUCTURE_BYTES + OBJECT_BYTES * (hsize_t)object_count) < 0)) {
        ech_h5_close(&access);
    }
    return access;
}

hid_t ech_h5_image_create(ech_h5_image *image, size_t user_block_bytes, size_t object_count)
{
    hid_t file = H5I_INVALID_HID;
    hid_t creation = H5Pcreate(H5P_FILE_CREATE);
    hid_t access = in_memory(image, object_count);
    if (creation >= 0 && access > 0 && H5Pset_userblock(creation, user_block_bytes) >= 0) {
        file = H5Fcreate("in memory", H5F_ACC_TRUNC, creation, access);
    }
    ech_h5_close(&access);
    ech_h5_close(&creation);
    return file;
}

bool ech_h5_image_close(ech_h5_image *image, hid_t *file)
{
    hsize_t bytes = 0;
    const bool known = H5Fget_filesize(*file, &bytes) >= 0;
    image->file_bytes = bytes;
    return ech_h5_close(file) && known;
}

void ech_h5_image_free(ech_h5_image *image)
{
    ech_free(image->data);
    *image = (ech_h5_image){0};
}
