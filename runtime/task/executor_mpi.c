/* Ranks are the processes of an MPI job: a pool a host, in a shared window, and links between the
 * leader ranks. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/mpi/hardware.h"
#include "runtime/mpi/machine.h"
#include "runtime/mpi/window.h"
#include "runtime/task/hosts/links.h"
#include "runtime/task/pool/gather.h"
#include "runtime/task/pool/pool.h"
#include "runtime/task/task_mpi.h"

typedef struct {
    ech_pool pool; /* first: see pool.h */
    ech_machine *machine;
    ech_window *window;
    ech_links *links; /* leader ranks, where there are several hosts */
} mpi_backend;

/* What must agree on all ranks, in the order of registration. */
typedef struct {
    char name[ECH_APP_NAME_BYTES];
    ech_hash128 fingerprint;
} app_entry;

static void describe_apps(const ech_app_registry *apps, app_entry *entries)
{
    for (size_t i = 0; entries != NULL && i < apps->count; i++) {
        memcpy(entries[i].name, apps->apps[i].name, strlen(apps->apps[i].name));
        entries[i].fingerprint = ech_app_fingerprint(&apps->apps[i]);
    }
}

static ech_status compare_apps(const app_entry *first, size_t first_count, const app_entry *mine,
                               size_t count)
{
    for (size_t i = 0; i < first_count || i < count; i++) {
        if (i >= first_count) {
            return ech_fail(ECH_ERR_ARGUMENT, "app '%s' is not registered on rank 0", mine[i].name);
        }
        if (i >= count) {
            return ech_fail(ECH_ERR_ARGUMENT, "app '%s' is registered on rank 0 only",
                            first[i].name);
        }
        if (strcmp(first[i].name, mine[i].name) != 0) {
            return ech_fail(ECH_ERR_ARGUMENT, "app %zu is '%s', but '%s' on rank 0", i,
                            mine[i].name, first[i].name);
        }
        if (!ech_hash_equal(first[i].fingerprint, mine[i].fingerprint)) {
            return ech_fail(ECH_ERR_ARGUMENT,
                            "app '%s' differs from rank 0's in its version or bounds",
                            mine[i].name);
        }
    }
    return ECH_OK;
}

static ech_status receive_and_compare(ech_comm *comm, const app_entry *mine, size_t count)
{
    uint64_t first_count = count;
    ech_status status = ech_comm_broadcast(comm, &first_count, sizeof first_count, 0);
    if (status != ECH_OK) {
        return status;
    }
    app_entry *first = ech_calloc(first_count + 1, sizeof *first);
    status = ech_comm_agree(comm, first == NULL ? ECH_ERR_MEMORY : ECH_OK);
    if (status == ECH_OK && first != NULL && mine != NULL) {
        memcpy(first, mine, (first_count < count ? first_count : count) * sizeof *first);
        status = ech_comm_broadcast(comm, first, first_count * sizeof *first, 0);
    }
    if (status == ECH_OK && first != NULL) {
        status = ech_comm_agree(comm, compare_apps(first, first_count, mine, count));
    }
    ech_free(first);
    return status;
}

/* Collective: the same apps in the same order everywhere. */
static ech_status check_apps(ech_comm *comm, const ech_app_registry *apps)
{
    app_entry *mine = ech_calloc(apps->count + 1, sizeof *mine);
    ech_status status = ech_comm_agree(comm, mine == NULL ? ECH_ERR_MEMORY : ECH_OK);
    if (status == ECH_OK && mine != NULL) {
        describe_apps(apps, mine);
        status = receive_and_compare(comm, mine, apps->count);
    }
    ech_free(mine);
    return status;
}

static uint32_t order_for(uint32_t cells)
{
    uint32_t order = 6;
    while ((1U << order) < cells) {
        order++;
    }
    return order;
}

