#include <string.h>

#include "apps/options/section.h"

enum { WAIT_MOST_SECONDS = 1000000 };

static const ech_option options[] = {
    {.key = "site.name",
     .type = ECH_OPTION_TEXT,
     .help = "the node's site that this job is, of `echelon site`"},
    {.key = "site.endpoint", .type = ECH_OPTION_TEXT, .help = "tcp://HOST:PORT of the leader"},
    {.key = "site.key",
     .type = ECH_OPTION_PATH,
     .help = "the site's private key, made by `echelon site keygen`"},
    {.key = "site.leader",
     .type = ECH_OPTION_PATH,
     .help = "the leader's public key: its .pub file"},
    {.key = "site.wait",
     .type = ECH_OPTION_REAL,
     .standard = "600",
     .above = true,
     .most = WAIT_MOST_SECONDS,
     .help = "seconds without a leader after which the site ends"},
    {.key = "site.metrics",
     .type = ECH_OPTION_ANY,
     .help = "list of what the leader is told of each worker's training beside its samples: loss, "
             "accuracy, times; without it all three"},
    {.key = "site.limits.epochs",
     .type = ECH_OPTION_INTEGER,
     .standard = "0",
     .least = 0,
     .most = UINT32_MAX,
     .help = "most epochs that the site trains in a round; 0: any number"},
    {.key = "site.limits.rounds",
     .type = ECH_OPTION_INTEGER,
     .standard = "0",
     .least = 0,
     .most = UINT32_MAX,
     .help = "rounds after which the site leaves; 0: never"},
    {.key = "site.limits.models",
     .type = ECH_OPTION_ANY,
     .help = "list of the models (model.name) that the site trains; without it any"},
};

static const char *const metrics[] = {"loss", "accuracy", "times"};
enum { METRICS = sizeof metrics / sizeof *metrics, ALL_METRICS = (1 << METRICS) - 1 };

/* The texts of a list, one by one. */
static ech_status list_item(const ech_config *config, const char *key, size_t index,
                            const char **text)
{
    const ech_yaml_node *list = ech_config_node(config, key);
    *text = ech_yaml_node_kind(list) == ECH_YAML_SEQUENCE && ech_yaml_count(list) > index
                ? ech_yaml_text(ech_yaml_item(list, index))
                : NULL;
    return *text != NULL ? ECH_OK : ech_config_fail(config, key, "expected a list of names");
}

static size_t list_count(const ech_config *config, const char *key)
{
    const ech_yaml_node *list = ech_config_node(config, key);
    return list != NULL && ech_yaml_node_kind(list) == ECH_YAML_SEQUENCE ? ech_yaml_count(list) : 1;
}

static ech_status read_metric(const ech_config *config, size_t index, uint32_t *tells)
{
    const char *name = NULL;
    const ech_status status = list_item(config, "site.metrics", index, &name);
    for (uint32_t m = 0; m < METRICS && status == ECH_OK; m++) {
        if (name != NULL && strcmp(metrics[m], name) == 0) {
            *tells |= 1U << m;
            return ECH_OK;
        }
    }
    return status == ECH_OK ? ech_config_fail(config, "site.metrics",
                                              "expected loss, accuracy or times, got %s", name)
                            : status;
}

static ech_status read_metrics(const ech_config *config, uint32_t *tells)
{
    const ech_yaml_node *list = ech_config_node(config, "site.metrics");
    *tells = list == NULL ? ALL_METRICS : 0;
    const bool is_empty =
        list != NULL && ech_yaml_node_kind(list) == ECH_YAML_SEQUENCE && ech_yaml_count(list) == 0;
    ech_status status = ECH_OK;
    for (size_t i = 0;
         list != NULL && !is_empty && status == ECH_OK && i < list_count(config, "site.metrics");
         i++) {
        status = read_metric(config, i, tells);
    }
    return status;
}

static ech_status check_model(const ech_config *config)
{
    static const char key[] = "site.limits.models";
    const char *model = ech_config_text(config, "model.name");
    ech_status status = ECH_OK;
    if (!ech_config_has(config, key)) {
        return ECH_OK;
    }
    for (size_t i = 0; i < list_count(config, key) && status == ECH_OK; i++) {
        const char *name = NULL;
        status = list_item(config, key, i, &name);
        if (status == ECH_OK && name != NULL && model != NULL && strcmp(name, model) == 0) {
            return ECH_OK;
        }
    }
    return status == ECH_OK ? ech_config_fail(config, key, "the site does not train %s",
                                              model != NULL ? model : "a model from a file")
                            : status;
}

static ech_status check_epochs(const ech_config *config)
{
    const int64_t most = ech_config_integer(config, "site.limits.epochs");
    const int64_t epochs = ech_config_integer(config, "train.epochs");
    return most == 0 || epochs <= most
               ? ECH_OK
               : ech_config_fail(config, "site.limits.epochs",
                                 "the site trains at most %lld epochs a round, not %lld",
                                 (long long)most, (long long)epochs);
}

static ech_status check_site(const ech_config *config)
{
    uint32_t tells = 0;
    ech_status status = read_metrics(config, &tells);
    if (status == ECH_OK) {
        status = check_model(config);
    }
    if (status == ECH_OK) {
        status = check_epochs(config);
    }
    if (status == ECH_OK && ech_config_has(config, "site.name") &&
        ech_wire_check_name(ech_config_text(config, "site.name")) != ECH_OK) {
        const ech_failure reason = ech_failure_keep(ECH_ERR_CONFIG);
        status = ech_config_fail(config, "site.name", "%.400s", reason.message);
    }
    return status;
}

static void read_site(const ech_config *config, ech_fit_options *out)
{
    out->site.name = ech_config_text(config, "site.name");
    out->site.endpoint = ech_config_text(config, "site.endpoint");
    out->site.key = ech_config_text(config, "site.key");
    out->site.leader = ech_config_text(config, "site.leader");
    out->site.wait = ech_config_real(config, "site.wait");
    out->site.rounds_most = (uint64_t)ech_config_integer(config, "site.limits.rounds");
    out->site.epochs_most = (uint32_t)ech_config_integer(config, "site.limits.epochs");
    (void)read_metrics(config, &out->site.tells); /* checked before */
}

const ech_fit_section ech_fit_site_section = {
    .options = {"This job as a remote site", options, sizeof options / sizeof *options},
    .check = check_site,
    .read = read_site,
};
