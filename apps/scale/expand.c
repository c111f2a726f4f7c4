/* From a study's lists to its runs. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/scale/study_priv.h"
#include "runtime/base/memory.h"

enum { NAMES_MAX = 64 };

typedef struct {
    const char *items[NAMES_MAX];
    size_t count;
} name_list;

typedef struct {
    ech_study *study;
    name_list variants;
    name_list models; /* an entry NULL where the configuration decides */
    name_list transfers;
    const double *workers; /* NULL: so many a rank */
    size_t worker_count;
    uint32_t workers_per_rank;
    const double *ranks; /* NULL: of whole hosts */
    size_t rank_count;
    uint32_t ranks_per_host;
    uint32_t ranks_most;
    uint32_t repeats;
    size_t job_capacity;
    size_t run_capacity;
} expansion;

/* A name becomes part of a folder's name and a word of a shell script. */
static bool is_plain(const char *name)
{
    for (const char *at = name; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("._-", *at) == NULL) {
            return false;
        }
    }
    return *name != '\0' && *name != '.' && *name != '-';
}

static ech_status read_names(const ech_config *config, const char *key, name_list *out)
{
    const ech_yaml_node *node = ech_config_node(config, key);
    *out = (name_list){.count = 1};
    if (node == NULL) {
        return ECH_OK;
    }
    const size_t count = ech_yaml_count(node);
    if (ech_yaml_node_kind(node) != ECH_YAML_SEQUENCE || count == 0 || count > NAMES_MAX) {
        return ech_config_fail(config, key, "expected a list of 1 to %d names, got %s", NAMES_MAX,
                               ech_yaml_kind_name(node));
    }
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        const ech_status status = ech_yaml_read_text(ech_yaml_item(node, i), key, &out->items[i]);
        if (status != ECH_OK) {
            return status;
        }
        if (!is_plain(out->items[i])) {
            return ech_config_fail(config, key,
                                   "expected a name of letters, digits, '.', '_', '-', got '%s'",
                                   out->items[i]);
        }
    }
    return ECH_OK;
}

static ech_status read_numbers(const ech_config *config, const char *key, const double **out,
                               size_t *count)
{
    *count = 0;
    *out = ech_config_has(config, key) ? ech_config_reals(config, key, count) : NULL;
    for (size_t i = 0; i < *count; i++) {
        if ((*out)[i] != floor((*out)[i])) {
            return ech_config_fail(config, key, "expected whole numbers, got %g", (*out)[i]);
        }
    }
    return ECH_OK;
}

static uint32_t number_or(const ech_config *config, const char *key, uint32_t otherwise)
{
    return ech_config_has(config, key) ? (uint32_t)ech_config_integer(config, key) : otherwise;
}

static ech_status find_variant(const ech_config *config, const char *name, ech_study_variant *out)
{
    for (int v = 0; v < ECH_STUDY_VARIANT_COUNT; v++) {
        if (strcmp(name, ech_study_variant_name((ech_study_variant)v)) == 0) {
            *out = (ech_study_variant)v;
            return ECH_OK;
        }
    }
    return ech_config_fail(config, "variants", "expected processes or pooled, got '%s'", name);
}

/* The most workers that `workers_most` allows a model. */
static ech_status workers_most(const ech_config *config, const char *model, uint32_t *out)
{
    const ech_yaml_node *node = ech_config_node(config, "workers_most");
    *out = UINT32_MAX;
    if (node != NULL && ech_yaml_node_kind(node) != ECH_YAML_MAPPING) {
        return ech_config_fail(config, "workers_most", "expected {MODEL: NUMBER}, got %s",
                               ech_yaml_kind_name(node));
    }
    const ech_yaml_node *most = node != NULL && model != NULL ? ech_yaml_find(node, model) : NULL;
    int64_t value = 0;
    if (most == NULL) {
        return ECH_OK;
    }
    const ech_status status = ech_yaml_read_integer(most, "workers_most", &value);
    if (status == ECH_OK && (value < 0 || value > UINT32_MAX)) {
        return ech_config_fail(config, "workers_most", "expected 0 to %u, got %lld", UINT32_MAX,
                               (long long)value);
    }
    *out = (uint32_t)value;
    return status;
}

