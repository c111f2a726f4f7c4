#define _POSIX_C_SOURCE 200809L
#include "apps/fit/fit_compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/fit_options.h"

bool ech_fit_key_may_change(const char *key)
{
    static const char *const keys[] = {
        "name",
        "rounds",
        "evaluate.every",
        "threads",
        "leader",
        "data.memory",
        "transfer",
        "transfer_retries",
        "transfer_folder",
        "redis.address",
        "redis.ca",
        "redis.certificate",
        "redis.key",
        "workers_on",
        "aggregators",
        "checkpoint.every",
        "checkpoint.seconds",
        "checkpoint.keep",
        "checkpoint.on_error",
        "strategy.plugin",
        "train.plugin",
        "sites.listen",
        "sites.key",
        "sites.admitted",
        "sites.wait",
        "site.name",
        "site.endpoint",
        "site.key",
        "site.leader",
        "site.wait",
        "site.metrics",
        "site.limits.epochs",
        "site.limits.rounds",
        "site.limits.models",
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(key, keys[i]) == 0) {
            return true;
        }
    }
    return false;
}

char *ech_fit_key_text(const ech_config *config, const char *key)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    if (file == NULL) {
        return NULL;
    }
    const ech_yaml_node *node = ech_config_node(config, key);
    if (node != NULL) {
        ech_yaml_write(node, file);
    } else {
        fputs("absent", file);
    }
    fclose(file);
    return text;
}

/* Where a file lies is each machine's own; what is in it shows in the model, the topology, or the
 * numbers of samples. Where sites' updates are made lossy, and when a round ends, the leader says.
 */
static bool is_own(const ech_option *option)
{
    static const char *const keys[] = {"cutoff.deadline", "cutoff.quorum", "sites.compression",
                                       "sites.keep"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(option->key, keys[i]) == 0) {
            return true;
        }
    }
    return option->type == ECH_OPTION_PATH || ech_fit_key_may_change(option->key);
}

static ech_status add_key(ech_hasher *hasher, const ech_config *config, const ech_option *option)
{
    if (is_own(option)) {
        return ECH_OK;
    }
    char *text = ech_fit_key_text(config, option->key);
    if (text == NULL) {
        return ech_fail(ECH_ERR_MEMORY, "cannot hash %s", option->key);
    }
    ech_hasher_add(hasher, option->key, strlen(option->key) + 1);
    ech_hasher_add(hasher, text, strlen(text) + 1);
    free(text);
    return ECH_OK;
}

static ech_status add_keys(ech_hasher *hasher, const ech_config *config)
{
    size_t section_count = 0;
    const ech_option_section *sections = ech_fit_sections(&section_count);
    ech_status status = ECH_OK;
    for (size_t s = 0; s < section_count; s++) {
        for (size_t i = 0; i < sections[s].count && status == ECH_OK; i++) {
            status = add_key(hasher, config, &sections[s].options[i]);
        }
    }
    return status;
}

static void add_topology(ech_hasher *hasher, const ech_topology *topology)
{
    for (uint32_t n = 0; n < ech_topology_node_count(topology); n++) {
        const ech_node *node = ech_topology_node(topology, n);
        const uint32_t facts[] = {node->parent, node->worker, node->kind};
        char buffer[ECH_TOPOLOGY_NAME_BYTES];
        const char *name = ech_topology_name(topology, n, buffer);
        ech_hasher_add(hasher, facts, sizeof facts);
        ech_hasher_add(hasher, name, strlen(name) + 1);
    }
}

ech_status ech_fit_digest(const ech_config *config, const ech_topology *topology, ech_hash128 *out)
{
    ech_hasher *hasher = NULL;
    ech_status status = ech_hasher_create(&hasher);
    if (status == ECH_OK) {
        status = add_keys(hasher, config);
    }
    if (status == ECH_OK) {
        add_topology(hasher, topology);
        *out = ech_hasher_digest(hasher);
    }
    ech_hasher_destroy(&hasher);
    return status;
}

ech_status ech_fit_layout_digest(const ech_layout *layout, ech_hash128 *out)
{
    ech_hasher *hasher = NULL;
    const ech_status status = ech_hasher_create(&hasher);
    for (size_t t = 0; t < layout->tensor_count && status == ECH_OK; t++) {
        const ech_tensor *tensor = &layout->tensors[t];
        const uint64_t facts[] = {(uint64_t)tensor->kind, tensor->dimension_count, tensor->count};
        ech_hasher_add(hasher, tensor->name, strlen(tensor->name) + 1);
        ech_hasher_add(hasher, facts, sizeof facts);
        ech_hasher_add(hasher, tensor->shape, sizeof tensor->shape);
    }
    if (status == ECH_OK) {
        *out = ech_hasher_digest(hasher);
    }
    ech_hasher_destroy(&hasher);
    return status;
}
