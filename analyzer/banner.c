#include "analyzer/banner.h"

#include <ctype.h>
#include <strings.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static bool is_word(struct sv s, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == s.n && strncasecmp(s.p, *list, s.n) == 0)
			return true;
	return false;
}

/* Without brackets and punctuation around it. */
static struct sv bare(struct sv s)
{
	while (s.n && strchr("()[]<>{}\"',;", s.p[0]))
		s = sv_skip(s, 1);
	while (s.n && strchr("()[]<>{}\"',;.:", s.p[s.n - 1]))
		s.n--;
	return s;
}

/* A day of the week, a time of day, or a date in digits: what follows is a date as well, or a zone. */
static bool begins_date(struct sv word)
{
	static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", NULL };
	struct sv s = bare(word);
	size_t numbers = 0;
	if (is_word(s, days))
		return true;
	for (size_t i = 0; i < s.n; i++) {
		if (is_letter(s.p[i]))
			return s.n >= 19 && i == 10 && s.p[4] == '-' && numbers == 3; /* 2026-11-26T… */
		bool part = is_digit(s.p[i]) && (i == 0 || !is_digit(s.p[i - 1]));
		numbers += part;
		if (!is_digit(s.p[i]) && !strchr("/:-", s.p[i]))
			return false;
	}
	return numbers >= 2 && (numbers == 3 || sv_chr(s, ':') > 0);
}

/* A queue id, a UUID, the number of a session: letters and digits by turns, or many digits. Versions have few of both, with dots between. */
static bool is_serial(struct sv word)
{
	struct sv s = bare(word);
	size_t turns = 0, digits = 0, letters = 0;
	char last = 0;
	for (size_t i = 0; i < s.n; i++) {
		char kind = is_digit(s.p[i]) ? '0' : is_letter(s.p[i]) ? 'a' : 0;
		if (!kind)
			continue;
		turns += last && kind != last;
		last = kind;
		digits += kind == '0';
		letters += kind == 'a';
	}
	bool dots = sv_chr(s, '.') >= 0;
	return turns >= 5 || (!dots && digits >= 4) || (!dots && !letters && digits && s.p[0] == '#') || (!digits && !letters);
}

/* What every greeting says, and a lone number, which may count sessions. */
static bool says_nothing(struct sv word, struct sv before)
{
	static const char *const fillers[] = { "ESMTP", "SMTP", "ready", "at", "on", "is", NULL };
	static const char *const of_version[] = { "version", "release", "build", "v", "v.", NULL };
	struct sv s = bare(word);
	size_t digits = 0;
	for (size_t i = 0; i < s.n; i++)
		digits += is_digit(s.p[i]);
	return is_word(s, fillers) || (digits == s.n && !is_word(bare(before), of_version)) || (s.n > 1 && s.p[0] == '#');
}

static struct sv next_word(struct sv *rest)
{
	while (rest->n && isspace((unsigned char)rest->p[0]))
		*rest = sv_skip(*rest, 1);
	size_t n = 0;
	while (n < rest->n && !isspace((unsigned char)rest->p[n]))
		n++;
	struct sv word = sv_take(*rest, n);
	*rest = sv_skip(*rest, n);
	return word;
}

static size_t put(char *to, size_t at, size_t room, struct sv s)
{
	for (size_t i = 0; i < s.n && at + 1 < room; i++)
		to[at++] = s.p[i] >= 0x20 && s.p[i] < 0x7f ? s.p[i] : '?';
	to[at] = 0;
	return at;
}

static bool is_host(struct sv word)
{
	static const char *const none[] = { "ESMTP", "SMTP", NULL };
	return !is_word(bare(word), none) && (sv_chr(word, '.') > 0 || word.p[0] == '[' || !is_digit(word.p[word.n - 1])) && sv_chr(word, '/') < 0;
}

void banner_read(struct sv banner, char ret_host[BANNER_HOST], char ret_software[BANNER_SOFTWARE])
{
	struct sv rest = banner, before = SV(""), word = next_word(&rest);
	size_t n = 0;
	ret_host[0] = ret_software[0] = 0;
	if (word.n && is_host(word)) {
		size_t k = put(ret_host, 0, BANNER_HOST, word);
		for (size_t i = 0; i < k; i++)
			ret_host[i] = (char)tolower((unsigned char)ret_host[i]);
		word = next_word(&rest);
	}
	for (; word.n && !begins_date(word); before = word, word = next_word(&rest)) {
		if (says_nothing(word, before) || is_serial(word))
			continue;
		if (n)
			n = put(ret_software, n, BANNER_SOFTWARE, SV(" "));
		n = put(ret_software, n, BANNER_SOFTWARE, word);
	}
	while (n && strchr(" ;,-", ret_software[n - 1]))
		ret_software[--n] = 0;
}
