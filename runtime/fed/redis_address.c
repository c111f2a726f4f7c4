#include "runtime/fed/redis_address.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/text.h"

enum { PORT_MAX = 65535 };

static ech_status fail_form(void)
{
    return ech_fail(ECH_ERR_CONFIG, "expected HOST:PORT, or rediss://HOST:PORT for TLS; an IPv6 "
                                    "address in brackets; nothing behind the port");
}

/* Behind the scheme, if there is one; NULL: another. */
static const char *skip_scheme(const char *text, bool *tls)
{
    static const char plain[] = "redis://";
    static const char secure[] = "rediss://";
    *tls = strncmp(text, secure, strlen(secure)) == 0;
    if (*tls) {
        return text + strlen(secure);
    }
    if (strncmp(text, plain, strlen(plain)) == 0) {
        return text + strlen(plain);
    }
    return strstr(text, "://") == NULL ? text : NULL;
}

static bool read_port(const char *text, char port[ECH_REDIS_PORT_BYTES])
{
    int64_t number = 0;
    if (!ech_text_read_integer(text, &number) || number < 1 || number > PORT_MAX) {
        return false;
    }
    snprintf(port, ECH_REDIS_PORT_BYTES, "%" PRIu16, (uint16_t)number);
    return true;
}

/* [HOST] or HOST, up to the last colon. */
static bool read_host(const char *text, const char *colon, char host[ECH_REDIS_HOST_BYTES])
{
    const bool bracketed = text[0] == '[' && colon - text > 2 && colon[-1] == ']';
    const char *begin = bracketed ? text + 1 : text;
    const size_t length = (size_t)((bracketed ? colon - 1 : colon) - begin);
    if (length == 0 || length >= ECH_REDIS_HOST_BYTES) {
        return false;
    }
    memcpy(host, begin, length);
    host[length] = '\0';
    return strpbrk(host, bracketed ? "/[] " : "/[] :") == NULL;
}

ech_status ech_redis_address_read(const char *text, ech_redis_address *out)
{
    if (strchr(text, '@') != NULL) {
        return ech_fail(ECH_ERR_CONFIG,
                        "a password belongs into the variable ECH_REDIS_PASSWORD of the "
                        "environment: a configuration is kept with the results");
    }
    const char *rest = skip_scheme(text, &out->tls);
    if (rest == NULL) {
        return ech_fail(ECH_ERR_CONFIG, "expected redis:// or rediss:// in front of HOST:PORT");
    }
    const char *colon = strrchr(rest, ':');
    if (colon == NULL || !read_host(rest, colon, out->host) || !read_port(colon + 1, out->port)) {
        return fail_form();
    }
    return ECH_OK;
}
