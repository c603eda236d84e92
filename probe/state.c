#include "probe/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/hash.h"
#include "lib/times.h"
#include "probe/verdict.h"

#define HEAD "abusewatch dnsbl state 1\n"
#define ZONES_MOST 2048
#define WAYS 4

struct seen { uint64_t key; int64_t first_us, last_us; };

struct state {
	char *path;
	struct state_zone **zone; size_t n_zone;
	struct seen seen[STATE_SEEN_MOST]; /* key 0: free */
};

struct state_zone *state_zone(struct state *s, const char *name)
{
	for (size_t i = 0; i < s->n_zone; i++)
		if (strcmp(s->zone[i]->name, name) == 0)
			return s->zone[i];
	struct state_zone *z = xcalloc(1, sizeof *z);
	z->name = xstrdup(name);
	s->zone = xrealloc(s->zone, (s->n_zone + 1) * sizeof(struct state_zone *));
	s->zone[s->n_zone++] = z;
	return z;
}

/* --- listed pairs ------------------------------------------------------------------------------------------------- */

uint64_t state_key(struct sv text)
{
	static const struct hash_key fixed = { "abusewatch seen" };
	return hash_sv(&fixed, text);
}

static struct seen *set_of(struct state *s, uint64_t key)
{
	return &s->seen[key % (STATE_SEEN_MOST / WAYS) * WAYS];
}

static struct seen *find(struct state *s, uint64_t key)
{
	struct seen *set = set_of(s, key);
	for (int i = 0; i < WAYS; i++)
		if (set[i].key == key)
			return &set[i];
	return NULL;
}

static void put_in(struct state *s, struct seen seen)
{
	struct seen *set = set_of(s, seen.key), *at = set;
	for (int i = 1; i < WAYS; i++)
		if (set[i].last_us < at->last_us) /* a free one was never seen */
			at = &set[i];
	*at = seen;
}

int64_t state_seen(struct state *s, uint64_t key, int64_t now_us)
{
	struct seen *at = find(s, key);
	if (!at) {
		put_in(s, (struct seen){ key, now_us, now_us });
		return now_us;
	}
	if (now_us - at->last_us > STATE_SEEN_DAYS * US_PER_DAY || at->first_us > now_us) /* the latter: the clock was put back */
		at->first_us = now_us;
	at->last_us = now_us;
	return at->first_us;
}

