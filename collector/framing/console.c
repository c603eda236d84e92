/* What `docker compose logs`, `docker logs -t` and `kubectl logs --prefix --timestamps` print: "postfix-1  | line", "2026-11-24T10:00:00.123456789Z line",
 * "[pod/mail-0/postfix] 2026-11-24T10:00:00.123456789Z line". The time alone is taken for a wrapper only where the line has a time of its own. */
#include "collector/framing.h"

#define NAME_BYTES 128u /* of a container */

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* Past "name  | " or "[pod/name/container] ". */
static bool skip_name(struct sv *s)
{
	size_t i = 0;
	if (sv_starts(*s, SV("[pod/"))) {
		ptrdiff_t end = sv_find(sv_take(*s, 3 * NAME_BYTES), SV("] "));
		*s = sv_skip(*s, end < 0 ? 0 : (size_t)end + 2);
		return end > 0;
	}
	while (i < s->n && i < NAME_BYTES && is_name(s->p[i]))
		i++;
	size_t name = i;
	while (i < s->n && s->p[i] == ' ' && i < name + NAME_BYTES)
		i++;
	if (!name || i == name || i + 1 >= s->n || s->p[i] != '|' || s->p[i + 1] != ' ')
		return false;
	*s = sv_skip(*s, i + 2);
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "Nov 24 10:", "2026-11-24", "<22>" */
static bool is_stamped(struct sv s)
{
	if (s.n < 16)
		return false;
	if (s.p[3] == ' ' && s.p[6] == ' ' && s.p[9] == ':' && s.p[12] == ':')
		return s.p[0] >= 'A' && s.p[0] <= 'S' && is_digit(s.p[5]) && is_digit(s.p[8]);
	if (s.p[4] == '-' && s.p[7] == '-')
		return is_digit(s.p[0]) && is_digit(s.p[3]) && is_digit(s.p[6]) && is_digit(s.p[9]);
	return s.p[0] == '<' && is_digit(s.p[1]);
}

/* Past "2026-11-24T10:00:00.123456789Z ". */
static struct sv take_time(struct sv *s)
{
	ptrdiff_t sp = s->n > 34 && s->p[4] == '-' && s->p[10] == 'T' ? sv_chr(sv_take(*s, 40), ' ') : -1;
	struct sv time = sv_take(*s, sp < 20 ? 0 : (size_t)sp);
	*s = sv_skip(*s, time.n + (time.n > 0));
	return time;
}

static bool begins(struct sv s)
{
	return skip_name(&s) || (take_time(&s).n && is_stamped(s));
}

static bool open(struct sv unit, struct sv host, struct buf *ret_line)
{
	struct framing_parts parts = { .time_us = INT64_MIN, .host = host };
	(void)skip_name(&unit);
	parts.message = unit;
	if (take_time(&unit).n && is_stamped(unit))
		parts.message = unit;
	return framing_compose(&parts, ret_line);
}

const struct framing framing_console = { .name = "console", .begins = begins, .open = open };
