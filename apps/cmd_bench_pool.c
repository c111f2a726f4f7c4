#define _GNU_SOURCE
#include <argp.h>
#include <math.h>
#include <stdio.h>
#include <sys/mman.h>

#include "apps/arguments.h"
#include "apps/bench_pool.h"
#include "apps/command.h"
#include "runtime/base/json.h"
#include "runtime/base/memory.h"
#include "runtime/mpi/guard.h"
#include "runtime/mpi/machine.h"
#include "runtime/mpi/pin.h"
#include "runtime/mpi/window.h"

enum { PAGE_BYTES = 4096, PAYLOAD_MAX = 1 << 24, THREADS_MAX = 256 };
static const int64_t tasks_max = 10000000000;

typedef struct {
    ech_executor_kind kind;
    uint32_t threads;
    bool json;
    ech_bench_pool bench;
} arguments;

static error_t parse(int key, char *text, struct argp_state *state)
{
    arguments *given = state->input;
    switch (key) {
    case 'n':
        given->bench.options.tasks =
            (uint64_t)ech_argument_number(state, "tasks", text, 1, tasks_max);
        return 0;
    case 'p':
        given->bench.options.payload_bytes =
            (size_t)ech_argument_number(state, "payload", text, sizeof(uint64_t), PAYLOAD_MAX);
        return 0;
    case 'e':
        if (ech_executor_kind_parse(text, &given->kind) != ECH_OK) {
            argp_error(state, "--executor %s: expected serial, threads or mpi", text);
        }
        return 0;
    case 't':
        given->threads = (uint32_t)ech_argument_number(state, "threads", text, 1, THREADS_MAX);
        return 0;
    case 'j':
        given->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", text);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"tasks", 'n', "N", 0, "no-op tasks (1e6)", 0},
    {"payload", 'p', "BYTES", 0, "bytes of arguments and of the result (8)", 0},
    {"executor", 'e', "NAME", 0, "mpi (default), threads or serial", 0},
    {"threads", 't', "N", 0, "threads of the threads executor (2)", 0},
    {"json", 'j', NULL, 0, "one JSON object on standard output", 0},
    {0},
};

static const struct argp parser = {
    .options = option_table,
    .parser = parse,
    .doc = "Measure the task pool with no-op tasks, each with a future, a priority, a record and "
           "retries, run by other ranks than the submitting one and checked. Start it with mpiexec "
           "on two or more ranks.",
};

static void write_result(ech_json *json, const ech_executor *executor, const ech_bench_pool *bench)
{
    const ech_bench_pool_result *result = &bench->result;
    ech_json_begin_object(json, NULL);
    ech_json_unsigned(json, "tasks", bench->options.tasks);
    ech_json_unsigned(json, "payload_bytes", bench->options.payload_bytes);
    ech_json_integer(json, "ranks", ech_executor_rank_count(executor));
    ech_json_integer(json, "hosts", ech_executor_host_count(executor));
    ech_json_real(json, "tasks_per_second", result->tasks_per_second);
    ech_json_real(json, "latency_us_p50", result->latency_us_p50);
    ech_json_real(json, "latency_us_p99", result->latency_us_p99);
    ech_json_real(json, "latency_sleep_us_p50", result->latency_sleep_us_p50);
    ech_json_real(json, "futex_us", result->futex_us);
    ech_json_real(json, "bytes_per_pending_task", result->bytes_per_pending_task);
    ech_json_unsigned(json, "records", result->records);
    ech_json_unsigned(json, "records_of_other_ranks", result->foreign);
    ech_json_unsigned(json, "peak_rss_bytes", ech_memory_peak_rss_bytes());
    ech_json_end_object(json);
}

static void print_result(const ech_executor *executor, const ech_bench_pool *bench)
{
    const ech_bench_pool_result *result = &bench->result;
    printf("%d ranks on %d hosts, %llu tasks with %zu bytes\n", ech_executor_rank_count(executor),
           ech_executor_host_count(executor), (unsigned long long)bench->options.tasks,
           bench->options.payload_bytes);
    printf("  tasks a second              %12.0f\n", result->tasks_per_second);
    printf("  a lone task, taker polls    %12.2f us (99 %%: %.2f us)\n", result->latency_us_p50,
           result->latency_us_p99);
    printf("  a lone task, taker sleeps   %12.2f us (bare futexes: %.2f us)\n",
           result->latency_sleep_us_p50, result->futex_us);
    printf("  memory of a pending task    %12.1f bytes besides its arguments\n",
           result->bytes_per_pending_task);
}

static ech_status write_out(const arguments *given, const ech_executor *executor)
{
    if (ech_executor_rank(executor) != 0) {
        return ECH_OK;
    }
    const ech_status checked =
        ech_bench_pool_check(&given->bench, ech_executor_rank_count(executor));
    if (checked != ECH_OK) {
        return checked;
    }
    if (!given->json) {
        print_result(executor, &given->bench);
        return ECH_OK;
    }
    ech_json json = ech_json_writer(stdout);
    write_result(&json, executor, &given->bench);
    return ech_json_finish(&json);
}

/* Collective over the machine for `mpi`. */
static ech_status run_bench(arguments *given, ech_machine *machine)
{
    ech_app_registry *apps = NULL;
    ech_executor *executor = NULL;
    const ech_task_record_sink sink = ech_bench_pool_sink(&given->bench);
    const ech_executor_options options = {
        .kind = given->kind,
        .machine = machine,
        .ranks = given->threads,
        .dedicated = given->threads > 1,
        .sink = &sink,
    };
    ech_status status = ech_app_registry_create(&apps);
    if (status == ECH_OK) {
        status = ech_bench_pool_register(apps, &given->bench);
    }
    if (status == ECH_OK) {
        status = ech_executor_create(apps, &options, &executor);
    }
    if (status == ECH_OK) {
        status = ech_executor_run(executor, ech_bench_pool_program, &given->bench);
    }
    if (status == ECH_OK) {
        status = write_out(given, executor);
    }
    ech_executor_destroy(&executor);
    ech_app_registry_destroy(&apps);
    return status;
}

static ech_status run_in_process(arguments *given)
{
    void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return ech_fail(ECH_ERR_MEMORY, "cannot map a page");
    }
    given->bench.options.shared = given->kind == ECH_EXECUTOR_THREADS ? page : NULL;
    const ech_status status = run_bench(given, NULL);
    munmap(page, PAGE_BYTES);
    return status;
}