/* ---- runs ---- */

static ech_status find_job(expansion *all, ech_study_variant variant, uint32_t ranks, size_t *out)
{
    ech_study *study = all->study;
    for (size_t i = 0; i < study->job_count; i++) {
        if (study->jobs[i].variant == variant && study->jobs[i].ranks == ranks) {
            *out = i;
            return ECH_OK;
        }
    }
    if (study->job_count == all->job_capacity) {
        all->job_capacity = 2 * all->job_capacity + 8;
        ech_study_job *grown = ech_realloc(study->jobs, all->job_capacity, sizeof *grown);
        if (grown == NULL) {
            return ECH_ERR_MEMORY;
        }
        study->jobs = grown;
    }
    const uint32_t most = all->ranks_per_host;
    const uint32_t hosts = (ranks + most - 1) / most;
    study->jobs[study->job_count] = (ech_study_job){
        .variant = variant,
        .ranks = ranks,
        .hosts = hosts,
        .ranks_per_host = (ranks + hosts - 1) / hosts,
        .threads = number_or(study->config, "threads", 1),
    };
    *out = study->job_count++;
    return ECH_OK;
}

static void name_run(const ech_study *study, ech_study_run *run)
{
    const ech_study_job *job = &study->jobs[run->job];
    snprintf(run->id, sizeof run->id, "%.64s-%s-w%u-r%u%s%.32s-%u",
             run->model != NULL ? run->model : "model", ech_study_variant_name(job->variant),
             run->workers, job->ranks, run->transfer != NULL ? "-" : "",
             run->transfer != NULL ? run->transfer : "", run->repeat);
}

static ech_status add_run(expansion *all, ech_study_variant variant, uint32_t ranks,
                          const ech_study_run *what)
{
    ech_study *study = all->study;
    if (study->run_count == all->run_capacity) {
        all->run_capacity = 2 * all->run_capacity + 64;
        ech_study_run *grown = ech_realloc(study->runs, all->run_capacity, sizeof *grown);
        if (grown == NULL) {
            return ECH_ERR_MEMORY;
        }
        study->runs = grown;
    }
    ech_study_run *run = &study->runs[study->run_count];
    *run = *what;
    const ech_status status = find_job(all, variant, ranks, &run->job);
    if (status == ECH_OK) {
        name_run(study, run);
        study->run_count++;
    }
    return status;
}

/* All models and transfers of one size, once. */
static ech_status add_size(expansion *all, ech_study_variant variant, uint32_t ranks,
                           uint32_t workers, uint32_t repeat)
{
    if (ranks > workers || ranks > all->ranks_most) {
        all->study->left_out += repeat == 1;
        return ECH_OK;
    }
    ech_status status = ECH_OK;
    for (size_t m = 0; m < all->models.count && status == ECH_OK; m++) {
        uint32_t most = UINT32_MAX;
        status = workers_most(all->study->config, all->models.items[m], &most);
        if (status == ECH_OK && workers > most) {
            all->study->left_out += repeat == 1;
            continue;
        }
        for (size_t t = 0; t < all->transfers.count && status == ECH_OK; t++) {
            const ech_study_run run = {.workers = workers,
                                       .repeat = repeat,
                                       .model = all->models.items[m],
                                       .transfer = all->transfers.items[t]};
            status = add_run(all, variant, ranks, &run);
        }
    }
    return status;
}

/* So many workers on the ranks that a variant gives them. */
static ech_status add_workers(expansion *all, ech_study_variant variant, uint32_t workers,
                              uint32_t repeat)
{
    if (variant == ECH_STUDY_PROCESSES) {
        return add_size(all, variant, workers, workers, repeat);
    }
    ech_status status = ECH_OK;
    for (size_t r = 0; r < all->rank_count && status == ECH_OK; r++) {
        const uint32_t ranks = (uint32_t)all->ranks[r];
        status = add_size(all, variant, ranks, workers, repeat);
    }
    return status;
}

