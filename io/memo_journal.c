#define _GNU_SOURCE
#include "io/memo_journal_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/base/memory.h"

static const char magic[] = "Echelon journal";

typedef struct {
    char magic[sizeof magic];
    uint64_t generation;
    uint64_t check; /* of the members before */
} journal_head;

/* In front of each value. */
typedef struct {
    uint64_t check; /* of what follows, the value included */
    uint64_t bytes;
    ech_hash128 key;
} entry_head;

struct ech_memo_journal {
    char *path;
    int descriptor;
    uint64_t generation;
    bool begun;   /* its head says the generation */
    uint64_t end; /* of the last whole entry */
    ech_memo_file_info info;
    unsigned char *entry; /* one, head and value */
    size_t entry_capacity;
};

static ech_status fail_file(const ech_memo_journal *journal, const char *what)
{
    return ech_fail(ECH_ERR_FILE, "%s: cannot %s: %s", journal->path, what, strerror(errno));
}

static ech_status read_at(const ech_memo_journal *journal, uint64_t offset, void *data,
                          size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        const ssize_t got = pread(journal->descriptor, (unsigned char *)data + done, bytes - done,
                                  (off_t)(offset + done));
        if (got == 0) {
            return ech_fail(ECH_ERR_FORMAT, "%s: ends while it is read", journal->path);
        }
        if (got < 0 && errno != EINTR) {
            return fail_file(journal, "read");
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return ECH_OK;
}

static ech_status write_at(const ech_memo_journal *journal, uint64_t offset, const void *data,
                           size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        const ssize_t put = pwrite(journal->descriptor, (const unsigned char *)data + done,
                                   bytes - done, (off_t)(offset + done));
        if (put < 0 && errno != EINTR) {
            return fail_file(journal, "write");
        }
        done += put > 0 ? (size_t)put : 0;
    }
    return ECH_OK;
}

static ech_status reserve_entry(ech_memo_journal *journal, size_t value_bytes)
{
    const size_t bytes = sizeof(entry_head) + value_bytes;
    if (bytes <= journal->entry_capacity) {
        return ECH_OK;
    }
    unsigned char *larger = ech_alloc(2 * bytes);
    if (larger == NULL) {
        return ECH_ERR_MEMORY;
    }
    ech_free(journal->entry);
    journal->entry = larger;
    journal->entry_capacity = 2 * bytes;
    return ECH_OK;
}

static uint64_t check_of_entry(const ech_memo_journal *journal, size_t value_bytes)
{
    const size_t skipped = sizeof(uint64_t);
    return ech_hash_bytes(journal->entry + skipped, sizeof(entry_head) - skipped + value_bytes).low;
}

static uint64_t check_of_head(const journal_head *head)
{
    return ech_hash_bytes(head, offsetof(journal_head, check)).low;
}

/* Read the entry at `offset` into the buffer. @param[out] whole  false: it was cut, or damaged. */
static ech_status read_entry(ech_memo_journal *journal, uint64_t offset, uint64_t length,
                             entry_head *head, bool *whole)
{
    *whole = false;
    if (length - offset < sizeof *head) {
        return ECH_OK;
    }
    ech_status status = read_at(journal, offset, head, sizeof *head);
    if (status != ECH_OK || head->bytes > length - offset - sizeof *head) {
        return status;
    }
    status = reserve_entry(journal, head->bytes);
    if (status == ECH_OK) {
        status = read_at(journal, offset, journal->entry, sizeof *head + head->bytes);
    }
    *whole = status == ECH_OK && check_of_entry(journal, head->bytes) == head->check;
    return status;
}

/* Find the last whole entry. */
static ech_status find_end(ech_memo_journal *journal, uint64_t length)
{
    journal->end = sizeof(journal_head);
    journal->info = (ech_memo_file_info){0};
    for (;;) {
        entry_head head;
        bool whole = false;
        const ech_status status = read_entry(journal, journal->end, length, &head, &whole);
        if (status != ECH_OK || !whole) {
            return status;
        }
        journal->end += sizeof head + head.bytes;
        journal->info.results++;
        journal->info.value_bytes += head.bytes;
    }
}

static ech_status cut(const ech_memo_journal *journal, uint64_t length)
{
    return ftruncate(journal->descriptor, (off_t)length) == 0 ? ECH_OK
                                                              : fail_file(journal, "shorten");
}

/* Emptied first: results of another generation must not come to lie behind the new head. */
static ech_status write_head(ech_memo_journal *journal)
{
    journal_head head = {.generation = journal->generation};
    memcpy(head.magic, magic, sizeof magic);
    head.check = check_of_head(&head);
    ech_status status = cut(journal, 0);
    if (status == ECH_OK) {
        status = write_at(journal, 0, &head, sizeof head);
    }
    journal->begun = status == ECH_OK;
    return status;
}

