/* SPDX-License-Identifier: MIT
 *
 * The Redis store's keys, its scripts, and how a command is written down. Knows no connection.
 *
 * Each script gets the same thirteen keys. A record's state is the byte behind stamp, size and format, and its
 * instance the eight behind state and flags. */
#include "redis.h"

_Static_assert(offsetof(struct record, state) == 6, "the scripts read the state there");

_Static_assert(offsetof(struct record, instance) == 8, "and the instance there");

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HASH_BYTES "string.reverse(string.sub(record, 17, 24))"
#else
#define HASH_BYTES "string.sub(record, 17, 24)"
#endif

#define SCRIPT_HEAD                                                                                \
    "local jobs, due, leased, polls, ids, states, instances, uses,\n"                              \
    "  notes, stats, details, recent, audit = unpack(KEYS)\n"

/* That a record goes is noted where there may be something beside it. */
#define SCRIPT_GONE                                                                                \
    "local function gone(entry, count)\n"                                                          \
    "  if entry ~= '' and redis.call('LLEN', notes) + redis.call('HLEN', stats) > 0 then\n"        \
    "    redis.call('RPUSH', notes, entry .. (count or '0'))\n"                                    \
    "  end\n"                                                                                      \
    "end\n"

/* An instance is counted by the records that name it, and goes with the last of them. */
#define SCRIPT_INSTANCES                                                                           \
    "local function instance_of(record)\n"                                                         \
    "  return (string.gsub(" HASH_BYTES ", '.', function(c)\n"                                     \
    "    return string.format('%02x', string.byte(c)) end))\n"                                     \
    "end\n"                                                                                        \
    "local function unname(instance)\n"                                                            \
    "  if redis.call('HINCRBY', uses, instance, -1) > 0 then return end\n"                         \
    "  redis.call('HDEL', uses, instance)\n"                                                       \
    "  redis.call('HDEL', instances, instance)\n"                                                  \
    "end\n"

#define SCRIPT_COUNTS "redis.call('HMGET', states, 'n', 0, 1, 2, 3, 4, 5, 'born')"

