#include "apps/fit/fit_shards.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "apps/fit/fit_shards_room.h"
#include "runtime/base/memory.h"
#include "runtime/mpi/window.h"

#define ABSENT UINT64_MAX

/* What rank 0 tells all. */
typedef struct {
    ech_dataset_info info;
    uint64_t file_count;
} set_facts;

/* Where things lie in the host's segment. */
typedef struct {
    uint64_t offsets; /* uint64 [workers + 1] */
    uint64_t places;  /* uint64 [workers]: a worker's first sample in the segment, or ABSENT */
    uint64_t files;   /* ech_shard_file [file_count] */
    uint64_t images[ECH_DATA_PART_COUNT];
    uint64_t labels[ECH_DATA_PART_COUNT];
    uint64_t bytes;
} segment_map;

struct ech_fit_shards {
    ech_machine *machine;
    set_facts facts;
    ech_fit_shards_room plan;
    segment_map map;
    ech_window *window;
    ech_shards set; /* as it lies in the segment */
    char path[ECH_SHARDS_PATH_BYTES];
    ech_shard_reader *reader;
    uint8_t *images; /* the stage */
    uint8_t *labels;
};

/* What the making needs, on its way. */
typedef struct {
    const ech_fit_data_source *source;
    ech_fit_shards *shards;
    ech_shards set;             /* leader ranks */
    ech_fit_shards_room *plans; /* of each host */
    uint32_t *homes;            /* leader ranks: host of each worker */
} loading;

static ech_status agree(const loading *load, ech_status mine)
{
    return ech_comm_agree(ech_machine_comm(load->source->machine), mine);
}

/* ---- rank 0: who keeps what ---- */

/* Before memory is asked for: the files are as long as the set says. */
static ech_status find_files(const loading *load)
{
    ech_shard_reader *reader = NULL;
    ech_status status = ech_shard_reader_create(load->shards->path, &load->set, &reader);
    if (status == ECH_OK) {
        status = ech_shard_reader_find_files(reader);
    }
    ech_shard_reader_destroy(&reader);
    return status;
}

static ech_status check_set(const loading *load)
{
    const ech_fit_data_source *source = load->source;
    if (load->set.workers == source->worker_count) {
        return find_files(load);
    }
    const char *key =
        ech_config_has(source->config, "topology.file") ? "topology.file" : "topology.workers";
    return ech_config_fail(source->config, key, "expected %llu workers, as %s has, got %u",
                           (unsigned long long)load->set.workers, load->shards->path,
                           source->worker_count);
}

static ech_status plan_host(const loading *load, int host)
{
    const ech_fit_data_source *source = load->source;
    const uint64_t sample_bytes = ech_dataset_sample_bytes(&load->set.info) + 1;
    const uint64_t least = ech_fit_shards_least(&load->set, source->options->train.batch);
    ech_fit_shards_room *plan = &load->plans[host];
    int ranks = 0;
    ech_machine_ranks_of(source->machine, host, &ranks);
    const ech_fit_shards_host facts = {
        .samples = plan->samples,
        .ranks = (uint32_t)ranks,
        .has_strays = ech_machine_host_count(source->machine) > 1,
        .batch = source->options->train.batch,
        .memory_bytes = source->options->data.memory_bytes,
    };
    *plan = ech_fit_shards_room_of(&load->set, &facts);
    if (plan->samples > 0 || plan->tests > 0 || plan->stage >= least) {
        return ECH_OK;
    }
    return ech_config_fail(source->config, "data.memory",
                           "expected at least %llu bytes: each of host %s's %d ranks holds a batch "
                           "of %llu samples",
                           (unsigned long long)((uint64_t)ranks * least * sample_bytes),
                           ech_machine_host_name(source->machine, host), ranks,
                           (unsigned long long)least);
}

static ech_status plan_hosts(loading *load)
{
    const int hosts = ech_machine_host_count(load->source->machine);
    for (uint32_t worker = 0; worker < load->source->worker_count; worker++) {
        const uint32_t host = ech_placement_worker_host(load->source->placement, worker);
        load->homes[worker] = host;
        load->plans[host].samples += load->set.offsets[worker + 1] - load->set.offsets[worker];
    }
    ech_status status = ECH_OK;
    for (int host = 0; host < hosts && status == ECH_OK; host++) {
        status = plan_host(load, host);
    }
    return status;
}

