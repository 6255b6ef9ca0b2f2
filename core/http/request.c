/* SPDX-License-Identifier: MIT
 *
 * Reads and checks requests. See request.h. evhttp's own query parser is not used: it cuts a value at
 * %00. json-c takes duplicate members, lone surrogates and more than JSON: they are looked for here. */
#include "request.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "../base/json.h"

bool request_open(struct exchange *exchange)
{
    const char *uri = evhttp_request_get_uri(exchange->request), *mark;
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(exchange->request);
    const struct evkeyval *header;
    int lengths = 0, encodings = 0;
    bool understood = true, plain = true;

    if (strncasecmp(uri, "http://", 7) == 0) {
        mark = strchr(uri + 7, '/');
        uri = mark ? mark : "/";
    }
    mark = strchr(uri, '?');
    exchange->path = uri;
    exchange->path_length = mark ? (size_t)(mark - uri) : strlen(uri);
    exchange->query = mark ? mark + 1 : NULL;
    for (header = headers->tqh_first; header; header = header->next.tqe_next) {
        if (strcasecmp(header->key, "Content-Length") == 0) {
            lengths++;
            plain = header->value[strspn(header->value, "0123456789")] == '\0';
        }
        if (strcasecmp(header->key, "Transfer-Encoding") == 0) {
            encodings++;
            understood = strcasecmp(header->value, "chunked") == 0;
        }
    }
    if (lengths + encodings <= 1 && understood && plain)
        return true;
    exchange->answer.close = true;
    if (!understood) /* RFC 9112, 6.1 */
        exchange_error(exchange, 501, "chunked is the only transfer encoding that is understood");
    else if (!plain) /* RFC 9110, 8.6 */
        exchange_error(exchange, 400, "the Content-Length is not a number");
    else /* RFC 9112, 6.3: such a message may be an attempt at request smuggling. */
        exchange_error(exchange, 400, "the length of the body is given more than once");
    return false;
}

/* ---- the query ---- */

/* The next `name=value` of a query; NULL at its end. */
static const char *next_pair(const char *at, struct bytes *name, struct bytes *value)
{
    size_t length, equals;

    if (!at || !*at)
        return NULL;
    length = strcspn(at, "&");
    equals = strcspn(at, "=&");
    *name = (struct bytes){at, equals};
    *value = equals < length ? (struct bytes){at + equals + 1, length - equals - 1}
                             : (struct bytes){at + length, 0};
    at += length;
    return *at == '&' ? at + 1 : at;
}

static bool is_named(struct bytes name, const char *wanted)
{
    char decoded[64];
    size_t length;

    return name.length < sizeof(decoded) &&
           text_percent_decode(name.at, name.length, true, decoded, &length) &&
           length == strlen(wanted) && memcmp(decoded, wanted, length) == 0;
}

bool request_decode(struct exchange *exchange, const char *name, struct bytes raw, bool plus,
                    char *value, size_t *length)
{
    char decoded[3 * RECORD_ID_MAX];
    size_t i, bytes = 0;

    for (i = 0; i < raw.length; i += raw.at[i] == '%' ? 3 : 1)
        bytes++;
    if (bytes > RECORD_ID_MAX) {
        exchange_error(exchange, 400, "%s has %zu bytes, %d are the most", name, bytes,
                       RECORD_ID_MAX);
        return false;
    }
    if (!text_percent_decode(raw.at, raw.length, plus, decoded, length)) {
        exchange_error(exchange, 400,
                       "%s is not percent-encoded rightly: two hexadecimal digits must follow "
                       "each %%",
                       name);
        return false;
    }
    memcpy(value, decoded, *length);
    value[*length] = '\0';
    return true;
}

const char *request_next(const char *at, const char *name, struct bytes *raw)
{
    struct bytes key;

    do
        at = next_pair(at, &key, raw);
    while (at && !is_named(key, name));
    return at;
}

bool request_parameter(struct exchange *exchange, const char *name, char value[RECORD_ID_MAX + 1],
                       size_t *length)
{
    const char *at = exchange->query;
    struct bytes raw;

    *length = SIZE_MAX;
    while ((at = request_next(at, name, &raw))) {
        if (*length != SIZE_MAX) {
            exchange_error(exchange, 400, "%s is given twice", name);
            return false;
        }
        if (!request_decode(exchange, name, raw, true, value, length))
            return false;
    }
    return true;
}

bool request_limit(struct exchange *exchange, size_t fallback, size_t most, size_t *limit)
{
    char digits[RECORD_ID_MAX + 1], *end;
    size_t length;

    *limit = fallback;
    if (!request_parameter(exchange, "limit", digits, &length))
        return false;
    if (length == SIZE_MAX)
        return true;
    *limit = strtoul(digits, &end, 10);
    if (length == 0 || strspn(digits, "0123456789") != length || *end || *limit < 1 ||
        *limit > most) {
        exchange_error(exchange, 400, "limit must be a whole number from 1 to %zu", most);
        return false;
    }
    return true;
}