const char *const redis_scripts[REDIS_SCRIPTS] = {
    /* The record comes last: a key of the wrong type must not leave a change half made.
     * A refused start (state 0) has no poll count: who asks for it is told that there is no such job. */
    [SCRIPT_PUT] = SCRIPT_HEAD SCRIPT_INSTANCES SCRIPT_GONE
    "local id, stamp, new, moment = ARGV[1], ARGV[2], ARGV[3], ARGV[4]\n"
    "local old = redis.call('HGET', jobs, id)\n"
    "if (old and string.sub(old, 1, 8) or '') ~= stamp then return {0, old} end\n"
    "local state, was = string.byte(new, 15), old and string.byte(old, 15) or 0\n"
    "local name, before = instance_of(new), old and instance_of(old)\n"
    "local text = nil\n"
    "if not old and redis.call('HLEN', jobs) >= tonumber(ARGV[5]) then return {2} "
    "end\n"
    "if name ~= before and ARGV[8] ~= '' and\n"
    "    redis.call('HEXISTS', instances, name) == 0 then\n"
    "  if ARGV[7] == '' then return {3} end\n"
    "  if redis.call('HLEN', instances) >= tonumber(ARGV[8]) then return {4} end\n"
    "  text = ARGV[7]\n"
    "end\n"
    "if name ~= before then redis.call('HINCRBY', uses, name, 1) end\n"
    "if text then redis.call('HSET', instances, name, text) end\n"
    "if not old then redis.call('ZADD', ids, 0, id) end\n"
    "if old and ARGV[6] == '1' then gone(ARGV[10], redis.call('ZSCORE', polls, id)) end\n"
    "if ARGV[9] ~= '' then redis.call('RPUSH', notes, ARGV[9]) end\n"
    "if state == 0 then redis.call('ZREM', polls, id)\n"
    "elseif was == 0 or ARGV[6] == '1' then redis.call('ZADD', polls, 0, id) end\n"
    "if moment == '' then redis.call('ZREM', due, id) else redis.call('ZADD', due, "
    "moment, id) end\n"
    "if old then redis.call('ZREM', leased, id) end\n"
    "if not old or state ~= was then\n"
    "  if old then redis.call('HINCRBY', states, was, -1) end\n"
    "  redis.call('HINCRBY', states, state, 1)\n"
    "  redis.call('HINCRBY', states, 'n', 1)\n"
    "end\n"
    "redis.call('HSET', jobs, id, new)\n"
    "if before and name ~= before then unname(before) end\n"
    "return {1, " SCRIPT_COUNTS "}\n",

    [SCRIPT_DROP] = SCRIPT_HEAD SCRIPT_INSTANCES SCRIPT_GONE
    "local id = ARGV[1]\n"
    "local old = redis.call('HGET', jobs, id)\n"
    "if not old or string.sub(old, 1, 8) ~= ARGV[2] then return {0, old} end\n"
    "redis.call('HDEL', jobs, id)\n"
    "gone(ARGV[3], redis.call('ZSCORE', polls, id))\n"
    "redis.call('ZREM', ids, id)\n"
    "redis.call('ZREM', polls, id)\n"
    "redis.call('ZREM', due, id)\n"
    "redis.call('ZREM', leased, id)\n"
    "redis.call('HINCRBY', states, string.byte(old, 15), -1)\n"
    "redis.call('HINCRBY', states, 'n', 1)\n"
    "unname(instance_of(old))\n"
    "return {1, " SCRIPT_COUNTS "}\n",

    [SCRIPT_PLACE] =
        SCRIPT_HEAD "local old = redis.call('HGET', jobs, ARGV[1])\n"
                    "if not old or string.sub(old, 1, 8) ~= ARGV[2] then return 0 end\n"
                    "redis.call('ZREM', leased, ARGV[1])\n"
                    "redis.call('ZADD', due, ARGV[3], ARGV[1])\n"
                    "return 1\n",

    /* Leases run by Redis's time, which all replicas share and no clock of a test moves. */
    [SCRIPT_CLAIM] = SCRIPT_HEAD "local time = redis.call('TIME')\n"
                                 "local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
                                 "local most, room, out = tonumber(ARGV[3]), 1048576, {}\n"
                                 "local function claim(set, moment)\n"
                                 "  if #out / 2 >= most then return end\n"
                                 "  local found = redis.call('ZRANGEBYSCORE', set, '-inf', moment, "
                                 "'LIMIT', 0, most - #out / 2)\n"
                                 "  for _, id in ipairs(found) do\n"
                                 "    if room <= 0 then return end\n"
                                 "    local record = redis.call('HGET', jobs, id)\n"
                                 "    redis.call('ZREM', due, id)\n"
                                 "    if record then\n"
                                 "      redis.call('ZADD', leased, now + ARGV[2], id)\n"
                                 "      out[#out + 1] = id\n"
                                 "      out[#out + 1] = record\n"
                                 "      room = room - #record\n"
                                 "    else\n"
                                 "      redis.call('ZREM', leased, id)\n"
                                 "    end\n"
                                 "  end\n"
                                 "end\n"
                                 "claim(leased, now)\n"
                                 "claim(due, ARGV[1])\n"
                                 "local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')\n"
                                 "return {" SCRIPT_COUNTS ", first[2] or '', out,\n"
                                 "  redis.call('LLEN', notes)}\n",

    [SCRIPT_PAGE] = SCRIPT_HEAD
    "local found = redis.call('ZRANGEBYLEX', ids, ARGV[1], '+', 'LIMIT', 0, ARGV[2])\n"
    "local room, out = 4194304, {}\n"
    "for _, id in ipairs(found) do\n"
    "  if room <= 0 then break end\n"
    "  local record = redis.call('HGET', jobs, id) or ''\n"
    "  out[#out + 1] = id\n"
    "  out[#out + 1] = record\n"
    "  out[#out + 1] = redis.call('ZSCORE', polls, id) or '0'\n"
    "  out[#out + 1] = ARGV[3] == '1' and redis.call('HGET', stats, id) or ''\n"
    "  out[#out + 1] = ARGV[3] == '1' and redis.call('HGET', details, id)\n"
    "  room = room - #record - #(out[#out] or '')\n"
    "end\n"
    "return {#found < tonumber(ARGV[2]) and #out == #found * 5 and 0 or 1, out}\n",

    [SCRIPT_LOG] = SCRIPT_HEAD
    "return {redis.call('HGET', audit, 'n') or '0', redis.call('HGET', audit, 'sum') or '',\n"
    "  redis.call('LLEN', notes), redis.call('LRANGE', notes, 0, ARGV[1] - 1)}\n",

    /* n, elements, "1" with a sum, the sum, most records with details and most bytes of them; then of each record
     * its id, what (b: its details begin, d: some are added, s: none are, x: all of it goes), stats and details. What
     * makes room comes first: from then on a Redis that is full takes the rest. */
    [SCRIPT_FOLD] = SCRIPT_HEAD
    "if (redis.call('HGET', audit, 'n') or '0') ~= ARGV[1] then return 0 end\n"
    "redis.call('LTRIM', notes, ARGV[2], -1)\n"
    "redis.call('HINCRBY', audit, 'n', ARGV[2])\n"
    "if ARGV[3] == '1' then redis.call('HSET', audit, 'sum', ARGV[4]) end\n"
    "for i = 7, #ARGV, 4 do\n"
    "  local id, what = ARGV[i], ARGV[i + 1]\n"
    "  if what == 'x' then\n"
    "    redis.call('HDEL', stats, id)\n"
    "    redis.call('HDEL', details, id)\n"
    "    redis.call('ZREM', recent, id)\n"
    "  else\n"
    "    redis.call('HSET', stats, id, ARGV[i + 2])\n"
    "    local kept = what == 'd' and redis.call('HGET', details, id) or what == 'b' and ''\n"
    "    if kept then\n"
    "      redis.call('HSET', details, id, string.sub(kept .. ARGV[i + 3], -ARGV[6]))\n"
    "    end\n"
    "    if what == 'b' then\n"
    "      redis.call('ZADD', recent, redis.call('HINCRBY', audit, 'begun', 1), id)\n"
    "    end\n"
    "  end\n"
    "end\n"
    "local over = redis.call('ZCARD', recent) - ARGV[5]\n"
    "if over > 0 then\n"
    "  for _, id in ipairs(redis.call('ZRANGE', recent, 0, over - 1)) do\n"
    "    redis.call('ZREM', recent, id)\n"
    "    redis.call('HDEL', details, id)\n"
    "  end\n"
    "end\n"
    "return 1\n",
};

