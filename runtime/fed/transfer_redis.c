#include "runtime/fed/transfer_priv.h"

#ifdef ECH_HAVE_HIREDIS
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/memory.h"
#include "runtime/fed/redis_address.h"
#include "runtime/fed/redis_link.h"

/* A value is cut into pieces, each under a key of its own: a string of Redis holds 512 MiB, and
 * small ones reuse the server's memory. With the server's header a piece fills a MiB: one more
 * byte, and its allocator counts a quarter more, also towards maxmemory. Several commands are under
 * way at once. What a run that died has left behind expires. */
enum {
    PIECE_BYTES = (1 << 20) - 64,
    PIECES_UNDER_WAY = 8,
    RECEIVE_BYTES = 64 << 10,
    ADDRESS_BYTES = ECH_REDIS_HOST_BYTES + 32
};
#define EXPIRY_SECONDS "604800"

static const uint64_t limit_ns = UINT64_C(60000000000);

/* hiredis formats commands and reads replies; the bytes go over the link. */
typedef struct {
    ech_redis_link *link;
    redisReader *reader;
    char address[ADDRESS_BYTES]; /* as configured */
    char received[RECEIVE_BYTES];
} redis_store;

typedef struct {
    char key[ECH_TRANSFER_KEY_BYTES + 24];
    uint64_t offset;
    size_t bytes;
} piece;

static piece piece_at(const char *key, uint64_t number, uint64_t bytes)
{
    piece cut = {.offset = number * PIECE_BYTES};
    const uint64_t left = bytes - cut.offset;
    cut.bytes = left < PIECE_BYTES ? left : PIECE_BYTES;
    snprintf(cut.key, sizeof cut.key, "%s:%" PRIu64, key, number);
    return cut;
}

static uint64_t count_pieces(uint64_t bytes)
{
    return (bytes + PIECE_BYTES - 1) / PIECE_BYTES;
}

static ech_status fail_at(const redis_store *store, ech_status status)
{
    return ech_fail_context(status, "Redis at %s", store->address);
}

static ech_status send_words(redis_store *store, int count, const char *const *words,
                             const size_t *lengths)
{
    char *command = NULL;
    const int bytes = redisFormatCommandArgv(&command, count, (const char **)words, lengths);
    if (bytes < 0) {
        return ech_fail(ECH_ERR_MEMORY, "no memory for a command to Redis");
    }
    const ech_status status = ech_redis_link_send(store->link, command, (size_t)bytes);
    redisFreeCommand(command);
    return status == ECH_OK ? ECH_OK : fail_at(store, status);
}

static ech_status fail_reader(const redis_store *store)
{
    return ech_fail(ECH_ERR_FORMAT, "Redis at %s: no answer of a Redis: %s", store->address,
                    store->reader->errstr);
}

/* The next reply, whatever it says; the caller's: freeReplyObject. */
static ech_status receive_reply(redis_store *store, redisReply **out)
{
    void *reply = NULL;
    *out = NULL;
    for (;;) {
        if (redisReaderGetReply(store->reader, &reply) != REDIS_OK) {
            return fail_reader(store);
        }
        if (reply != NULL) {
            *out = reply;
            return ECH_OK;
        }
        size_t bytes = 0;
        const ech_status status =
            ech_redis_link_receive(store->link, store->received, sizeof store->received, &bytes);
        if (status != ECH_OK) {
            return fail_at(store, status);
        }
        if (redisReaderFeed(store->reader, store->received, bytes) != REDIS_OK) {
            return fail_reader(store);
        }
    }
}

/* The next reply, unless it is an error. */
static ech_status take_reply(redis_store *store, redisReply **out)
{
    ech_status status = receive_reply(store, out);
    if (status == ECH_OK && (*out)->type == REDIS_REPLY_ERROR) {
        status = ech_fail(ECH_ERR_SYSTEM, "Redis at %s: %s", store->address, (*out)->str);
        freeReplyObject(*out);
        *out = NULL;
    }
    return status;
}

