/* SPDX-License-Identifier: MIT
 *
 * From the text of one value to a typed field, and back. Owns how each type of option reads and what
 * is said of a text that is none. Knows no file and no table. */
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

/* The most text of a range that a message shows. */
struct range {
    char text[96];
};

static bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_space(char byte) { return strchr(" \t\r\v\f\n", byte) && byte; }

static const char *trim(const char *bytes, size_t *length)
{
    while (*length && is_space(bytes[0])) {
        bytes++;
        --*length;
    }
    while (*length && is_space(bytes[*length - 1]))
        --*length;
    return bytes;
}

/* ---- ranges ---------------------------------------------------------------------------------- */

static bool bounded(const struct vts_option *option)
{
    return option->min != option->max && !(isinf(option->min) && isinf(option->max));
}

static void bound_text(int32_t type, double bound, char *buffer, size_t size)
{
    if (type == VTS_TIME || type == VTS_DELAY) {
        vts_ms time = bound >= (double)VTS_TIME_END ? VTS_TIME_END : bound <= 0 ? 0 : (vts_ms)bound;

        options_time_text(time, buffer, size);
    } else {
        snprintf(buffer, size, "%.15g", bound);
    }
}

/* "0 to 256", "at least 1", "at most 5". */
static struct range range_of(const struct vts_option *option)
{
    struct range range;
    char min[40], max[40];

    bound_text(option->type, option->min, min, sizeof(min));
    bound_text(option->type, option->max, max, sizeof(max));
    if (isinf(option->max))
        snprintf(range.text, sizeof(range.text), "at least %s", min);
    else if (isinf(option->min))
        snprintf(range.text, sizeof(range.text), "at most %s", max);
    else
        snprintf(range.text, sizeof(range.text), "%s to %s", min, max);
    return range;
}

/* What leads from "a number" to the range. */
static const char *before_range(const struct vts_option *option)
{
    return isinf(option->max) || isinf(option->min) ? "of" : "from";
}

static bool in_range(const struct vts_option *option, double value)
{
    return !bounded(option) || (value >= option->min && value <= option->max);
}

void options_range(const struct vts_option *option, struct text *out)
{
    if (option->type == VTS_CHOICE && option->choices)
        text_puts(out, option->choices);
    if (option->type == VTS_CHOICE || option->type == VTS_BOOL || !bounded(option))
        return;
    text_puts(out, range_of(option).text);
    if (option->type == VTS_TEXT || option->type == VTS_PATH)
        text_puts(out, " bytes");
    else if (option->type == VTS_LIST)
        text_puts(out, " items");
}

/* ---- TIME ------------------------------------------------------------------------------------ */

static const struct unit {
    const char *name;
    vts_ms ms;
} units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

enum { UNITS = sizeof(units) / sizeof(units[0]) };

const char *options_time_text(vts_ms time, char *buffer, size_t size)
{
    snprintf(buffer, size, "0");
    for (size_t i = 0; time && i < UNITS; i++)
        if (time % units[i].ms == 0) {
            snprintf(buffer, size, "%lld%s", (long long)(time / units[i].ms), units[i].name);
            break;
        }
    return buffer;
}

/* One number and its unit, as they stand at the front of a text. */
struct amount {
    vts_ms ms;
    bool unit, space; /* there is a unit; there is white space before it */
    bool fine, large; /* finer than a millisecond; beyond VTS_TIME_END */
};

/* The digits behind the point, times the unit. Ten digits are enough for a millisecond of a day. */
static vts_ms fraction_of(const char *digits, size_t count, vts_ms unit, bool *fine)
{
    vts_ms value = 0, scale = 1;

    while (count && digits[count - 1] == '0')
        count--;
    if (count > 10) {
        *fine = true;
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        value = value * 10 + (digits[i] - '0');
        scale *= 10;
    }
    *fine = value * unit % scale != 0;
    return value * unit / scale;
}

static const struct unit *find_unit(const char *name, size_t length)
{
    for (size_t i = 0; i < UNITS; i++)
        if (strlen(units[i].name) == length && !memcmp(units[i].name, name, length))
            return &units[i];
    return NULL;
}

