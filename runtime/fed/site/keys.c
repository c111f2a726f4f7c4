#define _GNU_SOURCE
#include "runtime/fed/site/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "runtime/base/memory.h"
#include "runtime/fed/private_file.h"

void ech_private_key_clear(ech_private_key *key)
{
    explicit_bzero(key, sizeof *key);
}

enum { LINE_BYTES = 512, PRIVATE_WORDS = 3, PUBLIC_WORDS = 2 };

/* ---- files of keys ---- */

/* Called for each line that holds something; its words are ended by NULs. */
typedef ech_status (*line_handler)(void *user, char *words[PRIVATE_WORDS], int count);

static ech_status split_line(char *line, char *words[PRIVATE_WORDS], int *count)
{
    char *rest = NULL;
    *count = 0;
    for (char *word = strtok_r(line, " \t\r\n", &rest); word != NULL;
         word = strtok_r(NULL, " \t\r\n", &rest)) {
        if (*count == PRIVATE_WORDS) {
            return ech_fail(ECH_ERR_CONFIG, "expected NAME PUBLIC, or NAME PUBLIC SECRET");
        }
        words[(*count)++] = word;
    }
    return ECH_OK;
}

static ech_status read_lines(FILE *file, const char *path, line_handler handle, void *user)
{
    char line[LINE_BYTES];
    ech_status status = ECH_OK;
    for (unsigned number = 1; status == ECH_OK && fgets(line, sizeof line, file) != NULL;
         number++) {
        char *words[PRIVATE_WORDS];
        int count = 0;
        if (strlen(line) == sizeof line - 1) {
            status = ech_fail(ECH_ERR_CONFIG, "a line of more than %d characters", LINE_BYTES - 2);
        } else if (line[0] != '#') {
            status = split_line(line, words, &count);
        }
        if (status == ECH_OK && count > 0) {
            status = handle(user, words, count);
        }
        if (status == ECH_ERR_CONFIG) {
            ech_fail_context(status, "%s:%u", path, number);
        }
    }
    explicit_bzero(line, sizeof line);
    return status;
}

static ech_status copy_key(const char *word, char text[ECH_KEY_BYTES])
{
    uint8_t raw[ECH_KEY_RAW_BYTES];
    if (strlen(word) != ECH_KEY_BYTES - 1 || zmq_z85_decode(raw, word) == NULL) {
        return ech_fail(ECH_ERR_CONFIG, "expected a key of %d characters of Z85",
                        ECH_KEY_BYTES - 1);
    }
    explicit_bzero(raw, sizeof raw);
    memcpy(text, word, ECH_KEY_BYTES);
    return ECH_OK;
}

static ech_status copy_public(char *words[PRIVATE_WORDS], ech_public_key *out)
{
    const ech_status status = ech_wire_check_name(words[0]);
    if (status != ECH_OK) {
        return status;
    }
    memset(out->name, 0, sizeof out->name);
    memcpy(out->name, words[0], strlen(words[0]));
    return copy_key(words[1], out->text);
}

static ech_status fail_file(const char *path, const char *what)
{
    return ech_fail(ECH_ERR_FILE, "%s: %s: %s", path, what, strerror(errno));
}

/* ---- private keys ---- */

typedef struct {
    ech_private_key *key;
    int found;
} private_reader;

static ech_status take_private(void *user, char *words[PRIVATE_WORDS], int count)
{
    private_reader *reader = user;
    if (count != PRIVATE_WORDS || reader->found++ > 0) {
        return ech_fail(ECH_ERR_CONFIG, "expected one line NAME PUBLIC SECRET: a private key, such "
                                        "as `echelon site keygen` makes");
    }
    ech_status status = copy_public(words, &reader->key->public_key);
    if (status == ECH_OK) {
        status = copy_key(words[2], reader->key->secret);
    }
    char derived[ECH_KEY_BYTES];
    if (status == ECH_OK && (zmq_curve_public(derived, reader->key->secret) != 0 ||
                             strcmp(derived, reader->key->public_key.text) != 0)) {
        status = ech_fail(ECH_ERR_CONFIG, "the two keys are no pair");
    }
    return status;
}

ech_status ech_private_key_read(const char *path, ech_private_key *out)
{
    memset(out, 0, sizeof *out);
    FILE *file = NULL;
    ech_status status = ech_private_file_open(path, &file);
    if (status != ECH_OK) {
        return status;
    }
    private_reader reader = {.key = out};
    status = read_lines(file, path, take_private, &reader);
    if (status == ECH_OK && reader.found == 0) {
        status = ech_fail(ECH_ERR_CONFIG, "%s: holds no private key", path);
    }
    fclose(file);
    if (status != ECH_OK) {
        ech_private_key_clear(out);
    }
    return status;
}

/* ---- public keys ---- */