static ech_status expect_done(redis_store *store)
{
    redisReply *reply = NULL;
    const ech_status status = take_reply(store, &reply);
    freeReplyObject(reply);
    return status;
}

/* A server that knows no AUTH repeats its argument: nothing behind the error's name is shown. */
static ech_status refuse_greeting(const redis_store *store, const redisReply *reply,
                                  const char *password)
{
    if (password != NULL) {
        return ech_fail(ECH_ERR_SYSTEM, "Redis at %s: AUTH with ECH_REDIS_PASSWORD: %.*s",
                        store->address, (int)strcspn(reply->str, " "), reply->str);
    }
    return ech_fail(ECH_ERR_SYSTEM, "Redis at %s: %s%s", store->address, reply->str,
                    strncmp(reply->str, "NOAUTH", 6) == 0 ? " (ECH_REDIS_PASSWORD is not set)"
                                                          : "");
}

/* A server that speaks TLS closes, or answers in TLS. */
static ech_status fail_plain(ech_status status)
{
    const ech_failure failure = ech_failure_keep(status);
    return ech_fail(status, "%s; for TLS, redis.address is rediss://HOST:PORT", failure.message);
}

/* The password, or just a sign of life: a server may also refuse a certificate only now. */
static ech_status greet(redis_store *store, const char *password, bool tls)
{
    const char *const words[] = {password != NULL ? "AUTH" : "PING", password};
    const size_t lengths[] = {4, password != NULL ? strlen(password) : 0};
    redisReply *reply = NULL;
    ech_status status = send_words(store, password != NULL ? 2 : 1, words, lengths);
    if (status == ECH_OK) {
        status = receive_reply(store, &reply);
    }
    if (status != ECH_OK) {
        return tls ? status : fail_plain(status);
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        status = refuse_greeting(store, reply, password);
    }
    freeReplyObject(reply);
    return status;
}

static void close_redis(void **handle)
{
    redis_store *store = *handle;
    if (store != NULL) {
        ech_redis_link_close(&store->link);
        if (store->reader != NULL) {
            redisReaderFree(store->reader);
        }
    }
    ech_free(store);
    *handle = NULL;
}

static ech_status connect_redis(redis_store *store, const ech_transfer_options *options)
{
    ech_redis_address address;
    const ech_status read = ech_redis_address_read(options->redis_address, &address);
    if (read != ECH_OK) {
        return ech_fail_context(read, "redis.address");
    }
    const ech_redis_link_options link = {.address = &address,
                                         .authorities = options->redis_authorities,
                                         .certificate = options->redis_certificate,
                                         .key = options->redis_key,
                                         .limit_ns = limit_ns};
    snprintf(store->address, sizeof store->address, "%s", options->redis_address);
    store->reader = redisReaderCreate();
    if (store->reader == NULL) {
        return ECH_ERR_MEMORY;
    }
    store->reader->maxbuf = 0; /* its buffer stays: each piece fills it anew */
    const ech_status status = ech_redis_link_open(&link, &store->link);
    return status == ECH_OK ? greet(store, options->redis_password, address.tls)
                            : fail_at(store, status);
}

static ech_status open_redis(const ech_transfer_options *options, void **handle)
{
    *handle = ech_calloc(1, sizeof(redis_store));
    if (*handle == NULL) {
        return ECH_ERR_MEMORY;
    }
    const ech_status status = connect_redis(*handle, options);
    if (status != ECH_OK) {
        close_redis(handle);
    }
    return status;
}

/* What is done with each piece: its command is sent, and later its reply is taken. */
typedef struct {
    ech_status (*send)(redis_store *store, const piece *cut, const char *data);
    ech_status (*finish)(redis_store *store, const piece *cut, char *into);
} exchange;

