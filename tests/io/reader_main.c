/* The reader of foreign files for the suites, and readers that fail as HDF5 can. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/foreign.h"

enum { HANG_SECONDS = 3600 };

int main(int argc, char **argv)
{
    const char *behaviour = getenv("ECH_TEST_READER");
    if (behaviour != NULL && strcmp(behaviour, "crash") == 0) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    if (behaviour != NULL && strcmp(behaviour, "hang") == 0) {
        sleep(HANG_SECONDS);
    }
    return ech_foreign_main(argc, argv);
}