typedef struct {
    ech_public_key *keys;
    size_t count, capacity;
} public_reader;

static ech_status take_public(void *user, char *words[PRIVATE_WORDS], int count)
{
    public_reader *reader = user;
    if (count != PUBLIC_WORDS) {
        return ech_fail(ECH_ERR_CONFIG, count == PRIVATE_WORDS
                                            ? "this is a private key: expected NAME PUBLIC"
                                            : "expected NAME PUBLIC");
    }
    ech_public_key *grown =
        reader->count < ECH_KEYS_MAX
            ? ech_grow(reader->keys, reader->count, &reader->capacity, sizeof *grown)
            : NULL;
    if (grown == NULL) {
        return ech_fail(ECH_ERR_MEMORY, "no room for more than %zu keys", reader->count);
    }
    reader->keys = grown;
    ech_public_key *key = &reader->keys[reader->count];
    const ech_status status = copy_public(words, key);
    for (size_t i = 0; i < reader->count && status == ECH_OK; i++) {
        if (strcmp(reader->keys[i].name, key->name) == 0 ||
            strcmp(reader->keys[i].text, key->text) == 0) {
            return ech_fail(ECH_ERR_CONFIG, "%s or its key is there already", key->name);
        }
    }
    reader->count += status == ECH_OK;
    return status;
}

ech_status ech_public_keys_read(const char *path, ech_public_key **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return fail_file(path, "cannot be opened");
    }
    public_reader reader = {0};
    ech_status status = read_lines(file, path, take_public, &reader);
    if (status == ECH_OK && reader.count == 0) {
        status = ech_fail(ECH_ERR_CONFIG, "%s: holds no public key", path);
    }
    fclose(file);
    if (status != ECH_OK) {
        ech_free(reader.keys);
        return status;
    }
    *out = reader.keys;
    *count = reader.count;
    return ECH_OK;
}

void ech_public_key_from_raw(const void *raw, char text[ECH_KEY_BYTES])
{
    zmq_z85_encode(text, raw, ECH_KEY_RAW_BYTES);
}

/* ---- making them ---- */

static ech_status path_of(const char *folder, const char *name, const char *ending,
                          char path[ECH_KEY_PATH_BYTES])
{
    const int length = snprintf(path, ECH_KEY_PATH_BYTES, "%s/%s%s", folder, name, ending);
    return length < ECH_KEY_PATH_BYTES
               ? ECH_OK
               : ech_fail(ECH_ERR_CONFIG, "%s: the path is too long", folder);
}

/* A new file of this mode; one that is not whole is removed again. */
static ech_status write_file(const char *path, mode_t mode, const char *line)
{
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (descriptor < 0) {
        return fail_file(path, "cannot be made");
    }
    const ssize_t length = (ssize_t)strlen(line);
    const bool written = write(descriptor, line, (size_t)length) == length &&
                         fchmod(descriptor, mode) == 0 && fsync(descriptor) == 0;
    const ech_status status = written ? ECH_OK : fail_file(path, "cannot be written");
    close(descriptor);
    if (!written) {
        unlink(path);
    }
    return status;
}

static ech_status make_pair(const char *name, ech_private_key *key)
{
    memset(key, 0, sizeof *key);
    memcpy(key->public_key.name, name, strlen(name));
    return zmq_curve_keypair(key->public_key.text, key->secret) == 0
               ? ECH_OK
               : ech_fail(ECH_ERR_UNSUPPORTED, "this libzmq has no CURVE");
}

static ech_status write_pair(const ech_private_key *key, const char *folder)
{
    const char *name = key->public_key.name;
    char private_path[ECH_KEY_PATH_BYTES];
    char public_path[ECH_KEY_PATH_BYTES];
    char line[LINE_BYTES];
    ech_status status = path_of(folder, name, ".key", private_path);
    if (status == ECH_OK) {
        status = path_of(folder, name, ".pub", public_path);
    }
    if (status != ECH_OK) {
        return status;
    }
    snprintf(line, sizeof line, "%s %s %s\n", name, key->public_key.text, key->secret);
    status = write_file(private_path, S_IRUSR | S_IWUSR, line);
    explicit_bzero(line, sizeof line);
    if (status != ECH_OK) {
        return status;
    }
    snprintf(line, sizeof line, "%s %s\n", name, key->public_key.text);
    status = write_file(public_path, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH, line);
    if (status != ECH_OK) {
        unlink(private_path);
    }
    return status;
}

ech_status ech_key_generate(const char *name, const char *folder, ech_public_key *out)
{
    ech_private_key key;
    ech_status status = ech_wire_check_name(name);
    if (status != ECH_OK) {
        return status;
    }
    status = make_pair(name, &key);
    if (status == ECH_OK) {
        status = write_pair(&key, folder);
    }
    *out = key.public_key;
    ech_private_key_clear(&key);
    return status;
}
