/**
 * @file foreign_priv.h
 * Both ends of the socket to the child that reads files of others. Private to `io`.
 */
#ifndef ECH_IO_FOREIGN_PRIV_H
#define ECH_IO_FOREIGN_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "io/array_file_priv.h"
#include "io/foreign.h"
#include "io/service.h"

enum {
    ECH_FOREIGN_DESCRIPTOR = 3,
    ECH_FOREIGN_NAME_BYTES = 256,
    ECH_FOREIGN_MESSAGE_BYTES = 768,
    ECH_FOREIGN_PIECE_BYTES = 4 << 20, /* of rows in one answer, at most (but one row at least) */
};

typedef enum { ECH_FOREIGN_DESCRIBE, ECH_FOREIGN_READ, ECH_FOREIGN_ATTRIBUTE } ech_foreign_kind;

typedef struct {
    uint32_t kind;
    uint32_t reserved;
    uint64_t first; /* row */
    uint64_t count; /* rows */
    char name[ECH_FOREIGN_NAME_BYTES];
    char attribute[ECH_FOREIGN_NAME_BYTES];
} ech_foreign_request;

typedef struct {
    uint32_t status;
    uint32_t present; /* of an attribute */
    uint64_t value;
    uint64_t bytes; /* of rows that follow */
    ech_array_info info;
    char message[ECH_FOREIGN_MESSAGE_BYTES];
} ech_foreign_answer;

/** Opaque: a child with an open file. The parent's end; on the service's thread. */
typedef struct ech_foreign ech_foreign;

/**
 * Start the child on a file.
 *
 * @param path  borrowed for the handle's life.
 */
ech_status ech_foreign_open(const ech_io *io, const char *path, ech_foreign **out);

/** End the child (at once) and free. Accepts NULL. */
void ech_foreign_close(ech_foreign **foreign);

/* As the functions of array_file_priv.h. A child that crashes or is silent makes the file bad:
 * ECH_ERR_FORMAT. */
ech_status ech_foreign_describe(ech_foreign *foreign, const char *name, ech_array_info *info);
ech_status ech_foreign_read(ech_foreign *foreign, const char *name, const ech_array_info *info,
                            uint64_t first, uint64_t count, void *rows);
ech_status ech_foreign_attribute(ech_foreign *foreign, const char *object, const char *name,
                                 bool *present, uint64_t *value);

#endif
