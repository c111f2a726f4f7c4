#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/fed/private_file.h"
#include "runtime/fed/redis_link_priv.h"

/* Several records are read from the socket at once: otherwise each takes two calls. */
enum { READ_AHEAD_BYTES = 128 << 10 };

struct ech_redis_tls {
    int socket;
    int error; /* errno of the last call on the socket; 0: its end */
    uint64_t limit_ns;
    BIO_METHOD *method;
    SSL_CTX *context;
    SSL *ssl;
    bool broken; /* no more to be said, not even goodbye */
};

/* ---- the socket under OpenSSL: its own would raise SIGPIPE ---- */

static int finish_call(ech_redis_tls *tls, BIO *bio, ssize_t bytes, int again)
{
    BIO_clear_retry_flags(bio);
    tls->error = bytes < 0 ? errno : 0;
    if (bytes < 0 && (tls->error == EAGAIN || tls->error == EINTR)) {
        BIO_set_flags(bio, again | BIO_FLAGS_SHOULD_RETRY);
    }
    return (int)bytes;
}

static int write_socket(BIO *bio, const char *data, int bytes)
{
    ech_redis_tls *tls = BIO_get_data(bio);
    return finish_call(tls, bio, send(tls->socket, data, (size_t)bytes, MSG_NOSIGNAL),
                       BIO_FLAGS_WRITE);
}

static int read_socket(BIO *bio, char *into, int bytes)
{
    ech_redis_tls *tls = BIO_get_data(bio);
    return finish_call(tls, bio, recv(tls->socket, into, (size_t)bytes, 0), BIO_FLAGS_READ);
}

static long control_socket(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static bool attach_socket(ech_redis_tls *tls)
{
    tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");
    if (tls->method == NULL || BIO_meth_set_write(tls->method, write_socket) != 1 ||
        BIO_meth_set_read(tls->method, read_socket) != 1 ||
        BIO_meth_set_ctrl(tls->method, control_socket) != 1) {
        return false;
    }
    BIO *bio = BIO_new(tls->method);
    if (bio == NULL) {
        return false;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    return true;
}

/* ---- failures ---- */

static const char port_remedy[] =
    "redis.address needs its port for TLS, or no rediss:// (then nothing is encrypted)";

static const char *describe(unsigned long error)
{
    const char *reason = ERR_reason_error_string(error);
    if (reason == NULL && ERR_GET_LIB(error) == ERR_LIB_SYS) {
        reason = strerror(ERR_GET_REASON(error));
    }
    return reason != NULL ? reason : "unknown error";
}

static ech_status fail_library(void)
{
    return ech_fail(ECH_ERR_SYSTEM, "TLS: %s", describe(ERR_peek_error()));
}

static ech_status fail_file(const char *key, const char *path, const char *what)
{
    return ech_fail(ECH_ERR_FILE, "%s: %s: %s: %s", key, path, what, describe(ERR_peek_error()));
}

static ech_status fail_certificate(long result)
{
    const char *remedy;
    switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        remedy = "redis.address has to be a name or an address that stands in it";
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        remedy = "it has to be renewed, or this host's clock is wrong";
        break;
    default:
        remedy = "redis.ca names the file of the authority that has to have signed it";
        break;
    }
    return ech_fail(ECH_ERR_SYSTEM, "the server's certificate is refused: %s; %s",
                    X509_verify_cert_error_string(result), remedy);
}

/* Did the server end the connection because of what this side showed of itself? */
static bool is_about_certificate(int alert)
{
    static const int alerts[] = {
        SSL_AD_HANDSHAKE_FAILURE,   SSL_AD_BAD_CERTIFICATE,     SSL_AD_UNSUPPORTED_CERTIFICATE,
        SSL_AD_CERTIFICATE_REVOKED, SSL_AD_CERTIFICATE_EXPIRED, SSL_AD_CERTIFICATE_UNKNOWN,
        SSL_AD_UNKNOWN_CA,          SSL_AD_ACCESS_DENIED,       SSL_AD_CERTIFICATE_REQUIRED};
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++) {
        if (alerts[i] == alert) {
            return true;
        }
    }
    return false;
}

