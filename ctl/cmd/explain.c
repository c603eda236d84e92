/* abusewatch explain: the arithmetic of a case, step by step, as the store has it. */
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>

#include "ctl/common.h"
#include "lib/jsonw.h"
#include "lib/plain.h"
#include "lib/times.h"

static void help(FILE *f)
{
	fputs("usage: abusewatch explain [-c CONF] [--format table|ndjson|json] CASE\n"
	      "  -c CONF      the config (abusewatch.conf(5))\n"
	      "  --format F   table on a terminal, ndjson in a pipe, unless said otherwise\n"
	      "  CASE         the number of a case\n"
	      "How its score came about: each event that changed the evidence, what the detectors saw and said before (faded to then) and after,\n"
	      "and how the fusion added it up, in nats. Kept are the first events, the newest before the case opened, and after that those\n"
	      "that brought another level or another whole nat, and the highest.\n", f);
}

/* Columns of Q_CASE_EXPLAIN and Q_CASE_STEPS. */
enum { PKIND, PID, KIND, LEVEL, STATE, SCORE, PEAK, THRESHOLD, OPENED, CLOSED, CHANGES, OFFSET };
enum { NTH, AT, WHAT, MARK, STEP_LEVEL, TOTAL, CAPPED, DETECTORS, GROUPS };

struct explained { int64_t id, threshold, changes, nth; int32_t offset; bool first; };

/* 1/4096 nat as nats: every digit there is, so that sums stay exact. */
static void put_exact(struct buf *b, int64_t v)
{
	uint64_t u = v < 0 ? (uint64_t)-v : (uint64_t)v, frac = (u & 4095) * 244140625u;
	char digits[16];
	int n = snprintf(digits, sizeof digits, "%012llu", (unsigned long long)frac);
	while (n > 1 && digits[n - 1] == '0')
		n--;
	buf_printf(b, "%s%llu.%.*s", v < 0 ? "-" : "", (unsigned long long)(u >> 12), n, digits);
}

static double nats(int64_t v)
{
	return (double)v / 4096;
}

static struct json_object *parsed(sqlite3_stmt *st, int column)
{
	struct json_object *o = json_tokener_parse((const char *)sqlite3_column_text(st, column));
	return o ? o : json_object_new_array();
}

static int64_t number(struct json_object *o, const char *key)
{
	struct json_object *v;
	return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : 0;
}

static const char *text(struct json_object *o, const char *key)
{
	struct json_object *v;
	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : "";
}

/* --- for programs ------------------------------------------------------------------------------------------------- */

static void json_item(struct json_object *o, const char *const *texts, const char *const *numbers, struct buf *b)
{
	jsonw_sep(b);
	buf_addc(b, '{');
	for (; *texts; texts++)
		jsonw_field_text(b, sv_cstr(*texts), sv_cstr(text(o, *texts)));
	for (; *numbers; numbers++) {
		jsonw_key(b, sv_cstr(*numbers));
		put_exact(b, number(o, *numbers));
	}
	buf_addc(b, '}');
}

static void json_list(sqlite3_stmt *st, int column, struct sv key, const char *const *texts, const char *const *numbers, struct buf *b)
{
	struct json_object *list = parsed(st, column);
	jsonw_key(b, key);
	buf_addc(b, '[');
	for (size_t i = 0; i < json_object_array_length(list); i++)
		json_item(json_object_array_get_idx(list, i), texts, numbers, b);
	buf_addc(b, ']');
	json_object_put(list);
}