static ech_status plan_on_rank_0(loading *load)
{
    if (ech_machine_rank(load->source->machine) != 0) {
        return ECH_OK;
    }
    ech_status status = ech_shards_read(load->source->io, load->shards->path, &load->set);
    if (status == ECH_OK) {
        status = check_set(load);
    }
    if (status == ECH_OK) {
        load->shards->facts =
            (set_facts){.info = load->set.info, .file_count = load->set.file_count};
        status = plan_hosts(load);
    }
    return status;
}

/* ---- what it tells the others ---- */

static ech_status reserve(loading *load)
{
    ech_machine *machine = load->source->machine;
    const bool leads = ech_machine_is_leader(machine);
    load->plans = ech_calloc((size_t)ech_machine_host_count(machine), sizeof *load->plans);
    load->homes = leads ? ech_calloc(load->source->worker_count, sizeof *load->homes) : NULL;
    if (load->plans == NULL || (leads && load->homes == NULL)) {
        return ECH_ERR_MEMORY;
    }
    return ech_shards_path(load->source->options->data.shards, load->shards->path);
}

static ech_status tell_plan(loading *load)
{
    ech_machine *machine = load->source->machine;
    ech_comm *all = ech_machine_comm(machine);
    ech_fit_shards *shards = load->shards;
    const size_t hosts = (size_t)ech_machine_host_count(machine);
    ech_status status = ech_comm_broadcast(all, &shards->facts, sizeof shards->facts, 0);
    if (status == ECH_OK) {
        status = ech_comm_broadcast(all, load->plans, hosts * sizeof *load->plans, 0);
    }
    if (status == ECH_OK && ech_machine_is_leader(machine)) {
        status = ech_comm_broadcast(ech_machine_leader_comm(machine), load->homes,
                                    load->source->worker_count * sizeof *load->homes, 0);
    }
    shards->plan = load->plans[ech_machine_host(machine)];
    return status;
}

/* ---- the host's segment ---- */

static uint64_t take(uint64_t *end, uint64_t bytes)
{
    const uint64_t begin = *end;
    *end += (bytes + ECH_MEMORY_ALIGNMENT - 1) / ECH_MEMORY_ALIGNMENT * ECH_MEMORY_ALIGNMENT;
    return begin;
}

static void lay_out(ech_fit_shards *shards, uint64_t worker_count)
{
    segment_map *map = &shards->map;
    const uint64_t sample_bytes = ech_dataset_sample_bytes(&shards->facts.info);
    const uint64_t counts[ECH_DATA_PART_COUNT] = {shards->plan.samples, shards->plan.tests};
    map->offsets = take(&map->bytes, (worker_count + 1) * sizeof(uint64_t));
    map->places = take(&map->bytes, worker_count * sizeof(uint64_t));
    map->files = take(&map->bytes, shards->facts.file_count * sizeof(ech_shard_file));
    for (int part = 0; part < ECH_DATA_PART_COUNT; part++) {
        map->images[part] = take(&map->bytes, counts[part] * sample_bytes);
        map->labels[part] = take(&map->bytes, counts[part]);
    }
}

static void *at(const ech_fit_shards *shards, uint64_t offset)
{
    return (char *)ech_window_base(shards->window) + offset;
}

static void look_at_segment(ech_fit_shards *shards, uint64_t worker_count)
{
    shards->set = (ech_shards){
        .info = shards->facts.info,
        .workers = worker_count,
        .offsets = at(shards, shards->map.offsets),
        .file_count = shards->facts.file_count,
        .files = at(shards, shards->map.files),
    };
}

/* The set, and the place of each worker of this host. */
static void fill_tables(const loading *load)
{
    ech_fit_shards *shards = load->shards;
    const bool keeps = shards->plan.samples > 0;
    const uint32_t host = (uint32_t)ech_machine_host(shards->machine);
    uint64_t *places = at(shards, shards->map.places);
    uint64_t next = 0;
    memcpy(shards->set.offsets, load->set.offsets,
           (load->set.workers + 1) * sizeof *load->set.offsets);
    memcpy(shards->set.files, load->set.files, load->set.file_count * sizeof *load->set.files);
    for (uint64_t worker = 0; worker < load->set.workers; worker++) {
        const bool is_here = keeps && load->homes[worker] == host;
        places[worker] = is_here ? next : ABSENT;
        next += is_here ? ech_fit_shards_count(shards, worker) : 0;
    }
}

