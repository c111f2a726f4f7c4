/**
 * @file guard.h
 * The small parent process of a rank. It outlives the rank, reads its black box, and says in one
 * line which rank died where, doing what, and of what.
 *
 * The guard passes on SIGTERM, SIGUSR1 and the first SIGINT; SIGUSR2 or a second SIGINT kills the
 * rank. It exits with the rank's exit code. After a signal it dies by SIGKILL as well: mpiexec ends
 * the other ranks after any death of one inside MPI, but after one still in MPI_Init only if a
 * signal did it. So start MPI before anything that can fail on one rank alone, or the others wait
 * for their bound. The guard also ends a rank that stays in one blocking MPI call past the call's
 * bound (ech_guard_bound). A rank whose guard is killed says so and ends too.
 */
#ifndef ECH_MPI_GUARD_H
#define ECH_MPI_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>

#include "runtime/base/status.h"

enum {
    ECH_BLACK_BOX_NAME_BYTES = 64,
    ECH_BLACK_BOX_NO_TASK = 0, /* task ids start at 1 */
};

/** Name of the memory file that holds the black box, among the descriptors of rank and guard. */
#define ECH_BLACK_BOX_FILE "echelon-box"

/**
 * What a rank is doing, in memory that its guard shares. Written by the rank with plain stores, at
 * any time; strings are cut and always terminated. Read by the guard after the rank's death.
 */
typedef struct {
    _Alignas(64) uint64_t task_id;         /* running now; ECH_BLACK_BOX_NO_TASK: none */
    char app[ECH_BLACK_BOX_NAME_BYTES];    /* of that task */
    char detail[ECH_BLACK_BOX_NAME_BYTES]; /* what it does: "worker 17, epoch 2" */
    char phase[ECH_BLACK_BOX_NAME_BYTES];  /* of the program: "start", "train round 3" */
    char host[ECH_BLACK_BOX_NAME_BYTES];   /* this host's name */
    int32_t rank;                          /* as the launcher numbers it; -1: unknown */
    _Atomic uint32_t in_job;   /* between ech_mpi_start and ech_mpi_finish: an exit is a failure */
    _Atomic uint32_t reported; /* the rank has told its failure itself */
    _Atomic uint64_t bound_ns; /* ech_clock_ns at which the guard ends it; 0: none */
    char bound_call[ECH_BLACK_BOX_NAME_BYTES]; /* the call that the bound is for */
} ech_black_box;

/**
 * Fork: returns in the child, which is the rank; the parent stays behind as its guard and exits
 * with it. Before MPI_Init, before threads, once. Not collective.
 *
 * @return ECH_OK in the child; ECH_ERR_SYSTEM (no guard then, the caller decides).
 */
ech_status ech_guard_start(void);

/** Did mpiexec, srun or their like start this process, as the environment tells? Before MPI. */
bool ech_guard_is_launched(void);

/** This process's black box; never NULL (a private one if there is no guard). */
ech_black_box *ech_guard_box(void);

/** Name the program's phase; "" none. printf-like, cut. */
void ech_guard_phase(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Name the task that begins, and clear its detail; `ech_guard_leave_task` when it ends. Cheap: no
 * system call, no formatting. */
void ech_guard_enter_task(uint64_t task_id, const char *app);
void ech_guard_leave_task(void);
/** Put another task's name back after a nested one: a copy of the box's first three members. */
typedef struct {
    uint64_t task_id;
    char app[ECH_BLACK_BOX_NAME_BYTES];
    char detail[ECH_BLACK_BOX_NAME_BYTES];
} ech_guard_task;
ech_guard_task ech_guard_save_task(void);
void ech_guard_restore_task(const ech_guard_task *task);
/** What the task does now. */
void ech_guard_detail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** From here on the guard ends this rank after `timeout_ns` unless `ech_guard_unbound` comes first:
 * for MPI calls that can only block. `call` names it in the guard's line. Do not nest. */
void ech_guard_bound(const char *call, uint64_t timeout_ns);
void ech_guard_unbound(void);

/**
 * End the whole job because this rank failed: print one line with rank, host, task, phase and the
 * thread's status message, then MPI_Abort with the status's exit code. Returns to nobody, within 5
 * s.
 */
noreturn void ech_abort(ech_status status);

#endif
