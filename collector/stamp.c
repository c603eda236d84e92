#include "collector/stamp.h"

#include "lib/times.h"

#define FUTURE_SLACK_US (60 * US_PER_S) /* clocks of two hosts differ */
#define LEAP_US (7 * US_PER_DAY)        /* a log that is dated ahead as a whole goes on in smaller steps, */
#define LEAPS_BELIEVED 1024u            /* or with many lines; a machine without a clock says some hundreds when it starts */
#define NEW_YEAR_US (4 * US_PER_DAY)    /* so far, and the year may not have begun: see was_no_new_year() */

void stamp_init(struct stamp *s, const struct zone *z, int year, int64_t now_us)
{
	*s = (struct stamp){ .zone = *z, .now_us = now_us, .year = year, .year_given = year != 0 };
}

static int two(const char *p)
{
	unsigned a = (unsigned)(p[0] - '0'), b = (unsigned)(p[1] - '0');
	return a > 9 || b > 9 ? -1 : (int)(a * 10 + b);
}

static int month_named(const char *p)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	for (int m = 0; m < 12; m++)
		if (memcmp(p, names + m * 3, 3) == 0)
			return m + 1;
	return 0;
}

/* "hh:mm:ss" → seconds of the day, or -1. */
static int clock_of(const char *p)
{
	int h = two(p), m = two(p + 3), s = two(p + 6);
	if (h < 0 || m < 0 || s < 0 || h > 23 || m > 59 || s > 60 || p[2] != ':' || p[5] != ':')
		return -1;
	return h * 3600 + m * 60 + s;
}

struct yearless { int month, day, second; };

static int64_t in_year(struct stamp *s, const struct yearless *y, int year, int32_t *ret_offset_s)
{
	int64_t wall = times_days(year, (unsigned)y->month, (unsigned)y->day) * 86400 + y->second;
	*ret_offset_s = zone_offset(&s->zone, wall, s->last_us / US_PER_S);
	return (wall - *ret_offset_s) * US_PER_S;
}

static int year_of(int64_t us)
{
	int64_t days = us / US_PER_DAY, year = 1970 + days / 366;
	while (times_days(year + 1, 1, 1) <= days)
		year++;
	return (int)year;
}

