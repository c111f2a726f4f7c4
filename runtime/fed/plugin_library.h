/**
 * @file plugin_library.h
 * Shared objects of the user's own (plugin.h), loaded and fitted into the federation's interfaces.
 *
 * An object is loaded from the path alone, never by a search. Not collective: each rank loads its
 * own, and the caller compares the descriptions.
 */
#ifndef ECH_FED_PLUGIN_LIBRARY_H
#define ECH_FED_PLUGIN_LIBRARY_H

#include "runtime/base/status.h"
#include "runtime/fed/plugin.h"
#include "runtime/fed/strategy.h"
#include "runtime/fed/trainer.h"

typedef struct ech_plugin_library ech_plugin_library;

/**
 * @param path     absolute.
 * @param options  for its `create`; NULL: none were given.
 * @return ECH_OK; ECH_ERR_CONFIG (is no shared object, is cut short, cannot be loaded, is no
 *         plug-in, is built for another version, lacks a function, refuses its options);
 *         ECH_ERR_FILE; ECH_ERR_MEMORY.
 */
ech_status ech_plugin_library_open(const char *path, const char *options, ech_plugin_library **out);
/** Nothing of it is used any more. Accepts NULL. */
void ech_plugin_library_close(ech_plugin_library **handle);

/** What it brings. Borrowed. */
const ech_plugin *ech_plugin_library_content(const ech_plugin_library *library);
void *ech_plugin_library_self(const ech_plugin_library *library);

/** "plug-in xxh128 <32 digits of the file>", in an array of ECH_PLUGIN_DESCRIPTION_BYTES. */
enum { ECH_PLUGIN_DESCRIPTION_BYTES = 64 };
const char *ech_plugin_library_description(const ech_plugin_library *library);

/**
 * A rule whose parts are the library's where it has them, else those of `base`.
 *
 * @param library  borrowed until the rule is freed.
 * @param[out] out  the caller's: ech_free, after the strategies that were made of it.
 * @return ECH_OK; ECH_ERR_MEMORY.
 */
ech_status ech_plugin_rule_create(const ech_plugin_library *library, const ech_strategy_rule *base,
                                  ech_strategy_rule **out);

/** The library's trainer behind the federation's interface. Opaque. */
typedef struct ech_plugin_adapter ech_plugin_adapter;

/** @param library  has a trainer; borrowed until the adapter is destroyed.
 *  @return ECH_OK; ECH_ERR_CONFIG (tensors that are no layout); ECH_ERR_MEMORY. */
ech_status ech_plugin_adapter_create(const ech_plugin_library *library, ech_plugin_adapter **out);
void ech_plugin_adapter_destroy(ech_plugin_adapter **adapter);
const ech_trainer *ech_plugin_adapter_interface(const ech_plugin_adapter *adapter);

#endif
