/* Remote sites as real processes: the same bits as one job, through kills of either side. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/cli/program.h"
#include "tests/cli/site_jobs.h"

TestSuite(site, .init = site_jobs_start, .fini = site_jobs_stop);

enum { KILLS = 3 };

static site_process leader, sites[SITE_COUNT];

static void start_sites(const char *const *options)
{
    for (int s = 0; s < SITE_COUNT; s++) {
        site_start(&sites[s], site_name(s), options);
    }
}

static void expect_sites_end(void)
{
    for (int s = 0; s < SITE_COUNT; s++) {
        site_end_well(&sites[s]);
    }
}

static void expect_hash_of_one_job(const char *const *options)
{
    char hash[FIT_HASH_BYTES];
    char expected[FIT_HASH_BYTES];
    leader_hash(&leader, hash);
    one_job_hash(options, expected);
    cr_expect_str_eq(hash, expected);
}

static void expect_same_hash(const char *const *options)
{
    start_sites(options);
    leader_start(&leader, options);
    site_end_well(&leader);
    expect_sites_end();
    expect_hash_of_one_job(options);
}

Test(site, the_model_is_that_of_one_job)
{
    expect_same_hash(NULL);
}

Test(site, packed_or_not_with_a_rule_of_differences_and_a_share_of_the_workers)
{
    expect_same_hash((const char *[]){"--set", "strategy.name=fedadam", "--set",
                                      "strategy.participation=0.5", "--set", "seed=5", NULL});
}

/* Neither the ranks nor the hosts of either side can be seen in the model. */
Test(site, the_model_is_that_of_one_job_whatever_the_ranks_and_hosts)
{
    static const site_ranks leader_on = {.ranks = 2, .hosts = 2};
    static const site_ranks sites_on[SITE_COUNT] = {{.ranks = 3, .hosts = 2}, {.ranks = 2}};
    for (int s = 0; s < SITE_COUNT; s++) {
        site_start_on(&sites[s], site_name(s), sites_on[s], NULL);
    }
    leader_start_on(&leader, leader_on, NULL);
    cr_assert_eq(site_wait(&leader), 0);
    expect_sites_end();
    expect_hash_of_one_job(NULL);
}

/* The sites find the leader that was not there when they dialled. */
Test(site, a_leader_may_come_late)
{
    start_sites(NULL);
    site_await_text(&sites[0], "no leader at");
    leader_start(&leader, NULL);
    site_end_well(&leader);
    expect_sites_end();
    expect_hash_of_one_job(NULL);
}

static const char *const long_run[] = {"--set", "rounds=60", NULL};

/* After every other round a site dies and another takes its place. */
Test(site, a_killed_site_is_taken_back)
{
    start_sites(long_run);
    leader_start(&leader, long_run);
    for (int k = 0; k < KILLS; k++) {
        char text[64];
        snprintf(text, sizeof text, "round %2d/60", 10 * k + 2);
        site_await_text(&leader, text);
        site_kill(&sites[k % SITE_COUNT]);
        site_start(&sites[k % SITE_COUNT], site_name(k % SITE_COUNT), long_run);
    }
    site_end_well(&leader);
    cr_expect(site_has_text(&leader, "has joined again"));
    expect_sites_end();
    expect_hash_of_one_job(long_run);
}

Test(site, a_killed_leader_is_found_again)
{
    static const char *const resumed[] = {"--set", "rounds=60", "--resume", NULL};
    start_sites(long_run);
    leader_start(&leader, long_run);
    for (int k = 0; k < KILLS; k++) {
        char text[64];
        snprintf(text, sizeof text, "round %2d/60", 10 * k + 2);
        site_await_text(&leader, text);
        site_kill(&leader);
        leader_start(&leader, resumed);
    }
    site_end_well(&leader);
    expect_sites_end();
    expect_hash_of_one_job(long_run);
}

/* ---- who is not let in ---- */

Test(site, a_key_that_is_not_admitted_is_refused)
{
    site_process stranger;
    leader_start(&leader, NULL);
    site_await_text(&leader, "waiting for 2 sites");
    char set_key[FIT_PATH_BYTES];
    snprintf(set_key, sizeof set_key, "site.key=%s/stranger.key", fit_folder());
    site_start(&stranger, "boulder", (const char *[]){"--set", set_key, NULL});
    cr_expect_eq(site_wait(&stranger), 2);
    cr_expect(site_has_text(&stranger, "does not admit this key"));
    site_await_text(&leader, "127.0.0.1 is refused: its key");
    start_sites(NULL);
    site_end_well(&leader);
    expect_sites_end();
}

Test(site, a_site_of_another_configuration_is_refused)
{
    site_process other;
    leader_start(&leader, NULL);
    site_await_text(&leader, "waiting for 2 sites");
    site_start(&other, "austin", (const char *[]){"--set", "train.lr=0.02", NULL});
    cr_expect_eq(site_wait(&other), 2);
    cr_expect(site_has_text(&other, "configuration differs"));
    cr_expect(site_has_text(&leader, "site austin: refused"));
    site_kill(&leader);
}

