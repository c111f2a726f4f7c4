/* A calibration as a JSON file. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/plan/calibration.h"
#include "runtime/base/json.h"
#include "runtime/base/yaml.h"

enum { VERSION = 1, PATH_BYTES = 4096 };

/* ---- writing ---- */

static void write_cost(ech_json *json, const char *key, const ech_round_cost *cost)
{
    ech_json_begin_object(json, key);
    for (int part = 0; part < ECH_ROUND_PARTS; part++) {
        ech_json_real(json, ech_round_part_name(part), cost->seconds[part]);
    }
    ech_json_end_object(json);
}

static void write_rounds(ech_json *json, const ech_calibration_rounds *rounds)
{
    ech_json_begin_object(json, NULL);
    ech_json_unsigned(json, "hosts", rounds->manner.hosts);
    ech_json_unsigned(json, "ranks", rounds->manner.ranks);
    ech_json_text(json, "workers_on", rounds->manner.workers_on);
    ech_json_text(json, "leader", rounds->manner.leader);
    ech_json_text(json, "transfer", rounds->manner.transfer);
    ech_json_real(json, "bytes_per_second", rounds->bytes_per_second);
    ech_json_unsigned(json, "rank_bytes", rounds->rank_bytes);
    ech_json_unsigned(json, "host_bytes", rounds->host_bytes);
    ech_json_begin_list(json, "points");
    for (uint32_t i = 0; i < rounds->point_count; i++) {
        const ech_calibration_point *point = &rounds->points[i];
        ech_json_begin_object(json, NULL);
        ech_json_unsigned(json, "values", point->values);
        ech_json_unsigned(json, "workers", point->workers);
        ech_json_real(json, "start", point->start_seconds);
        write_cost(json, "first", &point->first);
        write_cost(json, "later", &point->later);
        ech_json_end_object(json);
    }
    ech_json_end_list(json);
    ech_json_end_object(json);
}

static void write_kernels(ech_json *json, const ech_calibration_kernels *kernels)
{
    ech_json_begin_object(json, NULL);
    ech_json_text(json, "network", kernels->manner.network);
    ech_json_text(json, "engine", kernels->manner.engine);
    ech_json_unsigned(json, "batch", kernels->manner.batch);
    ech_json_unsigned(json, "threads", kernels->manner.threads);
    ech_json_unsigned(json, "ranks", kernels->manner.ranks);
    ech_json_real(json, "train_rate", kernels->train_rate);
    ech_json_real(json, "evaluate_rate", kernels->evaluate_rate);
    ech_json_unsigned(json, "library_bytes", kernels->library_bytes);
    ech_json_end_object(json);
}

static ech_status write_all(FILE *file, const ech_calibration *calibration)
{
    ech_json json = ech_json_writer(file);
    ech_json_begin_object(&json, NULL);
    ech_json_unsigned(&json, "version", VERSION);
    ech_json_text(&json, "host", calibration->host);
    ech_json_text(&json, "processor", calibration->processor);
    ech_json_text(&json, "mpi", calibration->mpi);
    ech_json_unsigned(&json, "cores", calibration->cores);
    ech_json_unsigned(&json, "memory_bytes", calibration->memory_bytes);
    ech_json_begin_list(&json, "rounds");
    for (uint32_t i = 0; i < calibration->rounds_count; i++) {
        write_rounds(&json, &calibration->rounds[i]);
    }
    ech_json_end_list(&json);
    ech_json_begin_list(&json, "kernels");
    for (uint32_t i = 0; i < calibration->kernels_count; i++) {
        write_kernels(&json, &calibration->kernels[i]);
    }
    ech_json_end_list(&json);
    ech_json_end_object(&json);
    return ech_json_finish(&json);
}

/* The folders above a file, as mkdir -p. */
static void make_folders(const char *path)
{
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(folder, S_IRWXU); /* a folder that is missing is met by the file's opening */
        *slash = '/';
    }
}

ech_status ech_calibration_save(const ech_calibration *calibration, const char *path)
{
    char temporary[PATH_BYTES];
    const int length = snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    if (length >= (int)sizeof temporary) {
        return ech_fail(ECH_ERR_CONFIG, "%s: the path is too long", path);
    }
    make_folders(path);
    FILE *file = fopen(temporary, "w");
    if (file == NULL) {
        return ech_fail(ECH_ERR_FILE, "%s: cannot be written: %s", path, strerror(errno));
    }
    ech_status status = write_all(file, calibration);
    if (fclose(file) != 0 && status == ECH_OK) {
        status = ech_fail(ECH_ERR_FILE, "%s: cannot be written: %s", path, strerror(errno));
    }
    if (status == ECH_OK && rename(temporary, path) != 0) {
        status = ech_fail(ECH_ERR_FILE, "%s: cannot be replaced: %s", path, strerror(errno));
    }
    if (status != ECH_OK) {
        (void)unlink(temporary);
    }
    return status;
}

/* ---- reading ---- */

/* The first failure sticks, so that a reader need not look at each value. */
typedef struct {
    ech_status status;
} reader;

static const ech_yaml_node *find(reader *read, const ech_yaml_node *node, const char *key)
{
    const ech_yaml_node *found = ech_yaml_find(node, key);
    if (found == NULL && read->status == ECH_OK) {
        read->status = ech_yaml_fail(node, "%s: missing: expected what `echelon plan` writes", key);
    }
    return read->status == ECH_OK ? found : NULL;
}

static double read_real(reader *read, const ech_yaml_node *node, const char *key)
{
    double value = 0.0;
    const ech_yaml_node *found = find(read, node, key);
    if (found != NULL) {
        read->status = ech_yaml_read_real(found, key, &value);
    }
    return value;
}

