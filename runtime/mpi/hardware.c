#define _GNU_SOURCE
#include "runtime/mpi/hardware.h"

#include <hwloc.h>
#include <mpi.h>
#include <string.h>
#include <unistd.h>

static void copy_line(char *to, const char *from)
{
    const size_t length = strcspn(from, "\r\n");
    const size_t taken = length < ECH_HARDWARE_TEXT_BYTES ? length : ECH_HARDWARE_TEXT_BYTES - 1;
    memcpy(to, from, taken);
    to[taken] = '\0';
}

static uint32_t count_of(hwloc_topology_t topology, hwloc_obj_type_t type)
{
    const int count = hwloc_get_nbobjs_by_type(topology, type);
    return count > 0 ? (uint32_t)count : 0;
}

static const char *cpu_model(hwloc_topology_t topology)
{
    hwloc_obj_t package = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0);
    const char *model = package != NULL ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
    return model != NULL ? model : "";
}

static uint32_t allowed_cpus(hwloc_topology_t topology)
{
    hwloc_bitmap_t bound = hwloc_bitmap_alloc();
    if (bound == NULL || hwloc_get_cpubind(topology, bound, HWLOC_CPUBIND_PROCESS) != 0) {
        hwloc_bitmap_free(bound);
        return count_of(topology, HWLOC_OBJ_PU);
    }
    hwloc_bitmap_and(bound, bound, hwloc_topology_get_allowed_cpuset(topology));
    const int count = hwloc_bitmap_weight(bound);
    hwloc_bitmap_free(bound);
    return count > 0 ? (uint32_t)count : 0;
}

static void read_topology(hwloc_topology_t topology, ech_hardware *out)
{
    copy_line(out->cpu_model, cpu_model(topology));
    out->core_count = count_of(topology, HWLOC_OBJ_CORE);
    out->cpu_count = count_of(topology, HWLOC_OBJ_PU);
    out->allowed_cpu_count = allowed_cpus(topology);
    out->memory_bytes = hwloc_get_root_obj(topology)->total_memory;
}

ech_status ech_hardware_query(ech_hardware *out)
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    hwloc_topology_t topology = NULL;
    *out = (ech_hardware){0};
    if (gethostname(out->host, sizeof out->host - 1) != 0) {
        out->host[0] = '\0';
    }
    MPI_Get_library_version(version, &length);
    copy_line(out->mpi_version, version);
    if (hwloc_topology_init(&topology) != 0) {
        return ech_fail(ECH_ERR_SYSTEM, "hwloc cannot be initialised");
    }
    /* The whole host: what is allowed is counted apart. */
    hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    if (hwloc_topology_load(topology) != 0) {
        hwloc_topology_destroy(topology);
        return ech_fail(ECH_ERR_SYSTEM, "hwloc cannot read this host");
    }
    read_topology(topology, out);
    hwloc_topology_destroy(topology);
    return ECH_OK;
}
