/* SPDX-License-Identifier: MIT
 *
 * Who may use the control side, /_sim/: those who come by its own address, where it has one, who bear the
 * token, where there is one, and no web page. /_sim/health is for everybody, since load balancers ask it.
 *
 * A web page can send requests to this machine from its reader's browser. The browser says whose page it is
 * (Origin), and a page that had its own name lead here says that name (Host): a browser that asks for
 * an address or for localhost cannot have been led here so. */
#include <arpa/inet.h>
#include <event2/keyvalq_struct.h>
#include <strings.h>

#include "routes.h"

static const char *header(const struct exchange *exchange, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(exchange->request), name);
}

/* The host of "host:port" or "[v6]:port", without a dot at its end. False where it is too long, or followed by
 * what is no port. */
static bool take_host(const char *text, char *host, size_t size)
{
    const char *from = text + (*text == '['), *end = from + strcspn(from, *text == '[' ? "]" : ":");
    const char *behind = *end == ']' ? end + 1 : end;
    size_t length = (size_t)(end - from);

    if (length >= size || (*behind && *behind != ':') ||
        (*behind && behind[1 + strspn(behind + 1, "0123456789")]))
        return false;
    memcpy(host, from, length);
    host[length] = '\0';
    if (length > 1 && host[length - 1] == '.')
        host[length - 1] = '\0';
    return true;
}

static bool host_known(const struct exchange *exchange, const char *text)
{
    const struct vts_list *hosts = &exchange->worker->server->config->control.hosts;
    unsigned char address[sizeof(struct in6_addr)];
    char host[256];
    size_t i, length;

    if (!take_host(text, host, sizeof(host)))
        return false;
    length = strlen(host);
    if (strcasecmp(host, "localhost") == 0 ||
        (length > 10 && strcasecmp(host + length - 10, ".localhost") == 0) ||
        inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return true;
    for (i = 0; i < hosts->count; i++)
        if (strcasecmp(host, hosts->items[i]) == 0)
            return true;
    return false;
}

/* A page of our own would say "http://" and what it says as Host. */
static bool origin_own(const struct exchange *exchange, const char *origin)
{
    const char *host = header(exchange, "Host");

    return host && strncasecmp(origin, "http://", 7) == 0 && strcasecmp(origin + 7, host) == 0;
}

static bool refuse_host(struct exchange *exchange, const char *host)
{
    exchange_error(exchange, 403,
                   "the control side is not asked for as %.200s: ask an address or localhost, or "
                   "write the name into [control] hosts",
                   host);
    return false;
}

/* Whom a target such as "http://localhost/_sim/clock" names counts as Host (RFC 9112, 3.2.2). */
static bool target_known(const struct exchange *exchange, char *host, size_t size)
{
    const char *uri = evhttp_request_get_uri(exchange->request);

    if (strncasecmp(uri, "http://", 7) != 0)
        return true;
    snprintf(host, size, "%.*s", (int)strcspn(uri + 7, "/?#"), uri + 7);
    return strcspn(uri + 7, "/?#") < size && host_known(exchange, host);
}

/* Each Host and Origin that is given, however often. */
static bool no_page(struct exchange *exchange)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(exchange->request);
    const struct evkeyval *header;
    char host[512];

    if (!target_known(exchange, host, sizeof(host)))
        return refuse_host(exchange, host);
    for (header = headers->tqh_first; header; header = header->next.tqe_next) {
        if (strcasecmp(header->key, "Host") == 0 && !host_known(exchange, header->value))
            return refuse_host(exchange, header->value);
        if (strcasecmp(header->key, "Origin") == 0 && !origin_own(exchange, header->value)) {
            exchange_error(exchange, 403, "the control side is not for web pages (Origin: %.200s)",
                           header->value);
            return false;
        }
    }
    return true;
}

/* Takes as long whatever it is that differs. */
static bool same(const char *given, const char *token)
{
    size_t length = strlen(token), i;
    unsigned char differ = 0;

    if (strlen(given) != length)
        return false;
    for (i = 0; i < length; i++)
        differ |= (unsigned char)(given[i] ^ token[i]);
    return differ == 0;
}

static bool bears_token(struct exchange *exchange)
{
    const char *token = exchange->worker->server->config->control.token;
    const char *given = header(exchange, "Authorization");

    if (!*token)
        return true;
    if (given && strncasecmp(given, "Bearer ", 7) == 0 &&
        same(given + 7 + strspn(given + 7, " "), token))
        return true;
    exchange_error(exchange, 401,
                   given ? "this is not the token of [control]"
                         : "the control side wants the token of [control]: Authorization: Bearer "
                           "TOKEN");
    return false;
}

static bool begins(const struct exchange *exchange, const char *with)
{
    size_t length = strlen(with);

    return exchange->path_length >= length && memcmp(exchange->path, with, length) == 0;
}

bool sim_allowed(struct exchange *exchange)
{
    bool own_address = exchange->worker->server->control_port != 0;

    if (begins(exchange, SIM_HEALTH) && exchange->path_length == strlen(SIM_HEALTH))
        return true;
    if (!begins(exchange, SIM_PREFIX)) {
        if (exchange->control)
            exchange_error(exchange, 404,
                           "there is no such path here: this address is that of the control side, "
                           "/_sim/");
        return !exchange->control;
    }
    if (own_address && !exchange->control) {
        exchange_error(exchange, 404, "the control side has an address of its own");
        return false;
    }
    return no_page(exchange) && bears_token(exchange);
}
