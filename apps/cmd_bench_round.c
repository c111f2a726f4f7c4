#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apps/arguments.h"
#include "apps/bench_round.h"
#include "apps/command.h"
#include "runtime/base/json.h"
#include "runtime/base/memory.h"
#include "runtime/mpi/comm.h"
#include "runtime/mpi/guard.h"
#include "runtime/mpi/interrupt.h"

enum { KEY_ROUNDS = 256, NUMBER_BYTES = 16, RANKS_MAX = 1 << 20 };

typedef struct {
    ech_bench_round_options options;
    uint32_t ranks; /* to start; 0: one a core */
    bool json;
} command_line;

static bool parse_variant(struct argp_state *state, const char *text)
{
    const bool processes = strcmp(text, "processes") == 0;
    if (!processes && strcmp(text, "pooled") != 0) {
        argp_error(state, "--variant %s: expected processes or pooled", text);
    }
    return processes;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    command_line *line = state->input;
    switch (key) {
    case 'm':
        line->options.model = text;
        return 0;
    case 'w':
        line->options.workers = (uint32_t)ech_argument_number(state, "workers", text, 1, INT32_MAX);
        return 0;
    case 'v':
        line->options.processes = parse_variant(state, text);
        return 0;
    case 'r':
        line->ranks = (uint32_t)ech_argument_number(state, "ranks", text, 1, RANKS_MAX);
        return 0;
    case KEY_ROUNDS:
        line->options.rounds =
            (uint32_t)ech_argument_number(state, "rounds", text, 1, ECH_BENCH_ROUNDS_MAX);
        return 0;
    case 's':
        ech_argument_set(state, line->options.sets, &line->options.set_count, text);
        return 0;
    case 'j':
        line->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", text);
        return EINVAL;
    case ARGP_KEY_END:
        if (line->options.model == NULL || line->options.workers == 0) {
            argp_error(state, "expected --model and --workers");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"model", 'm', "NAME", 0, "a model by name, such as resnet18", 0},
    {"workers", 'w', "N", 0, "workers, all of which take part", 0},
    {"variant", 'v', "NAME", 0, "processes, a rank a worker; or pooled (default), many a rank", 0},
    {"ranks", 'r', "N", 0, "ranks to start for pooled (one a core)", 0},
    {"rounds", KEY_ROUNDS, "N", 0, "rounds (3); the median counts", 0},
    {"set", 's', "KEY=VALUE", 0, "set a key of fit's configuration, such as transfer=redis", 0},
    {"json", 'j', NULL, 0, "one JSON object on standard output", 0},
    {0},
};

static const struct argp parser = {
    .options = option_table,
    .parser = parse,
    .doc = "Measure a round without training: every worker receives the whole model and returns "
           "its own whole update, which the code that trains adds.\v"
           "Starts mpiexec itself where no launcher has started it.",
};

/* ---- starting the ranks ---- */

static uint32_t allowed_cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

/* Becomes mpiexec, with this program and its arguments on each rank. */
static ech_status become_launcher(const command_line *line, int argc, char **argv)
{
    char path[PATH_MAX] = "";
    char number[NUMBER_BYTES];
    const uint32_t pooled = line->ranks > 0 ? line->ranks : allowed_cores();
    snprintf(number, sizeof number, "%u", line->options.processes ? line->options.workers : pooled);
    if (readlink("/proc/self/exe", path, sizeof path - 1) < 0) {
        return ech_fail(ECH_ERR_SYSTEM, "/proc/self/exe: %s", strerror(errno));
    }
    char **command = ech_calloc((size_t)argc + 6, sizeof *command);
    if (command == NULL) {
        return ECH_ERR_MEMORY;
    }
    char *const head[] = {"mpiexec", "-n", number, path, "bench", "round"};
    memcpy(command, head, sizeof head);
    memcpy(command + 6, argv + 1, (size_t)(argc - 1) * sizeof *command);
    execvp(command[0], command);
    ech_free(command);
    return ech_fail(ECH_ERR_SYSTEM, "mpiexec: %s", strerror(errno));
}

/* ---- the result ---- */

static void write_bytes(ech_json *json, const ech_fit_totals *totals)
{
    const ech_tier_bytes sum = ech_fit_all_tiers(totals->tiers, totals->tier_count);
    ech_json_begin_object(json, "bytes");
    ech_json_unsigned(json, "logical_down", sum.logical_down);
    ech_json_unsigned(json, "logical_up", sum.logical_up);
    ech_json_unsigned(json, "wire_down", sum.wire_down);
    ech_json_unsigned(json, "wire_up", sum.wire_up);
    ech_json_end_object(json);
}

static void write_seconds(ech_json *json, const ech_bench_round_result *result)
{
    ech_json_begin_object(json, "seconds");
    ech_json_real(json, "round", ech_bench_round_median(result));
    ech_json_begin_list(json, "rounds");
    for (uint64_t round = 0; round < result->totals.rounds; round++) {
        ech_json_real(json, NULL, result->seconds[round]);
    }
    ech_json_end_list(json);
    ech_json_real(json, "bound", result->bound_seconds);
    ech_json_real(json, "start", result->totals.start_seconds);
    for (int phase = 0; phase < ECH_PHASE_COUNT; phase++) {
        ech_json_real(json, ech_phase_name((ech_phase)phase), result->totals.phase_seconds[phase]);
    }
    ech_json_real(json, "wait", result->totals.wait_seconds);
    ech_json_end_object(json);
}

static ech_status write_json(const command_line *line, const ech_bench_round_result *result)
{
    ech_json json = ech_json_writer(stdout);
    char hash[ECH_HASH_TEXT_BYTES];
    ech_hash_text(result->totals.model_hash, hash);
    ech_json_begin_object(&json, NULL);
    ech_json_text(&json, "model", line->options.model);
    ech_json_unsigned(&json, "values", result->value_count);
    ech_json_text(&json, "variant", line->options.processes ? "processes" : "pooled");
    ech_json_unsigned(&json, "workers", line->options.workers);
    ech_json_unsigned(&json, "ranks", result->totals.ranks);
    ech_json_unsigned(&json, "hosts", result->totals.hosts);
    write_seconds(&json, result);
    write_bytes(&json, &result->totals);
    ech_json_real(&json, "bytes_per_second", result->bytes_per_second);
    ech_json_unsigned(&json, "peak_rss_bytes", result->totals.peak_rss_bytes);
    ech_json_unsigned(&json, "pss_bytes", result->totals.host_pss_bytes);
    ech_json_text(&json, "model_xxh128", hash);
    ech_json_end_object(&json);
    return ech_json_finish(&json);
}

static void print(const command_line *line, const ech_bench_round_result *result)
{
    const double median = ech_bench_round_median(result);
    const double mib = 0x1p20;
    printf("%s, %llu values, %u workers on %u ranks of %u host%s (%s)\n", line->options.model,
           (unsigned long long)result->value_count, line->options.workers, result->totals.ranks,
           result->totals.hosts, result->totals.hosts == 1 ? "" : "s",
           line->options.processes ? "processes" : "pooled");
    printf("  a round, median of %llu   %10.4f s\n", (unsigned long long)result->totals.rounds,
           median);
    printf("  memory alone would take  %10.4f s (%.1f GB/s by these ranks at once)\n",
           result->bound_seconds, result->bytes_per_second * 1e-9);
    printf("  start, pages populated   %10.4f s\n", result->totals.start_seconds);
    printf("  proportional sets        %10.1f MiB, all ranks of the largest host\n",
           (double)result->totals.host_pss_bytes / mib);
    printf("  largest rank             %10.1f MiB\n", (double)result->totals.peak_rss_bytes / mib);
}

/* ---- the run, on every rank ---- */

static ech_status run(const command_line *line)
{
    ech_status status = ech_guard_start();
    if (status != ECH_OK) {
        return status;
    }
    ech_io *io = NULL;
    status = ech_io_create(NULL, &io);
    if (status == ECH_OK) {
        status = ech_interrupt_install();
    }
    const ech_failure prepared = ech_failure_keep(status);
    status = ech_mpi_start();
    ech_bench_round_result *result = ech_calloc(1, sizeof *result);
    if (status == ECH_OK && result == NULL) {
        ech_abort(ECH_ERR_MEMORY);
    }
    if (status == ECH_OK) {
        status = ech_bench_round(&line->options, &prepared, &io, result);
    }
    ech_io_destroy(&io);
    if (status == ECH_OK && ech_mpi_rank() == 0) {
        if (line->json) {
            status = write_json(line, result);
        } else {
            print(line, result);
        }
    }
    if (result != NULL) {
        ech_fit_totals_clear(&result->totals);
    }
    ech_free(result);
    return status;
}

int ech_cmd_bench_round(int argc, char **argv)
{
    command_line line = {.options = {.rounds = 3}};
    argp_parse(&parser, argc, argv, 0, NULL, &line);
    if (!ech_guard_is_launched()) {
        return ech_command_exit(become_launcher(&line, argc, argv));
    }
    return ech_command_end_job(run(&line));
}
