/* Job scripts: each directive is one that the scheduler documents, with the value of the job, and
 * nothing of a template's examples is left. */
#include <criterion/criterion.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "apps/scale/script.h"
#include "tests/support.h"

TestSuite(scale_script, .fini = ech_test_expect_no_leak);

static const ech_study_demands demands = {.walltime_seconds = 3725,
                                          .margin_seconds = 90,
                                          .partition = "wide",
                                          .account = "abc123",
                                          .modules = "mpich hdf5/1.10"};
static const ech_study_demands no_demands = {0};
static const ech_study_job size = {ECH_STUDY_POOLED, 256, 2, 128, 1};

static ech_script_frame frame_of(ech_scheduler scheduler, const ech_study_demands *given)
{
    return (ech_script_frame){scheduler, "s", "/opt/echelon", "/w/jobs", "/w", given};
}

static ech_buffer job_script(ech_scheduler scheduler, const ech_study_demands *given)
{
    const ech_script_frame frame = frame_of(scheduler, given);
    const ech_script_job job = {"pooled-r256", "/w/base.yaml", "/w/jobs/pooled-r256.runs",
                                "/w/runs",     &size,          true};
    ech_buffer text = {0};
    ech_script_write_job(&frame, &job, &text);
    cr_assert_eq(text.status, ECH_OK);
    return text;
}

static void expect_line(const ech_buffer *text, const char *line)
{
    char whole[256];
    snprintf(whole, sizeof whole, "\n%s\n", line);
    cr_expect_not_null(strstr(text->bytes, whole), "no line '%s' in:\n%s", line, text->bytes);
}

/* Every directive has the form that the scheduler's manual gives it. */
static void expect_directives(const ech_buffer *text, const char *mark, const char *const *forms,
                              size_t form_count)
{
    for (const char *at = strstr(text->bytes, mark); at != NULL; at = strstr(at + 1, mark)) {
        char line[512];
        bool known = false;
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        for (size_t i = 0; i < form_count && !known; i++) {
            regex_t form;
            cr_assert_eq(regcomp(&form, forms[i], REG_EXTENDED | REG_NOSUB), 0);
            known = regexec(&form, line, 0, NULL, 0) == 0;
            regfree(&form);
        }
        cr_expect(known, "not a directive: %s", line);
    }
}

Test(scale_script, slurm_is_asked_for_what_the_job_needs)
{
    static const char *const forms[] = {
        "^#SBATCH --job-name=[A-Za-z0-9_-]+$",
        "^#SBATCH --(nodes|ntasks|ntasks-per-node|cpus-per-task)=[1-9][0-9]*$",
        "^#SBATCH --time=[0-9]+:[0-5][0-9]:[0-5][0-9]$",
        "^#SBATCH --(partition|account)=[A-Za-z0-9_-]+$",
        "^#SBATCH --output=/[^ %]*$",
        "^#SBATCH --open-mode=append$",
        "^#SBATCH --requeue$",
    };
    ech_buffer text = job_script(ECH_SCHEDULER_SLURM, &demands);
    expect_directives(&text, "#SBATCH", forms, sizeof forms / sizeof *forms);
    expect_line(&text, "#SBATCH --nodes=2");
    expect_line(&text, "#SBATCH --ntasks=256");
    expect_line(&text, "#SBATCH --ntasks-per-node=128");
    expect_line(&text, "#SBATCH --time=1:02:05");
    expect_line(&text, "#SBATCH --partition=wide");
    expect_line(&text, "#SBATCH --account=abc123");
    cr_expect_not_null(strstr(text.bytes, "\nmodules='mpich hdf5/1.10' # "));
    ech_buffer_clear(&text);
}

/* Forms after OpenPBS' qsub(1B) and pbs_resources(7B). */
static const char *const pbs_forms[] = {
    "^#PBS -N [A-Za-z][A-Za-z0-9_-]*$",
    "^#PBS -l select=[1-9][0-9]*(:(ncpus|mpiprocs|ompthreads)=[1-9][0-9]*)*$",
    "^#PBS -l place=scatter$",
    "^#PBS -l walltime=[0-9]+:[0-5][0-9]:[0-5][0-9]$",
    "^#PBS -(q|A) [A-Za-z0-9_-]+$",
    "^#PBS -o /[^ ]*$",
    "^#PBS -j oe$",
    "^#PBS -r y$",
};

/* PBS stops looking for directives at the first line that is neither blank nor a comment, and
 * gives a job these variables of those that the scripts could ask for. */
