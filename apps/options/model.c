#include "apps/options/section.h"

#include "kernels/models.h"

static const ech_option options[] = {
    {.key = "model.name", .type = ECH_OPTION_TEXT, .help = "model to train, such as smallconv"},
    {.key = "model.file",
     .type = ECH_OPTION_PATH,
     .help = "a model of one's own, instead of model.name: layers and sizes in YAML"},
};

static ech_status check_model(const ech_config *config)
{
    const bool has_file = ech_config_has(config, "model.file");
    const bool has_name = ech_config_has(config, "model.name");
    if (ech_config_has(config, "train.plugin")) {
        return !has_file && !has_name
                   ? ECH_OK
                   : ech_config_fail(config, has_file ? "model.file" : "model.name",
                                     "expected none: train.plugin brings its own");
    }
    if (has_file == has_name) {
        return ech_config_fail(config, "model.name",
                               "%s: expected model {name: smallconv} or {file: MODEL.yaml}",
                               has_file ? "given with model.file" : "missing");
    }
    if (has_file || ech_model_find(ech_config_text(config, "model.name")) != NULL) {
        return ECH_OK;
    }
    ech_fit_names names = {.count = 0};
    for (size_t i = 0; i < ECH_FIT_NAMES_MAX && ech_model_at(i) != NULL; i++) {
        names.items[names.count++] = ech_model_at(i)->name;
    }
    return ech_fit_refuse_name(config, "model.name", &names);
}

static void read_model(const ech_config *config, ech_fit_options *out)
{
    out->model.name = ech_config_text(config, "model.name");
    out->model.file = ech_config_text(config, "model.file");
}

const ech_fit_section ech_fit_model_section = {
    .options = {"Model", options, sizeof options / sizeof *options},
    .check = check_model,
    .read = read_model,
};
