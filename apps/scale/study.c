#include "apps/scale/study.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/fit_options.h"
#include "apps/scale/study_priv.h"
#include "runtime/base/memory.h"

enum { SETS_MAX = 256 };

const char *ech_study_variant_name(ech_study_variant variant)
{
    static const char *const names[ECH_STUDY_VARIANT_COUNT] = {"processes", "pooled"};
    return names[variant];
}

void ech_study_job_name(const ech_study_job *job, char *text, size_t bytes)
{
    snprintf(text, bytes, "%s-r%u", ech_study_variant_name(job->variant), job->ranks);
}

/* What every run has a value of its own for. */
static size_t size_sets(const ech_study_run *run,
                        char room[ECH_STUDY_SETS_MAX][ECH_STUDY_SET_BYTES])
{
    size_t count = 0;
    snprintf(room[count++], ECH_STUDY_SET_BYTES, "name=%s", run->id);
    snprintf(room[count++], ECH_STUDY_SET_BYTES, "topology.workers=%u", run->workers);
    if (run->model != NULL) {
        snprintf(room[count++], ECH_STUDY_SET_BYTES, "model.name=%.100s", run->model);
    }
    if (run->transfer != NULL) {
        snprintf(room[count++], ECH_STUDY_SET_BYTES, "transfer=%.100s", run->transfer);
    }
    return count;
}

size_t ech_study_run_sets(const ech_study *study, const ech_study_run *run,
                          char room[ECH_STUDY_SETS_MAX][ECH_STUDY_SET_BYTES])
{
    size_t count = size_sets(run, room);
    if (study->jobs[run->job].variant == ECH_STUDY_PROCESSES) {
        snprintf(room[count++], ECH_STUDY_SET_BYTES, "leader=trains"); /* it is a worker's too */
        snprintf(room[count++], ECH_STUDY_SET_BYTES, "workers_on=rank");
    }
    return count;
}

/* ---- the configuration of the runs ---- */

typedef struct {
    const char *items[SETS_MAX];
    size_t count;
} set_list;

static ech_status list_sets(const ech_config *config, set_list *out)
{
    const ech_yaml_node *node = ech_config_node(config, "set");
    if (node != NULL && ech_yaml_node_kind(node) != ECH_YAML_SEQUENCE) {
        return ech_config_fail(config, "set", "expected a list of \"KEY=VALUE\", got %s",
                               ech_yaml_kind_name(node));
    }
    const size_t count = node != NULL ? ech_yaml_count(node) : 0;
    if (count > SETS_MAX - ECH_STUDY_SETS_MAX) {
        return ech_config_fail(config, "set", "expected at most %d, got %zu",
                               SETS_MAX - ECH_STUDY_SETS_MAX, count);
    }
    ech_status status = ECH_OK;
    for (size_t i = 0; i < count && status == ECH_OK; i++) {
        status = ech_yaml_read_text(ech_yaml_item(node, i), "set", &out->items[out->count++]);
    }
    return status;
}

/* What all runs share: the first run's configuration stands for it, since each run sets its own. */
static ech_status load_base(ech_study *study, set_list *sets)
{
    char room[ECH_STUDY_SETS_MAX][ECH_STUDY_SET_BYTES];
    const size_t own = size_sets(&study->runs[0], room);
    for (size_t i = 0; i < own; i++) {
        sets->items[sets->count++] = room[i];
    }
    ech_config *base = NULL;
    ech_status status = ech_fit_config_load(ech_config_text(study->config, "config"), sets->items,
                                            sets->count, &base);
    if (status == ECH_OK && ech_config_has(base, "topology.file")) {
        status = ech_config_fail(base, "topology.file",
                                 "expected a generated tree in a study, which varies its workers");
    }
    if (status == ECH_OK) {
        status = ech_config_write(base, &study->base_text);
    }
    ech_config_destroy(&base);
    return status;
}

/* A mistake shows now, not in a job. */
static ech_status check_run(const ech_study *study, const ech_study_run *run)
{
    char room[ECH_STUDY_SETS_MAX][ECH_STUDY_SET_BYTES];
    const char *sets[ECH_STUDY_SETS_MAX];
    const size_t count = ech_study_run_sets(study, run, room);
    for (size_t i = 0; i < count; i++) {
        sets[i] = room[i];
    }
    size_t section_count = 0;
    const ech_option_section *sections = ech_fit_sections(&section_count);
    ech_config *config = NULL;
    const ech_status status =
        ech_config_load_text(study->base_text, strlen(study->base_text), "the study's runs", sets,
                             count, sections, section_count, &config);
    ech_config_destroy(&config);
    return status;
}

/* ---- the study ---- */

static ech_status check_keys(const ech_config *config)
{
    const bool strong = ech_config_choice(config, "kind") == ECH_STUDY_STRONG;
    if (ech_config_has(config, "workers") == ech_config_has(config, "workers_per_rank")) {
        return ech_config_fail(config, "workers", "expected it or workers_per_rank");
    }
    if (ech_config_has(config, "ranks") && ech_config_has(config, "hosts")) {
        return ech_config_fail(config, "hosts", "expected it or ranks, got both");
    }
    if (strong && ech_config_has(config, "workers_per_rank")) {
        return ech_config_fail(config, "workers_per_rank",
                               "expected workers with kind: strong, where the work does not grow");
    }
    const int64_t walltime = ech_config_integer(config, "job.walltime");
    if (walltime > 0 && ech_config_integer(config, "job.margin") >= walltime) {
        return ech_config_fail(config, "job.margin",
                               "expected less than the %lld s of job.walltime",
                               (long long)walltime);
    }
    return ECH_OK;
}

static void read_demands(const ech_config *config, ech_study_demands *out)
{
    *out = (ech_study_demands){
        .walltime_seconds = (uint64_t)ech_config_integer(config, "job.walltime"),
        .margin_seconds = (uint64_t)ech_config_integer(config, "job.margin"),
        .partition = ech_config_text(config, "job.partition"),
        .account = ech_config_text(config, "job.account"),
        .modules = ech_config_text(config, "job.modules"),
        .keep_checkpoints = ech_config_bool(config, "keep_checkpoints"),
        .calibrate = ech_config_bool(config, "calibrate"),
    };
}

static ech_status fill(ech_study *study)
{
    set_list sets = {.count = 0};
    study->kind = (ech_study_kind)ech_config_choice(study->config, "kind");
    study->name = ech_config_text(study->config, "name");
    read_demands(study->config, &study->demands);
    ech_status status = check_keys(study->config);
    if (status == ECH_OK) {
        status = ech_study_expand(study);
    }
    if (status == ECH_OK) {
        status = list_sets(study->config, &sets);
    }
    if (status == ECH_OK) {
        status = load_base(study, &sets);
    }
    for (size_t i = 0; i < study->run_count && status == ECH_OK; i++) {
        status = check_run(study, &study->runs[i]);
    }
    return status;
}

ech_status ech_study_load(const char *path, const char *const *sets, size_t set_count,
                          ech_study *out)
{
    *out = (ech_study){0};
    size_t section_count = 0;
    const ech_option_section *sections = ech_study_sections(&section_count);
    ech_status status =
        ech_config_load(path, sets, set_count, sections, section_count, &out->config);
    if (status == ECH_OK) {
        status = fill(out);
    }
    if (status != ECH_OK) {
        ech_study_clear(out);
    }
    return status;
}

void ech_study_clear(ech_study *study)
{
    ech_config_destroy(&study->config);
    ech_free(study->base_text);
    ech_free(study->jobs);
    ech_free(study->runs);
    *study = (ech_study){0};
}
