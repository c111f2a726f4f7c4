#include <math.h>
#include <string.h>

#include "apps/options/section.h"

enum { WAIT_MOST_SECONDS = 1000000, MILLION = 1000000 };

static const ech_option options[] = {
    {.key = "sites.listen",
     .type = ECH_OPTION_TEXT,
     .help = "tcp://HOST:PORT on which `fit` takes remote sites (nodes of the topology with site: "
             "NAME); HOST may be *"},
    {.key = "sites.key",
     .type = ECH_OPTION_PATH,
     .help = "the leader's private key, made by `echelon site keygen`"},
    {.key = "sites.admitted",
     .type = ECH_OPTION_PATH,
     .help = "public keys of the sites, a line NAME KEY each: their .pub files"},
    {.key = "sites.wait",
     .type = ECH_OPTION_REAL,
     .standard = "300",
     .above = true,
     .most = WAIT_MOST_SECONDS,
     .help =
         "seconds that the start, or a round without a deadline, waits for a site that is away; "
         "then the run fails"},
    {.key = "sites.compression",
     .type = ECH_OPTION_CHOICE,
     .choices = "none|zstd|bf16|int8|top",
     .standard = "zstd",
     .help =
         "how updates of sites travel, unless their node says another compression: exact, packed "
         "where it pays (zstd), or lossy with error feedback"},
    {.key = "sites.keep",
     .type = ECH_OPTION_REAL,
     .standard = "0.01",
     .above = true,
     .most = 0.5,
     .help = "share of an update's values that compression top sends"},
};

static ech_status need(const ech_config *config, const char *key, const char *of)
{
    return ech_config_has(config, key) ? ECH_OK : ech_config_fail(config, of, "needs %s too", key);
}

/* A site sums its workers' updates, and keeps nothing of theirs that a restart would lose. */
static ech_status check_rule(const ech_config *config)
{
    const ech_strategy_rule *rule =
        ech_strategy_rule_find(ech_config_text(config, "strategy.name"));
    if (ech_config_has(config, "strategy.plugin") ||
        (rule != NULL && (rule->collect != NULL || rule->kept_name != NULL))) {
        return ech_config_fail(config, "strategy.name",
                               "with remote sites (sites.listen): expected a rule of this program "
                               "that sums updates and keeps nothing on workers");
    }
    if (ech_config_choice(config, "strategy.sum") != ECH_SUM_EXACT) {
        return ech_config_fail(config, "strategy.sum", "expected exact with sites.listen");
    }
    return ECH_OK;
}

static ech_status check_sites(const ech_config *config)
{
    static const char *const none_with[] = {"tiers", "attack.workers", "train.plugin"};
    if (!ech_config_has(config, "sites.listen")) {
        return ECH_OK;
    }
    ech_status status = need(config, "sites.key", "sites.listen");
    if (status == ECH_OK) {
        status = need(config, "sites.admitted", "sites.listen");
    }
    if (status == ECH_OK) {
        status = check_rule(config);
    }
    for (size_t i = 0; i < sizeof none_with / sizeof *none_with && status == ECH_OK; i++) {
        const bool is_count = strcmp(none_with[i], "attack.workers") == 0;
        if (ech_config_has(config, none_with[i]) &&
            (!is_count || ech_config_integer(config, none_with[i]) > 0)) {
            status = ech_config_fail(config, none_with[i], "expected none with sites.listen");
        }
    }
    if (status == ECH_OK && (ech_config_choice(config, "process") != ECH_FIT_PROCESS_SYNC ||
                             ech_config_choice(config, "clock") == 1)) {
        status = ech_config_fail(config, "sites.listen",
                                 "expected process: sync and clock: real with remote sites");
    }
    return status;
}

static void read_sites(const ech_config *config, ech_fit_options *out)
{
    out->sites.listen = ech_config_text(config, "sites.listen");
    out->sites.key = ech_config_text(config, "sites.key");
    out->sites.admitted = ech_config_text(config, "sites.admitted");
    out->sites.wait = ech_config_real(config, "sites.wait");
    out->sites.compression =
        ech_compression_of(ech_config_choice(config, "sites.compression"),
                           (uint32_t)lround(ech_config_real(config, "sites.keep") * MILLION));
}

const ech_fit_section ech_fit_sites_section = {
    .options = {"Remote sites", options, sizeof options / sizeof *options},
    .check = check_sites,
    .read = read_sites,
};
