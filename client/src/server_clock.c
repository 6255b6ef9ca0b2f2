/* SPDX-License-Identifier: MIT
 *
 * The clock of a vtsimd, slept by: a driver of clock.h, which client.h tells users of. Knows nothing of jobs.
 *
 * All seats of a clock are one participant. When none of them has a request under way, it sleeps at the server
 * until the first is due. Before it acts for the first time it reads how the clock goes, and sleeps for no time
 * at all: so it takes its turn among those of the same moment. */
#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "clock.h"
#include "error.h"
#include "options.h"
#include "private_loop.h"
#include "protocol.h"
#include "target.h"
#include "transport.h"

#define CLOCK_PATH  "/_sim/clock"
#define SLEEP_PATH  CLOCK_PATH "/sleep"
#define JOIN_PATH   CLOCK_PATH "/participants"
#define ANSWER_MS   10000               /* real time that an answer which needs no time may take */
#define LEAVE_MS    1000                /* the same, where a program waits for it to go on */
#define NIGHT_MS    INT64_C(86400000)   /* real time that a sleep may take */
#define LONGEST_MS  INT64_C(2592000000) /* of the clock, in one sleep: 30 days */
#define DEFAULT_URL "http://127.0.0.1:5000"
#define MAX_TOKEN   4096

enum stage {
    STAGE_APART,   /* nothing is known of the server's clock, */
    STAGE_READING, /* it is read, */
    STAGE_ASLEEP,  /* slept by, */
    STAGE_LEAVING, /* in vain: something is due earlier; */
    STAGE_AWAKE,   /* our turn */
    STAGE_FAILING  /* users are told that it is lost */
};

struct sleeper;

struct server_clock {
    struct vts_client_clock *clock;
    struct target target;
    char *name, *token;
    enum stage stage;
    struct sleeper *asker; /* whose request is under way; NULL: none is */
    struct sleeper *timed; /* whose event `later` is set; NULL: nobody's */
    int64_t until_ms;      /* of the sleep */
    bool takes_part;       /* the server may know us */
    bool read;             /* it was, once */
    int64_t base_ms;       /* what the server's clock shows, as ms since 1970, when ours is at 0 */
    int64_t now_ms;        /* when it was heard of last, */
    int64_t heard_ms;      /* in real time */
    double rate;           /* how fast it goes by itself; 0: it stands */
    bool frozen;           /* by hand, until it is let go on */
};

/* A seat's own way to the server: its loop may be another's. */
struct sleeper {
    struct seat *seat;
    struct server_clock *server;
    struct event *event; /* what the seat is rung from, soon */
    struct event *later; /* the same, at a time; see ring_later */
    struct timeline timeline;
    struct transport *transport;
    struct exchange *exchange, *leaving;
    struct vts_client_error trouble; /* to be told from the event */
};

/* What is next is looked at from the loop, by a timer of no length: when the sockets have been heard, and the code
 * that has changed something has run to its end. */
static void soon(struct sleeper *sleeper)
{
    static const struct timeval at_once = {0};

    if (!event_pending(sleeper->event, EV_TIMEOUT, NULL))
        event_add(sleeper->event, &at_once);
}

static void consider(struct vts_client_clock *clock)
{
    struct server_clock *server = clock->arg;
    struct seat *seat = server->asker ? server->asker->seat : clock_first_due(clock);

    if (seat)
        soon(seat->alarm);
}

/* ---- what it shows ------------------------------------------------------------------------------- */

static int64_t now_ms(void *arg)
{
    struct server_clock *server = arg;
    int64_t real_ms = server->rate > 0 ? clock_real_ms() : server->heard_ms;

    if (real_ms > server->heard_ms) {
        server->now_ms += (int64_t)((double)(real_ms - server->heard_ms) * server->rate);
        server->heard_ms = real_ms;
    }
    return server->now_ms;
}