static void json_step(sqlite3_stmt *st, const struct explained *x, struct buf *b)
{
	static const char *const detector_texts[] = { "name", "group", "seen", NULL }, *const detector_numbers[] = { "before", "step", "after", NULL };
	static const char *const group_texts[] = { "name", NULL }, *const group_numbers[] = { "best", "second", "cap", "sum", NULL };
	buf_addc(b, '{');
	jsonw_field_int(b, SV("case"), x->id);
	jsonw_field_int(b, SV("event"), sqlite3_column_int64(st, NTH));
	jsonw_key(b, SV("time"));
	jsonw_time(b, sqlite3_column_int64(st, AT), x->offset);
	jsonw_field_text(b, SV("what"), db_text(st, WHAT));
	if (sqlite3_column_bytes(st, MARK))
		jsonw_field_text(b, SV("mark"), db_text(st, MARK));
	if (sqlite3_column_bytes(st, STEP_LEVEL))
		jsonw_field_text(b, SV("level"), db_text(st, STEP_LEVEL));
	json_list(st, DETECTORS, SV("detectors"), detector_texts, detector_numbers, b);
	json_list(st, GROUPS, SV("groups"), group_texts, group_numbers, b);
	if (sqlite3_column_int64(st, CAPPED)) {
		jsonw_key(b, SV("capped_to"));
		put_exact(b, sqlite3_column_int64(st, CAPPED));
	}
	jsonw_key(b, SV("score"));
	put_exact(b, sqlite3_column_int64(st, TOTAL));
	jsonw_key(b, SV("threshold"));
	put_exact(b, x->threshold);
	buf_puts(b, "}\n");
}

/* --- for people --------------------------------------------------------------------------------------------------- */

static void table_detectors(struct json_object *list, struct buf *b)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		int64_t before = number(o, "before"), after = number(o, "after"), step = number(o, "step");
		buf_printf(b, "    %-15s %8.4f -> %8.4f%s%s", text(o, "name"), nats(before), nats(after), *text(o, "seen") ? "  " : "", text(o, "seen"));
		buf_puts(b, step && before + step != after ? "; cut by a cap or a guard\n" : "\n");
	}
}

static void table_groups(struct json_object *list, struct buf *b)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		int64_t best = number(o, "best"), second = number(o, "second"), cap = number(o, "cap"), sum = number(o, "sum");
		buf_printf(b, "    %s = %.4f", text(o, "name"), nats(best));
		if (second)
			buf_printf(b, " + half of %.4f", nats(second));
		if (best + second / 2 > cap)
			buf_printf(b, ", at most %.4f", nats(cap));
		if (sum != best || second)
			buf_printf(b, " = %.4f", nats(sum));
		buf_addc(b, '\n');
	}
}

static void table_sum(struct json_object *groups, int64_t total, int64_t capped, const struct explained *x, struct buf *b)
{
	size_t n = json_object_array_length(groups);
	buf_puts(b, "    S =");
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s %.4f", i ? " +" : "", nats(number(json_object_array_get_idx(groups, i), "sum")));
	if (capped)
		buf_printf(b, "%s %.4f: most of it came as its mail always comes", n ? ", cut to" : "", nats(capped));
	else if (n != 1)
		buf_printf(b, "%s %.4f", n ? " =" : "", nats(total));
	buf_printf(b, "; a case opens at %.4f\n", nats(x->threshold));
}

static void left_out(struct buf *b, int64_t n)
{
	buf_printf(b, "  ... %" PRId64 " event%s left out\n", n, n == 1 ? "" : "s");
}

static void table_step(sqlite3_stmt *st, struct explained *x, struct buf *b)
{
	struct json_object *detectors = parsed(st, DETECTORS), *groups = parsed(st, GROUPS);
	int64_t nth = sqlite3_column_int64(st, NTH);
	const char *mark = (const char *)sqlite3_column_text(st, MARK), *level = (const char *)sqlite3_column_text(st, STEP_LEVEL);
	if (nth > x->nth + 1)
		left_out(b, nth - x->nth - 1);
	x->nth = nth;
	buf_printf(b, "\n%lld  %s  %s%s%s%s%s\n", (long long)nth, times_text(sqlite3_column_int64(st, AT), x->offset).s,
	           (const char *)sqlite3_column_text(st, WHAT), *mark ? "  ** " : "", mark, *level ? ", " : "", level);
	table_detectors(detectors, b);
	table_groups(groups, b);
	table_sum(groups, sqlite3_column_int64(st, TOTAL), sqlite3_column_int64(st, CAPPED), x, b);
	json_object_put(detectors);
	json_object_put(groups);
}

