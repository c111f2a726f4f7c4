#define _POSIX_C_SOURCE 200809L
#include "apps/plan/short_run.h"

#include <stdio.h>
#include <string.h>

#include "io/record.h"
#include "runtime/base/child.h"
#include "runtime/base/memory.h"
#include "runtime/mpi/interrupt.h"

enum { OUTPUT_BYTES_MAX = 1 << 20, FILE_BYTES = PATH_MAX + 32, SAID_BYTES = 512 };

static const uint64_t timeout_ns = UINT64_C(300000000000);

ech_status ech_short_runs_begin(ech_short_runs *out)
{
    *out = (ech_short_runs){.io = NULL};
    ech_status status = ech_interrupt_install();
    if (status == ECH_OK) {
        status = ech_short_folder_create(&out->folder);
    }
    return status == ECH_OK ? ech_io_create(NULL, &out->io) : status;
}

void ech_short_runs_end(ech_short_runs *runs)
{
    ech_io_destroy(&runs->io);
    ech_short_folder_clear(&runs->folder);
}

/* Echelon pins its ranks itself: the launcher leaves them unbound, on one host. */
static void choose_launcher(ech_launch_plan *plan)
{
    plan->launcher = ech_launcher_of_this_place();
    if (plan->launcher == ECH_LAUNCHER_SRUN) {
        plan->options[plan->option_count++] = "--nodes=1";
        plan->options[plan->option_count++] = "--cpu-bind=none";
    } else {
        plan->options[plan->option_count++] = "-bind-to";
        plan->options[plan->option_count++] = "none";
    }
}

static ech_status fail_run(const char *const *arguments, const ech_child_result *result)
{
    char said[SAID_BYTES];
    const char *errors = result->errors != NULL ? result->errors : "";
    const size_t length = strlen(errors);
    snprintf(said, sizeof said, "%s", length < SAID_BYTES ? errors : errors + length - SAID_BYTES);
    said[strcspn(said, "\n")] = '\0';
    if (result->timed_out) {
        return ech_fail(ECH_ERR_TIMEOUT, "a short run by %s did not end in %llu s", arguments[0],
                        (unsigned long long)(timeout_ns / 1000000000U));
    }
    return ech_fail(ECH_ERR_SYSTEM, "a short run by %s failed with exit code %d: %s", arguments[0],
                    result->exit_code, said);
}

/* Two hosts on one machine, where a calibration needs several. */
static ech_status run(const ech_launch_command *command, uint32_t hosts, ech_child_result *result)
{
    static const char *const two_hosts[] = {"MPIR_CVAR_NUM_CLIQUES=2", NULL};
    const ech_child_options options = {
        .arguments = command->arguments,
        .environment = hosts > 1 ? two_hosts : NULL,
        .timeout_ns = timeout_ns,
        .output_bytes_max = OUTPUT_BYTES_MAX,
        .should_stop = ech_interrupt_requested,
    };
    const ech_status status = ech_child_run(&options, result);
    if (status != ECH_OK) {
        return status;
    }
    if (result->stopped) {
        return ech_fail(ECH_ERR_INTERRUPTED,
                        "a signal ended the calibration: what it had measured is not kept");
    }
    return result->exit_code == 0 ? ECH_OK : fail_run(command->arguments, result);
}

/* ---- rounds ---- */

static ech_status read_bytes(const ech_yaml_node *root, const char *key, uint64_t *out)
{
    int64_t value = 0;
    const ech_yaml_node *node = ech_yaml_find(root, key);
    if (node == NULL) {
        return ech_yaml_fail(root, "%s: missing", key);
    }
    const ech_status status = ech_yaml_read_integer(node, key, &value);
    *out = (uint64_t)value;
    return status;
}

static ech_status read_totals(const char *text, ech_short_result *out)
{
    ech_yaml *document = NULL;
    ech_status status = ech_yaml_load_text(text, strlen(text), "a short run", &document);
    if (status == ECH_OK) {
        status = read_bytes(ech_yaml_root(document), "peak_rss_bytes", &out->rank_bytes);
    }
    if (status == ECH_OK) {
        status = read_bytes(ech_yaml_root(document), "host_pss_bytes", &out->host_bytes);
    }
    ech_yaml_destroy(&document);
    return status;
}