static int64_t unix_ms(void *arg)
{
    struct server_clock *server = arg;
    struct timespec now;

    if (server->read)
        return server->base_ms + now_ms(server);
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The server's clock shows so much. Ours began at 0, and never goes back, even where the server's was reset. */
static void learn(struct server_clock *server, int64_t shown_ms)
{
    int64_t before_ms = now_ms(server);

    if (!server->read || shown_ms - server->base_ms < before_ms)
        server->base_ms = shown_ms - before_ms;
    server->read = true;
    server->now_ms = shown_ms - server->base_ms;
    server->heard_ms = clock_real_ms();
}

/* "2026-01-01T00:00:09.000Z" as ms since 1970. */
static bool read_moment(const char *text, int64_t *moment_ms)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    char *end;
    long ms;

    if (!rest || *rest != '.' || rest[1] < '0' || rest[1] > '9')
        return false;
    ms = strtol(rest + 1, &end, 10);
    if (end != rest + 4 || strcmp(end, "Z") != 0)
        return false;
    *moment_ms = (int64_t)timegm(&tm) * 1000 + ms;
    return true;
}

/* How it goes stands in the answer to a GET alone. */
static void read_rate(struct server_clock *server, struct json_object *answer)
{
    struct json_object *rate, *frozen;

    if (!json_object_object_get_ex(answer, "rate", &rate) ||
        !json_object_object_get_ex(answer, "frozen", &frozen))
        return;
    now_ms(server); /* up to now it went as it did */
    server->frozen = json_object_get_boolean(frozen);
    server->rate = server->frozen ? 0 : json_object_get_double(rate);
    server->heard_ms = clock_real_ms();
}

static bool read_answer(struct server_clock *server, const struct reply *reply)
{
    struct json_object *answer = json_tokener_parse(reply->body), *now = NULL;
    int64_t shown_ms;
    bool good = json_object_is_type(answer, json_type_object) &&
                json_object_object_get_ex(answer, "now", &now) &&
                json_object_is_type(now, json_type_string) &&
                read_moment(json_object_get_string(now), &shown_ms);

    if (good) {
        read_rate(server, answer);
        learn(server, shown_ms);
    }
    json_object_put(answer);
    return good;
}

/* ---- what goes wrong ----------------------------------------------------------------------------- */

static void explain(const struct server_clock *server, const struct reply *reply,
                    struct vts_client_error *error)
{
    const char *where = server->target.authority;
    char *said = protocol_said(reply);

    switch (reply->end) {
    case REPLY_ANSWERED:
        if (reply->status / 100 == 2)
            error_set(error, VTS_CLIENT_ERR_CLOCK, reply->status,
                      "the clock at %s: the answer makes no sense", where);
        else
            error_set(error, VTS_CLIENT_ERR_CLOCK, reply->status,
                      "the clock at %s: %.300s (status %d)", where,
                      said ? said : "there is none; is it a vtsimd, and its [control] address?",
                      reply->status);
        break;
    case REPLY_NOT_CONNECTED:
        error_set(error, VTS_CLIENT_ERR_CLOCK, 0, "the clock at %s: cannot connect: %s", where,
                  reply->reason);
        break;
    case REPLY_TIMED_OUT:
        error_set(error, VTS_CLIENT_ERR_CLOCK, 0, "the clock at %s did not answer in time", where);
        break;
    case REPLY_BROKEN:
        error_set(error, VTS_CLIENT_ERR_CLOCK, 0, "the clock at %s: the connection broke", where);
        break;
    case REPLY_NO_MEMORY:
        error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
        break;
    default:
        error_set(error, VTS_CLIENT_ERR_CLOCK, 0, "the clock at %s: the answer makes no sense",
                  where);
        break;
    }
    free(said);
}