static void table_head(sqlite3_stmt *st, const struct explained *x, struct buf *b)
{
	buf_printf(b, "case %lld: %s %s, %s, %s, %s\nscore %.4f at its last look, %.4f at its highest; it opens at %.4f\n", (long long)x->id,
	           (const char *)sqlite3_column_text(st, PKIND), (const char *)sqlite3_column_text(st, PID), (const char *)sqlite3_column_text(st, KIND),
	           (const char *)sqlite3_column_text(st, LEVEL), (const char *)sqlite3_column_text(st, STATE), nats(sqlite3_column_int64(st, SCORE)),
	           nats(sqlite3_column_int64(st, PEAK)), nats(x->threshold));
}

static void show(const struct buf *raw)
{
	struct buf plain = { 0 };
	plain_show(&plain, buf_sv(raw), "\n");
	fwrite(plain.p, 1, plain.n, stdout);
	buf_fini(&plain);
}

/* --- command ------------------------------------------------------------------------------------------------------ */

static int steps(struct db *db, struct explained *x, enum command_format format, struct buf *b)
{
	sqlite3_stmt *st = db_query(db, Q_CASE_STEPS, "i", x->id);
	int rc;
	bool any = false;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (format == FORMAT_TABLE)
			table_step(st, x, b);
		else {
			if (any && format == FORMAT_JSON)
				buf_addc(b, ',');
			json_step(st, x, b);
		}
		any = true;
	}
	sqlite3_reset(st);
	if (rc != SQLITE_DONE)
		return command_fail("%s: %s", db->path, sqlite3_errmsg(db->h));
	if (format == FORMAT_TABLE && !any)
		buf_puts(b, "no steps were kept: it opened with an older version, or was opened again by hand\n");
	if (format == FORMAT_TABLE && x->changes > x->nth && any)
		left_out(b, x->changes - x->nth);
	return COMMAND_DONE;
}

static int explain(struct db *db, int64_t id, enum command_format format)
{
	struct explained x = { .id = id };
	struct buf b = { 0 };
	sqlite3_stmt *st = db_query(db, Q_CASE_EXPLAIN, "i", id);
	if (sqlite3_step(st) != SQLITE_ROW) {
		sqlite3_reset(st);
		return command_fail("there is no case %lld", (long long)id);
	}
	x.threshold = sqlite3_column_int64(st, THRESHOLD);
	x.changes = sqlite3_column_int64(st, CHANGES);
	x.offset = sqlite3_column_int(st, OFFSET);
	if (format == FORMAT_TABLE)
		table_head(st, &x, &b);
	if (format == FORMAT_JSON)
		buf_puts(&b, "[\n");
	sqlite3_reset(st);
	int status = steps(db, &x, format, &b);
	if (format == FORMAT_JSON)
		buf_puts(&b, "]\n");
	if (status == COMMAND_DONE && format == FORMAT_TABLE)
		show(&b);
	else if (status == COMMAND_DONE)
		fwrite(b.p, 1, b.n, stdout);
	buf_fini(&b);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = { { "format", 1, 0, 'f' }, { "help", 0, 0, 'h' }, { 0 } };
	extern const struct command command_explain;
	const char *conf_path = common_default_conf();
	int format = (int)command_default_format(), c;
	int64_t id;
	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1)
		switch (c) {
		case 'c': conf_path = optarg; break;
		case 'f':
			format = command_format_named(optarg);
			if (format < 0 || format == FORMAT_CSV)
				return command_misuse(&command_explain, "--format %s: want table, ndjson or json", optarg);
			break;
		case 'h': help(stdout); return COMMAND_DONE;
		default: return command_wrong_option(&command_explain);
		}
	if (optind + 1 != argc)
		return command_misuse(&command_explain, optind == argc ? "say which case" : "one case at a time");
	if (common_count(argv[optind], &id) < 0)
		return command_misuse(&command_explain, "\"%s\" is no number of a case", argv[optind]);
	struct conf *conf;
	struct db db;
	if (common_open(conf_path, &conf, &db) < 0)
		return COMMAND_FAILED;
	int status = explain(&db, id, (enum command_format)format);
	common_close(conf, &db);
	return status;
}

const struct command command_explain = { "explain", "how the score of a case came about", help, run };
