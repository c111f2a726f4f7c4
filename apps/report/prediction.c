#define _POSIX_C_SOURCE 200809L
#include "apps/report/prediction.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/yaml.h"

enum { PATH_BYTES = 4096 };

static const ech_yaml_node *find(const ech_yaml_node *root, const char *group, const char *key)
{
    const ech_yaml_node *within = ech_yaml_find(root, group);
    const ech_yaml_node *node = within != NULL ? ech_yaml_find(within, key) : NULL;
    return node != NULL && ech_yaml_node_kind(node) != ECH_YAML_NULL ? node : NULL;
}

/* Left as it is where the plan does not say. */
static ech_status read_real(const ech_yaml_node *root, const char *group, const char *key,
                            double *out)
{
    const ech_yaml_node *node = find(root, group, key);
    return node != NULL ? ech_yaml_read_real(node, key, out) : ECH_OK;
}

/* Without a calibration, the memory of MPI is not in it. */
static ech_status read_memory(const ech_yaml_node *root, ech_prediction *out)
{
    bool calibrated = false;
    const ech_yaml_node *node = find(root, "memory", "calibrated");
    ech_status status = ECH_OK;
    if (node != NULL) {
        status = ech_yaml_read_bool(node, "calibrated", &calibrated);
    }
    if (status == ECH_OK && calibrated) {
        status = read_real(root, "memory", "rank_bytes", &out->rank_bytes);
    }
    if (status == ECH_OK && calibrated) {
        status = read_real(root, "memory", "host_bytes", &out->host_bytes);
    }
    return status;
}

static ech_status read_bound(const ech_yaml_node *root, ech_prediction *out)
{
    const ech_status status =
        read_real(root, "bandwidth", "bytes_per_second", &out->bytes_per_second);
    return status == ECH_OK ? read_real(root, "bandwidth", "worker_seconds", &out->worker_seconds)
                            : status;
}

ech_status ech_prediction_load(const char *record_path, ech_prediction *out)
{
    char path[PATH_BYTES];
    const char *slash = strrchr(record_path, '/');
    const int folder = slash != NULL ? (int)(slash - record_path + 1) : 0;
    *out = (ech_prediction){NAN, NAN, NAN, NAN, NAN};
    const int length = snprintf(path, sizeof path, "%.*splan.json", folder, record_path);
    if (length >= PATH_BYTES || access(path, F_OK) != 0) {
        return ECH_OK;
    }
    ech_yaml *document = NULL;
    ech_status status = ech_yaml_load_file(path, &document);
    if (status == ECH_OK) {
        const ech_yaml_node *root = ech_yaml_root(document);
        status = read_real(root, "seconds", "round", &out->round_seconds);
        status = status == ECH_OK ? read_memory(root, out) : status;
        status = status == ECH_OK ? read_bound(root, out) : status;
    }
    ech_yaml_destroy(&document);
    return status;
}