static ech_status prepare_segment(loading *load)
{
    ech_fit_shards *shards = load->shards;
    if (!ech_machine_is_leader(shards->machine)) {
        return ECH_OK;
    }
    ech_status status = ECH_OK;
    if (load->set.offsets == NULL) {
        status = ech_shards_read(load->source->io, shards->path, &load->set);
    }
    if (status == ECH_OK && (load->set.workers != shards->set.workers ||
                             load->set.file_count != shards->set.file_count)) {
        status = ech_fail(ECH_ERR_FORMAT, "%s: was replaced while it was read", shards->path);
    }
    if (status == ECH_OK) {
        status = ech_window_populate(shards->window, 0, shards->map.bytes);
    }
    if (status == ECH_OK) {
        fill_tables(load);
    }
    return status;
}

/* ---- the host's samples ---- */

static ech_status read_samples(ech_fit_shards *shards, ech_data_part part, uint64_t first,
                               uint64_t count, uint64_t place)
{
    const uint64_t sample_bytes = ech_dataset_sample_bytes(&shards->facts.info);
    uint8_t *images = at(shards, shards->map.images[part]);
    uint8_t *labels = at(shards, shards->map.labels[part]);
    return ech_shard_reader_read(shards->reader, part, first, count, images + place * sample_bytes,
                                 labels + place, NULL);
}

/* Workers that follow one another in the set do so in the segment: they are read in one go. */
static ech_status read_workers(ech_fit_shards *shards)
{
    const uint64_t *places = at(shards, shards->map.places);
    const uint64_t *offsets = shards->set.offsets;
    ech_status status = ECH_OK;
    for (uint64_t worker = 0; worker < shards->set.workers && status == ECH_OK;) {
        uint64_t end = worker + 1;
        while (places[worker] != ABSENT && end < shards->set.workers && places[end] != ABSENT) {
            end++;
        }
        if (places[worker] != ABSENT) {
            status = read_samples(shards, ECH_DATA_TRAIN, offsets[worker],
                                  offsets[end] - offsets[worker], places[worker]);
        }
        worker = end;
    }
    return status;
}

