/* SPDX-License-Identifier: MIT
 *
 * A server's URL and its addresses. See target.h. */
#include "target.h"

#include <event2/http.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "error.h"

/* Why evhttp does not take it: a port is what people get wrong without seeing it. */
static const char *objection_to_text(const char *url)
{
    const char *start = strstr(url, "://"), *end, *port = NULL;

    if (!start)
        return "is not a URL";
    start += 3;
    end = start + strcspn(start, "/?#");
    for (const char *at = start; at < end; at++) {
        if (*at == ':')
            port = at + 1;
        else if (*at == ']' || *at == '@') /* the colons before it are no port's */
            port = NULL;
    }
    if (!port || port == end)
        return "is not a URL";
    if (port + strspn(port, "0123456789") != end)
        return "the port is not a number";
    return strtoul(port, NULL, 10) > 65535 ? "the port is beyond 65535" : "is not a URL";
}

/* What is wrong with the URL, or NULL. */
static const char *objection(const char *url, const struct evhttp_uri *uri)
{
    const char *scheme, *host;

    if (!uri)
        return objection_to_text(url);
    scheme = evhttp_uri_get_scheme(uri);
    host = evhttp_uri_get_host(uri);
    if (scheme && strcasecmp(scheme, "https") == 0)
        return "https is not supported";
    if (!scheme || strcasecmp(scheme, "http") != 0)
        return "does not begin with http://";
    if (!host || !*host)
        return "names no host";
    if (evhttp_uri_get_userinfo(uri))
        return "a user and password are not supported";
    if (evhttp_uri_get_query(uri) || evhttp_uri_get_fragment(uri))
        return "a query or fragment makes no sense here";
    if (evhttp_uri_get_port(uri) == 0)
        return "the port is not within 1 to 65535";
    return NULL;
}

bool target_init(struct target *target, const char *url, struct vts_client_error *error)
{
    struct evhttp_uri *uri = evhttp_uri_parse(url);
    const char *wrong = objection(url, uri), *host, *path;
    size_t host_length, path_length;
    int port;

    memset(target, 0, sizeof(*target));
    if (wrong) {
        if (uri)
            evhttp_uri_free(uri);
        return error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                         "the URL \"%s\": %s; right is http://HOST[:PORT][/PATH]", url, wrong);
    }
    host = evhttp_uri_get_host(uri);
    host_length = strlen(host);
    path = evhttp_uri_get_path(uri);
    path_length = path ? strlen(path) : 0;
    while (path_length && path[path_length - 1] == '/')
        path_length--;
    port = evhttp_uri_get_port(uri);
    target->port = (uint16_t)(port < 0 ? 80 : port);
    if (asprintf(&target->authority, "%s:%u", host, (unsigned int)target->port) < 0)
        target->authority = NULL;
    if (*host == '[' && host[host_length - 1] == ']')
        target->host = strndup(host + 1, host_length - 2);
    else
        target->host = strdup(host);
    target->prefix = strndup(path ? path : "", path_length);
    evhttp_uri_free(uri);
    if (target->host && target->authority && target->prefix)
        return true;
    target_finish(target);
    return error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
}

static void forget_addresses(struct target *target)
{
    for (size_t i = 0; i < target->address_count; i++)
        free(target->addresses[i]);
    target->address_count = target->current = 0;
}

void target_finish(struct target *target)
{
    forget_addresses(target);
    free(target->host);
    free(target->authority);
    free(target->prefix);
    memset(target, 0, sizeof(*target));
}

const char *target_resolve(struct target *target)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int status;

    if (target->address_count)
        return NULL;
    status = getaddrinfo(target->host, NULL, &hints, &found);
    if (status)
        return gai_strerror(status);
    for (struct addrinfo *one = found; one && target->address_count < TARGET_ADDRESSES;
         one = one->ai_next) {
        char text[NI_MAXHOST];
        char *copy;

        if (getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST))
            continue;
        copy = strdup(text);
        if (copy)
            target->addresses[target->address_count++] = copy;
    }
    freeaddrinfo(found);
    return target->address_count ? NULL : "no address found";
}

bool target_next_address(struct target *target, size_t tried)
{
    if (tried < target->address_count) {
        target->current = (target->current + 1) % target->address_count;
        return true;
    }
    forget_addresses(target);
    return false;
}
