#define _POSIX_C_SOURCE 200809L
#include "apps/fit/fit_resume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/fit/fit_compare.h"
#include "apps/fit/fit_output.h"
#include "apps/fit/fit_trainer.h"
#include "apps/fit_options.h"
#include "runtime/base/config.h"
#include "runtime/base/log.h"
#include "runtime/base/yaml.h"

/* Appends "; key: was OLD, is NEW" to `list` if the two differ. */
static ech_status compare_key(const ech_config *old, const ech_config *new, const char *key,
                              FILE *list)
{
    char *before = ech_fit_key_text(old, key);
    char *now = ech_fit_key_text(new, key);
    const ech_status status =
        before != NULL && now != NULL ? ECH_OK : ech_fail(ECH_ERR_MEMORY, "cannot compare %s", key);
    if (status == ECH_OK && strcmp(before, now) != 0) {
        fprintf(list, "; %s: was %s, is %s", key, before, now);
    }
    free(before);
    free(now);
    return status;
}

static ech_status compare_all(const ech_config *old, const ech_config *new, FILE *list)
{
    size_t section_count = 0;
    const ech_option_section *sections = ech_fit_sections(&section_count);
    for (size_t s = 0; s < section_count; s++) {
        for (size_t i = 0; i < sections[s].count; i++) {
            const char *key = sections[s].options[i].key;
            const ech_status status =
                ech_fit_key_may_change(key) ? ECH_OK : compare_key(old, new, key, list);
            if (status != ECH_OK) {
                return status;
            }
        }
    }
    return ECH_OK;
}

static ech_status refuse_changes(const ech_checkpoint_info *info, const ech_config *old,
                                 const ech_config *new)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *list = open_memstream(&text, &bytes);
    if (list == NULL) {
        return ech_fail(ECH_ERR_MEMORY, "cannot compare configurations");
    }
    ech_status status = compare_all(old, new, list);
    fclose(list);
    if (status == ECH_OK && bytes > 0) {
        status = ech_fail(ECH_ERR_CONFIG, "--resume: %s was made with another configuration%s",
                          info->path, text);
    }
    free(text);
    return status;
}

static ech_status load_effective(const char *text, const char *source, ech_config **out)
{
    size_t section_count = 0;
    const ech_option_section *sections = ech_fit_sections(&section_count);
    return ech_config_load_text(text, strlen(text), source, NULL, 0, sections, section_count, out);
}

static ech_status check_config(const ech_checkpoint *checkpoint, const char *config)
{
    const ech_checkpoint_info *info = ech_checkpoint_describe(checkpoint);
    ech_config *old = NULL;
    ech_config *new = NULL;
    ech_status status = load_effective(info->config, info->path, &old);
    if (status == ECH_OK) {
        status = load_effective(config, "this run", &new);
    }
    if (status == ECH_OK) {
        status = refuse_changes(info, old, new);
    }
    ech_config_destroy(&old);
    ech_config_destroy(&new);
    return status;
}

/* Another model.file under the same name, or a CPU whose kernels round otherwise. */
static ech_status check_engines(ech_checkpoint *checkpoint, const char *engines)
{
    char old[ECH_FIT_ENGINES_BYTES];
    const ech_status status =
        ech_checkpoint_read_blob(checkpoint, ECH_FIT_ENGINES_BLOB, old, sizeof old);
    if (status != ECH_OK || strncmp(old, engines, sizeof old) == 0) {
        return status;
    }
    return ech_fail(ECH_ERR_CONFIG,
                    "--resume: %s was made by other kernels, and the run would not end with the "
                    "same bits: was %.*s, is %s (ECH_ISA sets the instruction set)",
                    ech_checkpoint_describe(checkpoint)->path, (int)sizeof old, old, engines);
}

ech_status ech_fit_resume_open(ech_io *io, const char *folder, const char *config,
                               const char *engines, ech_checkpoint **out)
{
    *out = NULL;
    const bool is_there = access(folder, F_OK) == 0 || errno != ENOENT;
    ech_status status = is_there ? ech_checkpoint_open_newest(io, folder, out) : ECH_ERR_NOT_FOUND;
    if (status == ECH_ERR_NOT_FOUND) {
        ech_log(ECH_LOG_WARNING, "--resume: no checkpoint in %s, the run begins anew", folder);
        return ECH_OK;
    }
    if (status == ECH_OK) {
        status = check_config(*out, config);
    }
    if (status == ECH_OK) {
        status = check_engines(*out, engines);
    }
    if (status != ECH_OK) {
        ech_checkpoint_close(out);
    }
    return status;
}

ech_status ech_fit_resume_read(ech_checkpoint *checkpoint, const ech_layout *layout,
                               ech_state model, ech_strategy *strategy, ech_record_mark *mark,
                               ech_fit_deadline *deadline)
{
    ech_status status = ech_checkpoint_read_model(checkpoint, layout, model);
    for (int v = 0; strategy->rule->vector_names[v] != NULL && status == ECH_OK; v++) {
        char name[ECH_CHECKPOINT_BLOB_NAME_BYTES];
        snprintf(name, sizeof name, "strategy/%s", strategy->rule->vector_names[v]);
        status = ech_checkpoint_read_blob(checkpoint, name, strategy->vectors[v],
                                          strategy->value_count * sizeof(float));
    }
    if (status == ECH_OK) {
        status = ech_checkpoint_read_blob(checkpoint, ECH_FIT_MARK_BLOB, mark, sizeof *mark);
    }
    if (status == ECH_OK) {
        status = ech_checkpoint_read_blob(checkpoint, ECH_FIT_DEADLINE_BLOB, &deadline->longest_ns,
                                          sizeof deadline->longest_ns);
    }
    return status;
}
