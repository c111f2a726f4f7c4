#define _GNU_SOURCE
/* SIGKILL of a rank of `echelon fit` in mid-training ends the job, and says who died where. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/cli/fit_folder.h"
#include "tests/limits.h"
#include "tests/processes.h"

enum { RANKS = 3, VICTIM = 1 };

static const double ends_within_seconds = 5.0;
static const uint64_t look_every_ns = 10000000;
enum { LOOK_FOR_SECONDS = 30 };

static char out_path[FIT_PATH_BYTES];

/* More rounds than anyone waits for: only the kill ends it. */
static const char config_text[] = "data: {file: tiny.h5}\n"
                                  "model: {name: smallconv}\n"
                                  "topology: {kind: star, workers: 4}\n"
                                  "rounds: 1000000\n"
                                  "checkpoint: {every: 1, keep: 1}\n"
                                  "evaluate: {every: 0}\n";

static void start(void)
{
    fit_folder_start(config_text);
    snprintf(out_path, sizeof out_path, "%s/out", fit_folder());
}

TestSuite(fit_kill, .init = start, .fini = fit_folder_stop);

/* ---- the killer, a process of its own ---- */

static bool is_victim(const char *pid)
{
    char rank[32];
    snprintf(rank, sizeof rank, "PMI_RANK=%d", VICTIM);
    return ech_test_process_holds(pid, "environ", rank) &&
           ech_test_process_holds(pid, "cmdline", fit_folder_config());
}

/* The rank runs below its guard, which has the same name and environment. */
static pid_t find_victim(void)
{
    pid_t found = 0;
    DIR *directory = opendir("/proc");
    for (struct dirent *entry = NULL;
         directory != NULL && found == 0 && (entry = readdir(directory)) != NULL;) {
        char parent[16];
        if (!is_victim(entry->d_name)) {
            continue;
        }
        snprintf(parent, sizeof parent, "%d", (int)ech_test_process_parent(entry->d_name));
        found = is_victim(parent) ? (pid_t)strtol(entry->d_name, NULL, 10) : 0;
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return found;
}

/* Returns when the victim got its signal: the exit code is 0 then. */
static int kill_once_it_trains(int told)
{
    const uint64_t until_ns = ech_clock_ns() + ech_test_limit_ns(LOOK_FOR_SECONDS);
    while (ech_clock_ns() < until_ns) {
        const pid_t victim = ech_test_folder_holds(out_path, "checkpoint-") ? find_victim() : 0;
        if (victim > 0 && kill(victim, SIGKILL) == 0) {
            const uint64_t now_ns = ech_clock_ns();
            return write(told, &now_ns, sizeof now_ns) == sizeof now_ns ? 0 : 1;
        }
        ech_clock_sleep_ns(look_every_ns);
    }
    return 1;
}

Test(fit_kill, a_killed_rank_ends_the_job_by_name)
{
    int told[2];
    uint64_t killed_ns = 0;
    char host[256] = "";
    char expected[512];
    cr_assert_eq(pipe(told), 0);
    const pid_t killer = fork();
    cr_assert_geq(killer, 0);
    if (killer == 0) {
        _exit(kill_once_it_trains(told[1]));
    }
    ech_child_result result = fit_folder_run(&(fit_run){.ranks = RANKS});
    const uint64_t ended_ns = ech_clock_ns();
    int state = 0;
    waitpid(killer, &state, 0);
    cr_assert(WIFEXITED(state) && WEXITSTATUS(state) == 0, "no rank was found to kill");
    cr_assert_eq(read(told[0], &killed_ns, sizeof killed_ns), sizeof killed_ns);
    cr_expect_lt(ech_clock_seconds(ended_ns - killed_ns), ends_within_seconds);
    cr_expect_neq(result.exit_code, 0);
    gethostname(host, sizeof host - 1);
    snprintf(expected, sizeof expected, "rank %d on host %s: killed by signal 9 (Killed)", VICTIM,
             host);
    cr_expect_not_null(strstr(result.errors, expected), "'%s' is not in: %s", expected,
                       result.errors);
    cr_expect_not_null(strstr(result.errors, ", phase r"), "no phase in: %s", result.errors);
    ech_child_result_free(&result);
    close(told[0]);
    close(told[1]);
}
