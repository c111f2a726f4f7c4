#include <math.h>

#include "apps/options/section.h"

static const ech_option options[] = {
    {.key = "attack.kind",
     .type = ECH_OPTION_CHOICE,
     .choices = "reverse|noise",
     .help =
         "to study robust strategies, hostile workers, drawn from the seed, send the model less "
         "scale times what they trained, or the model plus normal numbers"},
    {.key = "attack.workers",
     .type = ECH_OPTION_INTEGER,
     .standard = "1",
     .least = 1,
     .most = UINT32_MAX,
     .only_if = "attack.kind=reverse|noise",
     .help = "hostile workers"},
    {.key = "attack.scale",
     .type = ECH_OPTION_REAL,
     .most = INFINITY,
     .only_if = "attack.kind=reverse|noise",
     .help = "factor of reverse, standard deviation of noise; if not given 5 and 200"},
};

static ech_status check_attack(const ech_config *config)
{
    if (ech_config_has(config, "attack.kind") &&
        ech_config_choice(config, "process") == ECH_FIT_PROCESS_ASYNC) {
        return ech_config_fail(config, "attack.kind", "expected process: sync with it");
    }
    return ECH_OK;
}

static void read_attack(const ech_config *config, ech_fit_options *out)
{
    if (!ech_config_has(config, "attack.kind")) {
        return;
    }
    out->attack.kind = (ech_attack_kind)ech_config_choice(config, "attack.kind");
    out->attack.scale = out->attack.kind == ECH_ATTACK_REVERSE ? 5.0 : 200.0;
    ech_fit_read_number(config, "attack.workers", &out->attack.workers);
    ech_fit_read_real(config, "attack.scale", &out->attack.scale);
}

const ech_fit_section ech_fit_attack_section = {
    .options = {"Hostile workers", options, sizeof options / sizeof *options},
    .check = check_attack,
    .read = read_attack,
};