static ech_status run_exchange(redis_store *store, const exchange *how, const char *key,
                               const void *data, void *into, uint64_t bytes)
{
    const uint64_t count = count_pieces(bytes);
    uint64_t sent = 0;
    ech_status status = ECH_OK;
    for (uint64_t done = 0; done < count && status == ECH_OK; done++) {
        for (; sent < count && sent < done + PIECES_UNDER_WAY && status == ECH_OK; sent++) {
            const piece cut = piece_at(key, sent, bytes);
            status = how->send(store, &cut, data);
        }
        const piece cut = piece_at(key, done, bytes);
        status = status == ECH_OK ? how->finish(store, &cut, into) : status;
    }
    return status;
}

static ech_status send_set(redis_store *store, const piece *cut, const char *data)
{
    const char *const words[] = {"SET", cut->key, data + cut->offset, "EX", EXPIRY_SECONDS};
    const size_t lengths[] = {3, strlen(cut->key), cut->bytes, 2, strlen(EXPIRY_SECONDS)};
    return send_words(store, 5, words, lengths);
}

static ech_status send_get(redis_store *store, const piece *cut, const char *data)
{
    const char *const words[] = {"GET", cut->key};
    const size_t lengths[] = {3, strlen(cut->key)};
    (void)data;
    return send_words(store, 2, words, lengths);
}

static ech_status send_unlink(redis_store *store, const piece *cut, const char *data)
{
    const char *const words[] = {"UNLINK", cut->key};
    const size_t lengths[] = {6, strlen(cut->key)};
    (void)data;
    return send_words(store, 2, words, lengths);
}

static ech_status finish_done(redis_store *store, const piece *cut, char *into)
{
    (void)cut;
    (void)into;
    return expect_done(store);
}

static ech_status finish_get(redis_store *store, const piece *cut, char *into)
{
    redisReply *reply = NULL;
    ech_status status = take_reply(store, &reply);
    if (status != ECH_OK) {
        return status;
    }
    if (reply->type == REDIS_REPLY_NIL) {
        status = ech_fail(ECH_ERR_NOT_FOUND, "Redis at %s: %s is not there (maxmemory?)",
                          store->address, cut->key);
    } else if (reply->type != REDIS_REPLY_STRING || (size_t)reply->len != cut->bytes) {
        status = ech_fail(ECH_ERR_FORMAT, "Redis at %s: %s holds %zu bytes, %zu expected",
                          store->address, cut->key, (size_t)reply->len, cut->bytes);
    } else {
        memcpy(into + cut->offset, reply->str, cut->bytes);
    }
    freeReplyObject(reply);
    return status;
}

static ech_status put_redis(void *store, const char *key, const void *data, uint64_t bytes)
{
    static const exchange set = {send_set, finish_done};
    return run_exchange(store, &set, key, data, NULL, bytes);
}

static ech_status get_redis(void *store, const char *key, void *data, uint64_t bytes)
{
    static const exchange get = {send_get, finish_get};
    return run_exchange(store, &get, key, NULL, data, bytes);
}

static ech_status drop_redis(void *store, const char *key, uint64_t bytes)
{
    static const exchange unlink = {send_unlink, finish_done};
    return run_exchange(store, &unlink, key, NULL, NULL, bytes);
}

#else

static ech_status open_redis(const ech_transfer_options *options, void **handle)
{
    (void)options;
    *handle = NULL;
    return ech_fail(ECH_ERR_UNSUPPORTED, "transfer: redis needs hiredis (Debian: libhiredis-dev), "
                                         "which was not there when Echelon was built");
}

#define close_redis NULL
#define put_redis NULL
#define get_redis NULL
#define drop_redis NULL

#endif

const ech_transfer_store ech_transfer_redis = {
    .name = "redis",
    .open = open_redis,
    .close = close_redis,
    .put = put_redis,
    .get = get_redis,
    .drop = drop_redis,
};
