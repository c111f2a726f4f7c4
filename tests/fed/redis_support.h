/**
 * @file redis_support.h
 * A folder, a Redis in it, and what is put into it and got from it.
 *
 * One a test process. Whatever goes wrong in here ends the test.
 */
#ifndef ECH_TESTS_FED_REDIS_SUPPORT_H
#define ECH_TESTS_FED_REDIS_SUPPORT_H

#include <stdbool.h>

#include "runtime/fed/redis_address.h"
#include "runtime/fed/transfer_priv.h"
#include "tests/redis_server.h"
#include "tests/support.h"

enum { REDIS_PATH_BYTES = ECH_TEST_PATH_BYTES + 64 };

extern char redis_folder[ECH_TEST_PATH_BYTES];

/** A suite's .init and .fini: the folder; no memory and no descriptor is left. */
void redis_support_start(void);
void redis_support_stop(void);

/** The path of a file in the folder. */
const char *redis_path(const char *name, char path[REDIS_PATH_BYTES]);

/** Reach it, put a value of several pieces, get the same back, drop it. */
void redis_expect_works(const ech_transfer_options *options);

/** It cannot be reached, and the message says all of `said`, which NULL ends, and the address. */
void redis_expect_refused(const ech_transfer_options *options, const char *const *said);

/** The message of this thread has `text`, or has it not. */
void redis_expect_message(const char *text, bool there);

/** Put values until it fails, after the server was killed. */
ech_status redis_put_after_kill(redis_server *server, const ech_transfer_options *options);

/** A listener of a server that is none: nobody accepts until redis_answer. The caller's: close. */
int redis_listen(ech_redis_address *address);

/** Another process accepts one connection and says `text` at once; redis_server_stop ends it. */
pid_t redis_answer(int listener, const char *text);

#endif
