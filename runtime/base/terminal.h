/**
 * @file terminal.h
 * Where a person reads this process' standard error, if one does.
 *
 * Not collective.
 */
#ifndef ECH_BASE_TERMINAL_H
#define ECH_BASE_TERMINAL_H

/**
 * Columns of the terminal that shows standard error; 0 if it goes to a file or pipe.
 *
 * Under mpiexec or srun a rank's standard error is a pipe to the starter, so what counts is the
 * standard error of the starter, if it is an ancestor of this process on this host (Linux: /proc).
 */
unsigned ech_terminal_columns(void);

#endif