/* A site expects one leader: another's key ends in no connection, not in a model for a stranger. */
Test(site, a_leader_with_another_key_is_not_talked_to)
{
    char set_key[FIT_PATH_BYTES];
    snprintf(set_key, sizeof set_key, "sites.key=%s/stranger.key", fit_folder());
    leader_start(&leader, (const char *[]){"--set", set_key, NULL});
    site_await_text(&leader, "waiting for 2 sites");
    site_start(&sites[0], "boulder", (const char *[]){"--set", "site.wait=3", NULL});
    cr_expect_eq(site_wait(&sites[0]), 1);
    cr_expect(site_has_text(&sites[0], "no leader at"));
    cr_expect_not(site_has_text(&leader, "has joined"));
    site_kill(&leader);
}

/* ---- waits end ---- */

Test(site, a_leader_whose_sites_never_come_ends)
{
    leader_start(&leader, (const char *[]){"--set", "sites.wait=1", NULL});
    cr_expect_eq(site_wait(&leader), 1);
    cr_expect(site_has_text(&leader, "these sites have not joined: boulder, austin"));
}

Test(site, a_site_without_a_leader_ends)
{
    site_start(&sites[0], "boulder", (const char *[]){"--set", "site.wait=1", NULL});
    cr_expect_eq(site_wait(&sites[0]), 1);
    cr_expect(site_has_text(&sites[0], "(site.wait)"));
}

/* ---- rounds without a site ---- */

Test(site, a_site_that_is_away_is_left_out_by_the_deadline)
{
    static const char *const options[] = {"--set", "cutoff.deadline=2", "--set", "rounds=4", NULL};
    start_sites(options);
    leader_start(&leader, options);
    site_await_text(&leader, "round 1/4");
    site_kill(&sites[1]);
    site_end_well(&leader);
    cr_expect(site_has_text(&leader, "site austin is left out (2 workers): the deadline"));
    site_end_well(&sites[0]);
    char record[FIT_PATH_BYTES];
    snprintf(record, sizeof record, "%s/out/run.h5", fit_folder());
    ech_child_result shown = program_run((const char *[]){"inspect", record, "--json", NULL});
    const char *last = strstr(shown.output, "\"sites\": [");
    cr_assert_not_null(last);
    last = strstr(last, "\"round\": 4");
    cr_assert_not_null(last);
    last = strstr(last, "\"austin\"");
    cr_assert_not_null(last, "the site is named");
    cr_expect_eq(strncmp(strstr(last, "counted"), "counted\": false", strlen("counted\": false")),
                 0);
    ech_child_result_free(&shown);
}

/* Nobody waits for a site that said that it goes. */
Test(site, a_site_leaves_when_it_has_done_its_rounds)
{
    site_start(&sites[0], "boulder", NULL);
    site_start(&sites[1], "austin", (const char *[]){"--set", "site.limits.rounds=1", NULL});
    leader_start(&leader, (const char *[]){"--set", "rounds=60", NULL});
    site_end_well(&leader);
    cr_expect(site_has_text(&leader, "site austin is away: it takes part in no more rounds"));
    cr_expect(site_has_text(&leader, "site austin is left out (2 workers): it has left"));
    expect_sites_end();
}

Test(site, a_site_refuses_what_exceeds_its_limits)
{
    site_start(&sites[0], "boulder",
               (const char *[]){"--set", "site.limits.models=[lenet5]", NULL});
    cr_expect_eq(site_wait(&sites[0]), 2);
    cr_expect(site_has_text(&sites[0], "the site does not train smallconv"));
    site_start(&sites[1], "austin",
               (const char *[]){"--set", "site.limits.epochs=2", "--set", "train.epochs=3", NULL});
    cr_expect_eq(site_wait(&sites[1]), 2);
    cr_expect(site_has_text(&sites[1], "the site trains at most 2 epochs a round, not 3"));
}

/* ---- lossy updates ---- */

Test(site, lossy_updates_train_too_and_are_smaller)
{
    static const char *const kinds[] = {"bf16", "int8", "top"};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char set[64];
        snprintf(set, sizeof set, "sites.compression=%s", kinds[k]);
        const char *const options[] = {"--set", set, "--set", "rounds=2", NULL};
        start_sites(options);
        leader_start(&leader,
                     (const char *[]){"--set", set, "--set", "rounds=2", "--overwrite", NULL});
        site_end_well(&leader);
        expect_sites_end();
    }
}

Test(site, a_rule_that_keeps_something_on_workers_is_refused)
{
    leader_start(&leader, (const char *[]){"--set", "strategy.name=scaffold", NULL});
    cr_expect_eq(site_wait(&leader), 2);
    cr_expect(site_has_text(&leader, "strategy.name: with remote sites"));
}
