/* Ranks are threads of one process, which share the same kind of pool as processes of one host. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/base/memory.h"
#include "runtime/mpi/guard.h"
#include "runtime/task/pool/gather.h"
#include "runtime/task/pool/pool.h"

enum { THREADS_MAX = 256 };

typedef struct {
    ech_pool pool; /* first: see pool.h */
    void *shared;  /* of all ranks; rank 0 owns it */
    size_t shared_bytes;
    ech_executor *others; /* ranks 1 and on; rank 0's */
} threads_backend;

/* The meeting place of a multi-rank task: the members' own exchanges, and the one at their end. */
typedef struct {
    ech_team_room *during;
    ech_team_room *after;
    _Atomic uint32_t members;
} threads_room;

static void prepare_room(ech_team_order *order)
{
    threads_room *room = ech_calloc(1, sizeof *room);
    if (room == NULL || ech_team_room_create(order->count, false, &room->during) != ECH_OK ||
        ech_team_room_create(order->count, false, &room->after) != ECH_OK) {
        ech_abort(ECH_ERR_MEMORY); /* the ranks are locked: there is no way back */
    }
    atomic_init(&room->members, order->count);
    order->room = room;
}

static ech_status exchange_in_room(void *self, uint32_t member, const void *mine, size_t bytes,
                                   void *all)
{
    threads_room *room = self;
    return ech_team_room_exchange(room->during, member, mine, bytes, all);
}

static ech_status enter_room(ech_pool *pool, const ech_team_order *order, ech_team *team)
{
    (void)pool;
    team->self = order->room;
    team->exchange = exchange_in_room;
    return ECH_OK;
}

static ech_status finish_in_room(const ech_team *team, const void *mine, size_t bytes, void *all)
{
    threads_room *room = team->self;
    ech_team_room_leave(room->during, team->member);
    return ech_team_room_exchange(room->after, team->member, mine, bytes, all);
}

static void leave_room(ech_team *team)
{
    threads_room *room = team->self;
    if (atomic_fetch_sub(&room->members, 1) == 1) {
        ech_team_room_destroy(&room->during);
        ech_team_room_destroy(&room->after);
        ech_free(room);
    }
}

static uint32_t allowed_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    return (uint32_t)CPU_COUNT(&set);
}

static uint32_t returns_order_for(uint32_t cells)
{
    uint32_t order = 6;
    while ((1U << order) < cells) {
        order++;
    }
    return order;
}

static ech_pool_shape shape_of(const ech_executor *executor)
{
    return (ech_pool_shape){
        .ranks = (uint32_t)executor->ranks,
        .cores = allowed_processors(),
        .own_cells = executor->options.released_max,
        .returns_order = returns_order_for(executor->options.released_max),
        .arena_bytes = executor->options.arena_bytes,
    };
}

static ech_status open_pool(ech_executor *executor, int rank, void *shared)
{
    threads_backend *backend = ech_calloc(1, sizeof *backend);
    executor->backend = backend;
    if (backend == NULL) {
        return ECH_ERR_MEMORY;
    }
    bool runs[THREADS_MAX];
    int local[THREADS_MAX];
    for (int i = 0; i < executor->ranks; i++) {
        runs[i] = i > 0 || executor->ranks == 1 || !executor->options.dedicated;
        local[i] = i;
    }
    const ech_pool_shape shape = shape_of(executor);
    const ech_pool_ranks ranks = {
        .self = (uint32_t)rank, .runs_tasks = runs, .local_of_rank = local};
    backend->pool.team_prepare = prepare_room;
    backend->pool.team_enter = enter_room;
    backend->pool.team_finish = finish_in_room;
    backend->pool.team_leave = leave_room;
    return ech_pool_open(&backend->pool, executor, &shape, shared, &ranks);
}

static ech_status open_other(ech_executor *first, ech_executor *other, int rank, void *shared)
{
    other->variant = first->variant;
    other->apps = first->apps;
    other->options = first->options;
    other->rank = rank;
    other->ranks = first->ranks;
    other->hosts = 1;
    ech_graph_init(&other->graph);
    ech_memo_init(&other->memo, NULL);
    ech_watch_init(&other->watch);
    other->recorder.scale = first->recorder.scale;
    const ech_status status = open_pool(other, rank, shared);
    if (status == ECH_OK && first->recorder.sink.write != NULL) {
        other->recorder.sink = ech_pool_record_sink(other->backend);
    }
    return status;
}

