#define _GNU_SOURCE
/*
 * Calls that fail on purpose: the linker puts these functions in place of the library's in the
 * program `echelon_faulty`, which is `echelon` otherwise (see CMakeLists.txt).
 *
 *     ECH_FAULT=CALL:FIRST[-LAST]:RANK[:ERROR]
 *
 * The calls of this name (pwrite, put, ... as below) from number FIRST to LAST of a rank fail, with
 * the error ENOSPC, EDQUOT, EROFS or EIO. The first of them is told on standard error.
 */
#include <errno.h>
#include <mpi.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum {
    CALL_PWRITE,
    CALL_FSYNC,
    CALL_FDATASYNC,
    CALL_FTRUNCATE,
    CALL_FALLOCATE,
    CALL_RENAME,
    CALL_ALLOCATE,
    CALL_PUT,
    CALL_GET,
    CALL_COUNT
} call_kind;

enum { WORD_BYTES = 32, LINE_BYTES = 128 };

typedef struct {
    call_kind kind;
    unsigned long first, last;
    int error;
} plan;

static plan faults = {.kind = CALL_COUNT};
static atomic_ulong calls;

static call_kind kind_of(const char *word)
{
    static const char *const words[CALL_COUNT] = {"pwrite",    "fsync",     "fdatasync",
                                                  "ftruncate", "fallocate", "rename",
                                                  "allocate",  "put",       "get"};
    for (call_kind kind = 0; kind < CALL_COUNT; kind++) {
        if (strcmp(words[kind], word) == 0) {
            return kind;
        }
    }
    return CALL_COUNT;
}

static int error_of(const char *word)
{
    static const struct {
        const char *word;
        int number;
    } errors[] = {{"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EROFS", EROFS}, {"EIO", EIO}};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (strcmp(errors[i].word, word) == 0) {
            return errors[i].number;
        }
    }
    return ENOSPC;
}

/* Before main, while there is one thread. */
__attribute__((constructor)) static void read_plan(void)
{
    char word[WORD_BYTES] = "";
    char error[WORD_BYTES] = "";
    unsigned long first = 0, last = 0, rank = 0;
    const char *text = getenv("ECH_FAULT");
    const char *own_rank = getenv("PMI_RANK");
    if (text == NULL || own_rank == NULL) {
        return;
    }
    if (sscanf(text, "%31[a-z]:%lu-%lu:%lu:%31s", word, &first, &last, &rank, error) < 4) {
        if (sscanf(text, "%31[a-z]:%lu:%lu:%31s", word, &first, &rank, error) < 3) {
            fprintf(stderr, "ECH_FAULT=%s: not understood\n", text);
            abort();
        }
        last = first;
    }
    if (rank == strtoul(own_rank, NULL, 10)) {
        faults = (plan){kind_of(word), first, last, error_of(error)};
    }
}

static bool fails(call_kind kind)
{
    if (kind != faults.kind) {
        return false;
    }
    const unsigned long number = atomic_fetch_add(&calls, 1) + 1;
    if (number < faults.first || number > faults.last) {
        return false;
    }
    if (number == faults.first) {
        char line[LINE_BYTES];
        const int length = snprintf(line, sizeof line, "fault: call %lu fails\n", number);
        const ssize_t ignored = write(STDERR_FILENO, line, (size_t)length);
        (void)ignored;
    }
    errno = faults.error;
    return true;
}

ssize_t __real_pwrite(int descriptor, const void *data, size_t bytes, off_t offset);
ssize_t __wrap_pwrite(int descriptor, const void *data, size_t bytes, off_t offset);
ssize_t __wrap_pwrite(int descriptor, const void *data, size_t bytes, off_t offset)
{
    return fails(CALL_PWRITE) ? -1 : __real_pwrite(descriptor, data, bytes, offset);
}

int __real_fsync(int descriptor);
int __wrap_fsync(int descriptor);
int __wrap_fsync(int descriptor)
{
    return fails(CALL_FSYNC) ? -1 : __real_fsync(descriptor);
}

int __real_fdatasync(int descriptor);
int __wrap_fdatasync(int descriptor);
int __wrap_fdatasync(int descriptor)
{
    return fails(CALL_FDATASYNC) ? -1 : __real_fdatasync(descriptor);
}

int __real_ftruncate(int descriptor, off_t bytes);
int __wrap_ftruncate(int descriptor, off_t bytes);
int __wrap_ftruncate(int descriptor, off_t bytes)
{
    return fails(CALL_FTRUNCATE) ? -1 : __real_ftruncate(descriptor, bytes);
}

int __real_fallocate(int descriptor, int mode, off_t offset, off_t bytes);
int __wrap_fallocate(int descriptor, int mode, off_t offset, off_t bytes);
int __wrap_fallocate(int descriptor, int mode, off_t offset, off_t bytes)
{
    return fails(CALL_FALLOCATE) ? -1 : __real_fallocate(descriptor, mode, offset, bytes);
}

int __real_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return fails(CALL_RENAME) ? -1 : __real_renameat(from_folder, from, to_folder, to);
}

void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return fails(CALL_ALLOCATE) ? NULL : __real_aligned_alloc(alignment, bytes);
}

int __real_MPI_Put(const void *from, int count, MPI_Datatype type, int rank, MPI_Aint at,
                   int target_count, MPI_Datatype target_type, MPI_Win window);
int __wrap_MPI_Put(const void *from, int count, MPI_Datatype type, int rank, MPI_Aint at,
                   int target_count, MPI_Datatype target_type, MPI_Win window);
int __wrap_MPI_Put(const void *from, int count, MPI_Datatype type, int rank, MPI_Aint at,
                   int target_count, MPI_Datatype target_type, MPI_Win window)
{
    return fails(CALL_PUT)
               ? MPI_ERR_OTHER
               : __real_MPI_Put(from, count, type, rank, at, target_count, target_type, window);
}

int __real_MPI_Get(void *to, int count, MPI_Datatype type, int rank, MPI_Aint at, int target_count,
                   MPI_Datatype target_type, MPI_Win window);
int __wrap_MPI_Get(void *to, int count, MPI_Datatype type, int rank, MPI_Aint at, int target_count,
                   MPI_Datatype target_type, MPI_Win window);
int __wrap_MPI_Get(void *to, int count, MPI_Datatype type, int rank, MPI_Aint at, int target_count,
                   MPI_Datatype target_type, MPI_Win window)
{
    return fails(CALL_GET)
               ? MPI_ERR_OTHER
               : __real_MPI_Get(to, count, type, rank, at, target_count, target_type, window);
}

int __real_MPI_Rput(const void *from, int count, MPI_Datatype type, int rank, MPI_Aint at,
                    int target_count, MPI_Datatype target_type, MPI_Win window, MPI_Request *out);
int __wrap_MPI_Rput(const void *from, int count, MPI_Datatype type, int rank, MPI_Aint at,
                    int target_count, MPI_Datatype target_type, MPI_Win window, MPI_Request *out);
int __wrap_MPI_Rput(const void *from, int count, MPI_Datatype type, int rank, MPI_Aint at,
                    int target_count, MPI_Datatype target_type, MPI_Win window, MPI_Request *out)
{
    return fails(CALL_PUT) ? MPI_ERR_OTHER
                           : __real_MPI_Rput(from, count, type, rank, at, target_count, target_type,
                                             window, out);
}
