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

static bool begins(struct sv s)
{
	return skip_name(&s) || (framing_take_time(&s).n && framing_is_stamped(s));
}

static bool open(struct sv unit, struct sv host, struct buf *ret_line)
{
	struct framing_parts parts = { .time_us = INT64_MIN, .host = host };
	(void)skip_name(&unit);
	parts.message = unit;
	if (framing_take_time(&unit).n && framing_is_stamped(unit))
		parts.message = unit;
	return framing_compose(&parts, ret_line);
}

const struct framing framing_console = { .name = "console", .begins = begins, .open = open };
