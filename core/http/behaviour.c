/* SPDX-License-Identifier: MIT
 *
 * What a start says of its job's behaviour: `behaviour`, a name, and `options`, an object of settings for that
 * one job. From JSON to settings as they would stand in the INI file; what they mean is not known here. */
#include <stdlib.h>

#include "request.h"

/* ---- options ---- */

struct options {
    struct setting *all;
    char **lists; /* the values of those that are lists, by the same number: as lines */
    size_t count;
};

static void options_finish(struct options *options)
{
    size_t i;

    for (i = 0; options->lists && i < options->count; i++)
        free(options->lists[i]);
    free((void *)options->lists);
    free(options->all);
}

/* What is wrong with an array, or NULL. Its items become lines. */
static const char *join(struct json_object *array, struct text *lines)
{
    struct json_object *item;
    const char *text;
    size_t i;

    text_puts(lines, "");
    for (i = 0; i < json_object_array_length(array); i++) {
        item = json_object_array_get_idx(array, i);
        if (!json_object_is_type(item, json_type_string))
            return "it has an item that is not a string; write an array of strings";
        text = json_object_get_string(item);
        if (strlen(text) != (size_t)json_object_get_string_len(item))
            return "it has an item that holds \\u0000";
        if (strchr(text, '\n') || !text[strspn(text, " \t\r")])
            return "it has an item that is not one line; write each line as an item of its own";
        text_printf(lines, "%s%s", i > 0 ? "\n" : "", text);
    }
    return NULL;
}

static const char *take_list(struct setting *setting, char **list, struct json_object *array)
{
    struct text lines = TEXT_INIT;
    const char *wrong = join(array, &lines);

    setting->form = SETTING_LIST;
    setting->value = *list = wrong ? NULL : text_take(&lines);
    text_finish(&lines);
    return wrong;
}

/* What is wrong with a value, or NULL. Without memory for it the setting has none. */
static const char *take_value(struct setting *setting, char **list, struct json_object *value)
{
    setting->value = json_object_get_string(value);
    switch (json_object_get_type(value)) {
    case json_type_string:
        setting->form = SETTING_TEXT;
        return strlen(setting->value) == (size_t)json_object_get_string_len(value)
                   ? NULL
                   : "it holds \\u0000";
    case json_type_int:
    case json_type_double:
        setting->form = SETTING_NUMBER;
        return NULL;
    case json_type_boolean:
        setting->form = SETTING_BOOL;
        return NULL;
    case json_type_array:
        return take_list(setting, list, value);
    case json_type_null:
        return "null is no value; leave the key out to have what the behaviour has";
    default:
        return "an object is no value; write a string as it would stand in the INI file, a number, "
               "true or false, or for a list an array of strings";
    }
}

static bool no_memory(struct exchange *exchange)
{
    exchange_error(exchange, 503, "no memory for the options");
    return false;
}

static bool take_options(struct exchange *exchange, struct json_object *object,
                         struct options *options)
{
    size_t room = (size_t)json_object_object_length(object) + 1, i;
    const char *wrong;

    options->all = calloc(room, sizeof(*options->all));
    options->lists = (char **)calloc(room, sizeof(char *));
    if (!options->all || !options->lists)
        return no_memory(exchange);
    json_object_object_foreach(object, key, value)
    {
        i = options->count++;
        options->all[i].key = key;
        wrong = take_value(&options->all[i], &options->lists[i], value);
        if (wrong) {
            exchange_error(exchange, 400, "options: %.64s: %s", key, wrong);
            return false;
        }
        if (!options->all[i].value)
            return no_memory(exchange);
    }
    return true;
}

/* ---- the behaviour ---- */

/* Asks the service for it, and answers where there is none. */
static bool choose(struct exchange *exchange, const struct service_wish *wish)
{
    struct service_call *call = &exchange->call;
    const struct asked asked = request_asked(exchange);
    const struct instance *usual = wish->name.at ? NULL : service_behaviour(call->port, &asked);
    struct text message = TEXT_INIT;
    enum service_result result = service_choose(call, usual, wish, &message);

    call->result = result;
    if (result == SERVICE_WRONG)
        exchange_error(exchange, 400, "%s", message.failed ? "no memory" : message.bytes);
    else if (result != SERVICE_DONE)
        exchange_refusal(exchange);
    text_finish(&message);
    return result == SERVICE_DONE;
}

static bool choose_with_options(struct exchange *exchange, struct json_object *object,
                                struct service_wish *wish)
{
    struct options options = {.count = 0};
    bool good = request_numbers_fit(exchange) && take_options(exchange, object, &options);

    if (good) {
        wish->settings = options.all;
        wish->setting_count = options.count;
        wish->options.at = json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN,
                                                             &wish->options.length);
        good = choose(exchange, wish);
    }
    options_finish(&options);
    return good;
}

bool request_behaviour(struct exchange *exchange)
{
    struct service_call *call = &exchange->call;
    const struct asked asked = request_asked(exchange);
    struct json_object *name, *options;
    struct service_wish wish = {.name = {NULL, 0}};

    if (json_object_object_get_ex(exchange->body, "behaviour", &name)) {
        if (!json_object_is_type(name, json_type_string)) {
            exchange_error(exchange, 400, "behaviour is not a string");
            return false;
        }
        wish.name = (struct bytes){json_object_get_string(name),
                                   (size_t)json_object_get_string_len(name)};
    }
    if (json_object_object_get_ex(exchange->body, "options", &options)) {
        if (!json_object_is_type(options, json_type_object)) {
            exchange_error(exchange, 400, "options is not an object of settings");
            return false;
        }
        return choose_with_options(exchange, options, &wish);
    }
    if (wish.name.at)
        return choose(exchange, &wish);
    call->instance = service_behaviour(call->port, &asked);
    return true;
}