static void expect_pbs_script(const ech_buffer *text)
{
    static const char *const variables[] = {"PBS_O_WORKDIR", "PBS_NODEFILE"};
    expect_directives(text, "#PBS", pbs_forms, sizeof pbs_forms / sizeof *pbs_forms);
    const char *line = text->bytes;
    while (line[0] == '#' || line[0] == '\n') {
        line += strcspn(line, "\n") + 1;
    }
    cr_expect_null(strstr(line, "\n#PBS"), "a directive that PBS does not see: %s", line);
    for (const char *at = strstr(line, "PBS_"); at != NULL; at = strstr(at + 1, "PBS_")) {
        bool known = false;
        for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
            known = known || strncmp(at, variables[i], strlen(variables[i])) == 0;
        }
        cr_expect(known, "not a variable of PBS': %.32s", at);
    }
}

Test(scale_script, pbs_is_asked_for_what_the_collector_needs)
{
    const ech_script_frame frame = frame_of(ECH_SCHEDULER_PBS, &demands);
    ech_buffer text = {0};
    ech_script_write_collect(&frame, &text);
    cr_assert_eq(text.status, ECH_OK);
    expect_pbs_script(&text);
    expect_line(&text, "#PBS -l select=1:ncpus=1:mpiprocs=1:ompthreads=1");
    ech_buffer_clear(&text);
}

Test(scale_script, pbs_is_asked_for_what_the_job_needs)
{
    ech_buffer text = job_script(ECH_SCHEDULER_PBS, &demands);
    expect_pbs_script(&text);
    expect_line(&text, "#PBS -l select=2:ncpus=128:mpiprocs=128:ompthreads=1");
    expect_line(&text, "#PBS -l walltime=1:02:05");
    expect_line(&text, "#PBS -q wide");
    expect_line(&text, "#PBS -A abc123");
    cr_expect_not_null(strstr(text.bytes, "\nscript=/w/jobs/pooled-r256.sh # "));
    cr_expect_not_null(strstr(text.bytes, "\ncollect=/w/jobs/collect.sh # "));
    ech_buffer_clear(&text);
}

/* Nothing of the examples in the templates reaches a job that did not ask for it. */
Test(scale_script, what_is_not_given_is_left_to_the_site)
{
    static const char *const examples[] = {
        "--time=",    "--signal",        "--partition=", "--account=", "#PBS -l wall",
        "#PBS -q",    "#PBS -A",         "\nhere=jobs",  "=build/",    "config=jobs",
        "\nout=out/", "echelon-job.log", "script=jobs"};
    for (int s = 0; s < ECH_SCHEDULER_COUNT; s++) {
        ech_buffer text = job_script((ech_scheduler)s, &no_demands);
        for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
            cr_expect_null(strstr(text.bytes, examples[i]), "%s is left in:\n%s", examples[i],
                           text.bytes);
        }
        ech_buffer_clear(&text);
    }
}

Test(scale_script, the_jobs_are_sent_and_collected)
{
    for (int s = 0; s < ECH_SCHEDULER_COUNT; s++) {
        const ech_script_frame frame = frame_of((ech_scheduler)s, &demands);
        ech_buffer text = {0};
        ech_script_write_submit(&frame, "a b", &text);
        cr_expect_not_null(strstr(text.bytes, "\nhere=/w/jobs #"));
        cr_expect_not_null(strstr(text.bytes, "\njobs='a b' #"));
        ech_buffer_clear(&text);
        ech_script_write_collect(&frame, &text);
        cr_expect_not_null(strstr(text.bytes, "\nstudy=/w #"));
        cr_expect_null(strstr(text.bytes, "=out/"));
        ech_buffer_clear(&text);
    }
}

Test(scale_script, a_value_is_one_word_of_the_shell)
{
    const ech_study_demands odd = {.modules = "it's $HOME"};
    ech_buffer text = job_script(ECH_SCHEDULER_SLURM, &odd);
    cr_expect_not_null(strstr(text.bytes, "\nmodules='it'\\''s $HOME' #"), "%s", text.bytes);
    ech_buffer_clear(&text);
    cr_expect_eq(ech_script_check_path("--out", "/w/a b"), ECH_ERR_CONFIG);
    cr_expect_eq(ech_script_check_path("--out", "/w/a%j"), ECH_ERR_CONFIG);
    cr_expect_eq(ech_script_check_path("--out", "/w/a-b_c.1"), ECH_OK);
}
