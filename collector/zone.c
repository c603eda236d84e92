#include "collector/zone.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* -1 when t does not begin with two digits. */
static int two_digits(const char *t)
{
	return isdigit((unsigned char)t[0]) && isdigit((unsigned char)t[1]) ? (t[0] - '0') * 10 + t[1] - '0' : -1;
}

static bool fixed(const char *t, int32_t *ret_s)
{
	int h = -1, m = 0;
	if (t[0] == '+' || t[0] == '-')
		h = two_digits(t + 1);
	if (h < 0 || h > 14)
		return false;
	const char *rest = t + 3 + (t[3] == ':');
	if (*rest && ((m = two_digits(rest)) < 0 || m > 59 || rest[2]))
		return false;
	*ret_s = (t[0] == '-' ? -1 : 1) * (h * 3600 + m * 60);
	return true;
}

static bool is_zone_file(const char *name)
{
	char path[128];
	if (name[0] == '/' || name[0] == '.' || strstr(name, "..") || strlen(name) >= sizeof ((struct zone *)0)->name)
		return false;
	(void)snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
	return access(path, R_OK) == 0;
}

int zone_init(struct zone *z, const char *text, struct err *e)
{
	*z = (struct zone){ .kind = ZONE_FIXED };
	if (!strcmp(text, "UTC") || !strcmp(text, "utc") || !strcmp(text, "Z"))
		return 0;
	if (!strcmp(text, "local")) {
		z->kind = ZONE_LOCAL;
		return 0;
	}
	if (fixed(text, &z->fixed_s))
		return 0;
	if (!is_zone_file(text))
		return err_set(e, "\"%s\" is no time zone; write \"local\", \"UTC\", \"+02:00\" or a name such as \"Europe/Prague\"", text);
	z->kind = ZONE_NAMED;
	(void)snprintf(z->name, sizeof z->name, "%s", text);
	return 0;
}

static int32_t ask_libc(int64_t wall_s)
{
	time_t t = (time_t)wall_s;
	struct tm tm;
	if (!gmtime_r(&t, &tm))
		return 0;
	tm.tm_isdst = -1;
	time_t utc = mktime(&tm);
	return (int32_t)(wall_s - utc);
}

/* libc knows one zone at a time; the collector has one thread, and this runs once per hour of log. */
static int32_t ask_zone(const char *name, int64_t wall_s)
{
	const char *env = getenv("TZ");
	char *old = env ? strdup(env) : NULL;
	setenv("TZ", name, 1);
	tzset();
	int32_t s = ask_libc(wall_s);
	if (old)
		setenv("TZ", old, 1);
	else
		unsetenv("TZ");
	free(old);
	tzset();
	return s;
}

int32_t zone_offset(struct zone *z, int64_t wall_s)
{
	if (z->kind == ZONE_FIXED)
		return z->fixed_s;
	int64_t hour = wall_s / 900; /* changes happen on quarter hours */
	if (!z->memo || z->memo_hour != hour) {
		z->memo = true;
		z->memo_hour = hour;
		z->memo_s = z->kind == ZONE_NAMED ? ask_zone(z->name, wall_s) : ask_libc(wall_s);
	}
	return z->memo_s;
}
