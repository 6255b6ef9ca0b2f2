/* SPDX-License-Identifier: MIT
 *
 * The yardstick of the benchmark: libevent's evhttp as anybody would use it, in one thread, with no
 * tricks. It answers GET /status and POST /start with the bytes that it is given, and reads the
 * body of a POST without looking at it. It must stay plain: what vtsimd gains is measured against
 * it. */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void answer(struct evhttp_request *request, void *arg)
{
    const char *body = arg;
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    struct evbuffer *output = evbuffer_new();

    evbuffer_drain(input, evbuffer_get_length(input));
    if (!output ||
        evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                          "application/json") ||
        evbuffer_add(output, body, strlen(body))) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
    } else {
        evhttp_send_reply(request, HTTP_OK, "OK", output);
    }
    if (output)
        evbuffer_free(output);
}

static int port_of(struct evhttp_bound_socket *bound)
{
    struct sockaddr_in address = {0};
    socklen_t length = sizeof(address);

    if (getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &length))
        return -1;
    return ntohs(address.sin_port);
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    struct evhttp *http = base ? evhttp_new(base) : NULL;
    struct evhttp_bound_socket *bound;
    int status = EXIT_FAILURE;

    if (argc != 3) {
        fprintf(stderr, "usage: bare_evhttp STATUS-BODY START-BODY\n");
        goto out;
    }
    if (!http || evhttp_set_cb(http, "/status", answer, argv[1]) ||
        evhttp_set_cb(http, "/start", answer, argv[2])) {
        fprintf(stderr, "bare_evhttp: out of memory\n");
        goto out;
    }
    bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
    if (!bound) {
        perror("bare_evhttp: bind");
        goto out;
    }
    printf("bare_evhttp: listening on http://127.0.0.1:%d\n", port_of(bound));
    fflush(stdout);
    status = event_base_dispatch(base) ? EXIT_FAILURE : EXIT_SUCCESS;
out:
    if (http)
        evhttp_free(http);
    if (base)
        event_base_free(base);
    return status;
}