/* Reads one amount and returns what is behind it, or NULL where there is none. */
static const char *read_amount(const char *at, const char *end, struct amount *amount)
{
    const char *whole = at, *fraction, *name;
    size_t fraction_length = 0;
    const struct unit *unit;
    vts_ms value = 0;

    *amount = (struct amount){0};
    while (at < end && is_digit(*at)) {
        value = value > VTS_TIME_END ? value : value * 10 + (*at - '0');
        at++;
    }
    if (at == whole)
        return NULL;
    fraction = at + 1;
    if (at + 1 < end && *at == '.' && is_digit(at[1])) {
        for (at++; at < end && is_digit(*at); at++)
            fraction_length++;
    }
    for (name = at; name < end && is_space(*name);)
        name++;
    amount->space = name > at;
    for (at = name; at < end && is_letter(*at);)
        at++;
    amount->unit = at > name;
    unit = amount->unit ? find_unit(name, (size_t)(at - name)) : &units[UNITS - 1];
    if (!unit)
        return NULL;
    amount->large = value > VTS_TIME_END / unit->ms;
    if (!amount->large)
        amount->ms =
            value * unit->ms + fraction_of(fraction, fraction_length, unit->ms, &amount->fine);
    amount->large = amount->large || amount->ms > VTS_TIME_END;
    return at;
}

/* A text in several units, 1h30m: what it would be in one. False where it is no such text. */
static bool add_amounts(const char *at, const char *end, vts_ms *sum)
{
    struct amount amount;

    for (*sum = 0; at < end;) {
        while (at < end && is_space(*at))
            at++;
        at = read_amount(at, end, &amount);
        if (!at || !amount.unit || amount.fine || amount.large || amount.ms > VTS_TIME_END - *sum)
            return false;
        *sum += amount.ms;
    }
    return true;
}

static bool time_error(struct vts_error *error, struct quoted quoted, const char *what)
{
    return vts_error_at(error, "", 0, 0, "%s %s", quoted.text, what);
}

/* A TIME in a slice of a text. The error has no place. */
static bool parse_time(const char *bytes, size_t length, vts_ms *time, struct vts_error *error)
{
    const char *end, *behind;
    struct quoted quoted;
    struct amount amount;
    char text[24];
    vts_ms sum;

    bytes = trim(bytes, &length);
    end = bytes + length;
    quoted = problems_quote(bytes, length);
    if (length > 1 && bytes[0] == '-' && read_amount(bytes + 1, end, &amount) == end)
        return time_error(error, quoted, "is negative; a time is 0 or more");
    behind = read_amount(bytes, end, &amount);
    if (behind && behind < end && add_amounts(bytes, end, &sum))
        return vts_error_at(error, "", 0, 0, "%s has more than one unit; write %s", quoted.text,
                            options_time_text(sum, text, sizeof(text)));
    if (behind != end)
        return time_error(error, quoted,
                          "is not a time; write one number and one unit: 250ms, 10s, 2m, 1h or 1d");
    if (!amount.unit && (amount.ms || amount.fine) && length < 24)
        return vts_error_at(error, "", 0, 0, "%s has no unit; write %.*sms, %.*ss or %.*sm",
                            quoted.text, (int)length, bytes, (int)length, bytes, (int)length,
                            bytes);
    if (amount.large)
        return time_error(error, quoted, "is too long; the longest time is 2932896d");
    if (amount.fine)
        return time_error(error, quoted, "is finer than 1ms, the shortest time");
    if (!amount.unit && amount.ms)
        return time_error(error, quoted, "has no unit");
    if (amount.space)
        return vts_error_at(error, "", 0, 0, "%s has a space before its unit; write %s",
                            quoted.text, options_time_text(amount.ms, text, sizeof(text)));
    *time = amount.ms;
    return true;
}

bool options_time(const char *text, vts_ms *time, struct vts_error *error)
{
    return parse_time(text, strlen(text), time, error);
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* A decimal number, and nothing that strtod takes beyond that (hexadecimal, inf, nan). Returns what is
 * behind it, or NULL. */
static const char *skip_real(const char *at, const char *end)
{
    size_t digits = 0;

    if (at < end && (*at == '-' || *at == '+'))
        at++;
    for (; at < end && is_digit(*at); at++)
        digits++;
    if (at < end && *at == '.')
        for (at++; at < end && is_digit(*at); at++)
            digits++;
    if (!digits)
        return NULL;
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '-' || *at == '+'))
            at++;
        if (at == end || !is_digit(*at))
            return NULL;
        while (at < end && is_digit(*at))
            at++;
    }
    return at;
}

