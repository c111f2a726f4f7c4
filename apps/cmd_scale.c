#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "apps/arguments.h"
#include "apps/command.h"
#include "apps/scale/collect.h"
#include "apps/scale/folder.h"
#include "apps/scale/study.h"

enum { KEY_SCHEDULER = 's', KEY_OUT = 'o' };
enum { KEY_SET = 256, KEY_DRY_RUN, KEY_SUBMIT, KEY_COLLECT, KEY_KEYS };

typedef struct {
    const char *study;
    const char *folder;
    ech_scheduler scheduler;
    const char *sets[ECH_ARGUMENT_SETS_MAX];
    size_t set_count;
    bool dry_run;
    bool submit;
    bool collect;
    bool keys;
} arguments;

static const struct argp_option option_table[] = {
    {.name = "scheduler",
     .key = KEY_SCHEDULER,
     .arg = "NAME",
     .doc = "local (mpiexec on this machine), slurm or pbs (local)"},
    {.name = "out", .key = KEY_OUT, .arg = "DIR", .doc = "folder of the study"},
    {.name = "set", .key = KEY_SET, .arg = "KEY=VALUE", .doc = "set a key of the study"},
    {.name = "dry-run", .key = KEY_DRY_RUN, .doc = "show the jobs, and write nothing"},
    {.name = "submit", .key = KEY_SUBMIT, .doc = "send the jobs; local: run them now"},
    {.name = "collect",
     .key = KEY_COLLECT,
     .doc = "gather the results of the runs in DIR that are done, and draw them"},
    {.name = "keys", .key = KEY_KEYS, .doc = "print all keys of a study, and exit"},
    {0},
};

static void check_line(const arguments *line, struct argp_state *state)
{
    if (line->keys) {
        return;
    }
    if (line->collect && (line->study != NULL || line->dry_run || line->submit)) {
        argp_error(state, "--collect goes with --out DIR alone");
    }
    if (!line->collect && line->study == NULL) {
        argp_error(state, "expected a study, such as jobs/studies/weak-scaling.yaml");
    }
    if (line->folder == NULL && !line->dry_run) {
        argp_error(state, "--out DIR is missing: the folder of the study");
    }
    if (line->dry_run && line->submit) {
        argp_error(state, "expected one of --dry-run and --submit, got both");
    }
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    arguments *line = state->input;
    switch (key) {
    case KEY_SCHEDULER:
        line->scheduler = ech_argument_scheduler(state, value);
        return 0;
    case KEY_OUT:
        line->folder = value;
        return 0;
    case KEY_SET:
        ech_argument_set(state, line->sets, &line->set_count, value);
        return 0;
    case KEY_DRY_RUN:
        line->dry_run = true;
        return 0;
    case KEY_SUBMIT:
        line->submit = true;
        return 0;
    case KEY_COLLECT:
        line->collect = true;
        return 0;
    case KEY_KEYS:
        line->keys = true;
        return 0;
    case ARGP_KEY_ARG:
        ech_argument_keep(state, "study", &line->study, value);
        return 0;
    case ARGP_KEY_END:
        check_line(line, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = option_table,
    .parser = parse,
    .args_doc = "STUDY.yaml\n--collect",
    .doc =
        "Expand a scaling study into jobs, a script each, for this machine, Slurm or PBS.\v"
        "Writes DIR/jobs with a script a job, one that gathers the results (collect.sh) and one "
        "that sends them all (submit.sh, which --submit starts). A job keeps its own clock of "
        "the walltime, and goes on where it was stopped. What `echelon plan` says of a run is kept "
        "in its folder, and stands beside what was measured. Results: DIR/results.h5, "
        "DIR/results.csv and DIR/report/report.html.",
};

static ech_status expand(const arguments *line)
{
    ech_study study;
    ech_status status = ech_study_load(line->study, line->sets, line->set_count, &study);
    if (status != ECH_OK) {
        return status;
    }
    ech_study_print(&study);
    if (!line->dry_run) {
        status = ech_study_write(&study, line->scheduler, line->folder);
    }
    ech_study_clear(&study);
    if (status == ECH_OK && line->submit) {
        return ech_study_submit(line->folder);
    }
    if (status == ECH_OK && !line->dry_run) {
        printf("written; send it with: bash %s/jobs/submit.sh\n", line->folder);
    }
    return status;
}

int ech_cmd_scale(int argc, char **argv)
{
    arguments line = {.scheduler = ECH_SCHEDULER_LOCAL};
    argp_parse(&parser, argc, argv, 0, NULL, &line);
    if (line.keys) {
        size_t count = 0;
        const ech_option_section *sections = ech_study_sections(&count);
        ech_options_print(stdout, sections, count);
        return 0;
    }
    return ech_command_exit_input(line.collect ? ech_study_collect(line.folder) : expand(&line));
}
