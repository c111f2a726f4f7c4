#define _GNU_SOURCE
#include "runtime/mpi/pin.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"
#include "runtime/mpi/pin_plan.h"

enum { LOGGED_HOSTS = 32, LINE_BYTES = 1800, RANGE_BYTES = 64 };

_Static_assert(sizeof(ech_pin_set) == sizeof(cpu_set_t), "a set is the system's");

/* What the leader rank of a host found, for its ranks. */
typedef struct {
    int32_t status;
    uint32_t outcome;
    uint32_t cores;
    uint32_t cpu_count;
} plan_head;

/* "0-3,8" of a set of processors, cut where it does not fit. */
static void list_cpus(const cpu_set_t *set, char text[ECH_PIN_CPUS_BYTES])
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, set)) {
            continue;
        }
        size_t last = cpu;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set)) {
            last++;
        }
        char range[RANGE_BYTES];
        const char *comma = length > 0 ? "," : "";
        const int written = last > cpu
                                ? snprintf(range, sizeof range, "%s%zu-%zu", comma, cpu, last)
                                : snprintf(range, sizeof range, "%s%zu", comma, cpu);
        if (length + (size_t)written >= ECH_PIN_CPUS_BYTES) {
            return;
        }
        memcpy(text + length, range, (size_t)written + 1);
        length += (size_t)written;
        cpu = last;
    }
}

/* Ranks of a host that start with different processors were given them by the launcher. */
static ech_status launcher_bound(ech_comm *host, const cpu_set_t *mine, bool *bound)
{
    const size_t count = (size_t)ech_comm_size(host);
    const ech_hash128 hash = ech_hash_bytes(mine, sizeof *mine);
    ech_hash128 *all = ech_calloc(count, sizeof *all);
    *bound = false;
    ech_status status = ech_comm_agree(host, all != NULL ? ECH_OK : ECH_ERR_MEMORY);
    if (status != ECH_OK || all == NULL) {
        ech_free(all);
        return status;
    }
    status = ech_comm_all_gather(host, &hash, sizeof hash, all);
    for (size_t rank = 0; status == ECH_OK && rank < count; rank++) {
        *bound = *bound || !ech_hash_equal(all[rank], hash);
    }
    ech_free(all);
    return status;
}

static void bind_to(const uint32_t *cpus, uint32_t count, ech_pin_outcome *outcome)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (uint32_t i = 0; i < count; i++) {
        if (cpus[i] < CPU_SETSIZE) {
            CPU_SET(cpus[i], &set);
        }
    }
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
        *outcome = ECH_PIN_IMPOSSIBLE;
    }
}

/* The leader rank's plan reaches its ranks; each takes its own part. */
static ech_status follow_plan(ech_comm *host, ech_pin_plan *plan, const plan_head *head,
                              ech_pin_result *out)
{
    const size_t first_count = (size_t)ech_comm_size(host) + 1;
    ech_status status = ECH_OK;
    if (plan->cpus == NULL) {
        plan->first = ech_calloc(first_count, sizeof *plan->first);
        plan->cpus = ech_calloc(head->cpu_count, sizeof *plan->cpus);
        status = plan->first != NULL && plan->cpus != NULL ? ECH_OK : ECH_ERR_MEMORY;
    }
    status = ech_comm_agree(host, status);
    if (status != ECH_OK || plan->first == NULL || plan->cpus == NULL) {
        return status;
    }
    status = ech_comm_broadcast(host, plan->first, first_count * sizeof *plan->first, 0);
    if (status == ECH_OK) {
        status = ech_comm_broadcast(host, plan->cpus, head->cpu_count * sizeof *plan->cpus, 0);
    }
    if (status == ECH_OK) {
        const int rank = ech_comm_rank(host);
        const uint32_t begin = plan->first[rank];
        bind_to(plan->cpus + begin, plan->first[rank + 1] - begin, &out->outcome);
    }
    return status;
}

