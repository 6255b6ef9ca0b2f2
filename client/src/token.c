/* SPDX-License-Identifier: MIT
 *
 * Tokens. See token.h. */
#include "token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "options.h"
#include "protocol.h"

#define VERSION    "vtsim1:"
#define AGE_MAX_MS (INT64_C(366) * 86400000)

/* ---- writing --------------------------------------------------------------------------------- */

/* A buffer that notes where it is too small. */
struct writer {
    char *text;
    size_t room, used;
    bool full;
};

static void put(struct writer *writer, const char *text, size_t length)
{
    if (writer->full || writer->used + length >= writer->room) {
        writer->full = true;
        return;
    }
    memcpy(writer->text + writer->used, text, length);
    writer->used += length;
    writer->text[writer->used] = '\0';
}

static void put_encoded(struct writer *writer, const char *text)
{
    for (; *text; text++) {
        char hex[4];

        if (protocol_is_unreserved(*text)) {
            put(writer, text, 1);
            continue;
        }
        snprintf(hex, sizeof(hex), "%%%02X", (unsigned char)*text);
        put(writer, hex, 3);
    }
}

size_t token_write(const struct token *token, char *text, size_t room)
{
    struct writer writer = {text, room, 0, false};
    char age[24] = "-", times[64];

    if (token->age_ms >= 0)
        snprintf(age, sizeof(age), "%lld", (long long)token->age_ms);
    snprintf(times, sizeof(times), VERSION "%s:%lld:", age, (long long)token->made_s);
    put(&writer, times, strlen(times));
    put_encoded(&writer, token->job_class);
    put(&writer, ":", 1);
    put_encoded(&writer, token->id);
    return writer.full ? 0 : writer.used;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool wrong(struct vts_client_error *error, const char *what)
{
    return error_set(error, VTS_CLIENT_ERR_INVALID, 0, "the token %s", what);
}

/* A whole number up to a colon, which is passed. */
static bool read_number(const char **at, int64_t *number)
{
    char *end;

    errno = 0;
    if (**at < '0' || **at > '9')
        return false;
    *number = strtoll(*at, &end, 10);
    if (errno || *end != ':')
        return false;
    *at = end + 1;
    return true;
}

static int hex_digit(char digit)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *at = digit ? strchr(digits, digit) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Decodes up to `end`, which is passed where it is a colon. */
static bool read_text(const char **at, char end, char *out, size_t room)
{
    size_t used = 0;

    while (**at && **at != end) {
        char byte = **at;

        if (byte == '%') {
            int high = hex_digit((*at)[1]), low = high < 0 ? -1 : hex_digit((*at)[2]);

            if (low < 0 || high * 16 + low == 0)
                return false;
            byte = (char)(high * 16 + low);
            *at += 2;
        } else if (!protocol_is_unreserved(byte)) {
            return false;
        }
        if (used + 1 >= room)
            return false;
        out[used++] = byte;
        (*at)++;
    }
    out[used] = '\0';
    if (**at != end)
        return false;
    *at += end != '\0';
    return true;
}

bool token_read(struct token *token, const char *text, struct vts_client_error *error)
{
    const char *at = text;

    memset(token, 0, sizeof(*token));
    if (!text || strncmp(text, "vtsim", 5) != 0)
        return wrong(error, "is none of this library's; right is vtsim1:...");
    if (strncmp(text, VERSION, strlen(VERSION)) != 0)
        return wrong(error, "is of another version; this library reads vtsim1:...");
    at += strlen(VERSION);
    if (strncmp(at, "-:", 2) == 0) {
        token->age_ms = -1;
        at += 2;
    } else if (!read_number(&at, &token->age_ms)) {
        return wrong(error, "has no age behind its version");
    }
    if (!read_number(&at, &token->made_s))
        return wrong(error, "does not say when it was made");
    if (!read_text(&at, ':', token->job_class, sizeof(token->job_class)) ||
        !options_check_class(token->job_class, NULL))
        return wrong(error, "has a class that cannot be right");
    if (!read_text(&at, '\0', token->id, sizeof(token->id)) || !protocol_check_id(token->id, NULL))
        return wrong(error, "has a job id that cannot be right; is it complete?");
    return true;
}

int64_t token_age_ms(const struct token *token, int64_t unix_ms)
{
    int64_t since_s = unix_ms / 1000 - token->made_s;

    if (token->age_ms < 0)
        return -1;
    if (since_s < 0 || since_s > AGE_MAX_MS / 1000)
        since_s = 0;
    if (token->age_ms > AGE_MAX_MS)
        return AGE_MAX_MS;
    return token->age_ms + since_s * 1000;
}

/* ---- for users ------------------------------------------------------------------------------- */

size_t vts_client_token_id(const char *token, char *id, struct vts_client_error *error)
{
    struct token read;

    if (!token_read(&read, token, error))
        return 0;
    memcpy(id, read.id, sizeof(read.id));
    return strlen(id);
}
