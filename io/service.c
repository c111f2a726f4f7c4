#define _GNU_SOURCE
#include "io/service_priv.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "io/h5_priv.h"
#include "runtime/base/memory.h"

enum { QUEUE_CAPACITY = 16, QUEUE_TIMEOUT_SECONDS = 600, MESSAGE_BYTES = 1024 };

static const double reader_timeout_seconds = 30.0;
static const char own_executable[] = "/proc/self/exe";

struct ech_io_job {
    ech_io *io;
    ech_io_function function;
    void *argument;
    ech_status status;
    char message[MESSAGE_BYTES]; /* the status' message: messages belong to threads */
    atomic_bool done;
};

struct ech_io {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work;     /* a job came, or the end */
    pthread_cond_t progress; /* a job was taken, or has ended */
    bool mutex_made;
    bool thread_runs;
    bool stopping;
    ech_io_job **queue; /* ring */
    uint32_t capacity;
    uint32_t first;
    uint32_t count;
    char *reader_program;
    uint64_t reader_timeout_ns;
};

/* HDF5's state belongs to the process, so a second thread for it would be a data race. */
static atomic_flag service_exists = ATOMIC_FLAG_INIT;

static void run_job(ech_io *io, ech_io_job *job)
{
    ech_status_clear();
    job->status = job->function(job->argument);
    if (job->status != ECH_OK) {
        snprintf(job->message, sizeof job->message, "%s", ech_status_message());
    }
    pthread_mutex_lock(&io->mutex);
    atomic_store_explicit(&job->done, true, memory_order_release);
    pthread_cond_broadcast(&io->progress);
    pthread_mutex_unlock(&io->mutex);
}

static ech_io_job *take_job(ech_io *io)
{
    ech_io_job *job = NULL;
    pthread_mutex_lock(&io->mutex);
    while (io->count == 0 && !io->stopping) {
        pthread_cond_wait(&io->work, &io->mutex);
    }
    if (io->count > 0) {
        job = io->queue[io->first];
        io->first = (io->first + 1) % io->capacity;
        io->count--;
        pthread_cond_broadcast(&io->progress);
    }
    pthread_mutex_unlock(&io->mutex);
    return job;
}

static void *serve(void *argument)
{
    ech_io *io = argument;
    for (ech_io_job *job = take_job(io); job != NULL; job = take_job(io)) {
        run_job(io, job);
    }
    return NULL;
}

static void make_locks(ech_io *io)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&io->mutex, NULL);
    pthread_cond_init(&io->work, NULL);
    pthread_cond_init(&io->progress, &attributes);
    pthread_condattr_destroy(&attributes);
    io->mutex_made = true;
}

/* Signals are the main thread's: the service's thread inherits a mask that blocks them all. */
static ech_status start_thread(ech_io *io)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&io->thread, NULL, serve, io);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        return ech_fail(ECH_ERR_SYSTEM, "cannot start the I/O thread: %s", strerror(error));
    }
    io->thread_runs = true;
    return ECH_OK;
}

static ech_status take_options(ech_io *io, const ech_io_options *options)
{
    const ech_io_options defaults = {0};
    const ech_io_options *o = options != NULL ? options : &defaults;
    const double seconds =
        o->reader_timeout_seconds > 0 ? o->reader_timeout_seconds : reader_timeout_seconds;
    io->reader_timeout_ns = (uint64_t)(seconds * 1e9);
    io->capacity = o->queue_capacity > 0 ? o->queue_capacity : QUEUE_CAPACITY;
    io->queue = ech_calloc(io->capacity, sizeof(ech_io_job *));
    io->reader_program = ech_strdup(o->reader_program != NULL ? o->reader_program : own_executable);
    return io->queue != NULL && io->reader_program != NULL ? ECH_OK : ECH_ERR_MEMORY;
}