/* The seat's owner is told, from the loop; the sleeper may be gone after this. What comes next begins anew. */
static void fail(struct sleeper *sleeper, const struct vts_client_error *error)
{
    struct server_clock *server = sleeper->server;
    struct vts_client_clock *clock = vts_client_clock_hold(server->clock);

    server->stage = STAGE_FAILING;
    server->asker = NULL;
    server->takes_part = server->takes_part && error->http_status;
    if (sleeper->exchange)
        transport_cancel(sleeper->exchange);
    if (sleeper->leaving)
        transport_cancel(sleeper->leaving);
    sleeper->exchange = sleeper->leaving = NULL;
    if (sleeper->seat->fail)
        sleeper->seat->fail(sleeper->seat->arg, error);
    server->stage = STAGE_APART;
    consider(clock);
    vts_client_clock_release(clock);
}

static void fail_reply(struct sleeper *sleeper, const struct reply *reply)
{
    struct vts_client_error error;

    explain(sleeper->server, reply, &error);
    fail(sleeper, &error);
}

/* Told from the loop. */
static void fail_no_memory(struct sleeper *sleeper)
{
    error_set(&sleeper->trouble, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
    soon(sleeper);
}

/* ---- requests ------------------------------------------------------------------------------------ */

/* {"for": "250ms", "as": NAME}; below 0: {"as": NAME}. For free(); NULL: memory is short. */
static char *body_of(const struct server_clock *server, int64_t span_ms)
{
    struct json_object *body = json_object_new_object(), *as = json_object_new_string(server->name),
                       *span = NULL;
    char text[32], *copy = NULL;
    bool good = body && as && json_object_object_add(body, "as", as) == 0;

    if (good)
        as = NULL; /* now the body's */
    if (good && span_ms >= 0) {
        snprintf(text, sizeof(text), "%lldms", (long long)span_ms);
        span = json_object_new_string(text);
        good = span && json_object_object_add(body, "for", span) == 0;
        if (good)
            span = NULL;
    }
    if (good && json_object_to_json_string(body))
        copy = strdup(json_object_to_json_string(body));
    json_object_put(as);
    json_object_put(span);
    json_object_put(body);
    return copy;
}

static struct transport_request request_of(const struct server_clock *server,
                                           enum transport_method method, const char *path)
{
    return (struct transport_request){
        .method = method, .path = path, .bearer = server->token, .timeout_ms = ANSWER_MS};
}

static struct exchange *send_leave(const struct server_clock *server, struct transport *transport,
                                   int64_t timeout_ms, transport_done_fn *done, void *arg)
{
    char *path = protocol_path_with(JOIN_PATH "/", server->name);
    struct transport_request request = request_of(server, TRANSPORT_DELETE, path);
    struct exchange *exchange;

    request.timeout_ms = timeout_ms;
    exchange = path ? transport_send(transport, &request, done, arg) : NULL;
    free(path);
    return exchange;
}

/* ---- stages -------------------------------------------------------------------------------------- */

/* Both the sleep and the leave are over: it begins anew. */
static void left(struct sleeper *sleeper)
{
    struct server_clock *server = sleeper->server;

    if (sleeper->exchange || sleeper->leaving)
        return;
    server->stage = STAGE_APART;
    server->asker = NULL;
    server->takes_part = false;
    consider(server->clock);
}

static void on_left(const struct reply *reply, void *arg)
{
    struct sleeper *sleeper = arg;

    sleeper->leaving = NULL;
    /* 404: it had just woken, or was not there any more. */
    if (reply->end == REPLY_ANSWERED && (reply->status == 200 || reply->status == 404))
        left(sleeper);
    else
        fail_reply(sleeper, reply);
}

/* Something is due before the sleep is over, or nothing at all any more. A sleep is ended by leaving; whoever
 * closed the connection instead would not know when that has been noticed. */
static void wake_early(struct sleeper *sleeper)
{
    struct server_clock *server = sleeper->server;

    server->stage = STAGE_LEAVING;
    sleeper->leaving = send_leave(server, sleeper->transport, ANSWER_MS, on_left, sleeper);
    if (!sleeper->leaving)
        fail_no_memory(sleeper);
}

static void on_slept(const struct reply *reply, void *arg)
{
    struct sleeper *sleeper = arg;
    struct server_clock *server = sleeper->server;
    bool good = reply->end == REPLY_ANSWERED && reply->status == 200;

    sleeper->exchange = NULL;
    if (good)
        good = read_answer(server, reply);
    if (server->stage == STAGE_LEAVING && reply->end == REPLY_ANSWERED) {
        left(sleeper); /* 409 is what we have asked for */
    } else if (!good) {
        fail_reply(sleeper, reply);
    } else {
        server->stage = STAGE_AWAKE;
        server->asker = NULL;
        consider(server->clock);
    }
}

static void fall_asleep(struct sleeper *sleeper, int64_t until_ms)
{
    struct server_clock *server = sleeper->server;
    int64_t span_ms = until_ms - now_ms(server);
    char *body = body_of(server, span_ms < LONGEST_MS ? span_ms : LONGEST_MS);
    struct transport_request request = request_of(server, TRANSPORT_POST, SLEEP_PATH);

    request.body = body;
    request.timeout_ms = NIGHT_MS;
    server->stage = STAGE_ASLEEP;
    server->asker = sleeper;
    server->until_ms = until_ms;
    server->takes_part = true;
    sleeper->exchange =
        body ? transport_send(sleeper->transport, &request, on_slept, sleeper) : NULL;
    free(body);
    if (!sleeper->exchange)
        fail_no_memory(sleeper);
}

static void on_read(const struct reply *reply, void *arg)
{
    struct sleeper *sleeper = arg;
    struct server_clock *server = sleeper->server;

    sleeper->exchange = NULL;
    if (reply->end != REPLY_ANSWERED || reply->status != 200 || !read_answer(server, reply)) {
        fail_reply(sleeper, reply);
    } else if (server->frozen) { /* nobody has a turn until it is let go on */
        server->stage = STAGE_AWAKE;
        server->asker = NULL;
        consider(server->clock);
    } else {
        fall_asleep(sleeper, now_ms(server));
    }
}

static void begin_reading(struct sleeper *sleeper)
{
    struct server_clock *server = sleeper->server;
    struct transport_request request = request_of(server, TRANSPORT_GET, CLOCK_PATH);

    server->stage = STAGE_READING;
    server->asker = sleeper;
    sleeper->exchange = transport_send(sleeper->transport, &request, on_read, sleeper);
    if (!sleeper->exchange)
        fail_no_memory(sleeper);
}

static void ring_due(struct vts_client_clock *clock, int64_t now)
{
    struct seat *seat;

    TAILQ_FOREACH(seat, &clock->seats, all)
    {
        if (seat->due_ms <= now)
            soon(seat->alarm);
    }
}

/* A clock that goes by itself does so under a request, too. */
static void ring_later(struct sleeper *sleeper, int64_t after_ms)
{
    double real_ms = (double)after_ms / sleeper->server->rate + 1;
    int64_t ms = real_ms < (double)NIGHT_MS ? (int64_t)real_ms : NIGHT_MS;
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_add(sleeper->later, &after);
    sleeper->server->timed = sleeper;
}

/* What is next? */
static void go_on(struct vts_client_clock *clock)
{
    struct server_clock *server = clock->arg;
    struct seat *seat = clock_first_due(clock);
    int64_t now = now_ms(server), due_ms = seat && seat->due_ms > now ? seat->due_ms : now;

    if (server->timed)
        event_del(server->timed->later);
    server->timed = NULL;
    if (server->asker) {
        /* A turn is waited for until now: nothing is due before that. */
        if (server->stage == STAGE_ASLEEP && (!seat || due_ms < server->until_ms))
            wake_early(server->asker);
        return;
    }
    if (!seat || server->stage == STAGE_FAILING)
        return;
    if (server->stage == STAGE_APART)
        begin_reading(seat->alarm);
    else if (seat->due_ms <= now)
        ring_due(clock, now);
    else if (!clock->busy)
        fall_asleep(seat->alarm, due_ms);
    else if (server->rate > 0)
        ring_later(seat->alarm, due_ms - now);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct sleeper *sleeper = arg;
    struct server_clock *server = sleeper->server;
    struct vts_client_clock *clock = vts_client_clock_hold(server->clock);
    struct vts_client_error trouble = sleeper->trouble;
    struct seat *seat = sleeper->seat;

    (void)fd;
    (void)what;
    sleeper->trouble.code = VTS_CLIENT_OK;
    if (trouble.code) {
        fail(sleeper, &trouble);
    } else if (server->stage == STAGE_AWAKE && seat->due_ms <= now_ms(server)) {
        seat->due_ms = INT64_MAX;
        seat->ring(seat->arg); /* the seat may be gone after this */
    }
    go_on(clock);
    vts_client_clock_release(clock);
}

/* ---- requests that are waited for ---------------------------------------------------------------- */

struct once {
    const struct server_clock *server;
    struct vts_client_error error;
    bool done;
};

static void on_once(const struct reply *reply, void *arg)
{
    struct once *once = arg;

    once->done = true;
    if (reply->end != REPLY_ANSWERED || reply->status != 200)
        explain(once->server, reply, &once->error);
}

static void on_nothing(void *arg) { (void)arg; }

static struct exchange *send_join(const struct server_clock *server, struct transport *transport,
                                  struct once *once)
{
    char *body = body_of(server, -1);
    struct transport_request request = request_of(server, TRANSPORT_POST, JOIN_PATH);
    struct exchange *exchange;

    request.body = body;
    exchange = body ? transport_send(transport, &request, on_once, once) : NULL;
    free(body);
    return exchange;
}

/* Joins, or leaves, on a loop and a connection of its own. */
static void ask_once(struct server_clock *server, bool join, struct once *once)
{
    struct event_base *base = private_loop_create();
    struct timeline timeline = {.open = false};
    struct transport *transport = NULL;
    struct exchange *exchange = NULL;
    struct pipe_guard guard;

    *once = (struct once){.server = server};
    if (base && timeline_init(&timeline, NULL, base, on_nothing, NULL))
        transport = transport_create(base, &server->target, &timeline, 1);
    pipe_guard_enter(&guard);
    if (transport)
        exchange = join ? send_join(server, transport, once)
                        : send_leave(server, transport, LEAVE_MS, on_once, once);
    while (exchange && !once->done && event_base_loop(base, EVLOOP_ONCE) == 0)
        ;
    pipe_guard_leave(&guard);
    if (!once->done)
        error_set(&once->error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
    transport_destroy(transport);
    timeline_finish(&timeline);
    if (base)
        event_base_free(base);
}

static void leave(struct server_clock *server)
{
    struct once once;

    if (server->takes_part)
        ask_once(server, false, &once);
    server->takes_part = false;
}

/* ---- the driver ---------------------------------------------------------------------------------- */

static void sleeper_destroy(struct sleeper *sleeper)
{
    transport_destroy(sleeper->transport);
    timeline_finish(&sleeper->timeline);
    if (sleeper->event)
        event_free(sleeper->event);
    if (sleeper->later)
        event_free(sleeper->later);
    free(sleeper);
}

static void *sit(struct seat *seat, struct event_base *base)
{
    struct sleeper *sleeper = calloc(1, sizeof(*sleeper));

    if (!sleeper)
        return NULL;
    sleeper->seat = seat;
    sleeper->server = seat->clock->arg;
    sleeper->event = evtimer_new(base, on_event, sleeper);
    sleeper->later = evtimer_new(base, on_event, sleeper);
    if (sleeper->event && sleeper->later &&
        timeline_init(&sleeper->timeline, NULL, base, on_nothing, NULL))
        sleeper->transport =
            transport_create(base, &sleeper->server->target, &sleeper->timeline, 2);
    if (sleeper->transport) {
        transport_probe(sleeper->transport);
        return sleeper;
    }
    sleeper_destroy(sleeper);
    return NULL;
}

static void stand(struct seat *seat)
{
    struct sleeper *sleeper = seat->alarm;
    struct server_clock *server = sleeper->server;

    if (server->timed == sleeper)
        server->timed = NULL;
    if (server->asker == sleeper) { /* others, if there are any, begin anew */
        server->asker = NULL;
        server->stage = STAGE_APART;
        leave(server);
    }
    sleeper_destroy(sleeper);
}

static void destroy(void *arg)
{
    struct server_clock *server = arg;

    leave(server);
    target_finish(&server->target);
    free(server->name);
    free(server->token);
    free(server);
}

static const struct clock_driver driver = {now_ms, unix_ms, sit, stand, consider, destroy};

/* ---- for users ----------------------------------------------------------------------------------- */

static char *make_name(void)
{
    unsigned long long number = 0;
    struct timespec now;
    char *name;

    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number)) {
        clock_gettime(CLOCK_REALTIME, &now);
        number = (unsigned long long)now.tv_sec * 1000000007u + (unsigned long long)now.tv_nsec;
    }
    return asprintf(&name, "vtsim-client-%016llx", number) < 0 ? NULL : name;
}

