/* SPDX-License-Identifier: MIT
 *
 * The two header fields of a request that have a grammar of their own, Prefer (RFC 7240) and
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header). See request.h. */
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <strings.h>

#include "../base/rng.h"
#include "request.h"

/* RFC 9110, 5.6.2 */
static const char token_bytes[] = "!#$%&'*+-.^_`|~0123456789"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#define SPACE " \t"

/* ---- Prefer ---- */

/* A number that is too long to be counted with is as good as this one, which is beyond any max_wait. */
#define SECONDS_MOST 1000000000

/* To the comma behind one preference, which may have parameters and quoted strings, or to the end. */
static const char *pass_preference(const char *at)
{
    bool quoted = false;

    for (; *at && (quoted || *at != ','); at++) {
        if (*at == '"')
            quoted = !quoted;
        else if (*at == '\\' && quoted && at[1])
            at++;
    }
    return at;
}

/* The value behind the name of a `wait`: delta-seconds, quoted or not. -1: it is none. */
static int64_t read_seconds(const char *at)
{
    int64_t seconds = 0;
    bool quoted;
    size_t digits, i;

    at += strspn(at, SPACE);
    if (*at != '=')
        return -1;
    at += 1 + strspn(at + 1, SPACE);
    quoted = *at == '"';
    at += quoted;
    digits = strspn(at, "0123456789");
    for (i = 0; i < digits && seconds < SECONDS_MOST; i++)
        seconds = seconds * 10 + (at[i] - '0');
    at += digits;
    if (digits == 0 || (quoted && *at++ != '"'))
        return -1;
    at += strspn(at, SPACE);
    if (*at && *at != ',' && *at != ';')
        return -1;
    return seconds < SECONDS_MOST ? seconds : SECONDS_MOST;
}

/* Whether one field's value has the preference; only its first instance counts, whatever it says. */
static bool has_wait(const char *at, int64_t *seconds)
{
    size_t name;

    for (;; at = pass_preference(at)) {
        at += strspn(at, SPACE ",");
        if (!*at)
            return false;
        name = strspn(at, token_bytes);
        if (name == strlen("wait") && strncasecmp(at, "wait", name) == 0)
            break;
    }
    *seconds = read_seconds(at + name);
    return true;
}

int64_t request_wait(const struct exchange *exchange)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(exchange->request);
    const struct evkeyval *header;
    int64_t seconds = -1;

    for (header = headers->tqh_first; header; header = header->next.tqe_next)
        if (strcasecmp(header->key, "Prefer") == 0 && has_wait(header->value, &seconds))
            break;
    return seconds;
}

/* ---- Idempotency-Key ---- */

#define KEY_MOST 255

/* A string (RFC 8941, 3.3.3) up to its closing quote. NULL where it has none or has other bytes. */
static const char *take_string(const char *at, struct text *key)
{
    for (at++; *at != '"'; at++) {
        if (*at == '\\' && *++at != '"' && *at != '\\')
            return NULL;
        if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7E)
            return NULL;
        text_add(key, at, 1);
    }
    return at + 1;
}

/* A bare word, as many clients send it: visible ASCII without the signs that end an item. */
static const char *take_word(const char *at, struct text *key)
{
    const char *from = at;

    while ((unsigned char)*at > 0x20 && (unsigned char)*at < 0x7F && !strchr("\",;\\", *at))
        at++;
    text_add(key, from, (size_t)(at - from));
    return at;
}

/* Two halves of 64 bits: the seeds only tell them apart. */
static void add_hash(struct text *key, struct evbuffer *body)
{
    /* The body, as it was read, ends with a NUL that is not part of it. */
    size_t length = evbuffer_get_length(body) - 1;
    const void *bytes = evbuffer_pullup(body, -1);
    const uint64_t hash[2] = {rng_hash(bytes, length, 1), rng_hash(bytes, length, 2)};

    _Static_assert(sizeof(hash) == RECORD_HASH, "the record keeps the hash of a body in as many");
    text_add(key, hash, sizeof(hash));
}

static const char *the_field(const struct exchange *exchange, bool *twice)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(exchange->request);
    const struct evkeyval *header;
    const char *value = NULL;

    *twice = false;
    for (header = headers->tqh_first; header; header = header->next.tqe_next)
        if (strcasecmp(header->key, "Idempotency-Key") == 0) {
            *twice |= value != NULL;
            value = header->value;
        }
    return value;
}

bool request_key(struct exchange *exchange, bool *given)
{
    struct text *key = &exchange->key;
    bool twice;
    const char *at = the_field(exchange, &twice);
    size_t length;

    *given = at != NULL;
    if (!at)
        return true;
    if (twice) {
        exchange_error(exchange, 400, "Idempotency-Key is given twice");
        return false;
    }
    text_reset(key);
    add_hash(key, evhttp_request_get_input_buffer(exchange->request));
    at += strspn(at, SPACE);
    at = *at == '"' ? take_string(at, key) : take_word(at, key);
    if (key->failed) {
        exchange_error(exchange, 503, "no memory for the Idempotency-Key");
        return false;
    }
    if (!at || at[strspn(at, SPACE)] != '\0') {
        exchange_error(exchange, 400,
                       "Idempotency-Key is neither a quoted string of ASCII nor one word of it: "
                       "write Idempotency-Key: \"8e03978e-40d5-43dd-bc93-6894a57f9324\"");
        return false;
    }
    length = key->length - RECORD_HASH;
    if (length >= 1 && length <= KEY_MOST)
        return true;
    if (length == 0)
        exchange_error(exchange, 400, "Idempotency-Key is empty");
    else
        exchange_error(exchange, 400, "Idempotency-Key has %zu bytes, %d are the most", length,
                       KEY_MOST);
    return false;
}