/* A number in a slice of a NUL-terminated text. False where it is none or too large. */
static bool parse_real(const char *bytes, size_t length, double *value)
{
    char *stop;

    if (!length || skip_real(bytes, bytes + length) != bytes + length)
        return false;
    *value = strtod(bytes, &stop);
    return stop == bytes + length && isfinite(*value);
}

static bool read_real(const struct vts_option *option, const char *bytes, size_t length,
                      double *value, struct vts_error *error)
{
    struct quoted quoted = problems_quote(bytes, length);

    if (length > 1 && bytes[length - 1] == '%' && parse_real(bytes, length - 1, value))
        return vts_error_at(error, "", 0, 0, "%s is not a number; write %.15g", quoted.text,
                            *value / 100);
    if (!parse_real(bytes, length, value))
        return vts_error_at(error, "", 0, 0, "%s is not a number; write one such as 0.25",
                            quoted.text);
    if (!in_range(option, *value))
        return vts_error_at(error, "", 0, 0, "%s is out of range; write a number %s %s",
                            quoted.text, before_range(option), range_of(option).text);
    return true;
}

static bool read_int(const struct vts_option *option, const char *bytes, size_t length,
                     int64_t *value, struct vts_error *error)
{
    struct quoted quoted = problems_quote(bytes, length);
    size_t i = length && (bytes[0] == '-' || bytes[0] == '+');
    bool whole = i < length;
    char *stop;

    for (; i < length; i++)
        whole = whole && is_digit(bytes[i]);
    if (!whole)
        return vts_error_at(error, "", 0, 0, "%s is not a whole number; write one such as 1000",
                            quoted.text);
    errno = 0;
    *value = strtoll(bytes, &stop, 10);
    if (!in_range(option, (double)*value)) /* beyond its type, strtoll gives the nearest */
        return vts_error_at(error, "", 0, 0, "%s is out of range; write a whole number %s %s",
                            quoted.text, before_range(option), range_of(option).text);
    if (errno != 0 || stop != bytes + length)
        return vts_error_at(error, "", 0, 0,
                            "%s is out of range; write a whole number from %lld to %lld",
                            quoted.text, (long long)INT64_MIN, (long long)INT64_MAX);
    return true;
}

/* ---- DELAY ----------------------------------------------------------------------------------- */

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_AMOUNT, TOKEN_DOTS, TOKEN_OTHER };

/* A word, something that starts as a number does, `..`, or one character that has no place here. */
struct token {
    enum token_kind kind;
    const char *bytes;
    size_t length;
};

struct lexer {
    const char *text, *at;
    struct token token; /* the one that is looked at */
    struct vts_error *error;
};

static void next_token(struct lexer *lexer)
{
    struct token *token = &lexer->token;
    const char *at = lexer->at;

    while (is_space(*at))
        at++;
    token->bytes = at;
    if (!*at) {
        token->kind = TOKEN_END;
    } else if (is_letter(*at)) {
        token->kind = TOKEN_WORD;
        while (is_letter(*at))
            at++;
    } else if (at[0] == '.' && at[1] == '.') {
        token->kind = TOKEN_DOTS;
        at += 2;
    } else if (is_digit(*at) || ((*at == '-' || *at == '+' || *at == '.') && is_digit(at[1]))) {
        token->kind = TOKEN_AMOUNT;
        while (*at && !is_space(*at) && !(at[0] == '.' && at[1] == '.'))
            at++;
    } else {
        token->kind = TOKEN_OTHER;
        at++;
        while (((unsigned char)*at & 0xc0) == 0x80) /* a character, not a byte of it */
            at++;
    }
    token->length = (size_t)(at - token->bytes);
    lexer->at = at;
}

static bool is_word(const struct lexer *lexer, const char *word)
{
    return lexer->token.kind == TOKEN_WORD && lexer->token.length == strlen(word) &&
           !memcmp(lexer->token.bytes, word, lexer->token.length);
}

/* Sets the place of an error to where a token stands. Always returns false. */
static bool place_error(struct lexer *lexer, const char *at)
{
    if (!lexer->error)
        return false;
    lexer->error->line = lexer->error->column = 1;
    for (const char *byte = lexer->text; byte < at; byte++) {
        lexer->error->column++;
        if (*byte == '\n') {
            lexer->error->line++;
            lexer->error->column = 1;
        }
    }
    return false;
}