static const char *const key_names[REDIS_KEYS] = {
    [KEY_JOBS] = "jobs",
    [KEY_DUE] = "due",
    [KEY_LEASED] = "leased",
    [KEY_POLLS] = "polls",
    [KEY_IDS] = "ids",
    [KEY_STATES] = "states",
    [KEY_INSTANCES] = "instances",
    [KEY_USES] = "uses",
    [KEY_NOTES] = "notes",
    [KEY_STATS] = "stats",
    [KEY_DETAILS] = "details",
    [KEY_RECENT] = "recent",
    [KEY_AUDIT] = "audit",
    [KEY_FINGERPRINT] = "fingerprint",
};

bool redis_make_keys(struct redis *redis)
{
    int key;

    for (key = 0; key < REDIS_KEYS; key++) {
        text_puts(&redis->keys[key], redis->settings.prefix);
        text_puts(&redis->keys[key], key_names[key]);
        if (redis->keys[key].failed)
            return false;
    }
    return true;
}

/* ---- commands ---- */

static const int arguments_of[REDIS_COMMANDS] = {
    [COMMAND_PUT] = 10,        [COMMAND_DROP] = 3,    [COMMAND_PLACE] = 3,    [COMMAND_CLAIM] = 3,
    [COMMAND_PAGE] = 3,        [COMMAND_LOG] = 1,     [COMMAND_GET] = 1,      [COMMAND_POLL] = 1,
    [COMMAND_POLL_ANYHOW] = 1, [COMMAND_POLLS] = 1,   [COMMAND_INSTANCE] = 1, [COMMAND_NOTE] = 1,
    [COMMAND_STATS] = 1,       [COMMAND_DETAILS] = 1,
};

