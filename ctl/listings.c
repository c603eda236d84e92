#include "ctl/listings.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "analyzer/listing.h"
#include "lib/times.h"

#define LINE_MAX_BYTES 65536

static struct sv text_of(struct listings *l, struct json_object *o, const char *key)
{
	struct json_object *v;
	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string))
		return SV("");
	return arena_sv(&l->arena, sv_make(json_object_get_string(v), (size_t)json_object_get_string_len(v)));
}

/* The word's number; absent: otherwise; another word: -1. */
static int word_of(struct sv word, int (*named)(struct sv), int otherwise)
{
	return word.n ? named(word) : otherwise;
}

static int code_of(struct sv text, uint32_t *ret)
{
	char word[20];
	struct in_addr a;
	*ret = 0;
	if (!text.n)
		return 0;
	if (text.n >= sizeof word)
		return -1;
	memcpy(word, text.p, text.n);
	word[text.n] = 0;
	if (inet_pton(AF_INET, word, &a) != 1)
		return -1;
	*ret = ntohl(a.s_addr);
	return 0;
}

/* An address as the probe writes it, or a domain in lower case. */
static struct sv canonical(struct listings *l, struct sv target)
{
	char text[48];
	struct ipaddr ip;
	if (ipaddr_parse(target, &ip) == 0)
		return arena_sv(&l->arena, sv_make(text, ipaddr_text(&ip, text)));
	char *low = arena_alloc(&l->arena, target.n + 1);
	for (size_t i = 0; i < target.n; i++)
		low[i] = target.p[i] >= 'A' && target.p[i] <= 'Z' ? (char)(target.p[i] + 32) : target.p[i];
	return sv_make(low, target.n);
}

/* What may be the name of a zone, a domain or an address. */
static bool is_name(struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && !strchr(".-_:", s.p[i]))
			return false;
	return s.n > 0 && s.n <= 253;
}

static int read_zone(struct listings *l, struct json_object *o, struct listings_row *r, struct err *e)
{
	int verdict = word_of(text_of(l, o, "verdict"), dnsbl_verdict_named, -1);
	r->of_zone = true;
	r->zone = (struct obs_zone){ .time_us = r->at_us, .zone = text_of(l, o, "zone"), .reason = text_of(l, o, "reason"), .verdict = (uint8_t)verdict };
	return verdict < 0 ? err_set(e, "\"verdict\" must be listed, clean, refused, unknown or dead") : 0;
}

static int read_listing(struct listings *l, struct json_object *o, struct listings_row *r, struct err *e)
{
	struct json_object *v;
	int verdict = word_of(text_of(l, o, "verdict"), dnsbl_verdict_named, -1);
	int kind = word_of(text_of(l, o, "kind"), dnsbl_kind_named, DNSBL_BLOCK);
	int64_t points = json_object_object_get_ex(o, "points", &v) ? json_object_get_int64(v) : 0;
	r->listing = (struct obs_listing){ .time_us = r->at_us, .target = canonical(l, text_of(l, o, "target")), .zone = text_of(l, o, "zone"),
		                           .verdict = (uint8_t)verdict, .kind = (uint8_t)kind, .points = (int32_t)points,
		                           .meaning = sv_take(text_of(l, o, "meaning"), OBS_LISTING_TEXT), .text = sv_take(text_of(l, o, "text"), OBS_LISTING_TEXT) };
	if (json_object_object_get_ex(o, "asked", &v) && json_object_get_boolean(v))
		r->listing.cause = OBS_LISTING_ASKED;
	if (verdict < 0)
		return err_set(e, "\"verdict\" must be listed, clean, refused, unknown or dead");
	if (kind < 0)
		return err_set(e, "\"kind\" must be block, policy, info, allow, neutral or refusal");
	if (points < 0 || points > 100)
		return err_set(e, "\"points\" must be 0 to 100");
	if (code_of(text_of(l, o, "code"), &r->listing.code) < 0)
		return err_set(e, "\"code\" must be an answer such as \"127.0.0.2\"");
	return 0;
}

static bool is_of_the_future(int64_t at_us)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return at_us / US_PER_S > (int64_t)now.tv_sec + 3600;
}

static int read_line(struct listings *l, struct sv line, struct listings_row *r, struct err *e)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = json_tokener_parse_ex(tok, line.p, (int)line.n);
	json_tokener_free(tok);
	int bad = 0;
	if (!json_object_is_type(o, json_type_object))
		bad = err_set(e, "not a JSON object");
	else if (times_parse(text_of(l, o, "at"), &r->at_us) < 0 && times_parse(text_of(l, o, "answered"), &r->at_us) < 0)
		bad = err_set(e, "\"at\" must be a time such as \"2026-11-23T10:00:00Z\"");
	else if (is_of_the_future(r->at_us))
		bad = err_set(e, "\"at\" lies in the future: all answers until then would be old ones");
	else if (!is_name(text_of(l, o, "zone")))
		bad = err_set(e, "\"zone\" must be the name of a list");
	else if (text_of(l, o, "target").n && !is_name(text_of(l, o, "target")))
		bad = err_set(e, "\"target\" must be an address or a domain");
	else
		bad = text_of(l, o, "target").n ? read_listing(l, o, r, e) : read_zone(l, o, r, e);
	json_object_put(o);
	return bad;
}

static int by_time(const void *x, const void *y)
{
	const struct listings_row *a = x, *b = y;
	if (a->at_us != b->at_us)
		return a->at_us < b->at_us ? -1 : 1;
	return (a->line > b->line) - (a->line < b->line);
}

static int read_all(struct listings *l, FILE *f, const char *path, struct err *e)
{
	char *line = NULL;
	size_t room = 0, number = 0, cap = 0;
	int bad = 0;
	for (ssize_t n; !bad && (n = getline(&line, &room, f)) >= 0;) {
		struct err why = { "" };
		struct listings_row r = { .line = ++number };
		while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			n--;
		if (!n)
			continue;
		if (n > LINE_MAX_BYTES || read_line(l, sv_make(line, (size_t)n), &r, &why) < 0) {
			bad = err_set(e, "%s:%zu: %s", path, number, n > LINE_MAX_BYTES ? "the line is too long" : why.text);
			break;
		}
		if (l->n == cap) {
			cap = cap ? cap * 2 : 256;
			l->row = xrealloc(l->row, cap * sizeof *l->row);
		}
		l->row[l->n++] = r;
	}
	free(line);
	return bad || !ferror(f) ? bad : err_set(e, "%s: %m", path);
}

struct listings *listings_load(const char *path, struct err *e)
{
	bool in = strcmp(path, "-") == 0;
	FILE *f = in ? stdin : fopen(path, "r");
	if (!f) {
		(void)err_set(e, "%s: %m", path);
		return NULL;
	}
	struct listings *l = xcalloc(1, sizeof *l);
	int bad = read_all(l, f, path, e);
	if (!in)
		fclose(f);
	if (bad) {
		listings_free(l);
		return NULL;
	}
	if (l->n)
		qsort(l->row, l->n, sizeof *l->row, by_time);
	return l;
}

void listings_free(struct listings *l)
{
	if (!l)
		return;
	free(l->row);
	arena_fini(&l->arena);
	free(l);
}

void listings_until(struct listings *l, struct ingest *in, int64_t at_us)
{
	for (; l->next < l->n && l->row[l->next].at_us <= at_us; l->next++) {
		const struct listings_row *r = &l->row[l->next];
		in->pending++;
		if (r->of_zone)
			listing_zone_said(in->judge, &r->zone);
		else
			ingest_listing(in, &r->listing);
	}
}
