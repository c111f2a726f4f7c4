#include "apps/plan/subject.h"

#include "apps/fit/fit_split.h"
#include "apps/fit/fit_trainer.h"
#include "kernels/models.h"
#include "runtime/base/memory.h"
#include "runtime/fed/bytes.h"
#include "runtime/fed/roster.h"
#include "runtime/mpi/machine.h"

/* ---- reading ---- */

static ech_status read_samples(ech_subject *subject, const uint64_t *offsets)
{
    const uint32_t workers = ech_topology_worker_count(subject->tree.topology);
    subject->tree.samples = ech_calloc(workers, sizeof *subject->tree.samples);
    if (subject->tree.samples == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t worker = 0; worker < workers; worker++) {
        subject->tree.samples[worker] = offsets[worker + 1] - offsets[worker];
    }
    return ECH_OK;
}

static ech_status deal(ech_subject *subject, ech_io *io, const ech_dataset *dataset)
{
    const uint32_t workers = ech_topology_worker_count(subject->tree.topology);
    subject->info = *ech_dataset_describe(dataset);
    subject->has_data = true;
    const ech_split_data labelled = {.labels = ech_dataset_labels(dataset, ECH_DATA_TRAIN),
                                     .sample_count =
                                         (uint32_t)subject->info.samples[ECH_DATA_TRAIN],
                                     .class_count = subject->info.classes};
    ech_split *split = NULL;
    ech_status status = ech_fit_split_check(subject->config, &subject->info, workers);
    if (status == ECH_OK) {
        status = ech_fit_split(&subject->options, io, &labelled, workers, &split);
    }
    if (status == ECH_OK) {
        status = read_samples(subject, split->offsets);
    }
    ech_split_destroy(&split);
    return status;
}

static ech_status read_file(ech_subject *subject, ech_io *io)
{
    ech_dataset *dataset = NULL;
    ech_status status = ech_dataset_open(io, subject->options.data.file, &dataset);
    if (status == ECH_OK) {
        status = deal(subject, io, dataset);
    }
    ech_dataset_close(&dataset);
    return status;
}

static ech_status read_shards(ech_subject *subject, ech_io *io)
{
    const uint32_t workers = ech_topology_worker_count(subject->tree.topology);
    char path[ECH_SHARDS_PATH_BYTES];
    ech_status status = ech_shards_path(subject->options.data.shards, path);
    if (status == ECH_OK) {
        status = ech_shards_read(io, path, &subject->shards);
    }
    if (status != ECH_OK) {
        return status;
    }
    if (subject->shards.workers != workers) {
        return ech_config_fail(subject->config, "topology.workers",
                               "expected %llu workers, as %s has, got %u",
                               (unsigned long long)subject->shards.workers, path, workers);
    }
    subject->info = subject->shards.info;
    subject->has_data = true;
    return read_samples(subject, subject->shards.offsets);
}

static ech_status read_data(ech_subject *subject)
{
    const bool has_shards = subject->options.data.shards != NULL;
    if (!has_shards && subject->options.data.file == NULL) {
        return ECH_OK;
    }
    ech_io *io = NULL;
    ech_status status = ech_io_create(NULL, &io);
    if (status == ECH_OK) {
        status = has_shards ? read_shards(subject, io) : read_file(subject, io);
    }
    ech_io_destroy(&io);
    return status;
}

static ech_status open_network(ech_subject *subject)
{
    const ech_dataset_info *info = subject->has_data ? &subject->info : NULL;
    if (subject->options.model.file == NULL) {
        return ech_fit_network(subject->config, &subject->options, NULL, info, &subject->network);
    }
    const ech_shape shape = {subject->info.channels, subject->info.height, subject->info.width};
    return ech_model_read(subject->options.model.file, info != NULL ? &shape : NULL,
                          subject->info.classes, &subject->network);
}