static ech_status shape_of(const ech_executor *executor, const ech_machine *machine,
                           ech_pool_shape *shape)
{
    int ranks = 0;
    ech_hardware hardware;
    ech_machine_ranks_of(machine, executor->host, &ranks);
    const ech_status status = ech_hardware_query(&hardware);
    if (status != ECH_OK) {
        return status;
    }
    const uint32_t cells = executor->options.released_max;
    *shape = (ech_pool_shape){
        .ranks = (uint32_t)ranks,
        .cores = hardware.core_count,
        .own_cells = cells,
        .guest_cells = executor->hosts > 1 ? cells : 0,
        .returns_order = order_for(executor->hosts > 1 ? 2 * cells : cells),
        .arena_bytes = executor->options.arena_bytes,
    };
    return ECH_OK;
}

static void find_ranks(const ech_executor *executor, const ech_machine *machine, bool *runs_tasks,
                       int *local_of_rank)
{
    for (int rank = 0; rank < executor->ranks; rank++) {
        const int host = ech_machine_host_of(machine, rank);
        runs_tasks[rank] = rank != ech_machine_leader_of(machine, host) ||
                           ech_machine_leader_trains(machine, host);
        local_of_rank[rank] = -1;
    }
    int count = 0;
    const int *mine = ech_machine_ranks_of(machine, executor->host, &count);
    for (int i = 0; i < count; i++) {
        local_of_rank[mine[i]] = i;
    }
}

static ech_status open_pool(ech_executor *executor, mpi_backend *backend,
                            const ech_pool_shape *shape)
{
    bool *runs_tasks = ech_calloc((size_t)executor->ranks, sizeof *runs_tasks);
    int *local_of_rank = ech_calloc((size_t)executor->ranks, sizeof *local_of_rank);
    ech_status status = runs_tasks == NULL || local_of_rank == NULL ? ECH_ERR_MEMORY : ECH_OK;
    if (status == ECH_OK) {
        find_ranks(executor, backend->machine, runs_tasks, local_of_rank);
        const ech_pool_ranks ranks = {
            .self = (uint32_t)ech_machine_host_rank(backend->machine),
            .runs_tasks = runs_tasks,
            .local_of_rank = local_of_rank,
        };
        status = ech_pool_open(&backend->pool, executor, shape, ech_window_base(backend->window),
                               &ranks);
    }
    ech_free(runs_tasks);
    ech_free(local_of_rank);
    return status;
}

/* Members of a multi-rank task come together in rounds: one that has ended comes to each with
 * `ended` set, so that nobody waits for it in an exchange, until all have. */
typedef struct {
    uint64_t ended;
    uint64_t bytes;
    uint64_t bytes_squared;
} round_sums;

static ech_status meet(ech_comm *comm, round_sums *sums)
{
    return ech_comm_sum_u64(comm, &sums->ended, sizeof *sums / sizeof(uint64_t));
}

static ech_status exchange_by_mpi(void *self, uint32_t member, const void *mine, size_t bytes,
                                  void *all)
{
    (void)member;
    ech_comm *comm = self;
    const uint64_t count = (uint64_t)ech_comm_size(comm);
    round_sums sums = {.bytes = bytes, .bytes_squared = (uint64_t)bytes * bytes};
    const ech_status status = meet(comm, &sums);
    if (status != ECH_OK) {
        return status;
    }
    if (sums.ended > 0) {
        return ech_fail(ECH_ERR_TASK, "a member of the multi-rank task ended without exchanging");
    }
    if (sums.bytes_squared * count != sums.bytes * sums.bytes) {
        return ech_fail(ECH_ERR_ARGUMENT,
                        "the members of a multi-rank task exchange different numbers of bytes");
    }
    return ech_comm_all_gather(comm, mine, bytes, all);
}

