#include "apps/fit/fit_plugins.h"

#include <stdio.h>

#include "runtime/base/memory.h"

enum { REASON_BYTES = 512 };

static ech_status refuse(const ech_config *config, const char *key, ech_status status)
{
    char reason[REASON_BYTES];
    snprintf(reason, sizeof reason, "%s", ech_status_message());
    return status == ECH_ERR_MEMORY ? status : ech_config_fail(config, key, "%s", reason);
}

static ech_status load_strategy(ech_fit_plugins *plugins, const ech_config *config,
                                const ech_fit_options *options)
{
    static const char key[] = "strategy.plugin";
    ech_status status = ech_plugin_library_open(
        options->strategy.plugin, options->strategy.plugin_options, &plugins->strategy);
    if (status != ECH_OK) {
        return refuse(config, key, status);
    }
    const ech_plugin *content = ech_plugin_library_content(plugins->strategy);
    if (content->strategy == NULL && content->selection == NULL) {
        return ech_config_fail(config, key, "expected a plug-in with a strategy or a selection");
    }
    status = ech_plugin_rule_create(plugins->strategy,
                                    ech_strategy_rule_find(options->strategy.name), &plugins->rule);
    return status;
}

static ech_status load_trainer(ech_fit_plugins *plugins, const ech_config *config,
                               const ech_fit_options *options)
{
    static const char key[] = "train.plugin";
    ech_status status = ech_plugin_library_open(
        options->training.plugin, options->training.plugin_options, &plugins->training);
    if (status != ECH_OK) {
        return refuse(config, key, status);
    }
    if (ech_plugin_library_content(plugins->training)->trainer == NULL) {
        return ech_config_fail(config, key, "expected a plug-in with a trainer");
    }
    status = ech_plugin_adapter_create(plugins->training, &plugins->trainer);
    return status == ECH_OK ? ECH_OK : refuse(config, key, status);
}

ech_status ech_fit_plugins_load(ech_fit_plugins *plugins, const ech_config *config,
                                const ech_fit_options *options)
{
    ech_status status = ECH_OK;
    if (options->strategy.plugin != NULL) {
        status = load_strategy(plugins, config, options);
    }
    if (status == ECH_OK && options->training.plugin != NULL) {
        status = load_trainer(plugins, config, options);
    }
    return status;
}

void ech_fit_plugins_clear(ech_fit_plugins *plugins)
{
    ech_free(plugins->rule);
    ech_plugin_library_close(&plugins->strategy);
    ech_plugin_adapter_destroy(&plugins->trainer);
    ech_plugin_library_close(&plugins->training);
    plugins->rule = NULL;
}
