/* SPDX-License-Identifier: MIT
 *
 * Errors of the client library. See error.h and the list in client.h. */
#include "error.h"

#include <stdio.h>
#include <string.h>

#include "utf8.h"

const char *vts_client_strerror(enum vts_client_err code)
{
    switch (code) {
    case VTS_CLIENT_OK:
        return "no error";
    case VTS_CLIENT_ERR_MEMORY:
        return "out of memory";
    case VTS_CLIENT_ERR_INVALID:
        return "an argument cannot be right";
    case VTS_CLIENT_ERR_CALL:
        return "a call that is not allowed here";
    case VTS_CLIENT_ERR_UNREACHABLE:
        return "the server was not reached";
    case VTS_CLIENT_ERR_TIMEOUT:
        return "a request took too long";
    case VTS_CLIENT_ERR_DEADLINE:
        return "the deadline passed";
    case VTS_CLIENT_ERR_UNKNOWN_JOB:
        return "the server does not know the job";
    case VTS_CLIENT_ERR_EXISTS:
        return "the job exists already";
    case VTS_CLIENT_ERR_REFUSED:
        return "the server refused the request";
    case VTS_CLIENT_ERR_SERVER:
        return "the server failed";
    case VTS_CLIENT_ERR_PROTOCOL:
        return "an answer that makes no sense";
    case VTS_CLIENT_ERR_ABANDONED:
        return "the operation was abandoned";
    case VTS_CLIENT_ERR_CLOCK:
        return "the server's clock cannot be had";
    }
    return "unknown error";
}

/* Copies, showing what must not be printed as \xNN; cuts at the end of a character. */
static void clean(char *out, size_t room, const char *text)
{
    size_t used = 0, length = strlen(text);

    while (length) {
        size_t bytes = utf8_printable(text, length);

        if (bytes) {
            if (used + bytes >= room)
                break;
            memcpy(out + used, text, bytes);
            used += bytes;
        } else {
            if (used + 4 >= room)
                break;
            bytes = 1;
            used += (size_t)snprintf(out + used, room - used, "\\x%02X", (unsigned char)*text);
        }
        text += bytes;
        length -= bytes;
    }
    out[used] = '\0';
}

bool error_set(struct vts_client_error *error, enum vts_client_err code, int http_status,
               const char *format, ...)
{
    char text[sizeof(error->message)];
    va_list args;

    if (!error)
        return false;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error->code = code;
    error->http_status = http_status;
    clean(error->message, sizeof(error->message), text);
    return false;
}