/* "expected X, found Y" at the token that is looked at. Always returns false. */
static bool expected(struct lexer *lexer, const char *what)
{
    const struct token *token = &lexer->token;

    if (token->kind == TOKEN_END)
        vts_error_set(lexer->error, VTS_ERR_INVALID, "it ends where %s should follow", what);
    else
        vts_error_set(lexer->error, VTS_ERR_INVALID, "%s stands where %s should",
                      problems_quote(token->bytes, token->length).text, what);
    return place_error(lexer, token->bytes);
}

/* One TIME. `10 s` and `10 parsecs` are shown whole to the parser of times, which knows what to say. */
static bool take_time(struct lexer *lexer, const char *what, vts_ms *time)
{
    struct token amount = lexer->token;
    const char *last = amount.bytes + amount.length - 1;

    if (amount.kind != TOKEN_AMOUNT)
        return expected(lexer, what);
    next_token(lexer);
    if (is_digit(*last) && lexer->token.kind == TOKEN_WORD && !is_word(lexer, "max") &&
        !is_word(lexer, "sd") && !is_word(lexer, "sigma")) {
        amount.length = (size_t)(lexer->at - amount.bytes);
        next_token(lexer);
    }
    if (!parse_time(amount.bytes, amount.length, time, lexer->error))
        return place_error(lexer, amount.bytes);
    return true;
}

static bool take_word(struct lexer *lexer, const char *word, const char *what)
{
    if (!is_word(lexer, word))
        return expected(lexer, what);
    next_token(lexer);
    return true;
}

static bool take_uniform(struct lexer *lexer, struct vts_delay *delay)
{
    const char *from = lexer->token.bytes;
    char a[24], b[24];

    if (!take_time(lexer, "the shortest time, as in uniform 5s..15s", &delay->a))
        return false;
    if (lexer->token.kind != TOKEN_DOTS)
        return expected(lexer, "\"..\" and the longest time, as in uniform 5s..15s,");
    next_token(lexer);
    if (!take_time(lexer, "the longest time, as in uniform 5s..15s,", &delay->b))
        return false;
    if (delay->b >= delay->a)
        return true;
    options_time_text(delay->a, a, sizeof(a));
    options_time_text(delay->b, b, sizeof(b));
    vts_error_set(lexer->error, VTS_ERR_INVALID, "%s..%s runs backwards; write %s..%s", a, b, b, a);
    return place_error(lexer, from);
}

static bool take_sigma(struct lexer *lexer, double *sigma)
{
    struct token token = lexer->token;

    if (token.kind != TOKEN_AMOUNT)
        return expected(lexer, "a number, as in lognormal 8s sigma 0.5,");
    if (!parse_real(token.bytes, token.length, sigma) || *sigma < 0 || *sigma > 10) {
        vts_error_set(lexer->error, VTS_ERR_INVALID, "%s is no sigma; write a number from 0 to 10",
                      problems_quote(token.bytes, token.length).text);
        return place_error(lexer, token.bytes);
    }
    next_token(lexer);
    return true;
}

/* What follows the name of a distribution. */
static bool take_parameters(struct lexer *lexer, struct vts_delay *delay)
{
    switch (delay->distribution) {
    case VTS_UNIFORM:
        return take_uniform(lexer, delay);
    case VTS_NORMAL:
        return take_time(lexer, "the mean time, as in normal 10s sd 2s,", &delay->a) &&
               take_word(lexer, "sd", "\"sd\" and a time, as in normal 10s sd 2s,") &&
               take_time(lexer, "the standard deviation, as in normal 10s sd 2s,", &delay->b);
    case VTS_EXPONENTIAL:
        return take_time(lexer, "the mean time, as in exponential 10s,", &delay->a);
    default:
        return take_time(lexer, "the median time, as in lognormal 8s sigma 0.5,", &delay->a) &&
               take_word(lexer, "sigma", "\"sigma\" and a number, as in lognormal 8s sigma 0.5,") &&
               take_sigma(lexer, &delay->sigma);
    }
}

static const char *const distributions[] = {"uniform", "normal", "exponential", "lognormal", NULL};

