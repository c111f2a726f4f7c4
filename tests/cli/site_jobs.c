#define _POSIX_C_SOURCE 200809L
#include "tests/cli/site_jobs.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/cli/program.h"
#include "tests/limits.h"

enum { CONFIG_BYTES = 1024, LOG_BYTES = 1 << 18, PROCESSES_MAX = 64, LOOK_MS = 5, PLACES = 16 };

enum { LIMIT_SECONDS = 60 };

static const char tree_text[] = "top: {kind: leader, children: [west, east, near]}\n"
                                "west: {kind: aggregator, %schildren: [w0, w1]}\n"
                                "east: {kind: aggregator, %schildren: [w2, w3]}\n"
                                "near: {kind: worker}\n"
                                "w0: {kind: worker}\n"
                                "w1: {kind: worker}\n"
                                "w2: {kind: worker}\n"
                                "w3: {kind: worker}\n";

static const char run_text[] = "data: {file: tiny.h5, split: {kind: dirichlet}}\n"
                               "model: {name: smallconv}\n"
                               "topology: {file: %s}\n"
                               "rounds: 6\n"
                               "train: {epochs: 1, batch: 16}\n";

static const char sites_text[] =
    "sites: {listen: 'tcp://127.0.0.1:%d', key: leader.key, admitted: admitted.pub, wait: 40}\n"
    "site: {endpoint: 'tcp://127.0.0.1:%d', leader: leader.pub, wait: 40}\n";

static const char program_path[] = ECH_BUILD_DIR "/bin/echelon";

static int port;
static pid_t running[PROCESSES_MAX];
static size_t running_count;

int site_port(void)
{
    return port;
}

const char *site_name(int site)
{
    return site == 0 ? "boulder" : "austin";
}

/* ---- the folder ---- */

static void make_key(const char *name)
{
    ech_child_result result =
        program_run((const char *[]){"site", "keygen", name, "--out", fit_folder(), NULL});
    cr_assert_eq(result.exit_code, 0, "%s", result.errors);
    ech_child_result_free(&result);
}

static size_t read_file(const char *path, char *text, size_t bytes)
{
    FILE *file = fopen(path, "rb");
    const size_t length = file != NULL ? fread(text, 1, bytes - 1, file) : 0;
    if (file != NULL) {
        fclose(file);
    }
    text[length] = '\0';
    return length;
}

static void admit_sites(void)
{
    char list[CONFIG_BYTES] = "# admitted\n";
    char path[FIT_PATH_BYTES];
    char made[ECH_TEST_PATH_BYTES];
    for (int s = 0; s < SITE_COUNT; s++) {
        const size_t used = strlen(list);
        snprintf(path, sizeof path, "%s/%s.pub", fit_folder(), site_name(s));
        cr_assert_gt(read_file(path, list + used, sizeof list - used), 0);
    }
    ech_test_write_text(fit_folder(), "admitted.pub", list, made);
}

void site_jobs_start(void)
{
    char text[CONFIG_BYTES];
    char made[ECH_TEST_PATH_BYTES];
    port = ech_test_free_port();
    const int used = snprintf(text, sizeof text, run_text, "tree.yaml");
    snprintf(text + used, sizeof text - (size_t)used, sites_text, port, port);
    fit_folder_start(text);
    snprintf(text, sizeof text, tree_text, "site: boulder, ", "site: austin, ");
    ech_test_write_text(fit_folder(), "tree.yaml", text, made);
    snprintf(text, sizeof text, tree_text, "", "");
    ech_test_write_text(fit_folder(), "one.yaml", text, made);
    snprintf(text, sizeof text, run_text, "one.yaml");
    ech_test_write_text(fit_folder(), "one-fit.yaml", text, made);
    make_key("leader");
    make_key("boulder");
    make_key("austin");
    make_key("stranger");
    admit_sites();
}

void site_jobs_stop(void)
{
    for (size_t i = 0; i < running_count; i++) {
        kill(-running[i], SIGKILL);
        waitpid(running[i], NULL, 0);
    }
    running_count = 0;
    fit_folder_stop();
}

/* ---- processes ---- */

static void forget(pid_t pid)
{
    for (size_t i = 0; i < running_count; i++) {
        if (running[i] == pid) {
            running[i] = running[--running_count];
            return;
        }
    }
}

static void append(const char **all, size_t used, const char *const *options)
{
    size_t count = 0;
    while (options != NULL && options[count] != NULL) {
        cr_assert_lt(used + count, PROGRAM_ARGUMENTS_MAX);
        all[used + count] = options[count];
        count++;
    }
    all[used + count] = NULL;
}

