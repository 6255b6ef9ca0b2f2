/* SPDX-License-Identifier: MIT
 *
 * A reader of JSON that keeps nothing. See json.h. Each function takes where it stands and returns what is
 * behind the thing it reads, or NULL. The NUL behind the text is no part of any token, so it ends all. */
#include "json.h"

#include <string.h>

#include "text.h"

static const char *value(const char *at, int depth);

static const char *space(const char *at) { return at + strspn(at, " \t\r\n"); }

static const char *word(const char *at, const char *wanted)
{
    size_t length = strlen(wanted);

    return strncmp(at, wanted, length) == 0 ? at + length : NULL;
}

static const char *digits(const char *at)
{
    size_t length = strspn(at, "0123456789");

    return length > 0 ? at + length : NULL;
}

static const char *number(const char *at)
{
    at += *at == '-';
    at = *at == '0' ? at + 1 : digits(at);
    if (at && *at == '.')
        at = digits(at + 1);
    if (at && (*at == 'e' || *at == 'E'))
        at = digits(at + 1 + (at[1] == '+' || at[1] == '-'));
    return at;
}

static const char *string(const char *at)
{
    if (*at++ != '"')
        return NULL;
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20)
            return NULL;
        if (*at != '\\')
            continue;
        at++;
        if (*at == 'u' && strspn(at + 1, "0123456789abcdefABCDEF") >= 4)
            at += 4;
        else if (*at == '\0' || !strchr("\"\\/bfnrt", *at))
            return NULL;
    }
    return at + 1;
}

/* The members of an array or an object, from behind its opening to behind its closing bracket. */
static const char *members(const char *at, char close, int depth)
{
    at = space(at);
    if (*at == close)
        return at + 1;
    for (;; at = space(at + 1)) {
        if (close == '}') {
            at = string(at);
            if (at)
                at = space(at);
            if (!at || *at++ != ':')
                return NULL;
        }
        at = value(at, depth);
        if (!at || *at == close)
            return at ? at + 1 : NULL;
        if (*at != ',')
            return NULL;
    }
}

/* And the white space around it. */
static const char *value(const char *at, int depth)
{
    at = space(at);
    if (*at == '[' || *at == '{')
        at = depth < JSON_DEPTH_MAX ? members(at + 1, *at == '[' ? ']' : '}', depth + 1) : NULL;
    else if (*at == '"')
        at = string(at);
    else if (*at == 't' || *at == 'f' || *at == 'n')
        at = word(at, *at == 't' ? "true" : *at == 'f' ? "false" : "null");
    else
        at = number(at);
    return at ? space(at) : NULL;
}

bool json_valid(const char *text, size_t length)
{
    return text_valid_utf8(text, length) == length && value(text, 0) == text + length;
}