/* The name of a distribution, or nothing before a fixed time. */
static bool take_distribution(struct lexer *lexer, struct vts_delay *delay)
{
    struct token token = lexer->token;
    char word[66];
    const char *near;

    if (token.kind == TOKEN_AMOUNT)
        return take_time(lexer, "a time", &delay->a);
    if (token.kind != TOKEN_WORD)
        return expected(lexer, "a time such as 10s, or uniform, normal, exponential or lognormal");
    for (int i = 0; distributions[i]; i++)
        if (is_word(lexer, distributions[i])) {
            delay->distribution = VTS_UNIFORM + i;
            next_token(lexer);
            return take_parameters(lexer, delay);
        }
    snprintf(word, sizeof(word), "%.*s", (int)(token.length < 65 ? token.length : 65), token.bytes);
    near = text_nearest(word, distributions);
    if (near)
        vts_error_set(lexer->error, VTS_ERR_INVALID, "%s is no distribution; did you mean \"%s\"?",
                      problems_quote(token.bytes, token.length).text, near);
    else
        vts_error_set(lexer->error, VTS_ERR_INVALID,
                      "%s is no distribution; write a time such as 10s, or uniform, normal, "
                      "exponential or lognormal",
                      problems_quote(token.bytes, token.length).text);
    return place_error(lexer, token.bytes);
}

/* The optional `max TIME`, and the end. */
static bool take_max(struct lexer *lexer, struct vts_delay *delay)
{
    const char *from = lexer->token.bytes;
    bool least = delay->distribution == VTS_FIXED || delay->distribution == VTS_UNIFORM;
    char max[24], a[24];

    delay->max = VTS_TIME_END;
    if (lexer->token.kind != TOKEN_END) {
        if (!take_word(lexer, "max", "the end, or \"max\" and a time,") ||
            !take_time(lexer, "the longest time, as in max 60s,", &delay->max))
            return false;
        if (lexer->token.kind != TOKEN_END)
            return expected(lexer, "the end");
    }
    if (!least || delay->max >= delay->a)
        return true;
    vts_error_set(
        lexer->error, VTS_ERR_INVALID, "max %s is below the shortest time; write at least max %s",
        options_time_text(delay->max, max, sizeof(max)), options_time_text(delay->a, a, sizeof(a)));
    return place_error(lexer, from);
}

bool options_delay(const char *text, struct vts_delay *delay, struct vts_error *error)
{
    struct lexer lexer = {.text = text, .at = text, .error = error};
    struct vts_delay read = {.distribution = VTS_FIXED};

    next_token(&lexer);
    if (!take_distribution(&lexer, &read) || !take_max(&lexer, &read))
        return false;
    *delay = read;
    return true;
}

/* A DELAY whose times all keep the option's limits. */
static bool read_delay(const struct vts_option *option, const char *text, struct vts_delay *delay,
                       struct vts_error *error)
{
    vts_ms times[3];
    size_t count = 0;
    char time[24];

    if (!options_delay(text, delay, error))
        return false;
    times[count++] = delay->a;
    if (delay->distribution == VTS_UNIFORM || delay->distribution == VTS_NORMAL)
        times[count++] = delay->b;
    if (delay->max != VTS_TIME_END)
        times[count++] = delay->max;
    for (size_t i = 0; i < count; i++)
        if (!in_range(option, (double)times[i]))
            return vts_error_at(error, "", 0, 0, "%s is out of range; write each time %s %s",
                                options_time_text(times[i], time, sizeof(time)),
                                before_range(option), range_of(option).text);
    return true;
}

/* ---- the other types ------------------------------------------------------------------------- */

static bool read_bool(const char *bytes, size_t length, bool *value, struct vts_error *error)
{
    static const char *const words[] = {"off", "on", "no", "yes", "false", "true", "0", "1"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == length && !strncasecmp(words[i], bytes, length)) {
            *value = i % 2;
            return true;
        }
    return vts_error_at(error, "", 0, 0, "%s is neither on nor off; write on or off",
                        problems_quote(bytes, length).text);
}

/* The choices, one after the other, as a NULL-terminated list in `buffer`; false where there are too
 * many for it. */
static bool split_choices(const char *choices, char *buffer, size_t size, const char **words,
                          size_t room)
{
    size_t count = 0, length = strlen(choices);

    if (length >= size)
        return false;
    memcpy(buffer, choices, length + 1);
    for (char *at = buffer; at && count + 1 < room;) {
        char *bar = strchr(at, '|');

        if (bar)
            *bar++ = 0;
        words[count++] = at;
        at = bar;
    }
    words[count] = NULL;
    return true;
}