static ech_status open_strategy(ech_subject *subject)
{
    const ech_fit_options *options = &subject->options;
    const ech_layout *layout = subject->network->layout;
    return subject->plugins.rule != NULL
               ? ech_strategy_create_of(subject->plugins.rule, &options->strategy.options, layout,
                                        &subject->strategy)
               : ech_strategy_create(options->strategy.name, &options->strategy.options, layout,
                                     &subject->strategy);
}

static ech_status open_strategies(ech_subject *subject)
{
    const ech_fit_options *options = &subject->options;
    ech_status status = open_strategy(subject);
    subject->rules[0] = (ech_tier_rule){.rounds = 1, .strategy = subject->strategy};
    for (uint32_t t = 0; t < options->tier_count && status == ECH_OK; t++) {
        ech_tier_rule *rule = &subject->rules[t + 1];
        rule->rounds = options->tiers[t].rounds;
        status = ech_strategy_create(options->tiers[t].name, &options->tiers[t].strategy,
                                     subject->network->layout, &rule->strategy);
    }
    subject->rule_count = options->tier_count + 1;
    return status;
}

static ech_status place(ech_subject *subject)
{
    uint32_t *ranks = ech_calloc(subject->hosts, sizeof *ranks);
    if (ranks == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (uint32_t host = 0; host < subject->hosts; host++) {
        ranks[host] = subject->ranks_per_host;
    }
    ech_status status = ech_placement_create(subject->tree.topology, ranks, subject->hosts,
                                             &subject->tree.placement);
    if (status == ECH_OK) {
        status = ech_population_create(subject->tree.samples,
                                       ech_topology_worker_count(subject->tree.topology),
                                       &subject->tree.population);
    }
    ech_free(ranks);
    return status;
}

static ech_status read_config(ech_subject *subject, const char *path, const char *const *sets,
                              size_t set_count)
{
    ech_status status = ech_fit_config_load(path, sets, set_count, &subject->config);
    if (status != ECH_OK) {
        return status;
    }
    subject->options = ech_fit_options_of(subject->config);
    if (subject->options.training.plugin != NULL) {
        return ech_fail(ECH_ERR_UNSUPPORTED,
                        "train.plugin: nobody knows what a trainer of one's own costs: expected a "
                        "model of Echelon's");
    }
    return ech_config_write(subject->config, &subject->config_text);
}

ech_status ech_subject_load(const char *path, const char *const *sets, size_t set_count,
                            uint32_t hosts, uint32_t ranks_per_host, ech_subject *out)
{
    *out = (ech_subject){.hosts = hosts, .ranks_per_host = ranks_per_host};
    ech_status status = read_config(out, path, sets, set_count);
    if (status == ECH_OK) {
        status = ech_fit_tree_grow(&out->tree, out->config, &out->options);
    }
    if (status == ECH_OK) {
        status = read_data(out);
    }
    if (status == ECH_OK) {
        status = open_network(out);
    }
    if (status == ECH_OK) {
        status = ech_fit_plugins_load(&out->plugins, out->config, &out->options);
    }
    if (status == ECH_OK) {
        status = open_strategies(out);
    }
    return status == ECH_OK ? place(out) : status;
}

void ech_subject_clear(ech_subject *subject)
{
    for (uint32_t t = 1; t <= ECH_FIT_TIERS_MAX; t++) {
        ech_strategy_destroy(&subject->rules[t].strategy);
    }
    ech_strategy_destroy(&subject->strategy);
    ech_fit_plugins_clear(&subject->plugins);
    ech_network_destroy(&subject->network);
    ech_shards_free(&subject->shards);
    ech_fit_tree_clear(&subject->tree);
    ech_free(subject->config_text);
    ech_config_destroy(&subject->config);
    subject->config_text = NULL;
}

/* ---- rounds ---- */

ech_status ech_subject_visit_rounds(const ech_subject *subject, ech_subject_visitor *visit,
                                    void *user)
{
    const ech_fit_options *options = &subject->options;
    const ech_roster_options roster_options = {
        .strategy = subject->strategy,
        .population = subject->tree.population,
        .topology = options->strategy.always_include_aggregators ? subject->tree.topology : NULL,
        .seed = options->seed,
    };
    const uint64_t all =
        options->rounds < ECH_SUBJECT_ROUNDS_MAX ? options->rounds : ECH_SUBJECT_ROUNDS_MAX;
    ech_roster roster = {0};
    ech_status status = ECH_OK;
    for (uint64_t round = 1; round <= all && status == ECH_OK; round++) {
        status = ech_roster_call(&roster, &roster_options, round, 0);
        if (status == ECH_OK) {
            status = visit(roster.participants, roster.count, user);
        }
    }
    ech_roster_clear(&roster);
    return status;
}

bool ech_subject_has_stations(const ech_subject *subject)
{
    return subject->rule_count > 1 || subject->strategy->rule->collect != NULL;
}

bool ech_subject_leader_trains(const ech_subject *subject)
{
    const uint32_t ranks = subject->ranks_per_host;
    switch (subject->options.leader) {
    case ECH_FIT_LEADER_TRAINS:
        return true;
    case ECH_FIT_LEADER_DEDICATED:
        return ranks < 2;
    case ECH_FIT_LEADER_AUTO:
        break;
    }
    return subject->hosts == 1 || ranks < ECH_LEADER_DEDICATED_RANKS;
}

/* ---- bytes ---- */

typedef struct {
    const ech_subject *subject;
    ech_tier_traffic *traffic; /* of the round */
    ech_tier_traffic *sums;    /* of all rounds so far */
    uint32_t *workers;
    uint64_t rounds;
} traffic_count;

static ech_status count_round(const ech_participant *participants, uint32_t count, void *user)
{
    traffic_count *all = user;
    const ech_topology *topology = all->subject->tree.topology;
    for (uint32_t i = 0; i < count; i++) {
        all->workers[i] = participants[i].worker;
    }
    const ech_status status = ech_bytes_count(topology, all->workers, count, all->traffic);
    for (uint32_t tier = 1; tier < ech_topology_tier_count(topology); tier++) {
        all->sums[tier].edges += all->traffic[tier].edges;
        all->sums[tier].updates += all->traffic[tier].updates;
    }
    all->rounds++;
    return status;
}

/* As the run counts them: a rule of the leader's alone that looks at every update gets each of them
 * over each edge. */
static void weigh(const traffic_count *all, ech_tier_bytes *tiers)
{
    const ech_subject *subject = all->subject;
    const bool passes_all = subject->rule_count == 1 && subject->strategy->rule->collect != NULL;
    for (uint32_t tier = 1; tier < ech_topology_tier_count(subject->tree.topology); tier++) {
        const ech_tier_traffic *sum = &all->sums[tier];
        const uint64_t up = passes_all ? sum->updates : sum->edges;
        const uint64_t repeats = ech_stations_repeats(subject->rules, subject->rule_count, tier);
        tiers[tier].logical_down =
            repeats * sum->edges * ech_strategy_down_bytes(subject->strategy) / all->rounds;
        tiers[tier].logical_up =
            repeats * up * ech_strategy_up_bytes(subject->strategy) / all->rounds;
    }
}

ech_status ech_subject_bytes(const ech_subject *subject, ech_tier_bytes *tiers)
{
    const ech_topology *topology = subject->tree.topology;
    const uint32_t tier_count = ech_topology_tier_count(topology);
    traffic_count all = {.subject = subject};
    all.traffic = ech_calloc(tier_count, sizeof *all.traffic);
    all.sums = ech_calloc(tier_count, sizeof *all.sums);
    all.workers = ech_calloc(ech_topology_worker_count(topology), sizeof *all.workers);
    ech_status status = ECH_ERR_MEMORY;
    if (all.traffic != NULL && all.sums != NULL && all.workers != NULL) {
        status = ech_subject_visit_rounds(subject, count_round, &all);
    }
    if (status == ECH_OK && all.rounds > 0) {
        weigh(&all, tiers);
    }
    ech_free(all.traffic);
    ech_free(all.sums);
    ech_free(all.workers);
    return status;
}