static ech_status add_variant(expansion *all, ech_study_variant variant, uint32_t repeat)
{
    ech_status status = ECH_OK;
    for (size_t w = 0; w < all->worker_count && status == ECH_OK; w++) {
        status = add_workers(all, variant, (uint32_t)all->workers[w], repeat);
    }
    for (size_t r = 0; r < all->rank_count && all->workers == NULL && status == ECH_OK; r++) {
        const uint32_t ranks = (uint32_t)all->ranks[r];
        status = add_size(all, variant, ranks, ranks * all->workers_per_rank, repeat);
    }
    return status;
}

/* Whole hosts as ranks: the list is the study's own then. */
static ech_status ranks_of_hosts(expansion *all, double **out)
{
    *out = NULL;
    const double *hosts = NULL;
    size_t count = 0;
    ech_status status = read_numbers(all->study->config, "hosts", &hosts, &count);
    if (status != ECH_OK || count == 0) {
        return status;
    }
    *out = ech_calloc(count, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        (*out)[i] = hosts[i] * all->ranks_per_host;
        if ((*out)[i] > INT32_MAX) {
            return ech_config_fail(all->study->config, "hosts", "too many ranks: %g", (*out)[i]);
        }
    }
    all->ranks = *out;
    all->rank_count = count;
    return status;
}

static ech_status read_lists(expansion *all)
{
    const ech_config *config = all->study->config;
    all->repeats = (uint32_t)ech_config_integer(config, "repeats");
    all->ranks_per_host = (uint32_t)ech_config_integer(config, "ranks_per_host");
    all->ranks_most = number_or(config, "ranks_most", UINT32_MAX);
    all->workers_per_rank = number_or(config, "workers_per_rank", 0);
    ech_status status = read_names(config, "variants", &all->variants);
    if (status == ECH_OK) {
        status = read_names(config, "models", &all->models);
    }
    if (status == ECH_OK) {
        status = read_names(config, "transfers", &all->transfers);
    }
    if (status == ECH_OK) {
        status = read_numbers(config, "workers", &all->workers, &all->worker_count);
    }
    return status == ECH_OK ? read_numbers(config, "ranks", &all->ranks, &all->rank_count) : status;
}

/* A variant that the lists give no size, or that contradicts the study's kind. */
static ech_status check_variant(const expansion *all, ech_study_variant variant)
{
    const ech_config *config = all->study->config;
    if (variant == ECH_STUDY_POOLED && all->rank_count == 0) {
        return ech_config_fail(config, "ranks", "missing: expected a list, or hosts");
    }
    if (variant == ECH_STUDY_PROCESSES &&
        (all->workers == NULL || all->study->kind == ECH_STUDY_STRONG)) {
        return ech_config_fail(config, "variants",
                               "expected pooled alone with kind: strong or workers_per_rank: a "
                               "rank a worker grows with the workers");
    }
    return ECH_OK;
}

static ech_status add_all(expansion *all)
{
    ech_status status = ECH_OK;
    for (uint32_t repeat = 1; repeat <= all->repeats; repeat++) {
        for (size_t v = 0; v < all->variants.count && status == ECH_OK; v++) {
            ech_study_variant variant = ECH_STUDY_POOLED;
            if (all->variants.items[v] != NULL) {
                status = find_variant(all->study->config, all->variants.items[v], &variant);
            }
            status = status == ECH_OK ? check_variant(all, variant) : status;
            status = status == ECH_OK ? add_variant(all, variant, repeat) : status;
        }
    }
    return status;
}

ech_status ech_study_expand(ech_study *study)
{
    expansion all = {.study = study};
    double *host_ranks = NULL;
    ech_status status = read_lists(&all);
    if (status == ECH_OK) {
        status = ranks_of_hosts(&all, &host_ranks);
    }
    if (status == ECH_OK) {
        status = add_all(&all);
    }
    if (status == ECH_OK && study->run_count == 0) {
        status = ech_config_fail(study->config, "workers", "no size is left of the study");
    }
    ech_free(host_ranks);
    return status;
}