static bool read_choice(const struct vts_option *option, const char *bytes, size_t length,
                        int *value, struct vts_error *error)
{
    char buffer[512], list[320] = "", word[66];
    const char *words[65], *near;
    size_t at = 0;

    if (!split_choices(option->choices, buffer, sizeof(buffer), words, 65))
        return vts_error_at(error, "", 0, 0, "its choices are longer than 511 bytes");
    for (int i = 0; words[i]; i++) {
        if (strlen(words[i]) == length && !memcmp(words[i], bytes, length)) {
            *value = i;
            return true;
        }
        if (at < sizeof(list))
            at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "", words[i]);
    }
    snprintf(word, sizeof(word), "%.*s", (int)(length < 65 ? length : 65), bytes);
    near = text_nearest(word, words);
    return vts_error_at(error, "", 0, 0, "%s is none of %s%s%s%s",
                        problems_quote(bytes, length).text, list, near ? "; did you mean \"" : "",
                        near ? near : "", near ? "\"?" : "");
}

static bool no_memory(struct vts_error *error)
{
    return vts_error_set(error, VTS_ERR_MEMORY, "not enough memory");
}

/* Whether a text has as many bytes, or a list as many items, as it may. */
static bool check_count(const struct vts_option *option, size_t count, struct vts_error *error)
{
    bool list = option->type == VTS_LIST;

    if (in_range(option, (double)count))
        return true;
    return vts_error_at(error, "", 0, 0, "it has %zu %s; write %s of %s %s", count,
                        list ? "items" : "bytes", list ? "a list" : "a text", range_of(option).text,
                        list ? "items, one a line" : "bytes");
}

static bool read_text(const struct vts_option *option, const char *bytes, size_t length,
                      char **value, struct vts_error *error)
{
    if (!check_count(option, length, error))
        return false;
    *value = strndup(bytes, length);
    return *value || no_memory(error);
}

/* The items and their bytes lie in one block behind the array, so that one free ends the list. */
static bool read_list(const struct vts_option *option, const char *text, struct vts_list *list,
                      struct vts_error *error)
{
    size_t count = 0, bytes = strlen(text) + 1;
    const char **items;
    char *at;

    for (const char *line = text; *line;) {
        size_t size = strcspn(line, "\n"), length = size;

        trim(line, &length);
        count += length > 0;
        line += size + (line[size] == '\n');
    }
    if (!check_count(option, count, error))
        return false;
    items = malloc((count + 1) * sizeof(*items) + bytes);
    if (!items)
        return no_memory(error);
    at = (char *)(items + count + 1);
    memcpy(at, text, bytes);
    for (size_t i = 0; i < count;) {
        size_t size = strcspn(at, "\n"), length = size;
        char *item = at + (trim(at, &length) - at);

        at += size + 1;
        if (!length)
            continue;
        item[length] = 0;
        items[i++] = item;
    }
    items[count] = NULL;
    *list = (struct vts_list){count, items};
    return true;
}

/* ---- all types ------------------------------------------------------------------------------- */

union value {
    bool boolean;
    int64_t integer;
    double real;
    vts_ms time;
    struct vts_delay delay;
    char *text;
    struct vts_list list;
    int choice;
};

/* Reads a value of the option's type. Returns the size of its field, 0 where the text is wrong. */
static size_t read_value(const struct vts_option *option, const char *text, union value *value,
                         struct vts_error *error)
{
    size_t length = strlen(text);
    const char *bytes = trim(text, &length);

    switch (option->type) {
    case VTS_BOOL:
        return read_bool(bytes, length, &value->boolean, error) ? sizeof(bool) : 0;
    case VTS_INT:
        return read_int(option, bytes, length, &value->integer, error) ? sizeof(int64_t) : 0;
    case VTS_REAL:
        return read_real(option, bytes, length, &value->real, error) ? sizeof(double) : 0;
    case VTS_TIME:
        if (!parse_time(bytes, length, &value->time, error))
            return 0;
        if (in_range(option, (double)value->time))
            return sizeof(vts_ms);
        vts_error_at(error, "", 0, 0, "%s is out of range; write a time %s %s",
                     problems_quote(bytes, length).text, before_range(option),
                     range_of(option).text);
        return 0;
    case VTS_DELAY:
        return read_delay(option, text, &value->delay, error) ? sizeof(struct vts_delay) : 0;
    case VTS_TEXT:
        return read_text(option, text, strlen(text), &value->text, error) ? sizeof(char *) : 0;
    case VTS_PATH:
        return read_text(option, bytes, length, &value->text, error) ? sizeof(char *) : 0;
    case VTS_LIST:
        return read_list(option, text, &value->list, error) ? sizeof(struct vts_list) : 0;
    case VTS_CHOICE:
        return read_choice(option, bytes, length, &value->choice, error) ? sizeof(int) : 0;
    default:
        vts_error_set(error, VTS_ERR_INVALID, "the option's type %d is not known",
                      (int)option->type);
        return 0;
    }
}

