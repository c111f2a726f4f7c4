/**
 * @file fit_plugins.h
 * The shared objects that a configuration names: strategy.plugin and train.plugin.
 *
 * Each rank loads its own copy; that all have loaded the same is compared with what else decides
 * the bits (fit_base.h).
 */
#ifndef ECH_APPS_FIT_PLUGINS_H
#define ECH_APPS_FIT_PLUGINS_H

#include "apps/fit_options.h"
#include "runtime/base/config.h"
#include "runtime/base/status.h"
#include "runtime/fed/plugin_library.h"

/** NULL what is not named; zero-initialise. */
typedef struct {
    ech_plugin_library *strategy;
    ech_strategy_rule *rule; /* of it */
    ech_plugin_library *training;
    ech_plugin_adapter *trainer; /* of it */
} ech_fit_plugins;

/** Load them. Not collective. @return ECH_OK; ECH_ERR_CONFIG, with file, line and key;
 *  ECH_ERR_MEMORY. Clear them also after a failure. */
ech_status ech_fit_plugins_load(ech_fit_plugins *plugins, const ech_config *config,
                                const ech_fit_options *options);
void ech_fit_plugins_clear(ech_fit_plugins *plugins);

#endif
