/* SPDX-License-Identifier: MIT
 *
 * A reader of HTTP dates. See http_date.h. */
#include "http_date.h"

#include <string.h>

/* Where in the text we are; NULL: it has turned out to be no date. */
struct reader {
    const char *at;
};

struct date {
    int64_t year, month, day, hour, minute, second;
};

static void expect(struct reader *reader, const char *text)
{
    size_t length = strlen(text);

    if (reader->at)
        reader->at = strncmp(reader->at, text, length) == 0 ? reader->at + length : NULL;
}

/* So many digits. */
static int64_t number(struct reader *reader, int digits)
{
    int64_t value = 0;

    for (int i = 0; reader->at && i < digits; i++) {
        if (*reader->at < '0' || *reader->at > '9') {
            reader->at = NULL;
            return 0;
        }
        value = value * 10 + (*reader->at++ - '0');
    }
    return value;
}

/* One of the names; returns which, from 1. */
static int64_t name(struct reader *reader, const char *const *names)
{
    for (int i = 0; reader->at && names[i]; i++) {
        size_t length = strlen(names[i]);

        if (strncmp(reader->at, names[i], length) == 0) {
            reader->at += length;
            return i + 1;
        }
    }
    reader->at = NULL;
    return 0;
}

static int64_t month(struct reader *reader)
{
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
                                        "Aug", "Sep", "Oct", "Nov", "Dec", NULL};

    return name(reader, names);
}

static void time_of_day(struct reader *reader, struct date *date)
{
    date->hour = number(reader, 2);
    expect(reader, ":");
    date->minute = number(reader, 2);
    expect(reader, ":");
    date->second = number(reader, 2);
}

/* Behind "Sun, ": 06 Nov 1994 08:49:37 GMT */
static void read_fixed(struct reader *reader, struct date *date)
{
    date->day = number(reader, 2);
    expect(reader, " ");
    date->month = month(reader);
    expect(reader, " ");
    date->year = number(reader, 4);
    expect(reader, " ");
    time_of_day(reader, date);
    expect(reader, " GMT");
}

/* Behind "Sunday, ": 06-Nov-94 08:49:37 GMT. The century is found by the caller. */
static void read_rfc850(struct reader *reader, struct date *date)
{
    date->day = number(reader, 2);
    expect(reader, "-");
    date->month = month(reader);
    expect(reader, "-");
    date->year = number(reader, 2);
    expect(reader, " ");
    time_of_day(reader, date);
    expect(reader, " GMT");
}

/* Behind "Sun ": Nov  6 08:49:37 1994 */
static void read_asctime(struct reader *reader, struct date *date)
{
    date->month = month(reader);
    expect(reader, " ");
    if (reader->at && *reader->at == ' ') {
        reader->at++;
        date->day = number(reader, 1);
    } else {
        date->day = number(reader, 2);
    }
    expect(reader, " ");
    time_of_day(reader, date);
    expect(reader, " ");
    date->year = number(reader, 4);
}

/* Days since 1970-01-01 in the Gregorian calendar: years are counted from March, so that a leap day is
 * the last of its year. */
static int64_t days(int64_t year, int64_t month, int64_t day)
{
    int64_t from_march = month > 2 ? month - 3 : month + 9;

    if (month <= 2)
        year--;
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * from_march + 2) / 5 + day - 1 -
           719468;
}

static int64_t days_in(int64_t year, int64_t month)
{
    return month == 12 ? 31 : days(year, month + 1, 1) - days(year, month, 1);
}

static bool possible(const struct date *date)
{
    /* A leap second is 60. */
    return date->year >= 1 && date->month >= 1 && date->day >= 1 &&
           date->day <= days_in(date->year, date->month) && date->hour <= 23 &&
           date->minute <= 59 && date->second <= 60;
}

static int64_t year_of_days(int64_t day) { return 1970 + day * 400 / 146097; }

/* The latest year with these last two digits that is not more than 50 years ahead. */
static int64_t century(int64_t digits, int64_t this_year)
{
    int64_t year = this_year / 100 * 100 + 100 + digits;

    while (year > this_year + 50)
        year -= 100;
    return year;
}

bool http_date_read(const char *text, int64_t now_s, int64_t *unix_s)
{
    static const char *const long_names[] = {"Monday, ", "Tuesday, ",  "Wednesday, ", "Thursday, ",
                                             "Friday, ", "Saturday, ", "Sunday, ",    NULL};
    static const char *const names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", NULL};
    struct reader reader = {text}, long_form = {text};
    struct date date = {0};

    if (name(&long_form, long_names)) {
        reader = long_form;
        read_rfc850(&reader, &date);
        date.year = century(date.year, year_of_days(now_s / 86400));
    } else {
        name(&reader, names);
        if (reader.at && *reader.at == ',') {
            expect(&reader, ", ");
            read_fixed(&reader, &date);
        } else {
            expect(&reader, " ");
            read_asctime(&reader, &date);
        }
    }
    if (!reader.at || *reader.at || !possible(&date))
        return false;
    *unix_s = ((days(date.year, date.month, date.day) * 24 + date.hour) * 60 + date.minute) * 60 +
              date.second;
    return true;
}
