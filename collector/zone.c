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

/* The offset in force at a time that is known. */
static int32_t offset_at(int64_t utc_s)
{
	time_t t = (time_t)utc_s;
	struct tm tm;
	return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

/* Far enough from a wall time that no change of the clock lies between it and a change that concerns that time. */
#define AWAY_S (3 * 3600)

/* Which offsets fit a wall time: the one before a change of the clock, the one after it. Both fit an hour that comes twice, none one that is
 * left out; then the clock is taken for one that was not changed yet. Not mktime(): what it says of such hours depends on earlier questions. */
static void ask_libc(int64_t wall_s, int32_t *ret_first, int32_t *ret_second)
{
	int32_t before = offset_at(wall_s - AWAY_S - offset_at(wall_s)), after = offset_at(wall_s + AWAY_S - offset_at(wall_s));
	bool fits_before = offset_at(wall_s - before) == before, fits_after = offset_at(wall_s - after) == after;
	*ret_first = fits_before || !fits_after ? before : after;
	*ret_second = fits_after ? after : *ret_first;
}

/* libc knows one zone at a time; the collector has one thread, and this runs once per quarter of an hour of log. */
static void ask_zone(const char *name, int64_t wall_s, int32_t *ret_first, int32_t *ret_second)
{
	const char *env = getenv("TZ");
	char *old = env ? strdup(env) : NULL;
	setenv("TZ", name, 1);
	tzset();
	ask_libc(wall_s, ret_first, ret_second);
	if (old)
		setenv("TZ", old, 1);
	else
		unsetenv("TZ");
	free(old);
	tzset();
}

int32_t zone_offset(struct zone *z, int64_t wall_s, int64_t last_s)
{
	if (z->kind == ZONE_FIXED)
		return z->fixed_s;
	int64_t quarter = wall_s / 900; /* changes happen on quarter hours */
	if (!z->memo || z->memo_quarter != quarter) {
		z->memo = true;
		z->memo_quarter = quarter;
		if (z->kind == ZONE_NAMED)
			ask_zone(z->name, wall_s, &z->memo_first_s, &z->memo_second_s);
		else
			ask_libc(wall_s, &z->memo_first_s, &z->memo_second_s);
	}
	bool passed = wall_s - z->memo_first_s < last_s - ZONE_LATE_S;
	return passed ? z->memo_second_s : z->memo_first_s;
}