/* Tells which parameters there are, since nobody looks them up for a misspelt one. */
static void refuse_parameter(struct exchange *exchange, struct bytes key, const char *const *names)
{
    struct text right = TEXT_INIT;
    size_t i;

    for (i = 0; names[i]; i++)
        text_printf(&right, "%s%s", i == 0 ? "" : !names[i + 1] ? " and " : ", ", names[i]);
    exchange_error(exchange, 400, "unknown parameter \"%.*s\": this path takes %s",
                   (int)(key.length < 64 ? key.length : 64), key.at,
                   right.failed        ? "others"
                   : right.length == 0 ? "none"
                                       : right.bytes);
    text_finish(&right);
}

bool request_parameters_known(struct exchange *exchange, const char *const *names)
{
    const char *at = exchange->query;
    const char *const *name;
    struct bytes key, raw;

    while ((at = next_pair(at, &key, &raw))) {
        for (name = names; *name && !is_named(key, *name); name++)
            ;
        if (!*name) {
            refuse_parameter(exchange, key, names);
            return false;
        }
    }
    return true;
}

/* ---- the body ---- */

static int hex4(const char *at)
{
    int value = 0, i, digit;

    for (i = 0; i < 4; i++) {
        digit = at[i] >= '0' && at[i] <= '9'   ? at[i] - '0'
                : at[i] >= 'a' && at[i] <= 'f' ? at[i] - 'a' + 10
                : at[i] >= 'A' && at[i] <= 'F' ? at[i] - 'A' + 10
                                               : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Passes over an escape at `at`, behind its backslash: a surrogate must be followed by its other half
 * (json-c turns half a pair into U+FFFD without a word). NULL where it is not. */
static const char *pass_escape(const char *at, const char *end, bool *nul)
{
    int unit = end - at > 4 && *at == 'u' ? hex4(at + 1) : -1;
    int other = end - at > 10 && at[5] == '\\' && at[6] == 'u' ? hex4(at + 7) : -1;

    *nul |= unit == 0;
    if (unit < 0xD800 || unit > 0xDFFF)
        return at;
    return unit <= 0xDBFF && other >= 0xDC00 && other <= 0xDFFF ? at + 10 : NULL;
}

static bool names_member(const char *at, const char *end)
{
    do
        at++;
    while (at < end && strchr(" \t\r\n", *at));
    return at < end && *at == ':';
}

/* Looks through a JSON text, which ends with a NUL, for what json-c would change without a word. Counts the
 * members of all its objects. NULL, or what is wrong. */
static const char *scan_json(const char *at, size_t length, size_t *members)
{
    const char *end = at + length;
    bool in_string = false, nul = false;

    for (*members = 0; at < end; at++) {
        if (*at == '"') {
            /* It would cut the name off there. */
            if (in_string && nul && names_member(at, end))
                return "a member whose name holds \\u0000";
            in_string = !in_string;
            nul = false;
        } else if (*at == ':' && !in_string) {
            ++*members;
        } else if (*at == '\\' && in_string) {
            at = pass_escape(at + 1, end, &nul);
            if (!at)
                return "half of a surrogate pair (\\ud800 to \\udfff)";
        }
    }
    return NULL;
}

/* Counts the members of all objects in a value. */
static size_t count_members(struct json_object *value)
{
    size_t members = 0, i;

    if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, key, member)
        {
            (void)key;
            members += count_members(member) + 1;
        }
    } else if (json_object_is_type(value, json_type_array)) {
        for (i = 0; i < json_object_array_length(value); i++)
            members += count_members(json_object_array_get_idx(value, i));
    }
    return members;
}

static bool body_bytes(struct exchange *exchange, const char **bytes, size_t *length)
{
    struct evbuffer *buffer = evhttp_request_get_input_buffer(exchange->request);
    int64_t most = exchange->worker->server->config->server.max_body;

    *length = evbuffer_get_length(buffer);
    if (*length > (size_t)most) {
        exchange_error(exchange, 413, "the body has %zu bytes, %lld are the most", *length,
                       (long long)most);
        return false;
    }
    if (*length == 0) {
        exchange_error(exchange, 400, "the body is empty: send a JSON object");
        return false;
    }
    /* A NUL behind it, which does not count. */
    *bytes = evbuffer_add(buffer, "", 1) == 0 ? (const char *)evbuffer_pullup(buffer, -1) : NULL;
    if (!*bytes) {
        exchange_error(exchange, 503, "no memory for the body");
        return false;
    }
    if (text_valid_utf8(*bytes, *length) != *length || memchr(*bytes, '\0', *length)) {
        exchange_error(exchange, 400, "the body is not UTF-8 text");
        return false;
    }
    return true;
}

