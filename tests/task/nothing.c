#include "tests/task/nothing.h"

ech_status nothing(ech_task_context *context, const void *arguments, size_t arguments_bytes,
                   void *result, size_t result_capacity, size_t *result_bytes)
{
    (void)context;
    (void)arguments;
    (void)arguments_bytes;
    (void)result;
    (void)result_capacity;
    (void)result_bytes;
    return ECH_OK;
}
