#define _GNU_SOURCE
#include "runtime/mpi/pin_plan.h"

#include <hwloc.h>
#include <stdbool.h>

#include "runtime/base/memory.h"

/* The allowed cores of the machine, in the order of hwloc's tree, domain after domain. */
typedef struct {
    hwloc_topology_t topology;
    hwloc_bitmap_t allowed;
    hwloc_obj_t *cores;
    uint32_t core_count;
    uint32_t *domain_first; /* by domain, one more at the end: where its cores begin */
    uint32_t domain_count;
} core_map;

static ech_status load_topology(const ech_pin_source *source, hwloc_topology_t *out)
{
    hwloc_topology_t topology = NULL;
    *out = NULL;
    if (hwloc_topology_init(&topology) != 0) {
        return ech_fail(ECH_ERR_MEMORY, "hwloc cannot be initialised");
    }
    int result = 0;
    if (source->synthetic != NULL) {
        result = hwloc_topology_set_synthetic(topology, source->synthetic);
    } else if (source->xml_path != NULL) {
        result = hwloc_topology_set_xml(topology, source->xml_path);
    }
    if (result != 0 || hwloc_topology_load(topology) != 0) {
        hwloc_topology_destroy(topology);
        return ech_fail(ECH_ERR_ARGUMENT, "hwloc does not understand the machine '%s'",
                        source->synthetic != NULL  ? source->synthetic
                        : source->xml_path != NULL ? source->xml_path
                                                   : "this host");
    }
    *out = topology;
    return ECH_OK;
}

/* This host: what the launcher left to this process. */
static ech_status find_allowed(core_map *map, const ech_pin_source *source)
{
    map->allowed = hwloc_bitmap_alloc();
    if (map->allowed == NULL) {
        return ech_fail(ECH_ERR_MEMORY, "hwloc has no memory for a set of processors");
    }
    hwloc_bitmap_copy(map->allowed, hwloc_topology_get_allowed_cpuset(map->topology));
    hwloc_bitmap_t mine = hwloc_bitmap_alloc();
    bool known = true;
    if (source->allowed != NULL) {
        known = mine != NULL && hwloc_bitmap_list_sscanf(mine, source->allowed) == 0;
    } else if (mine == NULL || source->synthetic != NULL || source->xml_path != NULL ||
               hwloc_get_cpubind(map->topology, mine, HWLOC_CPUBIND_PROCESS) != 0) {
        hwloc_bitmap_free(mine);
        return ECH_OK;
    }
    if (known) {
        hwloc_bitmap_and(map->allowed, map->allowed, mine);
    }
    hwloc_bitmap_free(mine);
    return known ? ECH_OK
                 : ech_fail(ECH_ERR_ARGUMENT, "'%s' is not a list of processors", source->allowed);
}

static bool is_taken(const core_map *map, hwloc_obj_t core)
{
    for (uint32_t i = 0; i < map->core_count; i++) {
        if (map->cores[i] == core) {
            return true;
        }
    }
    return false;
}

/* Cores of `inside` with an allowed processor that no earlier domain has: memory of two kinds can
 * belong to the same cores. */
static void add_domain(core_map *map, hwloc_const_bitmap_t inside)
{
    const uint32_t before = map->core_count;
    const int count = hwloc_get_nbobjs_inside_cpuset_by_type(map->topology, inside, HWLOC_OBJ_CORE);
    for (int i = 0; i < count; i++) {
        hwloc_obj_t core =
            hwloc_get_obj_inside_cpuset_by_type(map->topology, inside, HWLOC_OBJ_CORE, (unsigned)i);
        if (hwloc_bitmap_intersects(core->cpuset, map->allowed) && !is_taken(map, core)) {
            map->cores[map->core_count++] = core;
        }
    }
    if (map->core_count > before) {
        map->domain_first[++map->domain_count] = map->core_count;
    }
}

static ech_status find_cores(core_map *map)
{
    const int cores = hwloc_get_nbobjs_by_type(map->topology, HWLOC_OBJ_CORE);
    const int nodes = hwloc_get_nbobjs_by_type(map->topology, HWLOC_OBJ_NUMANODE);
    const size_t core_room = cores > 0 ? (size_t)cores : 0;
    const size_t node_room = nodes > 0 ? (size_t)nodes : 0;
    map->cores = ech_calloc(core_room, sizeof *map->cores);
    map->domain_first = ech_calloc(node_room + 2, sizeof *map->domain_first);
    if (map->cores == NULL || map->domain_first == NULL) {
        return ECH_ERR_MEMORY;
    }
    for (size_t node = 0; node < node_room; node++) {
        hwloc_obj_t object =
            hwloc_get_obj_by_type(map->topology, HWLOC_OBJ_NUMANODE, (unsigned)node);
        add_domain(map, object->cpuset);
    }
    add_domain(map, hwloc_get_root_obj(map->topology)->cpuset); /* cores without memory */
    return ECH_OK;
}

