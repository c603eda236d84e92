#include "ctl/rbl_out.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/csv.h"
#include "lib/jsonw.h"
#include "lib/plain.h"
#include "lib/times.h"
#include "probe/result.h"
#include "probe/verdict.h"

#define TEXT_MOST 120  /* of a list's own words in the table */
#define ROWS_MOST 200000 /* of the table; what is beyond is counted */

struct row { char *target, *line; uint8_t rank; uint64_t nth; };

struct rbl_out {
	int format;
	bool colour, all, first, progress;
	uint64_t count[RBL_COUNTS], total, rows_left_out;
	uint64_t told[3], answers[3]; /* of IPv4, IPv6, domains; answers: from lists that could say something */
	struct row *row; size_t n_row;
	struct buf b;
};

static const char *const count_words[RBL_COUNTS] = { "listed", "noted", "clean", "refused", "unknown", "dead" };
static const char *const colours[RBL_COUNTS] = { "\033[1;31m", "\033[36m", "\033[32m", "\033[33m", "\033[35m", "\033[2m" };

int rbl_out_colour(const char *word)
{
	static const char *const words[] = { "auto", "always", "never" };
	for (int i = 0; i < 3; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	return -1;
}

struct rbl_out *rbl_out_new(int format, int colour, bool all, size_t n_target)
{
	struct rbl_out *o = xcalloc(1, sizeof *o);
	(void)n_target;
	o->format = format;
	o->colour = colour == 1 || (colour == 0 && isatty(STDOUT_FILENO) && !getenv("NO_COLOR"));
	o->all = all;
	o->first = true;
	return o;
}

static int class_of(const struct engine_result *r)
{
	switch (r->verdict) {
	case DNSBL_LISTED: return dnsbl_is_bad(r->kind) ? RBL_LISTED : RBL_NOTED;
	case DNSBL_CLEAN: return RBL_CLEAN;
	case DNSBL_REFUSED: return RBL_REFUSED;
	case DNSBL_DEAD: return RBL_DEAD;
	default: return RBL_UNKNOWN;
	}
}

/* --- for people --------------------------------------------------------------------------------------------------- */

static const char *day_of(int64_t us)
{
	static struct times_text t;
	t = times_text(us, 0);
	t.s[10] = 0;
	return t.s;
}

static void put_words(struct buf *b, const struct engine_result *r)
{
	struct buf url = { 0 };
	if (r->verdict == DNSBL_LISTED || r->verdict == DNSBL_CLEAN)
		buf_addsv(b, r->meaning);
	else
		buf_addsv(b, r->reason);
	if (r->since_us)
		buf_printf(b, ", seen since %s", day_of(r->since_us));
	if (r->text.n)
		buf_printf(b, "\n%4s\"%.*s%s\"", "", SVARG(sv_take(r->text, TEXT_MOST)), r->text.n > TEXT_MOST ? "..." : "");
	dnsbl_zone_delist(r->zone, r->target, &url);
	if (r->verdict == DNSBL_LISTED && dnsbl_is_bad(r->kind) && url.n)
		buf_printf(b, "\n%4sway off: %.*s", "", SVARG(buf_sv(&url)));
	buf_fini(&url);
}

static void keep_row(struct rbl_out *o, const struct engine_result *r, int class)
{
	struct buf b = { 0 }, plain = { 0 };
	char code[16] = "";
	if (class == RBL_CLEAN && !o->all)
		return;
	if (o->n_row == ROWS_MOST) {
		o->rows_left_out++;
		return;
	}
	if (r->code)
		result_code_text(r->code, code);
	buf_printf(&b, "  %-34s %-16s", r->zone->name, code);
	put_words(&b, r);
	plain_show(&plain, buf_sv(&b), "\n");
	buf_fini(&b);
	if (o->n_row % 1024 == 0)
		o->row = xrealloc(o->row, (o->n_row + 1024) * sizeof *o->row);
	o->row[o->n_row] = (struct row){ xsvdup(r->target), xsvdup(buf_sv(&plain)), (uint8_t)class, o->total };
	o->n_row++;
	buf_fini(&plain);
}

static int by_target(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	struct ipaddr p, q;
	int order = ipaddr_parse(sv_cstr(x->target), &p) == 0 && ipaddr_parse(sv_cstr(y->target), &q) == 0 ? memcmp(&p, &q, sizeof p) : strcmp(x->target, y->target);
	if (order == 0)
		order = x->rank != y->rank ? x->rank - y->rank : strcmp(x->line, y->line);
	return order;
}

static void print_rows(const struct rbl_out *o)
{
	for (size_t i = 0; i < o->n_row; i++) {
		const struct row *r = &o->row[i];
		bool begins = i == 0 || strcmp(r[-1].target, r->target) != 0;
		if (begins)
			printf("%s%s\n", i ? "\n" : "", r->target);
		if (begins || r[-1].rank != r->rank)
			printf(" %s%s%s\n", o->colour ? colours[r->rank] : "", r->rank == RBL_NOTED ? "noted (allow and information lists)" : count_words[r->rank], o->colour ? "\033[0m" : "");
		printf("%s\n", r->line);
	}
}

static void print_summary(const struct rbl_out *o)
{
	static const char *const words[RBL_COUNTS] = { "listed", "noted", "clean", "refused", "unknown", "on dead lists" };
	bool any = false;
	printf("%s%llu look-ups: ", o->n_row ? "\n" : "", (unsigned long long)o->total);
	for (int i = 0; i < RBL_COUNTS; i++)
		if (o->count[i]) {
			printf("%s%s%llu %s%s", any ? ", " : "", o->colour ? colours[i] : "", (unsigned long long)o->count[i], words[i], o->colour ? "\033[0m" : "");
			any = true;
		}
	putchar('\n');
	if (o->total > 2 && o->count[RBL_UNKNOWN] == o->total)
		puts("No list answered. Can this machine reach name servers (port 53)? If not, --forward names a resolver of the site.");
	else if (rbl_out_silent(o))
		puts(o->answers[0] + o->answers[1] + o->answers[2] ? "Of some targets nothing is known: no list gave an answer." : "Nothing is known: no list gave an answer.");
	else if (!o->count[RBL_LISTED] && o->count[RBL_REFUSED] + o->count[RBL_UNKNOWN])
		puts("Not listed where an answer could be had; what is refused or unknown is not clean.");
	if (o->rows_left_out)
		printf("%llu more line%s left out; --format csv has them all\n", (unsigned long long)o->rows_left_out, o->rows_left_out == 1 ? " was" : "s were");
}

/* --- for programs ------------------------------------------------------------------------------------------------- */

static void put_csv(struct rbl_out *o, const struct engine_result *r)
{
	struct buf url = { 0 };
	char code[16] = "";
	if (r->code)
		result_code_text(r->code, code);
	bool bad = r->verdict == DNSBL_LISTED && dnsbl_is_bad(r->kind);
	if (bad)
		dnsbl_zone_delist(r->zone, r->target, &url);
	struct times_text since = times_text(r->since_us / US_PER_S * US_PER_S, 0), asked = times_text(r->asked_us / US_PER_S * US_PER_S, 0);
	struct sv cells[] = { r->target, sv_cstr(r->zone->name), sv_cstr(dnsbl_verdict_name(r->verdict)), sv_cstr(r->verdict == DNSBL_LISTED ? dnsbl_kind_name(r->kind) : ""), sv_cstr(code),
		r->meaning, r->text, r->reason, sv_cstr(r->since_us ? since.s : ""), sv_cstr(asked.s), buf_sv(&url) };
	for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
		csv_put(&o->b, i == 0, cells[i]);
	csv_end_row(&o->b);
	buf_fini(&url);
}

static void head(struct rbl_out *o)
{
	if (o->format == FORMAT_CSV)
		buf_puts(&o->b, "target,zone,verdict,kind,code,meaning,text,reason,since,answered,delist\r\n");
	else if (o->format == FORMAT_JSON)
		buf_puts(&o->b, "[\n");
}

void rbl_out_result(void *ctx, const struct engine_result *r)
{
	struct rbl_out *o = ctx;
	int class = class_of(r);
	struct ipaddr a;
	unsigned sort = ipaddr_parse(r->target, &a) < 0 ? 2 : ipaddr_is_v4(&a) ? 0 : 1;
	o->count[class]++;
	o->total++;
	o->told[sort]++;
	o->answers[sort] += class == RBL_LISTED || class == RBL_NOTED || class == RBL_CLEAN;
	if (o->format == FORMAT_TABLE) {
		keep_row(o, r, class);
		return;
	}
	if (o->first)
		head(o);
	if (o->format == FORMAT_CSV) {
		put_csv(o, r);
	} else {
		if (o->format == FORMAT_JSON && !o->first)
			buf_puts(&o->b, ",\n");
		result_json(r, &o->b);
		if (o->format == FORMAT_NDJSON)
			buf_addc(&o->b, '\n');
	}
	o->first = false;
	if (o->b.n > 65536 || (o->total < 512 && o->format == FORMAT_NDJSON)) { /* a few are wanted at once */
		fwrite(o->b.p, 1, o->b.n, stdout);
		o->b.n = 0;
		fflush(stdout);
	}
}

void rbl_out_progress(void *ctx, uint64_t done, uint64_t all)
{
	struct rbl_out *o = ctx;
	o->progress = true;
	fprintf(stderr, "\r%llu of %llu look-ups (%llu %%) ", (unsigned long long)done, (unsigned long long)all, (unsigned long long)(all ? done * 100 / all : 100));
}

void rbl_out_end(struct rbl_out *o)
{
	if (o->progress)
		fputs("\r\033[K", stderr);
	if (o->format == FORMAT_TABLE) {
		if (o->n_row)
			qsort(o->row, o->n_row, sizeof *o->row, by_target);
		print_rows(o);
		print_summary(o);
	} else if (o->first) {
		head(o);
	}
	if (o->format == FORMAT_JSON)
		buf_puts(&o->b, "\n]\n");
	fwrite(o->b.n ? o->b.p : "", 1, o->b.n, stdout);
	o->b.n = 0;
	fflush(stdout);
}

const uint64_t *rbl_out_counts(const struct rbl_out *o)
{
	return o->count;
}

bool rbl_out_silent(const struct rbl_out *o)
{
	for (unsigned i = 0; i < 3; i++)
		if (o->told[i] && !o->answers[i])
			return true;
	return false;
}

uint64_t rbl_out_total(const struct rbl_out *o)
{
	return o->total;
}

void rbl_out_free(struct rbl_out *o)
{
	for (size_t i = 0; i < o->n_row; i++) {
		free(o->row[i].target);
		free(o->row[i].line);
	}
	free(o->row);
	buf_fini(&o->b);
	free(o);
}

/* --- the lists themselves ----------------------------------------------------------------------------------------- */

static void zone_state(struct asker *a, const struct dnsbl_zone *z, struct buf *b)
{
	uint8_t worst = HEALTH_GOOD;
	for (unsigned k = 0; k < 3; k++)
		if (z->targets & 1u << k) {
			uint8_t h = engine_health(asker_engine(a), z, k)->health;
			worst = h != HEALTH_GOOD && (worst == HEALTH_GOOD || worst == HEALTH_UNTESTED) ? h : worst;
		}
	buf_puts(b, !z->enabled ? "off" : *z->key_name && !z->key ? "no key" : health_name(worst));
}

static void zone_json(struct asker *a, const struct dnsbl_zone *z, struct buf *b)
{
	static const char *const names[3] = { "ip4", "ip6", "domain" };
	struct buf state = { 0 };
	zone_state(a, z, &state);
	buf_addc(b, '{');
	jsonw_field_text(b, SV("zone"), sv_cstr(z->name));
	jsonw_field_text(b, SV("title"), sv_cstr(z->title));
	jsonw_key(b, SV("targets"));
	buf_addc(b, '[');
	for (unsigned k = 0; k < 3; k++)
		if (z->targets & 1u << k) {
			jsonw_sep(b);
			jsonw_text(b, sv_cstr(names[k]));
		}
	buf_addc(b, ']');
	jsonw_field_text(b, SV("kind"), sv_cstr(dnsbl_kind_name(z->kind)));
	jsonw_field_int(b, SV("points"), z->points);
	jsonw_field_bool(b, SV("enabled"), z->enabled);
	jsonw_field_text(b, SV("state"), buf_sv(&state));
	jsonw_field_int(b, SV("asked_today"), engine_asked_today(asker_engine(a), z));
	if (z->per_day)
		jsonw_field_int(b, SV("per_day"), z->per_day);
	if (*z->licence)
		jsonw_field_text(b, SV("licence"), sv_cstr(z->licence));
	if (*z->note)
		jsonw_field_text(b, SV("note"), sv_cstr(z->note));
	buf_addc(b, '}');
	buf_fini(&state);
}

static void dead_json(const struct dnsbl_dead *d, struct buf *b)
{
	buf_addc(b, '{');
	jsonw_field_text(b, SV("zone"), sv_cstr(d->name));
	jsonw_field_bool(b, SV("enabled"), false);
	jsonw_field_text(b, SV("state"), SV("dead"));
	if (*d->since)
		jsonw_field_text(b, SV("since"), sv_cstr(d->since));
	jsonw_field_text(b, SV("reason"), sv_cstr(d->reason));
	buf_addc(b, '}');
}

static void zones_table(struct asker *a)
{
	const struct dnsbl_zones *z = asker_zones(a);
	printf("%-34s %-11s %-7s %6s  %s\n", "list", "state", "kind", "points", "note");
	for (size_t i = 0; i < z->n; i++) {
		struct buf state = { 0 };
		const struct dnsbl_zone *v = &z->v[i];
		zone_state(a, v, &state);
		printf("%-34s %-11s %-7s %6d  %s%s%s\n", v->name, buf_cstr(&state), dnsbl_kind_name(v->kind), v->points, v->licence, *v->licence && *v->note ? "; " : "", v->note);
		buf_fini(&state);
	}
	puts("\nnot asked:");
	for (size_t i = 0; i < z->n_dead; i++)
		printf("%-34s %-11s %s\n", z->dead[i].name, z->dead[i].since, z->dead[i].reason);
}

static void zones_csv(struct asker *a, struct buf *b)
{
	const struct dnsbl_zones *z = asker_zones(a);
	buf_puts(b, "zone,title,state,kind,points,licence,note\r\n");
	for (size_t i = 0; i < z->n; i++) {
		struct buf state = { 0 };
		char points[16];
		const struct dnsbl_zone *v = &z->v[i];
		zone_state(a, v, &state);
		(void)snprintf(points, sizeof points, "%d", v->points);
		const char *cells[] = { v->name, v->title, buf_cstr(&state), dnsbl_kind_name(v->kind), points, v->licence, v->note };
		for (size_t k = 0; k < sizeof cells / sizeof *cells; k++)
			csv_put(b, k == 0, sv_cstr(cells[k]));
		csv_end_row(b);
		buf_fini(&state);
	}
	for (size_t i = 0; i < z->n_dead; i++) {
		const char *cells[] = { z->dead[i].name, "", "dead", "", "", "", z->dead[i].reason };
		for (size_t k = 0; k < sizeof cells / sizeof *cells; k++)
			csv_put(b, k == 0, sv_cstr(cells[k]));
		csv_end_row(b);
	}
}

int rbl_out_zones(struct asker *a, int format)
{
	const struct dnsbl_zones *z = asker_zones(a);
	const char *between = format == FORMAT_JSON ? ",\n" : "\n";
	struct buf b = { 0 };
	if (format == FORMAT_TABLE) {
		zones_table(a);
		return COMMAND_DONE;
	}
	if (format == FORMAT_CSV)
		zones_csv(a, &b);
	for (size_t i = 0; format != FORMAT_CSV && i < z->n + z->n_dead; i++) {
		buf_puts(&b, i ? between : format == FORMAT_JSON ? "[\n" : "");
		if (i < z->n)
			zone_json(a, &z->v[i], &b);
		else
			dead_json(&z->dead[i - z->n], &b);
	}
	if (format != FORMAT_CSV)
		buf_puts(&b, format == FORMAT_JSON ? "\n]\n" : "\n");
	fwrite(b.p, 1, b.n, stdout);
	buf_fini(&b);
	return COMMAND_DONE;
}