/* Collective over the members. */
static ech_status enter_by_mpi(ech_pool *pool, const ech_team_order *order, ech_team *team)
{
    enum { TAGS = 32767 };
    const mpi_backend *backend = (const mpi_backend *)(const void *)pool;
    const MPI_Comm whole = ech_comm_handle(ech_machine_comm(backend->machine));
    MPI_Group all = MPI_GROUP_NULL;
    MPI_Group members = MPI_GROUP_NULL;
    MPI_Comm handle = MPI_COMM_NULL;
    int ranks[ECH_TEAM_RANKS_MAX];
    for (uint32_t i = 0; i < order->count; i++) {
        ranks[i] = (int)order->ranks[i];
    }
    ech_status status = ech_mpi_check(MPI_Comm_group(whole, &all), "MPI_Comm_group");
    if (status == ECH_OK) {
        status = ech_mpi_check(MPI_Group_incl(all, (int)order->count, ranks, &members),
                               "MPI_Group_incl");
        MPI_Group_free(&all);
    }
    if (status == ECH_OK) {
        status = ech_mpi_check(
            MPI_Comm_create_group(whole, members, (int)(order->number % TAGS), &handle),
            "MPI_Comm_create_group");
        MPI_Group_free(&members);
    }
    ech_comm *comm = NULL;
    if (status == ECH_OK) {
        status = ech_comm_adopt(handle, ECH_COMM_TIMEOUT_NS, &comm);
    }
    team->self = comm;
    team->exchange = exchange_by_mpi;
    return status;
}

static ech_status finish_by_mpi(const ech_team *team, const void *mine, size_t bytes, void *all)
{
    round_sums sums;
    do {
        sums = (round_sums){.ended = 1};
        const ech_status status = meet(team->self, &sums);
        if (status != ECH_OK) {
            return status;
        }
    } while (sums.ended < team->count);
    return ech_comm_all_gather(team->self, mine, bytes, all);
}

static void leave_by_mpi(ech_team *team)
{
    ech_comm *comm = team->self;
    ech_comm_destroy(&comm);
}

MPI_Comm ech_task_communicator(const ech_task_context *context)
{
    const ech_team *team = context->call->team;
    return team != NULL && context->executor->variant == &ech_executor_mpi
               ? ech_comm_handle(team->self)
               : MPI_COMM_NULL;
}

static ech_status prepare_teams(ech_executor *executor, mpi_backend *backend)
{
    ech_pool *pool = &backend->pool;
    pool->team_enter = enter_by_mpi;
    pool->team_finish = finish_by_mpi;
    pool->team_leave = leave_by_mpi;
    if (executor->rank != 0) {
        return ECH_OK;
    }
    const ech_gather_hosts hosts =
        backend->links != NULL ? ech_links_gather_hosts(backend->links) : (ech_gather_hosts){0};
    return ech_gatherer_create(pool, &hosts, &pool->gatherer);
}

/* Collective: only rank 0 knows whether anybody listens; if not, no records are passed on. */
static ech_status set_sinks(ech_executor *executor, mpi_backend *backend)
{
    uint64_t listens = executor->recorder.sink.write != NULL ? 1 : 0;
    const ech_status status =
        ech_comm_broadcast(ech_machine_comm(backend->machine), &listens, sizeof listens, 0);
    if (ech_machine_is_leader(backend->machine)) {
        backend->pool.records_sink = executor->recorder.sink;
    }
    if (executor->rank != 0) {
        executor->recorder.sink =
            listens != 0 ? ech_pool_record_sink(&backend->pool) : (ech_task_record_sink){0};
    }
    return status;
}

/* Collective: after each step all ranks know whether all did it. */
static ech_status open_backend(ech_executor *executor, mpi_backend *backend)
{
    ech_machine *machine = backend->machine;
    ech_comm *comm = ech_machine_comm(machine);
    ech_pool_shape shape;
    ech_status status = ech_comm_agree(comm, shape_of(executor, machine, &shape));
    if (status == ECH_OK) {
        status = ech_window_create(machine, "task pool", ech_pool_bytes(&shape), false,
                                   &backend->window);
    }
    if (status == ECH_OK) {
        status = ech_comm_agree(comm, open_pool(executor, backend, &shape));
    }
    if (status == ECH_OK) {
        status = ech_comm_agree(comm, set_sinks(executor, backend));
    }
    if (status == ECH_OK) {
        const bool links = executor->hosts > 1 && ech_machine_is_leader(machine);
        status = ech_comm_agree(
            comm, links ? ech_links_create(&backend->pool, machine, &backend->links) : ECH_OK);
    }
    if (status == ECH_OK) {
        status = ech_comm_agree(comm, prepare_teams(executor, backend));
    }
    if (status == ECH_OK) {
        status =
            ech_comm_agree(comm, executor->rank == 0 ? ech_memo_load(&executor->memo) : ECH_OK);
    }
    return status;
}