static void free_map(core_map *map)
{
    ech_free(map->cores);
    ech_free(map->domain_first);
    hwloc_bitmap_free(map->allowed);
    if (map->topology != NULL) {
        hwloc_topology_destroy(map->topology);
    }
}

/* How many ranks each domain gets: as equal as their sizes allow. False if some rank's threads
 * would lie in two domains. */
static bool share_ranks(const core_map *map, uint32_t rank_count, uint32_t threads, uint32_t *share)
{
    uint32_t left = rank_count;
    for (bool gave = true; left > 0 && gave;) {
        gave = false;
        for (uint32_t domain = 0; domain < map->domain_count && left > 0; domain++) {
            const uint32_t cores = map->domain_first[domain + 1] - map->domain_first[domain];
            if (share[domain] < cores / threads) {
                share[domain]++;
                left--;
                gave = true;
            }
        }
    }
    return left == 0;
}

static void add_core(const core_map *map, uint32_t core, ech_pin_plan *plan, uint32_t *used)
{
    hwloc_const_bitmap_t cpus = map->cores[core]->cpuset;
    for (int cpu = hwloc_bitmap_first(cpus); cpu >= 0; cpu = hwloc_bitmap_next(cpus, cpu)) {
        if (hwloc_bitmap_isset(map->allowed, (unsigned)cpu)) {
            plan->cpus[(*used)++] = (uint32_t)cpu;
        }
    }
}

/* Ranks `rank`... of a block of cores, spread over it so that caches in it are shared evenly. */
static void deal_block(const core_map *map, uint32_t core_first, uint32_t cores, uint32_t ranks,
                       uint32_t threads, uint32_t rank, ech_pin_plan *plan)
{
    for (uint32_t i = 0; i < ranks; i++) {
        const uint32_t begin = (uint32_t)((uint64_t)i * cores / ranks);
        uint32_t used = plan->first[rank + i];
        for (uint32_t thread = 0; thread < threads; thread++) {
            add_core(map, core_first + begin + thread, plan, &used);
        }
        plan->first[rank + i + 1] = used;
    }
}

static ech_status deal_cores(const core_map *map, uint32_t threads, ech_pin_plan *plan)
{
    const int cpu_count = hwloc_bitmap_weight(map->allowed);
    uint32_t *share = ech_calloc(map->domain_count, sizeof *share);
    plan->first = ech_calloc((size_t)plan->rank_count + 1, sizeof *plan->first);
    plan->cpus = ech_calloc(cpu_count > 0 ? (size_t)cpu_count : 0, sizeof *plan->cpus);
    if (share == NULL || plan->first == NULL || plan->cpus == NULL) {
        ech_free(share);
        return ECH_ERR_MEMORY;
    }
    if (share_ranks(map, plan->rank_count, threads, share)) {
        uint32_t rank = 0;
        for (uint32_t domain = 0; domain < map->domain_count; domain++) {
            const uint32_t first = map->domain_first[domain];
            deal_block(map, first, map->domain_first[domain + 1] - first, share[domain], threads,
                       rank, plan);
            rank += share[domain];
        }
    } else {
        deal_block(map, 0, map->core_count, plan->rank_count, threads, 0, plan);
    }
    ech_free(share);
    plan->outcome = ECH_PIN_DONE;
    return ECH_OK;
}

ech_status ech_pin_plan_make(const ech_pin_source *source, uint32_t rank_count, uint32_t threads,
                             ech_pin_plan *out)
{
    core_map map = {0};
    *out = (ech_pin_plan){.outcome = ECH_PIN_IMPOSSIBLE, .rank_count = rank_count};
    if (rank_count == 0 || threads == 0) {
        return ech_fail(ECH_ERR_ARGUMENT, "%u ranks of %u threads cannot be pinned", rank_count,
                        threads);
    }
    ech_status status = load_topology(source, &map.topology);
    if (status == ECH_OK) {
        status = find_allowed(&map, source);
    }
    if (status == ECH_OK) {
        status = find_cores(&map);
    }
    if (status == ECH_OK && map.core_count > 0) {
        out->cores = map.core_count;
        if ((uint64_t)rank_count * threads > map.core_count) {
            out->outcome = ECH_PIN_CROWDED;
        } else {
            status = deal_cores(&map, threads, out);
        }
    }
    free_map(&map);
    if (status != ECH_OK) {
        ech_pin_plan_free(out);
    }
    return status;
}

void ech_pin_plan_free(ech_pin_plan *plan)
{
    ech_free(plan->first);
    ech_free(plan->cpus);
    plan->first = NULL;
    plan->cpus = NULL;
}
