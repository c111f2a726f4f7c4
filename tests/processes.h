/**
 * @file processes.h
 * Looking at running processes and the folders they write, for what breaks jobs on purpose: by
 * /proc, where a process is named by the text of its number.
 */
#ifndef ECH_TESTS_PROCESSES_H
#define ECH_TESTS_PROCESSES_H

#include <stdbool.h>
#include <sys/types.h>

/** Does a file of a process in /proc, texts ended by NULs ("environ", "cmdline"), hold this text?
 *  False where there is no such process. */
bool ech_test_process_holds(const char *pid, const char *file, const char *text);

/** 0 where there is no such process. */
pid_t ech_test_process_parent(const char *pid);

/** Is there an entry whose name begins with `prefix`? False where there is no such folder. */
bool ech_test_folder_holds(const char *folder, const char *prefix);

#endif
