#include "lib/times.h"

#include <time.h>

#include "lib/buf.h"

/* Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil. */
int64_t times_days(int64_t year, unsigned month, unsigned day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t yoe = year - era * 400;
	int64_t doy = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

static void civil(int64_t days, int *ret_y, int *ret_m, int *ret_d)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t doe = days - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	*ret_d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*ret_m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*ret_y = (int)(yoe + era * 400 + (*ret_m <= 2));
}

/* n digits of v, an even number, and what follows them. printf is what this would spend its time on. */
static inline char *put(char *p, unsigned n, uint64_t v, char then)
{
	static const char pairs[] = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
	                            "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
	for (unsigned i = n; i; v /= 100)
		memcpy(p + (i -= 2), pairs + 2 * (v % 100), 2);
	p[n] = then;
	return p + n + 1;
}

char *times_put(char *p, int64_t us, int32_t off)
{
	int64_t local = us + (int64_t)off * US_PER_S;
	int64_t s = local / US_PER_S, frac = local % US_PER_S;
	if (frac < 0) {
		frac += US_PER_S;
		s--;
	}
	int64_t days = s / 86400, sod = s % 86400;
	if (sod < 0) {
		sod += 86400;
		days--;
	}
	int y, m, d;
	unsigned a = off < 0 ? 0u - (unsigned)off : (unsigned)off, at = (unsigned)sod;
	civil(days, &y, &m, &d);
	y = y < 0 ? 0 : y > 9999 ? 9999 : y; /* what RFC 3339 can say */
	char sign = off < 0 ? '-' : '+';
	p = put(put(put(p, 4, (unsigned)y, '-'), 2, (unsigned)m, '-'), 2, (unsigned)d, 'T');
	p = put(put(put(p, 2, at / 3600, ':'), 2, at / 60 % 60, ':'), 2, at % 60, frac ? '.' : sign);
	if (frac)
		p = put(p, 6, (uint64_t)frac, sign);
	return put(put(p, 2, a / 3600, ':'), 2, a / 60 % 60, 0) - 1;
}

struct times_text times_text(int64_t us, int32_t off)
{
	struct times_text t = { .s = "" };
	(void)times_put(t.s, us, off);
	return t;
}

void times_rfc3339(int64_t us, int32_t off, struct buf *out)
{
	buf_reserve(out, TIMES_BYTES);
	out->n = (size_t)(times_put(out->p + out->n, us, off) - out->p);
}

static bool digits(struct sv *s, unsigned n, int *ret)
{
	int v = 0;
	if (s->n < n)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	*s = sv_skip(*s, n);
	*ret = v;
	return true;
}

static bool lit(struct sv *s, const char *any)
{
	if (!s->n || !strchr(any, s->p[0]))
		return false;
	*s = sv_skip(*s, 1);
	return true;
}

static int64_t fraction(struct sv *s)
{
	int64_t us = 0, unit = 100000;
	if (!lit(s, ".,"))
		return 0;
	for (; s->n && s->p[0] >= '0' && s->p[0] <= '9'; *s = sv_skip(*s, 1), unit /= 10)
		us += unit * (s->p[0] - '0');
	return us;
}

static bool zone(struct sv *s, int64_t *ret_off, bool *ret_named)
{
	int h, m;
	*ret_off = 0;
	*ret_named = s->n > 0;
	if (!s->n || lit(s, "Zz"))
		return true;
	int sign = s->p[0] == '-' ? -1 : 1;
	if (!lit(s, "+-") || !digits(s, 2, &h))
		return false;
	(void)lit(s, ":");
	if (!digits(s, 2, &m) || h > 23 || m > 59)
		return false;
	*ret_off = sign * (h * 3600 + m * 60);
	return true;
}

static int days_in(int year, int month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return days[month - 1] + (month == 2 && leap);
}

static int parse(struct sv s, int64_t *ret_us, bool *ret_zoned)
{
	int y, mo, d, h = 0, mi = 0, sec = 0;
	int64_t frac = 0, off = 0;
	*ret_zoned = false;
	if (!digits(&s, 4, &y) || !lit(&s, "-") || !digits(&s, 2, &mo) || !lit(&s, "-") || !digits(&s, 2, &d))
		return -1;
	if (mo < 1 || mo > 12 || d < 1 || d > days_in(y, mo))
		return -1;
	if (s.n) {
		if (!lit(&s, "Tt ") || !digits(&s, 2, &h) || !lit(&s, ":") || !digits(&s, 2, &mi))
			return -1;
		if (lit(&s, ":") && !digits(&s, 2, &sec))
			return -1;
		frac = fraction(&s);
		if (!zone(&s, &off, ret_zoned) || s.n || h > 23 || mi > 59 || sec > 60)
			return -1;
	}
	*ret_us = ((times_days(y, (unsigned)mo, (unsigned)d) * 86400 + h * 3600 + mi * 60 + sec) - off) * US_PER_S + frac;
	return 0;
}

int times_parse(struct sv s, int64_t *ret_us)
{
	bool zoned;
	return parse(s, ret_us, &zoned);
}

int times_parse_local(struct sv s, int64_t *ret_us)
{
	bool zoned;
	if (parse(s, ret_us, &zoned) < 0)
		return -1;
	if (!zoned)
		*ret_us = times_local_us(*ret_us);
	return 0;
}

int times_parse_local_end(struct sv s, int64_t *ret_us)
{
	bool zoned;
	if (s.n > 10)
		return times_parse_local(s, ret_us);
	if (parse(s, ret_us, &zoned) < 0)
		return -1;
	*ret_us = times_local_us(*ret_us + US_PER_DAY) - 1; /* a day may have 23 or 25 hours */
	return 0;
}

int64_t times_local_us(int64_t shown_us)
{
	time_t t = (time_t)(shown_us / US_PER_S);
	struct tm tm;
	if (!gmtime_r(&t, &tm))
		return shown_us;
	tm.tm_isdst = -1;
	return (int64_t)mktime(&tm) * US_PER_S + shown_us % US_PER_S;
}
