/* SPDX-License-Identifier: MIT
 *
 * A behaviour and settings as JSON. See wish.h; client.h tells users what is right. */
#include "wish.h"

#include <json-c/json.h>
#include <string.h>

#include "error.h"
#include "utf8.h"

#define NAME_MAX_BYTES 255

bool wish_is_given(const struct vts_client_call *call)
{
    return call->behaviour || call->settings || call->setting_count;
}

static bool no_memory(struct vts_client_error *error)
{
    return error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
}

/* Where the first character stands that is no UTF-8, or a control character that is not among `allowed`; the
 * length of the text: there is none. */
static size_t first_wrong(const char *text, const char *allowed)
{
    size_t length = strlen(text), at = 0, bytes;

    while (at < length) {
        bytes = utf8_printable(text + at, length - at);
        if (!bytes && !strchr(allowed, text[at]))
            break;
        at += bytes ? bytes : 1;
    }
    return at;
}

/* The name of a behaviour or a setting. */
static bool check_name(const char *what, const char *name, struct vts_client_error *error)
{
    size_t length = name ? strlen(name) : 0;

    if (length < 1 || length > NAME_MAX_BYTES)
        return error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                         "call: %s has 1 to %d bytes, this one has %zu", what, NAME_MAX_BYTES,
                         length);
    if (first_wrong(name, "") < length)
        return error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                         "call: %s \"%s\" is not UTF-8 or has a control character (byte %zu)", what,
                         name, first_wrong(name, "") + 1);
    return true;
}

static bool check_value(const struct vts_client_setting *setting, struct vts_client_error *error)
{
    if (!setting->value)
        return error_set(error, VTS_CLIENT_ERR_INVALID, 0, "call: the setting \"%s\" has no value",
                         setting->key);
    if (first_wrong(setting->value, "\t\r\n") < strlen(setting->value))
        return error_set(
            error, VTS_CLIENT_ERR_INVALID, 0,
            "call: the value of \"%s\" is not UTF-8 or has a control character (byte %zu)",
            setting->key, first_wrong(setting->value, "\t\r\n") + 1);
    return true;
}

static bool add_text(struct json_object *object, const char *name, const char *text,
                     struct vts_client_error *error)
{
    struct json_object *value = json_object_new_string(text);

    if (value && json_object_object_add(object, name, value) == 0)
        return true;
    json_object_put(value);
    return no_memory(error);
}

static bool add_settings(struct json_object *body, const struct vts_client_call *call,
                         struct vts_client_error *error)
{
    struct json_object *options;

    if (!call->setting_count)
        return true;
    if (!call->settings)
        return error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                         "call: setting_count is %zu, and settings is NULL", call->setting_count);
    options = json_object_new_object();
    if (!options || json_object_object_add(body, "options", options)) {
        json_object_put(options);
        return no_memory(error);
    }
    for (size_t i = 0; i < call->setting_count; i++) {
        const struct vts_client_setting *one = &call->settings[i];

        if (!check_name("the key of a setting", one->key, error) || !check_value(one, error))
            return false;
        if (json_object_object_get_ex(options, one->key, NULL))
            return error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                             "call: the setting \"%s\" is there twice", one->key);
        if (!add_text(options, one->key, one->value, error))
            return false;
    }
    return true;
}

static bool fill(struct json_object *body, const char *id, const struct vts_client_call *call,
                 struct vts_client_error *error)
{
    if (!add_text(body, "id", id, error))
        return false;
    if (call->behaviour && !(check_name("a behaviour's name", call->behaviour, error) &&
                             add_text(body, "behaviour", call->behaviour, error)))
        return false;
    return add_settings(body, call, error);
}

char *wish_body(const char *id, const struct vts_client_call *call, struct vts_client_error *error)
{
    struct json_object *body = json_object_new_object();
    const char *json;
    char *copy = NULL;

    if (!body) {
        no_memory(error);
        return NULL;
    }
    if (fill(body, id, call, error)) {
        json = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE);
        copy = json ? strdup(json) : NULL;
        if (!copy)
            no_memory(error);
    }
    json_object_put(body);
    return copy;
}
