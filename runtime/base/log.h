/**
 * @file log.h
 * Messages for people, one line each, on standard error.
 *
 * A line reads `echelon[rank 3]: warning: text`; the rank is left out until it is known. A line is
 * written by one `write`, so that lines of several processes do not mix. Not collective;
 * thread-safe.
 */
#ifndef ECH_BASE_LOG_H
#define ECH_BASE_LOG_H

typedef enum { ECH_LOG_ERROR, ECH_LOG_WARNING, ECH_LOG_INFO, ECH_LOG_DEBUG } ech_log_level;

/** Write lines up to `level`; the start value is ECH_LOG_INFO. */
void ech_log_set_level(ech_log_level level);

/** Name the rank in each line from now on; -1 leaves it out. */
void ech_log_set_rank(int rank);

/** Write one line; `format` has no line feed. */
void ech_log(ech_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