/* Most types take one line. A second one is mostly a key that was indented by mistake. */
static bool is_one_line(const struct vts_option *option, const char *text, struct vts_error *error)
{
    size_t length = strlen(text);
    const char *bytes = trim(text, &length), *end = memchr(bytes, '\n', length);

    if (!end || option->type == VTS_TEXT || option->type == VTS_LIST || option->type == VTS_DELAY)
        return true;
    length -= (size_t)(end - bytes);
    bytes = trim(end, &length);
    length = strcspn(bytes, "\n") < length ? strcspn(bytes, "\n") : length;
    return vts_error_at(
        error, "", 2, 0,
        "%s continues the value above because it starts with white space; this value "
        "is one line",
        problems_quote(bytes, length).text);
}

bool options_parse(const struct vts_option *option, const char *text, void *settings,
                   struct vts_error *error)
{
    union value value = {0};
    size_t size = 0;

    if (is_one_line(option, text, error))
        size = read_value(option, text, &value, error);
    if (size)
        memcpy((char *)settings + option->offset, &value, size);
    else if (error)
        snprintf(error->key, sizeof(error->key), "%s", option->key);
    return size > 0;
}

/* ---- back to text ---------------------------------------------------------------------------- */

static void print_lognormal(const char *median, double sigma, struct text *out)
{
    text_printf(out, "lognormal %s sigma ", median);
    text_real(out, sigma);
}

static void print_delay(const struct vts_delay *delay, struct text *out)
{
    char a[24], b[24];

    options_time_text(delay->a, a, sizeof(a));
    options_time_text(delay->b, b, sizeof(b));
    if (delay->distribution == VTS_UNIFORM)
        text_printf(out, "uniform %s..%s", a, b);
    else if (delay->distribution == VTS_NORMAL)
        text_printf(out, "normal %s sd %s", a, b);
    else if (delay->distribution == VTS_EXPONENTIAL)
        text_printf(out, "exponential %s", a);
    else if (delay->distribution == VTS_LOGNORMAL)
        print_lognormal(a, delay->sigma, out);
    else
        text_puts(out, a);
    if (delay->max != VTS_TIME_END)
        text_printf(out, " max %s", options_time_text(delay->max, a, sizeof(a)));
}

static void print_choice(const char *choices, int choice, struct text *out)
{
    while (choice-- > 0 && choices)
        choices = strchr(choices, '|') ? strchr(choices, '|') + 1 : NULL;
    if (choices)
        text_add(out, choices, strcspn(choices, "|"));
}

void options_print(const struct vts_option *option, const void *settings, struct text *out)
{
    const void *field = (const char *)settings + option->offset;
    const struct vts_list *list = field;
    char time[24];

    switch (option->type) {
    case VTS_BOOL:
        text_puts(out, *(const bool *)field ? "on" : "off");
        break;
    case VTS_INT:
        text_printf(out, "%lld", (long long)*(const int64_t *)field);
        break;
    case VTS_REAL:
        text_real(out, *(const double *)field);
        break;
    case VTS_TIME:
        text_puts(out, options_time_text(*(const vts_ms *)field, time, sizeof(time)));
        break;
    case VTS_DELAY:
        print_delay(field, out);
        break;
    case VTS_TEXT:
    case VTS_PATH:
        text_puts(out, *(char *const *)field ? *(char *const *)field : "");
        break;
    case VTS_LIST:
        for (size_t i = 0; i < list->count; i++)
            text_printf(out, "%s%s", i ? "\n" : "", list->items[i]);
        break;
    case VTS_CHOICE:
        print_choice(option->choices, *(const int *)field, out);
        break;
    default:
        break;
    }
}
