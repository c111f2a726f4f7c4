/**
 * @file keys.h
 * CURVE key pairs of leaders and sites, in files of one line a key:
 *
 *     NAME PUBLIC             a public key: what a leader admits, what a site expects of its leader
 *     NAME PUBLIC SECRET      a private key: a regular file of its owner's alone (0600)
 *
 * Keys are 40 characters of Z85 (ZeroMQ RFC 32). Empty lines and lines that begin with '#' are
 * skipped. Not collective. Without libzmq every call ends with ECH_ERR_UNSUPPORTED.
 */
#ifndef ECH_FED_SITE_KEYS_H
#define ECH_FED_SITE_KEYS_H

#include <stddef.h>

#include "runtime/base/status.h"
#include "runtime/fed/site/wire.h"

enum {
    ECH_KEY_BYTES = 41,
    ECH_KEY_RAW_BYTES = 32,
    ECH_KEY_PATH_BYTES = 4096,
    ECH_KEYS_MAX = 65536
};

typedef struct {
    char name[ECH_WIRE_NAME_BYTES];
    char text[ECH_KEY_BYTES];
} ech_public_key;

/** Clear it when it has been used. */
typedef struct {
    ech_public_key public_key;
    char secret[ECH_KEY_BYTES];
} ech_private_key;

/**
 * Make a pair: FOLDER/NAME.key (0600) and FOLDER/NAME.pub.
 *
 * @return ECH_OK; ECH_ERR_CONFIG (the name); ECH_ERR_FILE (cannot be written; there is one: a key
 *         is never overwritten).
 */
ech_status ech_key_generate(const char *name, const char *folder, ech_public_key *out);

/** @return ECH_OK; ECH_ERR_CONFIG (others may read it; not one private key); ECH_ERR_FILE. */
ech_status ech_private_key_read(const char *path, ech_private_key *out);
void ech_private_key_clear(ech_private_key *key);

/** All public keys of a file, names and keys each once. @param[out] out  the caller's: ech_free.
 *  @return ECH_OK; ECH_ERR_CONFIG, with file and line; ECH_ERR_FILE; ECH_ERR_MEMORY. */
ech_status ech_public_keys_read(const char *path, ech_public_key **out, size_t *count);

/** A key as CURVE sends it: 32 bytes, as text. */
void ech_public_key_from_raw(const void *raw, char text[ECH_KEY_BYTES]);

#endif