static ech_status fail_alert(const ech_redis_tls *tls, const char *reason, int alert)
{
    const char *remedy = "";
    if (is_about_certificate(alert)) {
        remedy = SSL_get_certificate(tls->ssl) == NULL
                     ? "; it may want a certificate: redis.certificate and redis.key"
                     : "; redis.certificate and redis.key have to be ones that it accepts";
    }
    return ech_fail(ECH_ERR_SYSTEM, "the server refuses the connection: %s%s", reason, remedy);
}

/* What OpenSSL found wrong. */
static ech_status fail_protocol(const ech_redis_tls *tls)
{
    const unsigned long error = ERR_peek_error();
    const int reason = ERR_GET_REASON(error);
    const long result = SSL_get_verify_result(tls->ssl);
    if (reason >= SSL_AD_REASON_OFFSET) {
        return fail_alert(tls, describe(error), reason - SSL_AD_REASON_OFFSET);
    }
    if (result != X509_V_OK) {
        return fail_certificate(result);
    }
    if (reason == SSL_R_WRONG_VERSION_NUMBER) {
        return ech_fail(ECH_ERR_SYSTEM, "the server does not speak TLS there; %s", port_remedy);
    }
    return fail_library();
}

/* A server that closes says why before: that may still be there to be read. */
static ech_status fail_socket(ech_redis_tls *tls)
{
    const int error = tls->error;
    char byte;
    size_t received = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(tls->ssl, &byte, sizeof byte, &received);
    return SSL_get_error(tls->ssl, result) == SSL_ERROR_SSL ? fail_protocol(tls)
                                                            : ech_redis_link_fail(error);
}

/* After a call that did not succeed: ECH_OK once it is worth another one. */
static ech_status wait_again(ech_redis_tls *tls, int result, uint64_t deadline_ns)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return ech_redis_link_wait(tls->socket, POLLIN, deadline_ns);
    case SSL_ERROR_WANT_WRITE:
        return ech_redis_link_wait(tls->socket, POLLOUT, deadline_ns);
    case SSL_ERROR_ZERO_RETURN:
        return ech_redis_link_fail(0);
    case SSL_ERROR_SYSCALL:
        tls->broken = true;
        return fail_socket(tls);
    default:
        tls->broken = true;
        return fail_protocol(tls);
    }
}

/* ---- whom to trust, and who this side is ---- */

/* Nobody is asked for one on a terminal. */
static int refuse_passphrase(char *into, int bytes, int writes, void *user)
{
    (void)into;
    (void)bytes;
    (void)writes;
    (void)user;
    return -1;
}

static ech_status load_authorities(SSL_CTX *context, const char *path)
{
    if (path == NULL) {
        return SSL_CTX_set_default_verify_paths(context) == 1 ? ECH_OK : fail_library();
    }
    return SSL_CTX_load_verify_locations(context, path, NULL) == 1
               ? ECH_OK
               : fail_file("redis.ca", path, "holds no certificate that can be read");
}

static ech_status load_key(SSL_CTX *context, const char *path)
{
    FILE *file = NULL;
    ech_status status = ech_private_file_open(path, &file);
    if (status != ECH_OK) {
        return ech_fail_context(status, "redis.key");
    }
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, refuse_passphrase, NULL);
    fclose(file);
    if (key == NULL) {
        return fail_file("redis.key", path, "holds no private key without a passphrase");
    }
    if (SSL_CTX_use_PrivateKey(context, key) != 1) {
        status = fail_file("redis.key", path, "is not that of redis.certificate");
    }
    EVP_PKEY_free(key);
    return status;
}

static ech_status load_identity(SSL_CTX *context, const ech_redis_link_options *options)
{
    if (options->certificate == NULL) {
        return ECH_OK;
    }
    if (SSL_CTX_use_certificate_chain_file(context, options->certificate) != 1) {
        return fail_file("redis.certificate", options->certificate,
                         "holds no certificate that can be read");
    }
    return load_key(context, options->key);
}