static ech_status run_with_machine(arguments *given, ech_machine *machine)
{
    ech_window *window = NULL;
    ech_pin_result pinned;
    ech_machine_set_leader_mode(machine, ECH_LEADER_DEDICATED);
    /* Fake hosts (MPIR_CVAR_NUM_CLIQUES) would all be pinned to the same first cores. */
    ech_status status =
        ech_machine_host_count(machine) == 1 ? ech_pin_ranks(machine, 1, &pinned) : ECH_OK;
    if (status == ECH_OK) {
        status = ech_window_create(machine, "futexes", PAGE_BYTES, false, &window);
    }
    if (status == ECH_OK) {
        const bool near =
            ech_machine_rank_count(machine) > 1 && ech_machine_host_of(machine, 1) == 0;
        given->bench.options.shared = near ? ech_window_base(window) : NULL;
        status = run_bench(given, machine);
    }
    ech_window_destroy(&window);
    return status;
}

static ech_status run_as_job(arguments *given)
{
    ech_machine *machine = NULL;
    ech_status status = ech_guard_start();
    if (status == ECH_OK) {
        status = ech_mpi_start();
    }
    if (status != ECH_OK) {
        return status;
    }
    ech_guard_phase("bench pool");
    status = ech_machine_create(MPI_COMM_WORLD, &machine);
    if (status == ECH_OK) {
        status = run_with_machine(given, machine);
    }
    if (status != ECH_OK) {
        ech_abort(status);
    }
    ech_machine_destroy(&machine);
    return ech_mpi_finish();
}

int ech_cmd_bench_pool(int argc, char **argv)
{
    arguments given = {.kind = ECH_EXECUTOR_MPI, .threads = 2};
    given.bench.options = (ech_bench_pool_options){.tasks = 1000000, .payload_bytes = 8};
    if (argp_parse(&parser, argc, argv, 0, NULL, &given) != 0) {
        return ech_status_exit_code(ECH_ERR_ARGUMENT);
    }
    return ech_command_exit(given.kind == ECH_EXECUTOR_MPI ? run_as_job(&given)
                                                           : run_in_process(&given));
}