/* February 29 is not in every year. */
static bool has_day(const struct yearless *y, int year)
{
	return y->month != 2 || y->day != 29 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

/* A late line does not set the time back, a clock that was set back does. */
static void passed(struct stamp *s, int64_t us)
{
	if (us > s->last_us || us < s->last_us - 2 * US_PER_HOUR)
		s->last_us = us;
}

/* A device that starts without a clock says "Jan  1". Were the stamps before it of the year that was left, as this one is again? */
static bool was_no_new_year(struct stamp *s, const struct yearless *y, int32_t *ret_offset_s)
{
	if (!s->left_us)
		return false;
	int64_t us = in_year(s, y, s->year - 1, ret_offset_s);
	if (us >= s->left_us - 2 * US_PER_HOUR && us <= s->left_us + US_PER_DAY)
		return true;
	if (in_year(s, y, s->year, ret_offset_s) > s->leapt_us + US_PER_DAY) /* the new year goes on */
		s->left_us = 0;
	return false;
}

static int64_t next_year(struct stamp *s, const struct yearless *y, int32_t *ret_offset_s)
{
	int64_t us = in_year(s, y, ++s->year, ret_offset_s);
	s->left_us = us > s->last_us + NEW_YEAR_US ? s->last_us : 0;
	s->leapt_us = us;
	return us;
}

static int64_t with_year(struct stamp *s, const struct yearless *y, int32_t *ret_offset_s)
{
	int64_t us;
	if (!s->year) {
		s->year = year_of(s->now_us) + 1;
		while ((us = in_year(s, y, s->year, ret_offset_s)) > s->now_us + FUTURE_SLACK_US || !has_day(y, s->year))
			s->year--;
	} else if (s->year_given) {
		s->year_given = false;
		us = in_year(s, y, s->year, ret_offset_s);
	} else if (was_no_new_year(s, y, ret_offset_s)) {
		us = in_year(s, y, --s->year, ret_offset_s);
		s->left_us = 0;
	} else {
		us = in_year(s, y, s->year, ret_offset_s);
		if (us < s->last_us - 183 * US_PER_DAY)
			us = next_year(s, y, ret_offset_s);
		else if (us > s->last_us + 360 * US_PER_DAY) /* a late line of last year */
			return in_year(s, y, s->year - 1, ret_offset_s);
	}
	passed(s, us);
	return us;
}

static bool memo_hit(const struct stamp *s, const char *p, size_t n)
{
	return s->memo_n == n && memcmp(s->memo, p, n) == 0;
}

static void memo_set(struct stamp *s, const char *p, size_t n, int64_t us, int32_t offset_s)
{
	memcpy(s->memo, p, n);
	s->memo_n = n;
	s->memo_us = us;
	s->memo_offset_s = offset_s;
}

bool stamp_later_second(struct stamp *s, const char *p, size_t n)
{
	if (s->memo_n != n || memcmp(s->memo, p, n - 2) != 0)
		return false;
	int was = two(s->memo + n - 2), is = two(p + n - 2);
	if (is <= was || is > 59)
		return false;
	if (n == 19) {
		s->memo_us += is - was; /* seconds: see wall_of() */
	} else if (s->memo_us == s->last_us) { /* not one of lines that came late */
		s->last_us = s->memo_us += (is - was) * US_PER_S;
	} else {
		return false;
	}
	memcpy(s->memo + n - 2, p + n - 2, 2);
	return true;
}

/* The fraction after the seconds, in microseconds. */
static int64_t fraction(struct sv *t)
{
	int64_t us = 0, unit = 100000;
	if (!t->n || (t->p[0] != '.' && t->p[0] != ','))
		return 0;
	size_t i = 1;
	for (; i < t->n && t->p[i] >= '0' && t->p[i] <= '9'; i++, unit /= 10)
		us += unit * (t->p[i] - '0');
	*t = sv_skip(*t, i);
	return us;
}

/* Seconds as if the wall clock were UTC → where the configured zone has them. */
static int64_t in_zone(struct stamp *s, int64_t wall, int32_t *ret_offset_s)
{
	*ret_offset_s = zone_offset(&s->zone, wall, s->last_us / US_PER_S);
	return (wall - *ret_offset_s) * US_PER_S;
}

/* "Nov 24 00:00:00 ", "Nov  4 …", "Nov 24 00:00:00.123456 " (journalctl -o short-precise) */
static bool read_3164(struct stamp *s, struct sv *text, int64_t *ret_us, int32_t *ret_offset_s)
{
	const char *p = text->p;
	if (text->n < 16 || p[3] != ' ' || p[6] != ' ')
		return false;
	struct sv t = sv_skip(*text, 15);
	int64_t part_us = p[15] == '.' ? fraction(&t) : 0;
	if (!t.n || t.p[0] != ' ') /* nothing of what is no stamp may say which year it is */
		return false;
	if (!memo_hit(s, p, 15)) {
		struct yearless y = { month_named(p), p[4] == ' ' ? p[5] - '0' : two(p + 4), clock_of(p + 7) };
		if (!y.month || y.day < 1 || y.day > 31 || y.second < 0)
			return false;
		int32_t off;
		int64_t us = with_year(s, &y, &off);
		memo_set(s, p, 15, us, off);
	}
	*ret_us = s->memo_us + part_us;
	*ret_offset_s = s->memo_offset_s;
	*text = sv_skip(t, 1);
	return true;
}

/* "Z", "+01:00", "+0100"; false in *ret_said when there is none. */
static bool zone_text(struct sv *t, int32_t *ret_offset_s, bool *ret_said)
{
	*ret_said = false;
	if (!t->n || t->p[0] == ' ')
		return true;
	*ret_said = true;
	*ret_offset_s = 0;
	if (t->p[0] == 'Z' || t->p[0] == 'z') {
		*t = sv_skip(*t, 1);
		return true;
	}
	if (t->n < 5 || (t->p[0] != '+' && t->p[0] != '-'))
		return false;
	size_t colon = t->p[3] == ':';
	if (t->n < 5 + colon)
		return false;
	int h = two(t->p + 1), m = two(t->p + 3 + colon);
	if (h < 0 || h > 23 || m < 0 || m > 59)
		return false;
	*ret_offset_s = (t->p[0] == '-' ? -1 : 1) * (h * 3600 + m * 60);
	*t = sv_skip(*t, 5 + colon);
	return true;
}

/* Seconds as if the wall clock of "YYYY-MM-DDThh:mm:ss" were UTC; memoised, as lines of one second are many. */
static bool wall_of(struct stamp *s, const char *p, int64_t *ret_wall)
{
	if (!memo_hit(s, p, 19)) {
		int c = two(p), y = two(p + 2), m = two(p + 5), d = two(p + 8), sec = clock_of(p + 11);
		if (c < 0 || y < 0 || m < 1 || m > 12 || d < 1 || d > 31 || sec < 0 || p[7] != '-' || (p[10] != 'T' && p[10] != ' '))
			return false;
		memo_set(s, p, 19, times_days(c * 100 + y, (unsigned)m, (unsigned)d) * 86400 + sec, 0);
	}
	*ret_wall = s->memo_us;
	return true;
}

static bool read_iso(struct stamp *s, struct sv *text, int64_t *ret_us, int32_t *ret_offset_s)
{
	int64_t wall;
	int32_t off = 0;
	bool said;
	if (text->n < 20 || text->p[4] != '-' || !wall_of(s, text->p, &wall))
		return false;
	struct sv t = sv_skip(*text, 19);
	if (t.p[0] == ' ') { /* nothing more, as in the servers' own logs */
		*ret_us = in_zone(s, wall, ret_offset_s);
		passed(s, *ret_us);
		*text = sv_skip(t, 1);
		return true;
	}
	int64_t us = fraction(&t);
	if (!zone_text(&t, &off, &said) || !t.n || t.p[0] != ' ')
		return false;
	if (!said)
		off = zone_offset(&s->zone, wall, s->last_us / US_PER_S);
	*ret_us = (wall - off) * US_PER_S + us;
	if (!said)
		passed(s, *ret_us);
	*ret_offset_s = off;
	*text = sv_skip(t, 1);
	return true;
}

/* "Tue 2026-11-24 00:00:00 UTC " (journalctl -o short-full): another zone than UTC is named by letters that do not say which it is. */
static bool read_full(struct stamp *s, struct sv *text, int64_t *ret_us, int32_t *ret_offset_s)
{
	struct sv t = sv_skip(*text, 4);
	int64_t wall;
	if (t.n < 22 || t.p[10] != ' ' || t.p[19] != ' ' || !wall_of(s, t.p, &wall))
		return false;
	t = sv_skip(t, 20);
	ptrdiff_t sp = sv_chr(sv_take(t, 8), ' ');
	if (sp < 2)
		return false;
	*ret_offset_s = 0;
	*ret_us = sp == 3 && memcmp(t.p, "UTC", 3) == 0 ? wall * US_PER_S : in_zone(s, wall, ret_offset_s);
	*text = sv_skip(t, (size_t)sp + 1);
	return true;
}

/* "1763942400.123456 " (journalctl -o short-unix) */
static bool read_unix(struct sv *text, int64_t *ret_us, int32_t *ret_offset_s)
{
	int64_t s = 0;
	for (unsigned i = 0; i < 10; i++) {
		if (text->p[i] < '0' || text->p[i] > '9')
			return false;
		s = s * 10 + (text->p[i] - '0');
	}
	struct sv t = sv_skip(*text, 10);
	*ret_us = s * US_PER_S + fraction(&t);
	*ret_offset_s = 0;
	if (!t.n || t.p[0] != ' ')
		return false;
	*text = sv_skip(t, 1);
	return true;
}

static bool read_any(struct stamp *s, struct sv *text, int64_t *ret_us, int32_t *ret_offset_s)
{
	if (text->n && text->p[0] >= '0' && text->p[0] <= '9')
		return text->n > 18 && text->p[10] == '.' ? read_unix(text, ret_us, ret_offset_s) : read_iso(s, text, ret_us, ret_offset_s);
	if (text->n > 26 && text->p[3] == ' ' && text->p[8] == '-')
		return read_full(s, text, ret_us, ret_offset_s);
	return read_3164(s, text, ret_us, ret_offset_s);
}

/* Before the first stamp the machine's own clock is what is known. */
static int64_t newest_heard(const struct stamp *s)
{
	return s->heard_us ? s->heard_us : s->now_us;
}

static bool believed(struct stamp *s, int64_t us)
{
	if (us > newest_heard(s) + LEAP_US && us > s->until_us && s->until_us && ++s->in_a_row < LEAPS_BELIEVED)
		return false;
	s->in_a_row = 0;
	if (us > s->heard_us || (us < s->heard_us - 2 * US_PER_HOUR && us > s->heard_us - LEAP_US)) /* see passed(); not of a clock that begins in 1970 */
		s->heard_us = us;
	return true;
}

void stamp_put_back(struct stamp *s, int64_t now_us)
{
	s->now_us = now_us;
	if (s->heard_us > now_us)
		s->heard_us = 0;
	s->memo_n = s->in_a_row = 0;
	if (s->last_us <= now_us + FUTURE_SLACK_US)
		return;
	s->year = 0;
	s->year_given = false;
	s->last_us = s->left_us = s->leapt_us = 0;
}

bool stamp_read(struct stamp *s, struct sv *text, int64_t *ret_us, int32_t *ret_offset_s)
{
	int year = s->year;
	int64_t last_us = s->last_us, left_us = s->left_us, leapt_us = s->leapt_us;
	bool given = s->year_given;
	if (!read_any(s, text, ret_us, ret_offset_s))
		return false;
	if (believed(s, *ret_us))
		return true;
	s->year = year, s->year_given = given;
	s->last_us = last_us, s->left_us = left_us, s->leapt_us = leapt_us;
	s->memo_n = 0;
	s->future++;
	*ret_us = newest_heard(s);
	return true;
}
