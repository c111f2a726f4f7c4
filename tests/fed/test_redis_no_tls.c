/* What a build without OpenSSL says: this suite has the file of such a build. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/fed/redis_support.h"

TestSuite(redis_no_tls, .init = redis_support_start, .fini = redis_support_stop, .timeout = 60);

Test(redis_no_tls, tls_is_refused_and_the_rest_works)
{
    redis_server server;
    char address[REDIS_PATH_BYTES];
    redis_server_start(&server, redis_folder, NULL);
    redis_expect_works(&(ech_transfer_options){.redis_address = server.address});
    snprintf(address, sizeof address, "rediss://127.0.0.1:%d", server.port);
    redis_expect_refused(&(ech_transfer_options){.redis_address = address},
                         (const char *const[]){"TLS needs OpenSSL", "libssl-dev", NULL});
    redis_server_stop(&server);
}