void state_gone(struct state *s, uint64_t key)
{
	struct seen *at = find(s, key);
	if (at)
		*at = (struct seen){ 0 };
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

/* A line in words. */
struct words { char *v[9]; size_t n; };

static struct words split(char *line)
{
	struct words w = { .n = 0 };
	char *save = NULL;
	for (char *p = strtok_r(line, " \n", &save); p && w.n < sizeof w.v / sizeof *w.v; p = strtok_r(NULL, " \n", &save))
		w.v[w.n++] = p;
	return w;
}

static bool number(const char *text, int base, int64_t *ret)
{
	char *end;
	errno = 0;
	*ret = base == 16 ? (int64_t)strtoull(text, &end, 16) : strtoll(text, &end, base);
	return end != text && !*end && !errno;
}

static bool numbers(const struct words *w, size_t from, size_t n, int64_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (from + i >= w->n || !number(w->v[from + i], 10, &ret[i]))
			return false;
	return w->n == from + n;
}

/* "health ZONE KIND STATE fails since tested next" */
static void read_health(struct state *s, const struct words *w)
{
	int64_t v[4], kind;
	if (w->n < 4 || !number(w->v[2], 10, &kind) || kind < 0 || kind > 2 || !numbers(w, 4, 4, v) || v[0] < 0 || v[0] > 1000000 || s->n_zone >= ZONES_MOST)
		return;
	int h = health_named(sv_cstr(w->v[3]));
	if (h >= 0)
		state_zone(s, w->v[1])->kind[kind] = (struct state_health){ (uint8_t)h, (unsigned)v[0], v[1], v[2], v[3] };
}

/* "asked ZONE day all watch", "way ZONE NUMBER", "seen KEY first last" */
static void read_line(struct state *s, char *line)
{
	struct words w = split(line);
	int64_t v[3], key;
	if (w.n < 2)
		return;
	if (strcmp(w.v[0], "health") == 0) {
		read_health(s, &w);
	} else if (strcmp(w.v[0], "asked") == 0 && numbers(&w, 2, 3, v) && s->n_zone < ZONES_MOST) {
		struct state_zone *z = state_zone(s, w.v[1]);
		z->day = v[0];
		z->asked = v[1];
		z->asked_by_watch = v[2];
	} else if (strcmp(w.v[0], "way") == 0 && w.n == 3 && number(w.v[2], 16, &key) && s->n_zone < ZONES_MOST) {
		state_zone(s, w.v[1])->way = (uint64_t)key;
	} else if (strcmp(w.v[0], "seen") == 0 && number(w.v[1], 16, &key) && key && numbers(&w, 2, 2, v) && !find(s, (uint64_t)key)) {
		put_in(s, (struct seen){ (uint64_t)key, v[0], v[1] });
	}
}

struct state *state_load(const char *path)
{
	struct state *s = xcalloc(1, sizeof *s);
	char line[512];
	s->path = xstrdup(path);
	FILE *f = *path ? fopen(path, "re") : NULL;
	if (!f)
		return s;
	if (fgets(line, sizeof line, f) && strcmp(line, HEAD) == 0)
		while (fgets(line, sizeof line, f))
			read_line(s, line);
	fclose(f);
	return s;
}

static void write_all(const struct state *s, FILE *f)
{
	fputs(HEAD, f);
	for (size_t i = 0; i < s->n_zone; i++) {
		const struct state_zone *z = s->zone[i];
		for (unsigned k = 0; k < 3; k++)
			if (z->kind[k].tested_us)
				fprintf(f, "health %s %u %s %u %" PRId64 " %" PRId64 " %" PRId64 "\n", z->name, k, health_name(z->kind[k].health), z->kind[k].fails,
				        z->kind[k].since_us, z->kind[k].tested_us, z->kind[k].next_us);
		if (z->way)
			fprintf(f, "way %s %" PRIx64 "\n", z->name, z->way);
		if (z->asked)
			fprintf(f, "asked %s %" PRId64 " %" PRId64 " %" PRId64 "\n", z->name, z->day, z->asked, z->asked_by_watch);
	}
	for (size_t i = 0; i < STATE_SEEN_MOST; i++)
		if (s->seen[i].key)
			fprintf(f, "seen %" PRIx64 " %" PRId64 " %" PRId64 "\n", s->seen[i].key, s->seen[i].first_us, s->seen[i].last_us);
}

/* root's look-up must not leave a file that the probe, which is somebody else, cannot read. */
static void keep_owner(FILE *f, const char *path)
{
	struct stat st;
	if (geteuid() == 0 && stat(path, &st) == 0 && fchown(fileno(f), st.st_uid, st.st_gid) < 0)
		return;
}

int state_save(struct state *s, struct err *e)
{
	struct buf tmp = { 0 };
	if (!*s->path)
		return 0;
	buf_printf(&tmp, "%s.new", s->path);
	FILE *f = fopen(buf_cstr(&tmp), "we");
	int bad = 0;
	if (f) {
		(void)fchmod(fileno(f), 0640);
		keep_owner(f, s->path);
		write_all(s, f);
		bad = ferror(f);
		bad |= fclose(f);
	}
	if (!f || bad || rename(buf_cstr(&tmp), s->path) < 0)
		bad = err_set(e, "%s: cannot be written: %s", s->path, strerror(errno));
	buf_fini(&tmp);
	return bad;
}

void state_free(struct state *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_zone; i++) {
		free(s->zone[i]->name);
		free(s->zone[i]);
	}
	free(s->zone);
	free(s->path);
	free(s);
}