static void begin_child(const char *log_path, unsigned hosts, const char *const *arguments)
{
    char count[PLACES];
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    setpgid(0, 0);
    dup2(nothing, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    if (hosts > 0) {
        snprintf(count, sizeof count, "%u", hosts);
        setenv("MPIR_CVAR_NUM_CLIQUES", count, 1);
    }
    execvp(arguments[0], (char *const *)arguments);
    _exit(EXIT_FAILURE);
}

static void start(site_process *process, const char *name, site_ranks on,
                  const char *const *arguments)
{
    char count[PLACES];
    snprintf(count, sizeof count, "%u", on.ranks);
    const char *all[PROGRAM_ARGUMENTS_MAX + 1] = {"mpiexec", "-n", count};
    append(all, on.ranks > 0 ? 3 : 0, arguments);
    snprintf(process->log, sizeof process->log, "%s/%s.log", fit_folder(), name);
    cr_assert_lt(running_count, PROCESSES_MAX);
    process->pid = fork();
    cr_assert_geq(process->pid, 0);
    if (process->pid == 0) {
        begin_child(process->log, on.hosts, all);
    }
    setpgid(process->pid, process->pid);
    running[running_count++] = process->pid;
}

void leader_start_on(site_process *leader, site_ranks on, const char *const *options)
{
    char out[FIT_PATH_BYTES];
    snprintf(out, sizeof out, "%s/out", fit_folder());
    const char *all[PROGRAM_ARGUMENTS_MAX + 1] = {program_path, "fit", fit_folder_config(), "--out",
                                                  out};
    append(all, 5, options);
    start(leader, "leader", on, all);
}

void leader_start(site_process *leader, const char *const *options)
{
    leader_start_on(leader, (site_ranks){0}, options);
}

void site_start_on(site_process *process, const char *name, site_ranks on,
                   const char *const *options)
{
    char set_name[FIT_PATH_BYTES];
    char set_key[FIT_PATH_BYTES];
    snprintf(set_name, sizeof set_name, "site.name=%s", name);
    snprintf(set_key, sizeof set_key, "site.key=%s/%s.key", fit_folder(), name);
    const char *all[PROGRAM_ARGUMENTS_MAX + 1] = {
        program_path, "site", fit_folder_config(), "--set", set_name, "--set", set_key};
    append(all, 7, options);
    start(process, name, on, all);
}

void site_start(site_process *process, const char *name, const char *const *options)
{
    site_start_on(process, name, (site_ranks){0}, options);
}

bool site_has_text(const site_process *process, const char *text)
{
    static char log[LOG_BYTES];
    read_file(process->log, log, sizeof log);
    return strstr(log, text) != NULL;
}

static void show_log(const site_process *process)
{
    static char log[LOG_BYTES];
    read_file(process->log, log, sizeof log);
    fprintf(stderr, "%s:\n%s", process->log, log);
}

/* The cause of one job's end often stands in another's. */
static void show_logs(void)
{
    static const char *const names[] = {"leader", "boulder", "austin"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        site_process process;
        snprintf(process.log, sizeof process.log, "%s/%s.log", fit_folder(), names[i]);
        show_log(&process);
    }
}

void site_await_text(const site_process *process, const char *text)
{
    const uint64_t until_ns = ech_clock_ns() + ech_test_limit_ns(LIMIT_SECONDS);
    while (!site_has_text(process, text)) {
        if (ech_clock_ns() > until_ns) {
            show_log(process);
            cr_assert_fail("'%s' does not come", text);
        }
        ech_clock_sleep_ns(LOOK_MS * UINT64_C(1000000));
    }
}

int site_wait(site_process *process)
{
    const uint64_t until_ns = ech_clock_ns() + ech_test_limit_ns(LIMIT_SECONDS);
    int state = 0;
    while (waitpid(process->pid, &state, WNOHANG) == 0) {
        if (ech_clock_ns() > until_ns) {
            show_log(process);
            cr_assert_fail("still running after a minute");
        }
        ech_clock_sleep_ns(LOOK_MS * UINT64_C(1000000));
    }
    forget(process->pid);
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

void site_end_well(site_process *process)
{
    const int code = site_wait(process);
    if (code != 0) {
        show_logs();
    }
    cr_assert_eq(code, 0, "%s: exit code %d", process->log, code);
}

void site_kill(site_process *process)
{
    kill(-process->pid, SIGKILL);
    waitpid(process->pid, NULL, 0);
    forget(process->pid);
}

/* ---- hashes ---- */

void leader_hash(const site_process *leader, char hash[FIT_HASH_BYTES])
{
    static char log[LOG_BYTES];
    const ech_child_result result = {.output = log, .errors = log};
    read_file(leader->log, log, sizeof log);
    fit_read_hash(&result, hash);
    hash[strcspn(hash, "\n")] = '\0';
}

void one_job_hash(const char *const *options, char hash[FIT_HASH_BYTES])
{
    char config[FIT_PATH_BYTES];
    char out[FIT_PATH_BYTES];
    snprintf(config, sizeof config, "%s/one-fit.yaml", fit_folder());
    snprintf(out, sizeof out, "%s/one", fit_folder());
    const char *all[PROGRAM_ARGUMENTS_MAX + 1] = {"fit", config, "--out", out, "--overwrite"};
    append(all, 5, options);
    ech_child_result result = program_run_ranks(2, all);
    fit_read_hash(&result, hash);
    ech_child_result_free(&result);
}
