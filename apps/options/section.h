/**
 * @file section.h
 * A section of `fit`'s configuration: its keys, the checks that join them, and their values.
 *
 * A file a section; fit_options.c lists them in the order in which they are printed and checked.
 * Not collective.
 */
#ifndef ECH_APPS_OPTIONS_SECTION_H
#define ECH_APPS_OPTIONS_SECTION_H

#include <stddef.h>
#include <stdint.h>

#include "apps/fit_options.h"

typedef struct {
    ech_option_section options;
    /** Checks that join keys, of other sections too; NULL: none. @return ECH_OK; ECH_ERR_CONFIG. */
    ech_status (*check)(const ech_config *config);
    /** The section's values, as they are or by default; those before it are read. */
    void (*read)(const ech_config *config, ech_fit_options *out);
} ech_fit_section;

extern const ech_fit_section ech_fit_run_section;
extern const ech_fit_section ech_fit_data_section;
extern const ech_fit_section ech_fit_model_section;
extern const ech_fit_section ech_fit_topology_section;
extern const ech_fit_section ech_fit_strategy_section;
extern const ech_fit_section ech_fit_tiers_section;
extern const ech_fit_section ech_fit_cutoff_section;
extern const ech_fit_section ech_fit_attack_section;
extern const ech_fit_section ech_fit_clock_section;
extern const ech_fit_section ech_fit_training_section;
extern const ech_fit_section ech_fit_machine_section;
extern const ech_fit_section ech_fit_transfer_section;
extern const ech_fit_section ech_fit_checkpoint_section;
extern const ech_fit_section ech_fit_sites_section;
extern const ech_fit_section ech_fit_site_section;

/** The key's value into `out`; without one, what stands there stays. */
void ech_fit_read_real(const ech_config *config, const char *key, double *out);
void ech_fit_read_number(const ech_config *config, const char *key, uint32_t *out);

/** The keys of a strategy, of the leader or of a tier. `name` is borrowed from the configuration.
 */
void ech_fit_read_strategy(const ech_config *config, const char **name, ech_strategy_options *out);

/** ECH_ERR_CONFIG unless a plug-in, where there is one, is named by a path: with a '/', so that it
 *  is clear that no search finds it; and unless its options come with it. */
ech_status ech_fit_check_plugin(const ech_config *config, const char *plugin_key,
                                const char *options_key);

enum { ECH_FIT_NAMES_MAX = 64 };

/** Names that a key may have, such as the rules and models that are built in. */
typedef struct {
    const char *items[ECH_FIT_NAMES_MAX];
    size_t count;
} ech_fit_names;

/** ECH_ERR_CONFIG for a name that is none of these: the nearest, or all of them. */
ech_status ech_fit_refuse_name(const ech_config *config, const char *key,
                               const ech_fit_names *names);

#endif