/* What goes into a header must not end it. */
static bool check_token(const char *token, struct vts_client_error *error)
{
    size_t length = token ? strlen(token) : 0;

    for (size_t i = 0; i < length; i++) {
        if (token[i] < '!' || token[i] > '~')
            return error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                             "clock: the token has a byte that is no printable ASCII, or a space "
                             "(byte %zu)",
                             i + 1);
    }
    return length <= MAX_TOKEN || error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                                            "clock: the token has more than %d bytes", MAX_TOKEN);
}

static bool fill(struct server_clock *server, const struct vts_client_clock_server_options *options,
                 struct vts_client_error *error)
{
    if ((options->name && !protocol_check_id(options->name, NULL)))
        return error_set(error, VTS_CLIENT_ERR_INVALID, 0,
                         "clock: the name has 1 to 255 bytes of UTF-8 without control characters");
    if (!check_token(options->token, error) ||
        !target_init(&server->target, options->url ? options->url : DEFAULT_URL, error))
        return false;
    server->name = options->name ? strdup(options->name) : make_name();
    if (options->token && *options->token)
        server->token = strdup(options->token);
    if (server->name && (server->token || !options->token || !*options->token))
        return true;
    return error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
}

struct vts_client_clock *
vts_client_clock_server(const struct vts_client_clock_server_options *options,
                        struct vts_client_error *error)
{
    struct vts_client_clock_server_options ours = {.size = sizeof(ours)};
    struct server_clock *server;

    if (options && !options_adopt(&ours, sizeof(ours), options, "clock", error))
        return NULL;
    server = calloc(1, sizeof(*server));
    if (!server || !fill(server, &ours, error)) {
        if (!server)
            error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
        else
            destroy(server);
        return NULL;
    }
    server->clock = clock_create_driven(&driver, server);
    if (server->clock)
        return server->clock;
    error_set(error, VTS_CLIENT_ERR_MEMORY, 0, "out of memory");
    return NULL;
}

enum vts_client_err vts_client_clock_join(struct vts_client_clock *clock,
                                          struct vts_client_error *error)
{
    struct once once;

    if (clock->kind != CLOCK_DRIVEN)
        return VTS_CLIENT_OK;
    ask_once(clock->arg, true, &once);
    if (once.error.code == VTS_CLIENT_OK)
        ((struct server_clock *)clock->arg)->takes_part = true;
    else if (error)
        *error = once.error;
    return once.error.code;
}
