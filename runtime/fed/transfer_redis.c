#include "runtime/fed/transfer_priv.h"

#ifdef ECH_HAVE_HIREDIS
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "runtime/base/memory.h"
#include "runtime/base/text.h"

/* A value is cut into pieces, each under a key of its own: a string of Redis holds 512 MiB, and
 * small ones reuse the server's memory. With the server's header a piece fills a MiB: one more
 * byte, and its allocator counts a quarter more, also towards maxmemory. Several commands are under
 * way at once. What a run that died has left behind expires. */
enum {
    HOST_BYTES = 256,
    PIECE_BYTES = (1 << 20) - 64,
    PIECES_UNDER_WAY = 8,
    TIMEOUT_SECONDS = 60,
    PORT_MAX = 65535
};
#define EXPIRY_SECONDS "604800"

typedef struct {
    redisContext *context;
    char address[HOST_BYTES];
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

static ech_status fail_context(const redis_store *store)
{
    return ech_fail(ECH_ERR_SYSTEM, "Redis at %s: %s", store->address, store->context->errstr);
}

/* The reply is the caller's: freeReplyObject. */
static ech_status take_reply(const redis_store *store, redisReply **out)
{
    void *reply = NULL;
    *out = NULL;
    if (redisGetReply(store->context, &reply) != REDIS_OK) {
        return fail_context(store);
    }
    *out = reply;
    if ((*out)->type != REDIS_REPLY_ERROR) {
        return ECH_OK;
    }
    const ech_status status =
        ech_fail(ECH_ERR_SYSTEM, "Redis at %s: %s", store->address, (*out)->str);
    freeReplyObject(reply);
    *out = NULL;
    return status;
}

static ech_status expect_done(const redis_store *store)
{
    redisReply *reply = NULL;
    const ech_status status = take_reply(store, &reply);
    freeReplyObject(reply);
    return status;
}

static ech_status authenticate(const redis_store *store, const char *password)
{
    const char *const words[] = {"AUTH", password};
    const size_t lengths[] = {4, strlen(password)};
    const int queued = redisAppendCommandArgv(store->context, 2, (const char **)words, lengths);
    return queued == REDIS_OK ? expect_done(store) : fail_context(store);
}

static ech_status read_address(const char *text, char host[HOST_BYTES], int *port)
{
    const char *colon = strrchr(text, ':');
    int64_t number = 0;
    if (colon == NULL || colon == text || (size_t)(colon - text) >= HOST_BYTES ||
        !ech_text_read_integer(colon + 1, &number) || number < 1 || number > PORT_MAX) {
        return ech_fail(ECH_ERR_CONFIG, "redis.address: expected HOST:PORT, got %s", text);
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *port = (int)number;
    return ECH_OK;
}

static void close_redis(void **handle)
{
    redis_store *store = *handle;
    if (store != NULL && store->context != NULL) {
        redisFree(store->context);
    }
    ech_free(store);
    *handle = NULL;
}

static ech_status connect_redis(redis_store *store, const ech_transfer_options *options)
{
    const struct timeval limit = {.tv_sec = TIMEOUT_SECONDS};
    char host[HOST_BYTES];
    int port = 0;
    ech_status status = read_address(options->redis_address, host, &port);
    if (status != ECH_OK) {
        return status;
    }
    snprintf(store->address, sizeof store->address, "%.240s", options->redis_address);
    store->context = redisConnectWithTimeout(host, port, limit);
    if (store->context == NULL) {
        return ECH_ERR_MEMORY;
    }
    if (store->context->err != 0 || redisSetTimeout(store->context, limit) != REDIS_OK) {
        return fail_context(store);
    }
    return options->redis_password != NULL ? authenticate(store, options->redis_password) : ECH_OK;
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
    ech_status (*send)(const redis_store *store, const piece *cut, const char *data);
    ech_status (*finish)(const redis_store *store, const piece *cut, char *into);
} exchange;

static ech_status run_exchange(const redis_store *store, const exchange *how, const char *key,
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

static ech_status send_words(const redis_store *store, int count, const char *const *words,
                             const size_t *lengths)
{
    const int queued = redisAppendCommandArgv(store->context, count, (const char **)words, lengths);
    return queued == REDIS_OK ? ECH_OK : fail_context(store);
}

static ech_status send_set(const redis_store *store, const piece *cut, const char *data)
{
    const char *const words[] = {"SET", cut->key, data + cut->offset, "EX", EXPIRY_SECONDS};
    const size_t lengths[] = {3, strlen(cut->key), cut->bytes, 2, strlen(EXPIRY_SECONDS)};
    return send_words(store, 5, words, lengths);
}

static ech_status send_get(const redis_store *store, const piece *cut, const char *data)
{
    const char *const words[] = {"GET", cut->key};
    const size_t lengths[] = {3, strlen(cut->key)};
    (void)data;
    return send_words(store, 2, words, lengths);
}

static ech_status send_unlink(const redis_store *store, const piece *cut, const char *data)
{
    const char *const words[] = {"UNLINK", cut->key};
    const size_t lengths[] = {6, strlen(cut->key)};
    (void)data;
    return send_words(store, 2, words, lengths);
}

static ech_status finish_done(const redis_store *store, const piece *cut, char *into)
{
    (void)cut;
    (void)into;
    return expect_done(store);
}

static ech_status finish_get(const redis_store *store, const piece *cut, char *into)
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
