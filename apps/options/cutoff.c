#include <math.h>

#include "apps/options/section.h"

static const ech_option options[] = {
    {.key = "cutoff.deadline",
     .type = ECH_OPTION_REAL,
     .standard = "0",
     .most = 1e9,
     .help = "seconds after which a round ends with what has come; 0: none. With clock: real, what "
             "a rank has begun by then still counts"},
    {.key = "cutoff.quorum",
     .type = ECH_OPTION_INTEGER,
     .standard = "0",
     .least = 0,
     .most = UINT32_MAX,
     .help = "updates that end a round; 0: all, or with strategy.over_selection as many as without "
             "it"},
    {.key = "cutoff.late",
     .type = ECH_OPTION_CHOICE,
     .choices = "drop|keep",
     .standard = "drop",
     .help =
         "updates that come later: dropped, or counted in the next round, which waits for them; "
         "in any case dropped after twice the deadline"},
};

static bool looks_at_all(const ech_config *config)
{
    const ech_strategy_rule *rule =
        ech_strategy_rule_find(ech_config_text(config, "strategy.name"));
    return ech_config_has(config, "tiers") || (rule != NULL && rule->collect != NULL);
}

/* Late updates are kept as a sum, by the clock that knows beforehand which they are. */
static ech_status check_cutoff(const ech_config *config)
{
    const bool keeps = ech_config_choice(config, "cutoff.late") == ECH_LATE_KEEP;
    const bool is_virtual = ech_config_choice(config, "clock") == 1;
    const bool cuts = ech_config_real(config, "cutoff.deadline") > 0.0 ||
                      ech_config_integer(config, "cutoff.quorum") > 0 ||
                      ech_config_real(config, "strategy.over_selection") > 0.0;
    if ((keeps || cuts) && ech_config_choice(config, "process") == ECH_FIT_PROCESS_ASYNC) {
        return ech_config_fail(config, "cutoff.deadline", "expected process: sync with a cut-off");
    }
    if (keeps && !is_virtual) {
        return ech_config_fail(config, "cutoff.late", "expected drop, or clock: virtual");
    }
    if (keeps && looks_at_all(config)) {
        return ech_config_fail(config, "cutoff.late",
                               "expected drop where tiers have rules of their own, or the "
                               "strategy looks at every update");
    }
    if (cuts && !is_virtual && looks_at_all(config)) {
        return ech_config_fail(config, "clock",
                               "expected virtual with a deadline, a quorum or over-selection where "
                               "tiers have rules of their own, or the strategy looks at every "
                               "update");
    }
    return ECH_OK;
}

static void read_cutoff(const ech_config *config, ech_fit_options *out)
{
    ech_fit_read_real(config, "cutoff.deadline", &out->cutoff.deadline);
    ech_fit_read_number(config, "cutoff.quorum", &out->cutoff.quorum);
    out->cutoff.late = (ech_late)ech_config_choice(config, "cutoff.late");
}

const ech_fit_section ech_fit_cutoff_section = {
    .options = {"End of a round", options, sizeof options / sizeof *options},
    .check = check_cutoff,
    .read = read_cutoff,
};
