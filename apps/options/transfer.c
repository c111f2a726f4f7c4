#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/options/section.h"
#include "runtime/fed/redis_address.h"

enum { REASON_BYTES = 256 };

static const ech_option options[] = {
    {.key = "transfer",
     .type = ECH_OPTION_CHOICE,
     .choices = "shared|rma|redis|file",
     .standard = "shared",
     .help = "how models and updates travel: in a host's one copy, a copy a rank, or by a store"},
    {.key = "transfer_retries",
     .type = ECH_OPTION_INTEGER,
     .standard = "3",
     .least = 0,
     .most = ECH_TRANSFER_RETRIES_MAX,
     .help = "further attempts of a put to a store or a get from it, before its task fails"},
    {.key = "transfer_folder",
     .type = ECH_OPTION_PATH,
     .only_if = "transfer=file",
     .help = "folder that every host sees, such as one of a parallel file system"},
    {.key = "redis.address",
     .type = ECH_OPTION_TEXT,
     .standard = "127.0.0.1:6379",
     .only_if = "transfer=redis",
     .help = "HOST:PORT of a Redis, rediss://HOST:PORT by TLS; its password: ECH_REDIS_PASSWORD"},
    {.key = "redis.ca",
     .type = ECH_OPTION_PATH,
     .only_if = "transfer=redis",
     .help = "PEM file of who may sign the certificate of a Redis; by default the system's"},
    {.key = "redis.certificate",
     .type = ECH_OPTION_PATH,
     .only_if = "transfer=redis",
     .help = "PEM file of this side's certificate, for a Redis that asks for one"},
    {.key = "redis.key",
     .type = ECH_OPTION_PATH,
     .only_if = "transfer=redis",
     .help = "PEM file of its private key, without a passphrase, readable by its owner alone"},
};

/* Updates and models then wait in cells of a host's memory, which no store knows of. */
static bool keeps_updates(const ech_config *config)
{
    const ech_strategy_rule *rule =
        ech_strategy_rule_find(ech_config_text(config, "strategy.name"));
    return ech_config_has(config, "tiers") || ech_config_has(config, "strategy.plugin") ||
           (rule != NULL && rule->collect != NULL) ||
           (ech_config_has(config, "cutoff.late") && ech_config_choice(config, "cutoff.late") == 1);
}

/* Where --set gave it, the place of an error is its text: not shown if it holds a password. */
static ech_status refuse_address(const ech_config *config, const char *address)
{
    char reason[REASON_BYTES];
    snprintf(reason, sizeof reason, "%s", ech_status_message());
    return strchr(address, '@') != NULL ? ech_fail(ECH_ERR_CONFIG, "redis.address: %s", reason)
                                        : ech_config_fail(config, "redis.address", "%s", reason);
}

static ech_status check_redis(const ech_config *config)
{
    static const char *const tls_keys[] = {"redis.ca", "redis.certificate", "redis.key"};
    ech_redis_address address;
    const char *text = ech_config_text(config, "redis.address");
    if (ech_redis_address_read(text, &address) != ECH_OK) {
        return refuse_address(config, text);
    }
    for (size_t i = 0; i < sizeof tls_keys / sizeof *tls_keys && !address.tls; i++) {
        if (ech_config_has(config, tls_keys[i])) {
            return ech_config_fail(config, tls_keys[i],
                                   "is of TLS: redis.address would be rediss://HOST:PORT");
        }
    }
    const bool certificate = ech_config_has(config, "redis.certificate");
    if (certificate != ech_config_has(config, "redis.key")) {
        return ech_config_fail(config, certificate ? "redis.certificate" : "redis.key",
                               "redis.certificate and redis.key go together");
    }
    return ECH_OK;
}

static ech_status check_transfer(const ech_config *config)
{
    const int kind = ech_config_choice(config, "transfer");
    if (kind != ECH_TRANSFER_SHARED &&
        ech_config_choice(config, "process") == ECH_FIT_PROCESS_ASYNC) {
        return ech_config_fail(config, "transfer", "expected shared where process is async");
    }
    if (kind != ECH_TRANSFER_SHARED && keeps_updates(config)) {
        return ech_config_fail(config, "transfer",
                               "expected shared where aggregators have rules of their own, look at "
                               "every update, or keep late ones");
    }
    if (kind == ECH_TRANSFER_FILE && !ech_config_has(config, "transfer_folder")) {
        return ech_config_fail(config, "transfer", "file needs transfer_folder");
    }
    return kind == ECH_TRANSFER_REDIS ? check_redis(config) : ECH_OK;
}

static void read_transfer(const ech_config *config, ech_fit_options *out)
{
    out->transfer = (ech_transfer_options){
        .kind = (ech_transfer_name)ech_config_choice(config, "transfer"),
        .retries = (uint32_t)ech_config_integer(config, "transfer_retries"),
        .redis_address = ech_config_text(config, "redis.address"),
        .redis_authorities = ech_config_text(config, "redis.ca"),
        .redis_certificate = ech_config_text(config, "redis.certificate"),
        .redis_key = ech_config_text(config, "redis.key"),
        .redis_password = getenv("ECH_REDIS_PASSWORD"),
        .folder = ech_config_text(config, "transfer_folder"),
    };
}

const ech_fit_section ech_fit_transfer_section = {
    .options = {"Transfer", options, sizeof options / sizeof *options},
    .check = check_transfer,
    .read = read_transfer,
};
