/* attachment: a filter's log names an attachment that the provider forbids: amavis ("BANNED (…,.exe,invoice.exe)"), rspamd
 * (MIME_BAD_EXTENSION, MIME_DOUBLE_BAD_EXTENSION, MIME_BAD_ATTACHMENT), and the MIME header checks of Postfix. The names are the
 * sender's; whatever else it can write into the line (addresses, a subject) is not looked at. */
#include <ctype.h>
#include <strings.h>

#include "analyzer/policy.h"

struct options { bool enabled; char *extensions; };

static const struct opt_row rows[] = {
	{ "enabled", OPT_BOOL, offsetof(struct options, enabled), "true", 0, 0, "", "whether this rule is watched" },
	{ "extensions", OPT_TEXT, offsetof(struct options, extensions),
	  "ade adp bat chm cmd com cpl dll exe hta img ins iso isp jar js jse lib lnk mde msc msi msp mst pif ps1 reg scr sct shb sys vb vbe vbs vhd vxd wsc wsf wsh", 0, 0, "",
	  "names that end so are forbidden: programs, and containers of programs, that a click starts; empty: whatever the filter forbids" },
	{ 0 },
};
static const struct opt_table table = { "policy", "attachment", rows, sizeof(struct options) };

static bool is_listed(const char *list, struct sv extension)
{
	while (*list) {
		size_t n = strcspn(list, " ,");
		if (n == extension.n && strncasecmp(list, extension.p, n) == 0)
			return true;
		list += n + (list[n] != 0);
	}
	return false;
}

/* A name ends with its text, a quote, a comma, " | " between amavis's parts: not in the middle of "new.exe-files.txt" or ".com in it.txt". */
static bool name_ends(struct sv rest)
{
	static const char inside[] = { '-', '_', '.', '@', ' ' };
	return !rest.n || !memchr(inside, rest.p[0], sizeof inside) || sv_starts(rest, SV(" | "));
}

/* Whether text has a name that ends in ".exe" or, with bare, the extension "exe" alone. */
static bool names_forbidden(const char *list, struct sv text, bool bare)
{
	for (size_t i = 0; i < text.n;) {
		size_t from = i;
		while (i < text.n && isalnum((unsigned char)text.p[i]))
			i++;
		bool begins = bare || (from && text.p[from - 1] == '.');
		if (i > from && begins && name_ends(sv_skip(text, i)) && is_listed(list, sv_make(text.p + from, i - from)))
			return true;
		i += i == from;
	}
	return false;
}

/* The names of amavis's verdict: "(.exe,.exe-ms,invoice.exe) {Discarded…}" or, of old ones, "(…), [192.0.2.1]". Addresses follow, so where
 * no end is found there are none. */
static struct sv banned_names(struct sv s)
{
	ptrdiff_t at = sv_find(s, SV("BANNED ("));
	s = sv_skip(s, at < 0 ? s.n : (size_t)at + 8);
	for (size_t i = 0; i + 2 < s.n; i++)
		if (s.p[i] == ')' && ((s.p[i + 1] == ' ' && s.p[i + 2] == '{') || (s.p[i + 1] == ',' && s.p[i + 2] == ' ')))
			return sv_take(s, i);
	return (struct sv){ 0 };
}

static struct sv between(struct sv s, struct sv begin, struct sv end)
{
	ptrdiff_t at = sv_find(s, begin);
	if (at < 0)
		return (struct sv){ 0 };
	s = sv_skip(s, (size_t)at + begin.n);
	at = sv_find(s, end);
	return at < 0 ? s : sv_take(s, (size_t)at);
}

/* What stands in the verdict about attachments; bare: as extensions without a dot. Absent when it is about something else. */
static struct sv forbidden_part(const struct record *r, bool *ret_bare)
{
	static const struct sv symbols[] = { { "MIME_BAD_EXTENSION(", 19 }, { "MIME_DOUBLE_BAD_EXTENSION(", 26 }, { "MIME_BAD_ATTACHMENT(", 20 } };
	static const struct sv checks[] = { { "header Content-", 15 }, { "mime header Content-", 20 }, { "mime-header Content-", 20 },
		                            { "nested header Content-", 22 }, { "nested-header Content-", 22 } };
	*ret_bare = false;
	if (r->kind == RECORD_POLICY && sv_eq(r->status, SV("banned")))
		return banned_names(r->reason);
	ptrdiff_t begin = sv_find(r->reason, SV("): [")); /* an id or sender before it may look like a symbol */
	for (size_t i = 0; r->kind == RECORD_POLICY && begin >= 0 && i < sizeof symbols / sizeof *symbols; i++)
		if (sv_find(sv_skip(r->reason, (size_t)begin), symbols[i]) >= 0) {
			*ret_bare = true;
			return between(between(sv_skip(r->reason, (size_t)begin), symbols[i], SV("},")), SV("){"), SV("}"));
		}
	for (size_t i = 0; (r->kind == RECORD_REJECT || r->kind == RECORD_POLICY) && i < sizeof checks / sizeof *checks; i++)
		if (sv_starts(r->reason, checks[i]) && sv_find(r->reason, SV("name")) >= 0)
			return between(r->reason, SV("name"), SV("\n"));
	return (struct sv){ 0 };
}

static bool fact(struct judge *j, const struct principal *p, const void *opt, const struct fact_view *f, struct policy_breach *ret_breach)
{
	const struct options *o = opt;
	bool bare;
	struct sv part = forbidden_part(f->record, &bare);
	(void)j, (void)p, (void)ret_breach;
	return part.p && (!*o->extensions || names_forbidden(o->extensions, part, bare));
}

const struct policy_rule policy_attachment = { .name = "attachment", .title = "forbidden attachments", .options = &table, .fact = fact };
