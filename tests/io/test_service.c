#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

#include "runtime/base/clock.h"
#include "tests/io/fixture.h"

TestSuite(service, .init = fixture_start, .fini = fixture_stop);

typedef struct {
    pthread_t thread;
    atomic_int *turn;
    int order;
    uint64_t sleep_ns;
} note;

static ech_status take_note(void *argument)
{
    note *own = argument;
    ech_clock_sleep_ns(own->sleep_ns);
    own->thread = pthread_self();
    own->order = atomic_fetch_add(own->turn, 1);
    return ECH_OK;
}

Test(service, jobs_run_in_order_on_one_thread_that_is_not_the_callers)
{
    enum { JOBS = 100 };
    atomic_int turn = 0;
    note notes[JOBS];
    ech_io_job *jobs[JOBS];
    for (int i = 0; i < JOBS; i++) {
        notes[i] = (note){.turn = &turn};
        cr_assert_eq(ech_io_submit(fixture_io, take_note, &notes[i], &jobs[i]), ECH_OK);
    }
    for (int i = 0; i < JOBS; i++) {
        cr_assert_eq(ech_io_wait(&jobs[i]), ECH_OK);
        cr_expect_null(jobs[i]);
        cr_expect_eq(notes[i].order, i);
        cr_expect(pthread_equal(notes[i].thread, notes[0].thread));
    }
    cr_expect_not(pthread_equal(notes[0].thread, pthread_self()));
}

Test(service, submit_does_not_wait_for_the_job)
{
    atomic_int turn = 0;
    note slow = {.turn = &turn, .sleep_ns = 200000000};
    ech_io_job *job = NULL;
    cr_assert_eq(ech_io_submit(fixture_io, take_note, &slow, &job), ECH_OK);
    cr_expect_not(ech_io_poll(job));
    cr_assert_eq(ech_io_wait(&job), ECH_OK);
    cr_expect_eq(turn, 1);
}

static ech_status refuse(void *argument)
{
    (void)argument;
    return ech_fail(ECH_ERR_FILE, "the disk is made of cheese");
}

Test(service, a_jobs_status_and_message_reach_the_one_who_waits)
{
    ech_status_clear();
    cr_expect_eq(ech_io_run(fixture_io, refuse, NULL), ECH_ERR_FILE);
    cr_expect_str_eq(ech_status_message(), "the disk is made of cheese");
}

Test(service, a_job_may_run_another)
{
    cr_expect_eq(ech_io_run(fixture_io, refuse, fixture_io), ECH_ERR_FILE);
}

Test(service, there_is_one_a_process)
{
    ech_io *second = NULL;
    cr_expect_eq(ech_io_create(NULL, &second), ECH_ERR_ARGUMENT);
    cr_expect_null(second);
    ech_io_destroy(&fixture_io);
    cr_expect_eq(ech_io_create(NULL, &fixture_io), ECH_OK, "one may follow another");
}

Test(service, destroy_runs_what_is_queued)
{
    atomic_int turn = 0;
    note notes[2] = {{.turn = &turn, .sleep_ns = 50000000}, {.turn = &turn}};
    ech_io_job *jobs[2] = {NULL, NULL};
    cr_assert_eq(ech_io_submit(fixture_io, take_note, &notes[0], &jobs[0]), ECH_OK);
    cr_assert_eq(ech_io_submit(fixture_io, take_note, &notes[1], &jobs[1]), ECH_OK);
    cr_assert_eq(ech_io_wait(&jobs[0]), ECH_OK);
    cr_assert_eq(ech_io_wait(&jobs[1]), ECH_OK);
    ech_io_destroy(&fixture_io);
    cr_expect_eq(turn, 2);
}