ech_status ech_memo_journal_begin(ech_memo_journal *journal, uint64_t generation)
{
    journal->generation = generation;
    journal->end = sizeof(journal_head);
    journal->info = (ech_memo_file_info){0};
    return write_head(journal);
}

static ech_status read_or_begin(ech_memo_journal *journal, uint64_t generation)
{
    struct stat file;
    journal_head head;
    if (fstat(journal->descriptor, &file) != 0) {
        return fail_file(journal, "look at");
    }
    const uint64_t length = (uint64_t)file.st_size;
    if (length < sizeof head) { /* new, or its writer was killed while it made it */
        return ech_memo_journal_begin(journal, generation);
    }
    ech_status status = read_at(journal, 0, &head, sizeof head);
    if (status != ECH_OK) {
        return status;
    }
    if (memcmp(head.magic, magic, sizeof magic) != 0) {
        return ech_fail(ECH_ERR_FORMAT, "%s: is no journal of results", journal->path);
    }
    if (head.check != check_of_head(&head) || head.generation != generation) {
        return ech_memo_journal_begin(journal, generation);
    }
    journal->generation = generation;
    journal->begun = true;
    status = find_end(journal, length);
    if (status == ECH_OK && journal->end < length) {
        ech_log(ECH_LOG_WARNING, "%s: %llu bytes at its end are not whole and are left out",
                journal->path, (unsigned long long)(length - journal->end));
        status = cut(journal, journal->end);
    }
    return status;
}

static ech_status open_locked(ech_memo_journal *journal)
{
    journal->descriptor =
        open(journal->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (journal->descriptor < 0) {
        return fail_file(journal, "open");
    }
    if (flock(journal->descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return ech_fail(ECH_ERR_FILE, "%s: another process keeps its results there", journal->path);
    }
    return ECH_OK;
}

ech_status ech_memo_journal_open(const char *path, uint64_t generation, ech_memo_journal **out)
{
    ech_memo_journal *journal = ech_calloc(1, sizeof *journal);
    *out = journal;
    if (journal == NULL) {
        return ECH_ERR_MEMORY;
    }
    journal->descriptor = -1;
    journal->path = ech_strdup(path);
    ech_status status = journal->path == NULL ? ECH_ERR_MEMORY : open_locked(journal);
    if (status == ECH_OK) {
        status = read_or_begin(journal, generation);
    }
    if (status != ECH_OK) {
        ech_memo_journal_close(out);
    }
    return status;
}

void ech_memo_journal_close(ech_memo_journal **journal)
{
    if (journal == NULL || *journal == NULL) {
        return;
    }
    if ((*journal)->descriptor >= 0) {
        close((*journal)->descriptor);
    }
    ech_free((*journal)->entry);
    ech_free((*journal)->path);
    ech_free(*journal);
    *journal = NULL;
}

ech_memo_file_info ech_memo_journal_describe(const ech_memo_journal *journal)
{
    return journal->info;
}

ech_status ech_memo_journal_append(ech_memo_journal *journal, ech_hash128 key, const void *value,
                                   size_t value_bytes)
{
    ech_status status = journal->begun ? ECH_OK : write_head(journal);
    if (status == ECH_OK) {
        status = reserve_entry(journal, value_bytes);
    }
    if (status != ECH_OK) {
        return status;
    }
    entry_head head = {.bytes = value_bytes, .key = key};
    memcpy(journal->entry, &head, sizeof head);
    if (value_bytes > 0) {
        memcpy(journal->entry + sizeof head, value, value_bytes);
    }
    head.check = check_of_entry(journal, value_bytes);
    memcpy(journal->entry, &head, sizeof head);
    status = write_at(journal, journal->end, journal->entry, sizeof head + value_bytes);
    if (status == ECH_OK) {
        journal->end += sizeof head + value_bytes;
        journal->info.results++;
        journal->info.value_bytes += value_bytes;
    }
    return status;
}

ech_status ech_memo_journal_visit(ech_memo_journal *journal, ech_memo_file_visit visit,
                                  void *visitor)
{
    ech_status status = ECH_OK;
    for (uint64_t at = sizeof(journal_head); at < journal->end && status == ECH_OK;) {
        entry_head head = {0};
        bool whole = false;
        status = read_entry(journal, at, journal->end, &head, &whole);
        if (status == ECH_OK && !whole) {
            status = ech_fail(ECH_ERR_FORMAT, "%s: changed while it was open", journal->path);
        }
        if (status == ECH_OK) {
            status = visit(visitor, head.key, journal->entry + sizeof head, head.bytes);
        }
        at += sizeof head + head.bytes;
    }
    return status;
}
