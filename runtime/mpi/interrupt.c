#define _GNU_SOURCE
#include "runtime/mpi/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static atomic_bool requested;

static void remember(int signal_number)
{
    (void)signal_number;
    atomic_store_explicit(&requested, true, memory_order_relaxed);
}

ech_status ech_interrupt_install(void)
{
    static const int signals[] = {SIGTERM, SIGUSR1, SIGINT};
    struct sigaction action = {.sa_handler = remember, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        if (sigaction(signals[i], &action, NULL) != 0) {
            return ech_fail(ECH_ERR_SYSTEM, "cannot handle signal %d: %s", signals[i],
                            strerror(errno));
        }
    }
    return ECH_OK;
}

bool ech_interrupt_requested(void)
{
    return atomic_load_explicit(&requested, memory_order_relaxed);
}
