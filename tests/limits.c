#include "tests/limits.h"

#include <stdlib.h>

enum { DECIMAL = 10 };

static const uint64_t ns_per_second = 1000000000;

unsigned ech_test_slowness(void)
{
    const char *more = getenv("ECH_TEST_SLOWNESS");
    const unsigned long factor = more != NULL ? strtoul(more, NULL, DECIMAL) : 1;
    return ECH_BUILD_SLOWNESS * (factor > 0 ? (unsigned)factor : 1);
}

uint64_t ech_test_limit_ns(unsigned seconds)
{
    return seconds * ns_per_second * ech_test_slowness();
}
