#include "apps/fit_options.h"

#include "apps/options/section.h"

static const ech_fit_section *const sections[] = {
    &ech_fit_run_section,        &ech_fit_data_section,     &ech_fit_model_section,
    &ech_fit_topology_section,   &ech_fit_strategy_section, &ech_fit_tiers_section,
    &ech_fit_cutoff_section,     &ech_fit_attack_section,   &ech_fit_clock_section,
    &ech_fit_training_section,   &ech_fit_machine_section,  &ech_fit_transfer_section,
    &ech_fit_checkpoint_section, &ech_fit_sites_section,    &ech_fit_site_section,
};

enum { SECTION_COUNT = sizeof sections / sizeof *sections };

const ech_option_section *ech_fit_sections(size_t *count)
{
    static ech_option_section tables[SECTION_COUNT];
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        tables[i] = sections[i]->options;
    }
    *count = SECTION_COUNT;
    return tables;
}

ech_status ech_fit_config_load(const char *path, const char *const *sets, size_t set_count,
                               ech_config **out)
{
    size_t count = 0;
    const ech_option_section *tables = ech_fit_sections(&count);
    ech_status status = ech_config_load(path, sets, set_count, tables, count, out);
    for (size_t i = 0; i < SECTION_COUNT && status == ECH_OK; i++) {
        if (sections[i]->check != NULL) {
            status = sections[i]->check(*out);
        }
    }
    if (status != ECH_OK) {
        ech_config_destroy(out);
    }
    return status;
}

ech_fit_options ech_fit_options_of(const ech_config *config)
{
    ech_fit_options options = {0};
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        sections[i]->read(config, &options);
    }
    return options;
}