static double read_speed(reader *read, const ech_yaml_node *node, const char *key)
{
    const double value = read_real(read, node, key);
    if (read->status == ECH_OK && !(value > 0.0)) {
        read->status = ech_yaml_fail(node, "%s: expected more than 0, got %g", key, value);
    }
    return value;
}

static uint64_t read_count(reader *read, const ech_yaml_node *node, const char *key)
{
    int64_t value = 0;
    const ech_yaml_node *found = find(read, node, key);
    if (found != NULL) {
        read->status = ech_yaml_read_integer(found, key, &value);
    }
    if (read->status == ECH_OK && value < 0) {
        read->status =
            ech_yaml_fail(found, "%s: expected a count, got %lld", key, (long long)value);
    }
    return (uint64_t)value;
}

static void read_text(reader *read, const ech_yaml_node *node, const char *key, char *out,
                      size_t bytes)
{
    const char *text = "";
    const ech_yaml_node *found = find(read, node, key);
    if (found != NULL) {
        read->status = ech_yaml_read_text(found, key, &text);
    }
    if (read->status == ECH_OK) {
        snprintf(out, bytes, "%s", text);
    }
}

static size_t read_list(reader *read, const ech_yaml_node *node, const char *key, size_t most,
                        const ech_yaml_node **list)
{
    *list = find(read, node, key);
    const size_t count = *list != NULL ? ech_yaml_count(*list) : 0;
    if (count > most) {
        read->status = ech_yaml_fail(*list, "%s: expected at most %zu, got %zu", key, most, count);
        return 0;
    }
    return count;
}

static ech_round_cost read_cost(reader *read, const ech_yaml_node *node, const char *key)
{
    ech_round_cost cost = {{0.0}};
    const ech_yaml_node *found = find(read, node, key);
    for (int part = 0; found != NULL && part < ECH_ROUND_PARTS; part++) {
        cost.seconds[part] = read_real(read, found, ech_round_part_name(part));
    }
    return cost;
}

static void read_point(reader *read, const ech_yaml_node *node, ech_calibration_point *out)
{
    out->values = read_count(read, node, "values");
    out->workers = read_count(read, node, "workers");
    out->start_seconds = read_real(read, node, "start");
    out->first = read_cost(read, node, "first");
    out->later = read_cost(read, node, "later");
}

static void read_rounds(reader *read, const ech_yaml_node *node, ech_calibration_rounds *out)
{
    ech_round_manner *manner = &out->manner;
    manner->hosts = (uint32_t)read_count(read, node, "hosts");
    manner->ranks = (uint32_t)read_count(read, node, "ranks");
    read_text(read, node, "workers_on", manner->workers_on, sizeof manner->workers_on);
    read_text(read, node, "leader", manner->leader, sizeof manner->leader);
    read_text(read, node, "transfer", manner->transfer, sizeof manner->transfer);
    out->bytes_per_second = read_speed(read, node, "bytes_per_second");
    out->rank_bytes = read_count(read, node, "rank_bytes");
    out->host_bytes = read_count(read, node, "host_bytes");
    const ech_yaml_node *list = NULL;
    const size_t count = read_list(read, node, "points", ECH_CALIBRATION_POINTS_MAX, &list);
    out->point_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        read_point(read, ech_yaml_item(list, i), &out->points[i]);
    }
}

static void read_kernels(reader *read, const ech_yaml_node *node, ech_calibration_kernels *out)
{
    ech_kernels_manner *manner = &out->manner;
    read_text(read, node, "network", manner->network, sizeof manner->network);
    read_text(read, node, "engine", manner->engine, sizeof manner->engine);
    manner->batch = (uint32_t)read_count(read, node, "batch");
    manner->threads = (uint32_t)read_count(read, node, "threads");
    manner->ranks = (uint32_t)read_count(read, node, "ranks");
    out->train_rate = read_real(read, node, "train_rate");
    out->evaluate_rate = read_real(read, node, "evaluate_rate");
    out->library_bytes = read_count(read, node, "library_bytes");
}

static ech_status read_all(const ech_yaml_node *root, ech_calibration *out)
{
    reader read = {.status = ECH_OK};
    const uint64_t version = read_count(&read, root, "version");
    if (read.status == ECH_OK && version != VERSION) {
        return ech_yaml_fail(root,
                             "a calibration of version %llu, expected %d: measure anew "
                             "with `echelon plan --calibrate=anew`",
                             (unsigned long long)version, VERSION);
    }
    read_text(&read, root, "host", out->host, sizeof out->host);
    read_text(&read, root, "processor", out->processor, sizeof out->processor);
    read_text(&read, root, "mpi", out->mpi, sizeof out->mpi);
    out->cores = (uint32_t)read_count(&read, root, "cores");
    out->memory_bytes = read_count(&read, root, "memory_bytes");
    const ech_yaml_node *list = NULL;
    size_t count = read_list(&read, root, "rounds", ECH_CALIBRATION_SETS_MAX, &list);
    for (size_t i = 0; i < count; i++) {
        read_rounds(&read, ech_yaml_item(list, i), &out->rounds[out->rounds_count++]);
    }
    count = read_list(&read, root, "kernels", ECH_CALIBRATION_SETS_MAX, &list);
    for (size_t i = 0; i < count; i++) {
        read_kernels(&read, ech_yaml_item(list, i), &out->kernels[out->kernels_count++]);
    }
    return read.status;
}

ech_status ech_calibration_load(const char *path, ech_calibration *out)
{
    *out = (ech_calibration){.rounds_count = 0};
    ech_yaml *document = NULL;
    ech_status status = ech_yaml_load_file(path, &document);
    if (status == ECH_OK) {
        status = read_all(ech_yaml_root(document), out);
    }
    ech_yaml_destroy(&document);
    return status;
}