static ech_status mpi_create(ech_executor *executor)
{
    ech_machine *machine = executor->options.machine;
    if (machine == NULL) {
        return ech_fail(ECH_ERR_ARGUMENT, "the mpi executor needs a machine");
    }
    ech_comm *comm = ech_machine_comm(machine);
    mpi_backend *backend = ech_calloc(1, sizeof *backend);
    executor->backend = backend;
    ech_status status = ech_comm_agree(comm, backend == NULL ? ECH_ERR_MEMORY : ECH_OK);
    if (status != ECH_OK || backend == NULL) {
        return status;
    }
    backend->machine = machine;
    executor->rank = ech_machine_rank(machine);
    executor->ranks = ech_machine_rank_count(machine);
    executor->host = ech_machine_host(machine);
    executor->hosts = ech_machine_host_count(machine);
    status = check_apps(comm, executor->apps);
    return status == ECH_OK ? open_backend(executor, backend) : status;
}

static void mpi_destroy(ech_executor *executor)
{
    mpi_backend *backend = executor->backend;
    if (backend == NULL) {
        return;
    }
    ech_gatherer_destroy(&backend->pool.gatherer);
    ech_links_destroy(&backend->links);
    ech_pool_close(&backend->pool);
    ech_window_destroy(&backend->window);
    ech_free(backend);
    executor->backend = NULL;
}

static ech_status await_leaving(ech_pool *pool)
{
    return ech_pool_await_leaving(pool, pool->shape.ranks - 1);
}

static ech_status run_first(ech_executor *executor, mpi_backend *backend, ech_program program,
                            void *user)
{
    const ech_status status = ech_executor_run_program(executor, program, user);
    char message[ECH_OUTCOME_MESSAGE_BYTES];
    snprintf(message, sizeof message, "%s", ech_status_message());
    ech_pool_stop(&backend->pool, status);
    ech_status ended = await_leaving(&backend->pool);
    if (ended == ECH_OK && backend->links != NULL) {
        ended = ech_links_end_run(backend->links, status);
    }
    ech_pool_read_records(&backend->pool);
    return status != ECH_OK ? ech_fail(status, "%s", message) : ended;
}

static ech_status run_other(ech_executor *executor, mpi_backend *backend)
{
    ech_pool *pool = &backend->pool;
    ech_pool_serve_run(executor);
    const ech_status program = (ech_status)pool->head->program_status;
    if (ech_machine_is_leader(backend->machine)) {
        ech_status status = await_leaving(pool);
        if (status == ECH_OK) {
            status = ech_links_leave_run(backend->links);
        }
        if (status != ECH_OK) {
            return status;
        }
    }
    return program == ECH_OK ? ECH_OK : ech_fail(program, "the program failed on rank 0");
}

static ech_status mpi_run(ech_executor *executor, ech_program program, void *user)
{
    mpi_backend *backend = executor->backend;
    if (ech_machine_is_leader(backend->machine)) {
        ech_pool_begin_run(&backend->pool);
        if (backend->links != NULL) {
            ech_links_begin_run(backend->links);
        }
    }
    const ech_status begun = ech_comm_barrier(ech_machine_comm(backend->machine));
    if (begun != ECH_OK) {
        return begun;
    }
    return executor->rank == 0 ? run_first(executor, backend, program, user)
                               : run_other(executor, backend);
}

const ech_executor_variant ech_executor_mpi = {
    .name = "mpi",
    .has_black_box = true,
    .create = mpi_create,
    .destroy = mpi_destroy,
    .run = mpi_run,
    .release = ech_pool_variant_release,
    .step = ech_pool_variant_step,
    .idle = ech_pool_variant_idle,
    .withdraw = ech_pool_variant_withdraw,
    .yield = ech_pool_variant_yield,
    .bytes_max = ech_pool_variant_bytes_max,
    .retract = ech_pool_variant_retract,
    .check_team = ech_pool_variant_check_team,
};
