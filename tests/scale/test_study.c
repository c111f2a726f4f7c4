#include <criterion/criterion.h>
#include <string.h>

#include "apps/scale/study.h"
#include "tests/support.h"

static char folder[ECH_TEST_PATH_BYTES];
static char path[ECH_TEST_PATH_BYTES];
static ech_study study;

static void start(void)
{
    char base[ECH_TEST_PATH_BYTES];
    ech_test_make_directory(folder);
    ech_test_write_text(folder, "base.yaml",
                        "model: {name: smallnet}\n"
                        "topology: {kind: star, workers: 2}\n"
                        "train: {epochs: 0}\n",
                        base);
}

static void stop(void)
{
    ech_study_clear(&study);
    ech_test_remove_directory(folder);
    ech_test_expect_no_leak();
}

TestSuite(scale_study, .init = start, .fini = stop);

static void load(const char *text)
{
    ech_test_write_text(folder, "study.yaml", text, path);
    cr_assert_eq(ech_study_load(path, NULL, 0, &study), ECH_OK, "%s", ech_status_message());
}

static void expect_refused(const char *text, const char *message)
{
    ech_test_write_text(folder, "study.yaml", text, path);
    cr_expect_eq(ech_study_load(path, NULL, 0, &study), ECH_ERR_CONFIG);
    cr_expect_not_null(strstr(ech_status_message(), message), "got: %s", ech_status_message());
}

static void expect_job(size_t number, const char *name, uint32_t hosts, uint32_t ranks_per_host)
{
    char found[64];
    cr_assert_lt(number, study.job_count);
    ech_study_job_name(&study.jobs[number], found, sizeof found);
    cr_expect_str_eq(found, name);
    cr_expect_eq(study.jobs[number].hosts, hosts, "%s has %u hosts", name,
                 study.jobs[number].hosts);
    cr_expect_eq(study.jobs[number].ranks_per_host, ranks_per_host);
}

Test(scale_study, a_rank_a_worker_fills_hosts)
{
    load("config: base.yaml\nvariants: [processes]\nworkers: [2, 128, 129, 512]\nrepeats: 2\n");
    cr_assert_eq(study.job_count, 4);
    cr_expect_eq(study.run_count, 8);
    expect_job(0, "processes-r2", 1, 2);
    expect_job(1, "processes-r128", 1, 128);
    expect_job(2, "processes-r129", 2, 65); /* as even as it gets */
    expect_job(3, "processes-r512", 4, 128);
    cr_expect_str_eq(study.runs[0].id, "model-processes-w2-r2-1");
    cr_expect_str_eq(study.runs[7].id, "model-processes-w512-r512-2");
}

Test(scale_study, pooled_runs_of_the_same_ranks_share_a_job)
{
    load("config: base.yaml\nmodels: [tinynet, smallnet]\ntransfers: [shared]\n"
         "workers: [4, 16]\nranks: [2, 8]\n");
    cr_assert_eq(study.job_count, 2);
    cr_expect_eq(study.run_count, 6);
    cr_expect_eq(study.left_out, 1); /* 4 workers on 8 ranks */
    expect_job(0, "pooled-r2", 1, 2);
    expect_job(1, "pooled-r8", 1, 8);
    cr_expect_str_eq(study.runs[0].id, "tinynet-pooled-w4-r2-shared-1");
}

Test(scale_study, work_may_grow_with_the_ranks_or_with_hosts)
{
    load("config: base.yaml\nworkers_per_rank: 16\nhosts: [1, 4]\nranks_per_host: 8\n");
    cr_assert_eq(study.run_count, 2);
    cr_expect_eq(study.runs[0].workers, 128);
    cr_expect_eq(study.runs[1].workers, 512);
    expect_job(1, "pooled-r32", 4, 8);
}

Test(scale_study, sizes_beyond_the_bounds_are_left_out)
{
    load("config: base.yaml\nmodels: [tinynet, resnet18]\nworkers: [2, 64, 256]\nranks: [2, 64]\n"
         "ranks_most: 4\nworkers_most: {resnet18: 64}\n");
    cr_assert_eq(study.job_count, 1);
    cr_expect_eq(study.run_count, 5);
    for (size_t i = 0; i < study.run_count; i++) {
        cr_expect(study.runs[i].workers <= 64 || strcmp(study.runs[i].model, "tinynet") == 0);
    }
}

Test(scale_study, a_run_is_the_base_with_its_own_keys)
{
    char sets[ECH_STUDY_SETS_MAX][ECH_STUDY_SET_BYTES];
    load("config: base.yaml\nset: [\"seed=7\"]\nvariants: [processes]\nmodels: [tinynet]\n"
         "workers: [2]\n");
    cr_expect_not_null(strstr(study.base_text, "seed: 7"), "%s", study.base_text);
    cr_assert_eq(ech_study_run_sets(&study, &study.runs[0], sets), 5);
    cr_expect_str_eq(sets[0], "name=tinynet-processes-w2-r2-1");
    cr_expect_str_eq(sets[1], "topology.workers=2");
    cr_expect_str_eq(sets[2], "model.name=tinynet");
    cr_expect_str_eq(sets[3], "leader=trains");
    cr_expect_str_eq(sets[4], "workers_on=rank");
    ech_study_clear(&study);
    load("config: base.yaml\nvariants: [processes, pooled]\nworkers: [2]\nranks: [1]\n");
    cr_expect_eq(ech_study_run_sets(&study, &study.runs[1], sets), 2);
    cr_expect_not_null(strstr(study.base_text, "workers_on: any"), "%s", study.base_text);
    cr_expect_not_null(strstr(study.base_text, "leader: auto"), "what one variant sets is its own");
}

Test(scale_study, mistakes_are_told_before_any_job)
{
    expect_refused("config: base.yaml\nworkers: [2]\n", "study.yaml");
    expect_refused("config: base.yaml\nworkers: [2]\n", "ranks: missing");
    expect_refused("config: base.yaml\nranks: [2]\n", "workers: expected it or workers_per_rank");
    expect_refused("config: base.yaml\nworkers: [2.5]\nranks: [1]\n", "whole numbers, got 2.5");
    expect_refused("config: base.yaml\nworkers: [2]\nranks: [1]\nmodels: [resnet99]\n",
                   "unknown name 'resnet99'");
    expect_refused("config: base.yaml\nworkers: [2]\nranks: [1]\nmodels: [\"a b\"]\n",
                   "expected a name of letters");
    expect_refused("config: base.yaml\nworkers: [2]\nranks: [1]\nvariants: [threads]\n",
                   "expected processes or pooled, got 'threads'");
    expect_refused("config: base.yaml\nkind: strong\nworkers: [2]\nvariants: [processes]\n",
                   "expected pooled alone");
    expect_refused("config: base.yaml\nworkers: [2]\nranks: [4]\n", "no size is left");
    expect_refused("config: base.yaml\nworkers: [2]\nranks: [1]\n"
                   "job: {walltime: 60, margin: 60}\n",
                   "expected less than the 60 s");
    expect_refused("config: base.yaml\nworkers: [2]\nranks: [1]\nset: [\"topology.workers=0\"]\n"
                   "transfers: [pigeon]\n",
                   "transfer");
}