static ech_round_cost cost_of(const ech_round_row *row)
{
    return (ech_round_cost){{
        [ECH_PHASE_SEND] = row->send_seconds,
        [ECH_PHASE_TRAIN] = row->train_seconds,
        [ECH_PHASE_AGGREGATE] = row->aggregate_seconds,
        [ECH_PHASE_EVALUATE] = row->evaluate_seconds,
        [ECH_ROUND_WAIT] = row->wait_seconds,
    }};
}

/* Row 0 is the model before the first round. */
static ech_status read_rounds(const ech_short_runs *runs, ech_short_result *out)
{
    char path[FILE_BYTES];
    ech_round_row rows[ECH_SHORT_ROUNDS_MAX + 1];
    ech_record *record = NULL;
    snprintf(path, sizeof path, "%s/run.h5", runs->folder.path);
    ech_status status = ech_record_open(runs->io, path, &record);
    uint64_t count = 0;
    if (status == ECH_OK) {
        count = ech_record_describe(record)->rows[ECH_RECORD_ROUNDS];
        count = count <= ECH_SHORT_ROUNDS_MAX + 1 ? count : ECH_SHORT_ROUNDS_MAX + 1;
        status = ech_record_read(record, ECH_RECORD_ROUNDS, 0, count, rows);
    }
    for (uint64_t i = 0; status == ECH_OK && i < count; i++) {
        if (rows[i].round == 0) {
            out->start_seconds = rows[i].start;
        } else {
            out->rounds[out->round_count++] = cost_of(&rows[i]);
        }
    }
    ech_record_close(&record);
    return status;
}

ech_status ech_short_run_rounds(const ech_short_runs *runs, const ech_round_manner *manner,
                                const char *const *sets, size_t set_count, ech_short_result *out)
{
    const ech_fit_arguments arguments = {.config_path = runs->folder.config,
                                         .sets = sets,
                                         .set_count = set_count,
                                         .folder = runs->folder.path,
                                         .overwrite = true,
                                         .json = true};
    ech_launch_plan plan = {.ranks = manner->hosts * manner->ranks, .fit = &arguments};
    ech_launch_command *command = ech_calloc(1, sizeof *command);
    if (command == NULL) {
        return ECH_ERR_MEMORY;
    }
    *out = (ech_short_result){.round_count = 0};
    ech_child_result result = {0};
    choose_launcher(&plan);
    ech_status status = ech_launch_write(&plan, false, command);
    if (status == ECH_OK) {
        status = run(command, manner->hosts, &result);
    }
    if (status == ECH_OK) {
        status = read_totals(result.output, out);
    }
    if (status == ECH_OK) {
        status = read_rounds(runs, out);
    }
    ech_child_result_free(&result);
    ech_free(command);
    return status;
}

/* ---- other commands ---- */

static ech_status take_output(const ech_short_runs *runs, uint32_t rank,
                              ech_status (*take)(const ech_yaml_node *root, void *user), void *user)
{
    char path[FILE_BYTES];
    ech_yaml *document = NULL;
    snprintf(path, sizeof path, "%s/%u.json", runs->folder.path, rank);
    ech_status status = ech_yaml_load_file(path, &document);
    if (status == ECH_OK) {
        status = take(ech_yaml_root(document), user);
    }
    ech_yaml_destroy(&document);
    return status;
}

ech_status ech_short_run_each(const ech_short_runs *runs, uint32_t ranks,
                              const char *const *arguments,
                              ech_status (*take)(const ech_yaml_node *root, void *user), void *user)
{
    static const char script[] = "exec \"$@\" >\"$0/$PMI_RANK.json\"";
    const char *const shell[] = {"sh", "-c", script, runs->folder.path};
    ech_launch_plan plan = {.ranks = ranks};
    ech_launch_command *command = ech_calloc(1, sizeof *command);
    if (command == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_child_result result = {0};
    choose_launcher(&plan);
    ech_status status =
        ech_launch_write_program(&plan, shell, sizeof shell / sizeof *shell, arguments, command);
    if (status == ECH_OK) {
        status = run(command, 1, &result);
    }
    for (uint32_t rank = 0; rank < ranks && status == ECH_OK; rank++) {
        status = take_output(runs, rank, take, user);
    }
    ech_child_result_free(&result);
    ech_free(command);
    return status;
}