static ech_status plan_and_bind(ech_comm *host, uint32_t threads, ech_pin_result *out)
{
    ech_pin_plan plan = {0};
    plan_head head = {.status = ECH_OK};
    if (ech_comm_rank(host) == 0) {
        const ech_pin_source this_host = {0};
        const uint32_t ranks = (uint32_t)ech_comm_size(host);
        head.status = (int32_t)ech_pin_plan_make(&this_host, ranks, threads, &plan);
        head.outcome = plan.outcome;
        head.cores = plan.cores;
        head.cpu_count = plan.cpus != NULL ? plan.first[ranks] : 0;
    }
    ech_status status = ech_comm_agree(host, (ech_status)head.status);
    if (status == ECH_OK) {
        status = ech_comm_broadcast(host, &head, sizeof head, 0);
    }
    if (status == ECH_OK) {
        out->outcome = (ech_pin_outcome)head.outcome;
        out->cores = head.cores;
        if (out->outcome == ECH_PIN_DONE) {
            status = follow_plan(host, &plan, &head, out);
        }
    }
    ech_pin_plan_free(&plan);
    return status;
}

ech_status ech_pin_ranks(ech_machine *machine, uint32_t threads, ech_pin_result *out)
{
    cpu_set_t before;
    bool bound = false;
    ech_comm *host = ech_machine_host_comm(machine);
    *out = (ech_pin_result){.outcome = ECH_PIN_IMPOSSIBLE};
    CPU_ZERO(&before);
    (void)sched_getaffinity(0, sizeof before, &before);
    memcpy(&out->allowed, &before, sizeof out->allowed);
    ech_status status = launcher_bound(host, &before, &bound);
    if (status == ECH_OK && bound) {
        out->outcome = ECH_PIN_LAUNCHER;
        out->cores = (uint32_t)CPU_COUNT(&before);
    } else if (status == ECH_OK) {
        status = plan_and_bind(host, threads, out);
    }
    (void)sched_getaffinity(0, sizeof before, &before);
    memcpy(&out->own, &before, sizeof out->own);
    list_cpus(&before, out->cpus);
    return ech_comm_agree(ech_machine_comm(machine), status);
}

static void run_on(const ech_pin_set *cpus)
{
    cpu_set_t set;
    memcpy(&set, cpus, sizeof set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

void ech_pin_lift(const ech_pin_result *mine)
{
    run_on(&mine->allowed);
}

void ech_pin_restore(const ech_pin_result *mine)
{
    run_on(&mine->own);
}

static const char *outcome_text(ech_pin_outcome outcome)
{
    switch (outcome) {
    case ECH_PIN_DONE:
        return "pinned, rank:cpus";
    case ECH_PIN_LAUNCHER:
        return "bound by the launcher, rank:cpus";
    case ECH_PIN_CROWDED:
        return "not pinned since the ranks and their threads outnumber the cores, all on cpus";
    case ECH_PIN_IMPOSSIBLE:
        break;
    }
    return "not pinned since the system does not allow it, all on cpus";
}

static void log_host(const ech_machine *machine, int host, const ech_pin_result *all)
{
    char line[LINE_BYTES];
    int count = 0;
    const int *ranks = ech_machine_ranks_of(machine, host, &count);
    const ech_pin_result *first = &all[ranks[0]];
    int length = snprintf(line, sizeof line, "host %d (%s): %d rank%s on %u core%s, %s", host,
                          ech_machine_host_name(machine, host), count, count == 1 ? "" : "s",
                          first->cores, first->cores == 1 ? "" : "s", outcome_text(first->outcome));
    if (first->outcome != ECH_PIN_DONE && first->outcome != ECH_PIN_LAUNCHER) {
        ech_log(ECH_LOG_INFO, "%s %s", line, first->cpus);
        return;
    }
    for (int i = 0; i < count && length < (int)sizeof line; i++) {
        const size_t room = sizeof line - (size_t)length;
        length += snprintf(line + length, room, " %d:%s", ranks[i], all[ranks[i]].cpus);
    }
    ech_log(ECH_LOG_INFO, "%s", line);
}

ech_status ech_pin_log(ech_machine *machine, const ech_pin_result *mine)
{
    ech_comm *comm = ech_machine_comm(machine);
    ech_pin_result *all = ech_calloc((size_t)ech_comm_size(comm), sizeof *all);
    ech_status status = ech_comm_agree(comm, all != NULL ? ECH_OK : ECH_ERR_MEMORY);
    if (status != ECH_OK || all == NULL) {
        ech_free(all);
        return status;
    }
    status = ech_comm_all_gather(comm, mine, sizeof *mine, all);
    if (status == ECH_OK && ech_comm_rank(comm) == 0) {
        const int hosts = ech_machine_host_count(machine);
        for (int host = 0; host < hosts && host < LOGGED_HOSTS; host++) {
            log_host(machine, host, all);
        }
    }
    ech_free(all);
    return status;
}
