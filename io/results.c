#include "io/results.h"

#include "io/sealed_reader_priv.h"
#include "io/sealed_writer_priv.h"

enum { VERSION = 1, OBJECTS = 2 };

static const char runs_name[] = "/runs";
static const char study_name[] = "/study";

static hid_t member_type(const ech_result_column *column)
{
    switch (column->kind) {
    case ECH_RESULT_TEXT:
        return ech_h5_text_type(column->bytes);
    case ECH_RESULT_U64:
        return H5Tcopy(H5T_NATIVE_UINT64);
    case ECH_RESULT_REAL:
        break;
    }
    return H5Tcopy(H5T_NATIVE_DOUBLE);
}

/* The row struct as HDF5 sees it; negative on failure. */
static hid_t row_type(const ech_results *results)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, results->row_bytes);
    for (size_t i = 0; i < results->column_count && type >= 0; i++) {
        const ech_result_column *column = &results->columns[i];
        hid_t member = member_type(column);
        if (member < 0 || H5Tinsert(type, column->name, column->offset, member) < 0) {
            ech_h5_close(&type);
            type = H5I_INVALID_HID;
        }
        ech_h5_close(&member);
    }
    return type;
}

typedef struct {
    const char *path;
    const ech_results *results;
    ech_results_info *info; /* of a reader */
} results_job;

static ech_status lay_out(const results_job *job, hid_t type, ech_sealed_writer *writer,
                          size_t *which)
{
    const ech_results *results = job->results;
    const size_t bytes = results->row_bytes * (size_t)results->row_count;
    const ech_hash128 hash = ech_hash_bytes(results->rows, bytes);
    const ech_sealed_array array = {runs_name, type, 1, &results->row_count, &hash};
    ech_status status = ech_sealed_writer_put_u64(writer, "/", "version", VERSION);
    if (status == ECH_OK) {
        status = ech_sealed_writer_add(writer, &array, which);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_add_text(writer, study_name, results->study);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_layout_done(writer);
    }
    return status == ECH_OK ? ech_sealed_writer_write(writer, *which, 0, results->rows, bytes)
                            : status;
}

static ech_status write_on_thread(void *argument)
{
    const results_job *job = argument;
    ech_sealed_writer *writer = NULL;
    size_t which = 0;
    hid_t type = row_type(job->results);
    if (type < 0) {
        return ech_h5_fail(ECH_ERR_HDF5, job->path, "describe the rows");
    }
    ech_status status = ech_sealed_writer_create(job->path, ECH_SEAL_RESULTS, OBJECTS, &writer);
    if (status == ECH_OK) {
        status = lay_out(job, type, writer, &which);
    }
    if (status == ECH_OK) {
        status = ech_sealed_writer_commit(writer, ECH_OUTPUT_DURABLE);
    }
    ech_sealed_writer_destroy(&writer);
    ech_h5_close(&type);
    return status;
}

ech_status ech_results_write(ech_io *io, const char *path, const ech_results *results)
{
    results_job job = {.path = path, .results = results};
    return ech_io_run(io, write_on_thread, &job);
}

static ech_status read_shape(const results_job *job, hid_t file)
{
    hid_t dataset = H5Dopen2(file, runs_name, H5P_DEFAULT);
    hid_t space = dataset >= 0 ? H5Dget_space(dataset) : H5I_INVALID_HID;
    hid_t type = dataset >= 0 ? H5Dget_type(dataset) : H5I_INVALID_HID;
    const hssize_t rows = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    const int columns =
        type >= 0 && H5Tget_class(type) == H5T_COMPOUND ? H5Tget_nmembers(type) : -1;
    ech_status status = ECH_OK;
    if (rows < 0 || columns < 0) {
        status = ech_h5_fail(ECH_ERR_FORMAT, job->path, "read /runs");
    } else {
        *job->info = (ech_results_info){(uint64_t)rows, (uint64_t)columns};
    }
    ech_h5_close(&type);
    ech_h5_close(&space);
    ech_h5_close(&dataset);
    return status;
}

static ech_status read_on_thread(void *argument)
{
    const results_job *job = argument;
    hid_t file = 0;
    ech_status status = ech_sealed_open_kind(job->path, ECH_SEAL_RESULTS, &file);
    if (status == ECH_OK) {
        status = read_shape(job, file);
    }
    ech_h5_close(&file);
    return status;
}

ech_status ech_results_read_info(ech_io *io, const char *path, ech_results_info *out)
{
    results_job job = {.path = path, .info = out};
    return ech_io_run(io, read_on_thread, &job);
}