static ech_status map_shared(ech_executor *executor, void **shared, size_t *bytes)
{
    const ech_pool_shape shape = shape_of(executor);
    *bytes = ech_pool_bytes(&shape);
    *shared = mmap(NULL, *bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (*shared == MAP_FAILED) {
        *shared = NULL;
        return ech_fail(ECH_ERR_MEMORY, "cannot map %zu bytes for the pool", *bytes);
    }
    return ECH_OK;
}

static ech_status threads_create(ech_executor *executor)
{
    const uint32_t ranks =
        executor->options.ranks != 0 ? executor->options.ranks : allowed_processors();
    if (ranks > THREADS_MAX) {
        return ech_fail(ECH_ERR_ARGUMENT, "%u threads are more than %d", ranks, THREADS_MAX);
    }
    executor->ranks = (int)ranks;
    void *shared = NULL;
    size_t bytes = 0;
    ech_status status = map_shared(executor, &shared, &bytes);
    if (status == ECH_OK) {
        status = open_pool(executor, 0, shared);
    }
    if (status == ECH_OK) {
        ech_pool *pool = executor->backend;
        status = ech_gatherer_create(pool, NULL, &pool->gatherer);
    }
    threads_backend *backend = executor->backend;
    if (backend == NULL) {
        return status;
    }
    backend->shared = shared;
    backend->shared_bytes = bytes;
    backend->pool.records_sink = executor->recorder.sink;
    backend->others = ech_calloc(ranks - 1, sizeof *backend->others);
    if (status == ECH_OK && backend->others == NULL) {
        status = ECH_ERR_MEMORY;
    }
    for (uint32_t i = 1; i < ranks && status == ECH_OK; i++) {
        status = open_other(executor, &backend->others[i - 1], (int)i, shared);
    }
    return status == ECH_OK ? ech_memo_load(&executor->memo) : status;
}

static void close_backend(ech_executor *executor)
{
    threads_backend *backend = executor->backend;
    if (backend != NULL) {
        ech_gatherer_destroy(&backend->pool.gatherer);
        ech_pool_close(&backend->pool);
        ech_free(backend);
        executor->backend = NULL;
    }
}

static void threads_destroy(ech_executor *executor)
{
    threads_backend *backend = executor->backend;
    if (backend == NULL) {
        return;
    }
    for (int i = 1; backend->others != NULL && i < executor->ranks; i++) {
        ech_executor *other = &backend->others[i - 1];
        close_backend(other);
        ech_executor_clear(other);
    }
    ech_free(backend->others);
    if (backend->shared != NULL) {
        munmap(backend->shared, backend->shared_bytes);
    }
    close_backend(executor);
}

static void *serve(void *other)
{
    ech_pool_serve_run(other);
    return NULL;
}

static ech_status start_others(ech_executor *executor, pthread_t *threads, int *started)
{
    threads_backend *backend = executor->backend;
    for (*started = 1; *started < executor->ranks; (*started)++) {
        const int failed =
            pthread_create(&threads[*started], NULL, serve, &backend->others[*started - 1]);
        if (failed != 0) {
            return ech_fail(ECH_ERR_SYSTEM, "cannot start thread %d: %s", *started,
                            strerror(failed));
        }
    }
    return ECH_OK;
}

static ech_status threads_run(ech_executor *executor, ech_program program, void *user)
{
    threads_backend *backend = executor->backend;
    pthread_t threads[THREADS_MAX];
    int started = 0;
    ech_pool_begin_run(&backend->pool);
    ech_status status = start_others(executor, threads, &started);
    if (status == ECH_OK) {
        status = ech_executor_run_program(executor, program, user);
    }
    char message[ECH_OUTCOME_MESSAGE_BYTES];
    strncpy(message, ech_status_message(), sizeof message - 1);
    message[sizeof message - 1] = '\0';
    ech_pool_stop(&backend->pool, status);
    const ech_status left = ech_pool_await_leaving(&backend->pool, (uint32_t)started - 1);
    for (int i = 1; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    ech_pool_read_records(&backend->pool);
    return status == ECH_OK ? left : ech_fail(status, "%s", message);
}

const ech_executor_variant ech_executor_threads = {
    .name = "threads",
    .create = threads_create,
    .destroy = threads_destroy,
    .run = threads_run,
    .release = ech_pool_variant_release,
    .step = ech_pool_variant_step,
    .idle = ech_pool_variant_idle,
    .withdraw = ech_pool_variant_withdraw,
    .yield = ech_pool_variant_yield,
    .bytes_max = ech_pool_variant_bytes_max,
    .retract = ech_pool_variant_retract,
    .check_team = ech_pool_variant_check_team,
};
