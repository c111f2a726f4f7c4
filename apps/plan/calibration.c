#define _POSIX_C_SOURCE 200809L
#include "apps/plan/calibration.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/mpi/hardware.h"

const char *ech_round_part_name(int part)
{
    return part == ECH_ROUND_WAIT ? "wait" : ech_phase_name((ech_phase)part);
}

double ech_round_cost_total(const ech_round_cost *cost)
{
    double seconds = 0.0;
    for (int part = 0; part < ECH_ROUND_PARTS; part++) {
        seconds += cost->seconds[part];
    }
    return seconds;
}

bool ech_round_manner_equal(const ech_round_manner *a, const ech_round_manner *b)
{
    return a->hosts == b->hosts && a->ranks == b->ranks &&
           strcmp(a->workers_on, b->workers_on) == 0 && strcmp(a->leader, b->leader) == 0 &&
           strcmp(a->transfer, b->transfer) == 0;
}

bool ech_kernels_manner_equal(const ech_kernels_manner *a, const ech_kernels_manner *b)
{
    return a->batch == b->batch && a->threads == b->threads && a->ranks == b->ranks &&
           strcmp(a->network, b->network) == 0 && strcmp(a->engine, b->engine) == 0;
}

ech_status ech_calibration_begin(ech_calibration *out)
{
    ech_hardware hardware;
    *out = (ech_calibration){.rounds_count = 0};
    const ech_status status = ech_hardware_query(&hardware);
    if (status != ECH_OK) {
        return status;
    }
    snprintf(out->host, sizeof out->host, "%s", hardware.host);
    snprintf(out->processor, sizeof out->processor, "%s", hardware.cpu_model);
    snprintf(out->mpi, sizeof out->mpi, "%s", hardware.mpi_version);
    out->cores = hardware.core_count;
    out->memory_bytes = hardware.memory_bytes;
    return ECH_OK;
}

/* Machines of the same parts share a file, whatever their names: nodes of a cluster are alike. */
static void name_parts(const ech_calibration *machine, char name[ECH_HASH_TEXT_BYTES])
{
    char text[2 * ECH_HARDWARE_TEXT_BYTES + 32];
    snprintf(text, sizeof text, "%s|%s|%u", machine->processor, machine->mpi, machine->cores);
    ech_hash_text(ech_hash_bytes(text, strlen(text)), name);
}

ech_status ech_calibration_path(const ech_calibration *machine, char *path, size_t bytes)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    char name[ECH_HASH_TEXT_BYTES];
    name_parts(machine, name);
    int length = 0;
    if (cache != NULL && cache[0] == '/') {
        length = snprintf(path, bytes, "%s/echelon/machine-%.16s.json", cache, name);
    } else if (home != NULL && home[0] == '/') {
        length = snprintf(path, bytes, "%s/.cache/echelon/machine-%.16s.json", home, name);
    }
    return length > 0 && (size_t)length < bytes
               ? ECH_OK
               : ech_fail(ECH_ERR_CONFIG, "neither XDG_CACHE_HOME nor HOME is a folder to keep a "
                                          "calibration in: expected --calibration FILE");
}

double ech_ratio_distance(double a, double b)
{
    return fabs(log(a / b));
}

bool ech_speeds_alike(double a, double b)
{
    return ech_ratio_distance(a, b) < log(1.2);
}

/* `rounds_count` where there is none. */
static uint32_t find_rounds(const ech_calibration *calibration, const ech_round_manner *manner,
                            double bytes_per_second)
{
    uint32_t i = 0;
    while (i < calibration->rounds_count &&
           !(ech_round_manner_equal(&calibration->rounds[i].manner, manner) &&
             ech_speeds_alike(calibration->rounds[i].bytes_per_second, bytes_per_second))) {
        i++;
    }
    return i;
}

const ech_calibration_rounds *ech_calibration_find_rounds(const ech_calibration *calibration,
                                                          const ech_round_manner *manner,
                                                          double bytes_per_second)
{
    const uint32_t i = find_rounds(calibration, manner, bytes_per_second);
    return i < calibration->rounds_count ? &calibration->rounds[i] : NULL;
}

void ech_calibration_drop_rounds(ech_calibration *calibration, const ech_round_manner *manner)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < calibration->rounds_count; i++) {
        if (!ech_round_manner_equal(&calibration->rounds[i].manner, manner)) {
            calibration->rounds[kept++] = calibration->rounds[i];
        }
    }
    calibration->rounds_count = kept;
}

const ech_calibration_kernels *ech_calibration_find_kernels(const ech_calibration *calibration,
                                                            const ech_kernels_manner *manner)
{
    for (uint32_t i = 0; i < calibration->kernels_count; i++) {
        if (ech_kernels_manner_equal(&calibration->kernels[i].manner, manner)) {
            return &calibration->kernels[i];
        }
    }
    return NULL;
}

static ech_status refuse_more(void)
{
    return ech_fail(ECH_ERR_LIMIT, "a calibration holds at most %d measurements of a kind",
                    ECH_CALIBRATION_SETS_MAX);
}

ech_status ech_calibration_keep_rounds(ech_calibration *calibration,
                                       const ech_calibration_rounds *rounds)
{
    const uint32_t i = find_rounds(calibration, &rounds->manner, rounds->bytes_per_second);
    if (i == ECH_CALIBRATION_SETS_MAX) {
        return refuse_more();
    }
    calibration->rounds_count += i == calibration->rounds_count;
    calibration->rounds[i] = *rounds;
    return ECH_OK;
}

ech_status ech_calibration_keep_kernels(ech_calibration *calibration,
                                        const ech_calibration_kernels *kernels)
{
    uint32_t i = 0;
    while (i < calibration->kernels_count &&
           !ech_kernels_manner_equal(&calibration->kernels[i].manner, &kernels->manner)) {
        i++;
    }
    if (i == ECH_CALIBRATION_SETS_MAX) {
        return refuse_more();
    }
    calibration->kernels_count += i == calibration->kernels_count;
    calibration->kernels[i] = *kernels;
    return ECH_OK;
}
