#include "apps/plan/memory_speed.h"

enum { TRIES = 9 };

static const uint64_t probe_ns = UINT64_C(50000000);

ech_status ech_memory_speed_probe(const ech_round_manner *manner, uint32_t cores,
                                  ech_memory_probe **out)
{
    const uint32_t ranks = manner->hosts * manner->ranks;
    return ech_memory_probe_create(ranks < cores ? ranks : cores, out);
}

double ech_memory_speed(ech_memory_probe *probe)
{
    return ech_memory_probe_measure(probe, probe_ns);
}

ech_status ech_memory_speed_steady(const ech_round_manner *manner, uint32_t cores,
                                   double *bytes_per_second)
{
    ech_memory_probe *probe = NULL;
    const ech_status status = ech_memory_speed_probe(manner, cores, &probe);
    if (status == ECH_OK) {
        double last = ech_memory_speed(probe);
        *bytes_per_second = ech_memory_speed(probe);
        for (int i = 0; i < TRIES && !ech_speeds_alike(last, *bytes_per_second); i++) {
            last = *bytes_per_second;
            *bytes_per_second = ech_memory_speed(probe);
        }
    }
    ech_memory_probe_destroy(&probe);
    return status;
}
