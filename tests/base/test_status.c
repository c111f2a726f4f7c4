#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "runtime/base/status.h"

Test(status, a_context_goes_in_front_of_the_message)
{
    cr_expect_eq(ech_fail(ECH_ERR_FILE, "cannot open %s", "a.h5"), ECH_ERR_FILE);
    ech_fail_context(ECH_ERR_FILE, "rank %d", 3);
    cr_expect_str_eq(ech_status_message(), "rank 3: cannot open a.h5");
}

Test(status, a_message_that_is_too_long_is_cut)
{
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ech_fail(ECH_ERR_FILE, "%s", text);
    cr_expect_eq(strlen(ech_status_message()), 1023);
    ech_fail_context(ECH_ERR_FILE, "%s", text);
    cr_expect_eq(strlen(ech_status_message()), 1023);
}

Test(status, a_kept_failure_comes_back_after_others)
{
    ech_fail(ECH_ERR_FILE, "the cause");
    const ech_failure cause = ech_failure_keep(ECH_ERR_FILE);
    ech_fail(ECH_ERR_MPI, "a consequence");
    cr_expect_eq(ech_failure_restore(&cause), ECH_ERR_FILE);
    cr_expect_str_eq(ech_status_message(), "the cause");
}

static void *fail_elsewhere(void *unused)
{
    (void)unused;
    ech_fail(ECH_ERR_MEMORY, "from another thread");
    return NULL;
}

Test(status, a_message_belongs_to_its_thread)
{
    ech_fail(ECH_ERR_FILE, "mine");
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_expect_str_eq(ech_status_message(), "mine");
}

Test(status, exit_codes_tell_bad_input_from_failure)
{
    cr_expect_eq(ech_status_exit_code(ECH_OK), 0);
    cr_expect_eq(ech_status_exit_code(ECH_ERR_MPI), 1);
    cr_expect_eq(ech_status_exit_code(ECH_ERR_CONFIG), 2);
    cr_expect_eq(ech_status_exit_code(ECH_ERR_FORMAT), 2);
    cr_expect_eq(ech_status_exit_code(ECH_ERR_INTERRUPTED), 75);
}

Test(status, every_status_has_a_name)
{
    for (int status = 0; status < ECH_STATUS_COUNT; status++) {
        cr_expect_neq(strcmp(ech_status_string((ech_status)status), "unknown status"), 0);
    }
    cr_expect_str_eq(ech_status_string((ech_status)-1), "unknown status");
}
