/**
 * @file seal_priv.h
 * The digest that Echelon's files carry in their HDF5 user block, the first 512 bytes:
 *
 *     Echelon sealed file 1
 *     kind: checkpoint
 *     length: 00000000000000181224
 *     xxh128: 0123456789abcdef0123456789abcdef
 *
 * and zeros. `length` counts the whole file, the digest covers all that follows the block. HDF5
 * ignores a user block. Every bit of the file is covered: the block must be exactly what would be
 * written. XXH128 finds damage; it is no protection from somebody who means harm. Private to `io`.
 */
#ifndef ECH_IO_SEAL_PRIV_H
#define ECH_IO_SEAL_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/kind.h"
#include "io/output_priv.h"
#include "runtime/base/hash.h"
#include "runtime/base/status.h"

enum { ECH_SEAL_BYTES = 512 };

/** What a block says about its file. */
typedef struct {
    uint64_t length;
    ech_hash128 digest;
} ech_seal_claim;

/** Digest the file behind the block and write the block. @param[out] claim  what it says. */
ech_status ech_seal_write(const ech_output *output, ech_seal_kind kind, ech_seal_claim *claim);

/**
 * Is this the very file that was sealed with this claim? Looks at the length and the block alone:
 * for a reader that checks what it reads of the content by other means.
 *
 * @return ECH_OK; ECH_ERR_FILE; ECH_ERR_FORMAT.
 */
ech_status ech_seal_expect(int descriptor, const char *path, ech_seal_kind kind,
                           const ech_seal_claim *claim);

/** Read so many bytes. @return ECH_OK; ECH_ERR_FILE; ECH_ERR_FORMAT (the file ends before). */
ech_status ech_seal_read_fully(int descriptor, const char *path, uint64_t offset, void *data,
                               size_t bytes);

/**
 * Check an open file from its first to its last byte.
 *
 * @param path       for messages.
 * @param[out] kind  ECH_SEAL_NONE if it is an HDF5 file without a seal (not looked at further).
 * @return ECH_OK; ECH_ERR_FILE (cannot be read); ECH_ERR_FORMAT (torn, damaged, no HDF5 file).
 */
ech_status ech_seal_check(int descriptor, const char *path, ech_seal_kind *kind);

#endif