static ech_status make_stage(ech_fit_shards *shards)
{
    if (shards->plan.stage == 0) {
        return ECH_OK;
    }
    shards->images = ech_alloc(shards->plan.stage * ech_dataset_sample_bytes(&shards->facts.info));
    shards->labels = ech_alloc(shards->plan.stage);
    return shards->images != NULL && shards->labels != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

static ech_status read_own(ech_fit_shards *shards)
{
    ech_status status = ech_shard_reader_create(shards->path, &shards->set, &shards->reader);
    if (status == ECH_OK) {
        status = make_stage(shards);
    }
    if (status == ECH_OK && ech_machine_is_leader(shards->machine)) {
        status = read_workers(shards);
        if (status == ECH_OK && shards->plan.tests > 0) {
            status = read_samples(shards, ECH_DATA_TEST, 0, shards->plan.tests, 0);
        }
    }
    return status;
}

static ech_status load_all(loading *load)
{
    ech_fit_shards *shards = load->shards;
    ech_status status = agree(load, reserve(load));
    if (status == ECH_OK) {
        status = agree(load, plan_on_rank_0(load));
    }
    if (status == ECH_OK) {
        status = tell_plan(load);
    }
    if (status != ECH_OK) {
        return status;
    }
    lay_out(shards, load->source->worker_count);
    status =
        ech_window_create(shards->machine, "shards", shards->map.bytes, false, &shards->window);
    if (status != ECH_OK) {
        return status;
    }
    look_at_segment(shards, load->source->worker_count);
    status = agree(load, prepare_segment(load));
    return status == ECH_OK ? agree(load, read_own(shards)) : status;
}

ech_status ech_fit_shards_create(const ech_fit_data_source *source, ech_fit_shards **out)
{
    *out = ech_calloc(1, sizeof **out);
    loading load = {.source = source, .shards = *out};
    ech_status status = agree(&load, *out != NULL ? ECH_OK : ECH_ERR_MEMORY);
    if (status == ECH_OK && *out != NULL) {
        (*out)->machine = source->machine;
        status = load_all(&load);
    }
    ech_shards_free(&load.set);
    ech_free(load.plans);
    ech_free(load.homes);
    if (status != ECH_OK) {
        const ech_failure failure = ech_failure_keep(status);
        ech_fit_shards_destroy(out);
        status = ech_failure_restore(&failure);
    }
    return status;
}

void ech_fit_shards_destroy(ech_fit_shards **shards)
{
    if (shards == NULL || *shards == NULL) {
        return;
    }
    ech_shard_reader_destroy(&(*shards)->reader);
    ech_window_destroy(&(*shards)->window);
    ech_free((*shards)->images);
    ech_free((*shards)->labels);
    ech_free(*shards);
    *shards = NULL;
}

/* ---- use ---- */

const ech_dataset_info *ech_fit_shards_info(const ech_fit_shards *shards)
{
    return &shards->facts.info;
}

uint64_t ech_fit_shards_count(const ech_fit_shards *shards, uint64_t worker)
{
    assert(worker < shards->set.workers);
    return shards->set.offsets[worker + 1] - shards->set.offsets[worker];
}

static ech_fit_part part_at(const ech_fit_shards *shards, ech_data_part part, uint64_t place,
                            uint64_t count)
{
    const uint8_t *images = at(shards, shards->map.images[part]);
    const uint8_t *labels = at(shards, shards->map.labels[part]);
    return (ech_fit_part){
        .images = images + place * ech_dataset_sample_bytes(&shards->facts.info),
        .labels = labels + place,
        .count = count,
    };
}

static ech_status read_to_stage(ech_fit_shards *shards, ech_data_part part, uint64_t first,
                                uint64_t count, const ech_shard_pause *pause, ech_fit_part *out)
{
    assert(count <= shards->plan.stage);
    *out = (ech_fit_part){.images = shards->images, .labels = shards->labels, .count = count};
    return ech_shard_reader_read(shards->reader, part, first, count, shards->images, shards->labels,
                                 pause);
}

ech_status ech_fit_shards_worker(ech_fit_shards *shards, uint64_t worker,
                                 const ech_shard_pause *pause, ech_fit_worker *out)
{
    const uint64_t *places = at(shards, shards->map.places);
    const uint64_t count = ech_fit_shards_count(shards, worker);
    *out = (ech_fit_worker){.count = count};
    if (places[worker] != ABSENT) {
        out->part = part_at(shards, ECH_DATA_TRAIN, places[worker], count);
        return ECH_OK;
    }
    out->in_batches = count > shards->plan.stage;
    return out->in_batches ? ECH_OK
                           : read_to_stage(shards, ECH_DATA_TRAIN, shards->set.offsets[worker],
                                           count, pause, &out->part);
}

ech_status ech_fit_shards_pick(ech_fit_shards *shards, uint64_t worker, const uint32_t *numbers,
                               uint32_t count, ech_fit_part *out)
{
    const uint64_t first = shards->set.offsets[worker];
    const uint64_t sample_bytes = ech_dataset_sample_bytes(&shards->facts.info);
    ech_status status = ECH_OK;
    assert(count <= shards->plan.stage);
    for (uint32_t i = 0; i < count && status == ECH_OK; i++) {
        assert(numbers[i] < ech_fit_shards_count(shards, worker));
        status = ech_shard_reader_read(shards->reader, ECH_DATA_TRAIN, first + numbers[i], 1,
                                       shards->images + i * sample_bytes, shards->labels + i, NULL);
    }
    *out = (ech_fit_part){.images = shards->images, .labels = shards->labels, .count = count};
    return status;
}

ech_status ech_fit_shards_test(ech_fit_shards *shards, uint64_t first, uint64_t count,
                               ech_fit_part *out)
{
    if (shards->plan.tests > 0) {
        *out = part_at(shards, ECH_DATA_TEST, first, count);
        return ECH_OK;
    }
    const uint64_t part = count < shards->plan.stage ? count : shards->plan.stage;
    return read_to_stage(shards, ECH_DATA_TEST, first, part, NULL, out);
}