static ech_status make_context(ech_redis_tls *tls, const ech_redis_link_options *options)
{
    tls->context = SSL_CTX_new(TLS_client_method());
    if (tls->context == NULL || SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1) {
        return fail_library();
    }
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_default_passwd_cb(tls->context, refuse_passphrase);
    SSL_CTX_set_default_read_buffer_len(tls->context, READ_AHEAD_BYTES);
    SSL_CTX_set_read_ahead(tls->context, 1);
    const ech_status status = load_authorities(tls->context, options->authorities);
    return status == ECH_OK ? load_identity(tls->context, options) : status;
}

/* An address has to stand in the certificate as one; a name goes along with the greeting, for
 * servers that have several. */
static bool expect_host(SSL *ssl, const char *host)
{
    struct in6_addr address;
    if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

/* ---- the connection ---- */

static ech_status shake_hands(ech_redis_tls *tls, uint64_t deadline_ns)
{
    for (;;) {
        ERR_clear_error();
        const int result = SSL_connect(tls->ssl);
        if (result == 1) {
            return ECH_OK;
        }
        ech_status status = wait_again(tls, result, deadline_ns);
        if (status == ECH_ERR_TIMEOUT) {
            status =
                ech_fail(status, "no answer in time, as of a Redis without TLS; %s", port_remedy);
        }
        if (status != ECH_OK) {
            return ech_fail_context(status, "TLS handshake");
        }
    }
}

static ech_status start(ech_redis_tls *tls, const ech_redis_link_options *options,
                        uint64_t deadline_ns)
{
    ERR_clear_error();
    const ech_status status = make_context(tls, options);
    if (status != ECH_OK) {
        return status;
    }
    tls->ssl = SSL_new(tls->context);
    if (tls->ssl == NULL || !attach_socket(tls) || !expect_host(tls->ssl, options->address->host)) {
        return fail_library();
    }
    return shake_hands(tls, deadline_ns);
}

ech_status ech_redis_tls_open(int socket, const ech_redis_link_options *options,
                              uint64_t deadline_ns, ech_redis_tls **out)
{
    ech_redis_tls *tls = ech_calloc(1, sizeof *tls);
    *out = NULL;
    if (tls == NULL) {
        return ECH_ERR_MEMORY;
    }
    tls->socket = socket;
    tls->limit_ns = options->limit_ns;
    tls->broken = true;
    const ech_status status = start(tls, options, deadline_ns);
    tls->broken = status != ECH_OK;
    if (status != ECH_OK) {
        ech_redis_tls_close(&tls);
    }
    *out = tls;
    return status;
}

void ech_redis_tls_close(ech_redis_tls **handle)
{
    ech_redis_tls *tls = *handle;
    if (tls == NULL) {
        return;
    }
    if (!tls->broken) {
        SSL_shutdown(tls->ssl);
    }
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->method);
    ERR_clear_error();
    ech_free(tls);
    *handle = NULL;
}

ech_status ech_redis_tls_send(ech_redis_tls *tls, const void *data, size_t bytes)
{
    for (;;) {
        size_t sent = 0;
        ERR_clear_error();
        const int result = SSL_write_ex(tls->ssl, data, bytes, &sent);
        if (result == 1) {
            return ECH_OK;
        }
        const ech_status status = wait_again(tls, result, ech_clock_ns() + tls->limit_ns);
        if (status != ECH_OK) {
            return status;
        }
    }
}

ech_status ech_redis_tls_receive(ech_redis_tls *tls, void *into, size_t bytes, size_t *received)
{
    for (;;) {
        ERR_clear_error();
        const int result = SSL_read_ex(tls->ssl, into, bytes, received);
        if (result == 1) {
            return ECH_OK;
        }
        const ech_status status = wait_again(tls, result, ech_clock_ns() + tls->limit_ns);
        if (status != ECH_OK) {
            return status;
        }
    }
}