ech_status ech_io_create(const ech_io_options *options, ech_io **out)
{
    *out = NULL;
    if (atomic_flag_test_and_set(&service_exists)) {
        return ech_fail(ECH_ERR_ARGUMENT, "the process has an I/O service already");
    }
    ech_io *io = ech_calloc(1, sizeof *io);
    ech_status status = ECH_ERR_MEMORY;
    if (io == NULL) {
        atomic_flag_clear(&service_exists);
        return status;
    }
    status = take_options(io, options);
    if (status == ECH_OK) {
        make_locks(io);
        status = ech_h5_start();
    }
    if (status == ECH_OK) {
        status = start_thread(io);
    }
    if (status != ECH_OK) {
        ech_io_destroy(&io);
    }
    *out = io;
    return status;
}

static void stop_thread(ech_io *io)
{
    pthread_mutex_lock(&io->mutex);
    io->stopping = true;
    pthread_cond_broadcast(&io->work);
    pthread_mutex_unlock(&io->mutex);
    pthread_join(io->thread, NULL);
}

void ech_io_destroy(ech_io **io)
{
    if (io == NULL || *io == NULL) {
        return;
    }
    ech_io *dying = *io;
    if (dying->thread_runs) {
        stop_thread(dying);
    }
    if (dying->mutex_made) {
        ech_h5_stop();
        pthread_cond_destroy(&dying->progress);
        pthread_cond_destroy(&dying->work);
        pthread_mutex_destroy(&dying->mutex);
    }
    ech_free(dying->queue);
    ech_free(dying->reader_program);
    ech_free(dying);
    *io = NULL;
    atomic_flag_clear(&service_exists);
}

/* With the mutex held. A queue that stands still for so long hangs on a dead file system. */
static ech_status wait_for_room(ech_io *io)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += QUEUE_TIMEOUT_SECONDS;
    while (io->count == io->capacity) {
        if (pthread_cond_timedwait(&io->progress, &io->mutex, &deadline) == ETIMEDOUT) {
            return ech_fail(ECH_ERR_TIMEOUT, "the I/O thread took no job for %d s",
                            QUEUE_TIMEOUT_SECONDS);
        }
    }
    return ECH_OK;
}

static ech_status enqueue(ech_io *io, ech_io_job *job, ech_io_function function, void *argument)
{
    job->io = io;
    job->function = function;
    job->argument = argument;
    pthread_mutex_lock(&io->mutex);
    const ech_status status = wait_for_room(io);
    if (status == ECH_OK) {
        io->queue[(io->first + io->count) % io->capacity] = job;
        io->count++;
        pthread_cond_signal(&io->work);
    }
    pthread_mutex_unlock(&io->mutex);
    return status;
}

static ech_status wait_for(ech_io_job *job)
{
    ech_io *io = job->io;
    pthread_mutex_lock(&io->mutex);
    while (!ech_io_poll(job)) {
        pthread_cond_wait(&io->progress, &io->mutex);
    }
    pthread_mutex_unlock(&io->mutex);
    return job->status != ECH_OK ? ech_fail(job->status, "%s", job->message) : ECH_OK;
}

ech_status ech_io_submit(ech_io *io, ech_io_function function, void *argument, ech_io_job **out)
{
    *out = ech_calloc(1, sizeof **out);
    if (*out == NULL) {
        return ECH_ERR_MEMORY;
    }
    const ech_status status = enqueue(io, *out, function, argument);
    if (status != ECH_OK) {
        ech_free(*out);
        *out = NULL;
    }
    return status;
}

bool ech_io_poll(const ech_io_job *job)
{
    return atomic_load_explicit(&job->done, memory_order_acquire);
}

ech_status ech_io_wait(ech_io_job **job)
{
    const ech_status status = wait_for(*job);
    ech_free(*job);
    *job = NULL;
    return status;
}

/* The job is on the stack: closing a file must not fail for want of memory. */
ech_status ech_io_run(ech_io *io, ech_io_function function, void *argument)
{
    if (pthread_equal(pthread_self(), io->thread)) {
        return function(argument);
    }
    ech_io_job job = {0};
    const ech_status status = enqueue(io, &job, function, argument);
    return status == ECH_OK ? wait_for(&job) : status;
}

const char *ech_io_reader_program(const ech_io *io)
{
    return io->reader_program;
}

uint64_t ech_io_reader_timeout_ns(const ech_io *io)
{
    return io->reader_timeout_ns;
}