bool request_body(struct exchange *exchange)
{
    struct json_tokener *tokener = exchange->worker->tokener;
    enum json_tokener_error error;
    const char *bytes, *wrong;
    size_t length, end, members;

    if (!body_bytes(exchange, &bytes, &length))
        return false;
    json_tokener_reset(tokener);
    exchange->body = json_tokener_parse_ex(tokener, bytes, (int)length);
    end = json_tokener_get_parse_end(tokener);
    error = json_tokener_get_error(tokener);
    if (error == json_tokener_continue) {
        /* A number could go on; a NUL tells json-c that it does not. */
        exchange->body = json_tokener_parse_ex(tokener, "", 1);
        error = json_tokener_get_error(tokener);
        end = length;
    }
    if (error == json_tokener_continue) {
        exchange_error(exchange, 400, "the body is not JSON: it ends too early");
        return false;
    }
    if (error != json_tokener_success) {
        exchange_error(exchange, 400, "the body is not JSON: %s at byte %zu",
                       json_tokener_error_desc(error), end + 1);
        return false;
    }
    while (end < length && strchr(" \t\r\n", bytes[end]))
        end++;
    if (end < length) {
        exchange_error(exchange, 400, "the body goes on behind its JSON value, at byte %zu",
                       end + 1);
        return false;
    }
    if (!json_object_is_type(exchange->body, json_type_object)) {
        exchange_error(exchange, 400, "the body is JSON, but not an object");
        return false;
    }
    if (!json_valid(bytes, length)) {
        exchange_error(
            exchange, 400,
            "the body is not JSON (RFC 8259): a number, a word or a string in it is none");
        return false;
    }
    wrong = scan_json(bytes, length, &members);
    if (wrong) {
        exchange_error(exchange, 400, "the body has %s", wrong);
        return false;
    }
    if (count_members(exchange->body) != members) {
        exchange_error(exchange, 400, "the body gives a member twice");
        return false;
    }
    return true;
}

/* Whether json-c keeps the number as it is: it bends whole ones into 64 bits. */
static bool number_fits(const char *at)
{
    size_t digits = strspn(at + (*at == '-'), "0123456789");
    bool whole = strspn(at, "0123456789+-.eE") == digits + (*at == '-');

    errno = 0;
    if (!whole)
        return !isinf(strtod(at, NULL));
    if (*at == '-')
        strtoll(at, NULL, 10);
    else
        strtoull(at, NULL, 10);
    return errno != ERANGE;
}

bool request_numbers_fit(struct exchange *exchange)
{
    struct evbuffer *buffer = evhttp_request_get_input_buffer(exchange->request);
    const char *at = (const char *)evbuffer_pullup(buffer, -1);
    bool in_string = false;

    /* The body, as it was read, ends with a NUL. */
    for (; *at; at++) {
        if (*at == '"')
            in_string = !in_string;
        else if (*at == '\\' && in_string)
            at++;
        else if (!in_string && (*at == '-' || (*at >= '0' && *at <= '9'))) {
            if (!number_fits(at)) {
                exchange_error(exchange, 400,
                               "the body has a number that is too large: whole ones have 64 bits, "
                               "others go to 1e308");
                return false;
            }
            at += strspn(at, "0123456789+-.eE") - 1;
        }
    }
    return true;
}

/* ---- what is asked for ---- */

bool request_input(struct exchange *exchange)
{
    struct json_object *input;
    const char *bytes;
    size_t length;

    if (!json_object_object_get_ex(exchange->body, "input", &input))
        return true;
    if (!request_numbers_fit(exchange))
        return false;
    bytes = json_object_to_json_string_length(
        input, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);
    text_reset(&exchange->input);
    if (bytes)
        text_add(&exchange->input, bytes, length);
    if (!bytes || exchange->input.failed) {
        exchange_error(exchange, 503, "no memory for the input");
        return false;
    }
    exchange->call.input = (struct bytes){exchange->input.bytes, exchange->input.length};
    return true;
}

/* ---- ids ---- */

bool request_id_good(struct exchange *exchange, const char *what, const char *id, size_t length)
{
    if (record_id_valid(id, length))
        return true;
    if (length == 0)
        exchange_error(exchange, 400, "%s is empty", what);
    else if (length > RECORD_ID_MAX)
        exchange_error(exchange, 400, "%s has %zu bytes, %d are the most", what, length,
                       RECORD_ID_MAX);
    else if (text_valid_utf8(id, length) != length)
        exchange_error(exchange, 400, "%s is not UTF-8", what);
    else
        exchange_error(exchange, 400, "%s has a control character", what);
    return false;
}

bool request_take_id(struct exchange *exchange, const char *what, const char *id, size_t length)
{
    if (!request_id_good(exchange, what, id, length))
        return false;
    memcpy(exchange->id, id, length);
    exchange->id[length] = '\0';
    exchange->call.store.id = (struct bytes){exchange->id, length};
    return true;
}

bool request_body_id(struct exchange *exchange, const char *name)
{
    struct json_object *member;

    if (!json_object_object_get_ex(exchange->body, name, &member)) {
        exchange_error(exchange, 400, "%s is missing", name);
        return false;
    }
    if (!json_object_is_type(member, json_type_string)) {
        exchange_error(exchange, 400, "%s is not a string", name);
        return false;
    }
    return request_take_id(exchange, name, json_object_get_string(member),
                           (size_t)json_object_get_string_len(member));
}