/* A length as the protocol has it: "$5\r\n". */
static void add_length(struct text *out, size_t length)
{
    char digits[24], *at = digits + sizeof(digits);

    *--at = '\n';
    *--at = '\r';
    do
        *--at = (char)('0' + length % 10);
    while (length /= 10);
    *--at = '$';
    text_add(out, at, (size_t)(digits + sizeof(digits) - at));
}

static void add_word(struct text *out, const void *bytes, size_t length)
{
    add_length(out, length);
    text_add(out, bytes, length);
    text_add(out, "\r\n", 2);
}

static void add_string(struct text *out, const char *string)
{
    add_word(out, string, strlen(string));
}

static void add_key(const struct redis *redis, struct text *out, enum redis_key key)
{
    add_word(out, redis->keys[key].bytes, redis->keys[key].length);
}

static void script_head(const struct redis *redis, struct text *out, enum redis_script script,
                        int arguments)
{
    int key;

    text_printf(out, "*%d\r\n", 3 + SCRIPT_KEYS + arguments);
    add_string(out, "EVALSHA");
    add_string(out, redis->shas[script]);
    add_string(out, REDIS_SCRIPT_KEYS);
    for (key = 0; key < SCRIPT_KEYS; key++)
        add_key(redis, out, (enum redis_key)key);
}

static void plain_head(struct redis *redis, enum redis_command command, const char *name,
                       enum redis_key key, const char *const *words)
{
    struct text *out = &redis->heads[command];
    int count = 2 + arguments_of[command], i;

    for (i = 0; words && words[i]; i++)
        count++;
    text_printf(out, "*%d\r\n", count);
    add_string(out, name);
    add_key(redis, out, key);
    for (i = 0; words && words[i]; i++)
        add_string(out, words[i]);
}

bool redis_make_heads(struct redis *redis)
{
    static const char *const if_there[] = {"XX", "INCR", "1", NULL};
    static const char *const anyhow[] = {"INCR", "1", NULL};
    int command;

    for (command = COMMAND_PUT; command <= COMMAND_LOG; command++)
        script_head(redis, &redis->heads[command], (enum redis_script)command,
                    arguments_of[command]);
    plain_head(redis, COMMAND_GET, "HGET", KEY_JOBS, NULL);
    plain_head(redis, COMMAND_POLL, "ZADD", KEY_POLLS, if_there);
    plain_head(redis, COMMAND_POLL_ANYHOW, "ZADD", KEY_POLLS, anyhow);
    plain_head(redis, COMMAND_POLLS, "ZSCORE", KEY_POLLS, NULL);
    plain_head(redis, COMMAND_INSTANCE, "HGET", KEY_INSTANCES, NULL);
    plain_head(redis, COMMAND_NOTE, "RPUSH", KEY_NOTES, NULL);
    plain_head(redis, COMMAND_STATS, "HGET", KEY_STATS, NULL);
    plain_head(redis, COMMAND_DETAILS, "HGET", KEY_DETAILS, NULL);
    for (command = 0; command < REDIS_COMMANDS; command++)
        if (redis->heads[command].failed)
            return false;
    return true;
}

void redis_finish_commands(struct redis *redis)
{
    int i;

    for (i = 0; i < REDIS_KEYS; i++)
        text_finish(&redis->keys[i]);
    for (i = 0; i < REDIS_COMMANDS; i++)
        text_finish(&redis->heads[i]);
}

bool redis_write(const struct redis *redis, enum redis_command command,
                 const struct bytes *arguments, struct text *out)
{
    int i;

    text_reset(out);
    text_add(out, redis->heads[command].bytes, redis->heads[command].length);
    for (i = 0; i < arguments_of[command]; i++)
        add_word(out, arguments[i].at, arguments[i].length);
    if (!out->failed)
        return true;
    text_finish(out);
    return false;
}
