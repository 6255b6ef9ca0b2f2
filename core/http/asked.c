/* SPDX-License-Identifier: MIT
 *
 * What a request tells the rules of who gets what: fields of its input, and its headers. */
#include <event2/keyvalq_struct.h>
#include <strings.h>

#include "request.h"

/* The value at the end of a way of names with dots between them, or NULL. */
static struct json_object *walk(struct json_object *at, const char *way)
{
    char name[INI_KEY_MAX + 1];
    size_t length;

    for (;;) {
        length = strcspn(way, ".");
        snprintf(name, sizeof(name), "%.*s", (int)length, way);
        if (!json_object_is_type(at, json_type_object) || !json_object_object_get_ex(at, name, &at))
            return NULL;
        if (!way[length])
            return at;
        way += length + 1;
    }
}

bool request_field(struct json_object *value, const char *way, struct asked_field *field)
{
    enum json_type type;

    value = walk(value, way);
    type = json_object_get_type(value);
    if (type == json_type_null || type == json_type_object || type == json_type_array)
        return false;
    field->is_whole = type == json_type_int;
    field->is_number = field->is_whole || type == json_type_double;
    field->number = field->is_number ? json_object_get_double(value) : 0;
    field->text = json_object_get_string(value);
    return field->text != NULL;
}

static bool field(const void *request, const char *way, struct asked_field *out)
{
    const struct exchange *exchange = request;
    struct json_object *input = NULL;

    json_object_object_get_ex(exchange->body, "input", &input);
    return request_field(input, way, out);
}

/* A header may be given several times. */
static const char *header(const void *request, const char *name, size_t index)
{
    const struct exchange *exchange = request;
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(exchange->request);
    const struct evkeyval *at;

    for (at = headers->tqh_first; at; at = at->next.tqe_next)
        if (strcasecmp(at->key, name) == 0 && index-- == 0)
            return at->value;
    return NULL;
}

struct asked request_asked(const struct exchange *exchange)
{
    return (struct asked){
        .id = exchange->call.store.id, .field = field, .header = header, .request = exchange};
}
