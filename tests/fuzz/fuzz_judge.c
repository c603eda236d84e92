/* Fuzz target: what a log's lines do to the analyzer, which trusts nobody. Lines up to the first NUL go the whole way: collector, frames, judging, store. Bytes behind
 * it change the frames as a collector that was broken into might: two for the place, one for what is put there. The state is kept from one input to the next, as in
 * the program: days, accounts and cases add up. Whatever came, a case has evidence and each detector that speaks says why. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "analyzer/detector.h"
#include "analyzer/enrich.h"
#include "analyzer/ingest.h"
#include "analyzer/judge.h"
#include "collector/emit.h"
#include "lib/conf.h"
#include "lib/msg.h"

#define CONF "examples/abusewatch.conf" /* this is run where it lies */
#define COMMIT_EACH 64u                 /* inputs */
#define REST_EACH 512u

static char dir[] = "/tmp/aw-fuzz-judge-XXXXXX", db_path[64];
static struct ingest in;
static unsigned inputs;

/* What is kept lies in memory that a search for leaks does not look into. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

static int64_t wall(void) { return 1772000000 * US_PER_S + inputs * 1000LL; }

static void remove_store(void)
{
	char command[128];
	(void)snprintf(command, sizeof command, "rm -rf %s", dir);
	if (system(command) != 0)
		perror(dir);
}

static void open_store(void)
{
	struct err e = { "" };
	size_t n;
	msg_init("fuzz_judge");
	msg_level(MSG_ERROR);
	const struct opt_table *const *tables = detector_option_tables(&n);
	struct conf *conf = conf_load(CONF, tables, n, NULL, NULL);
	struct enrich *enrich = conf ? enrich_new(conf, &e) : NULL;
	if (!enrich || !mkdtemp(dir) || atexit(remove_store) != 0)
		abort();
	(void)snprintf(db_path, sizeof db_path, "%s/t.db", dir);
	in.judge = judge_new(conf, enrich, &e);
	in.store = in.judge ? store_open(db_path, in.judge, &e) : NULL;
	in.wall_us = wall;
	if (!in.store)
		abort();
}

static void put_frames(struct emit *out, struct sv log)
{
	struct pipeline_sink sink = emit_sink(out);
	struct pipeline_options o = { .correlate = true, .max_open_bytes = 1u << 20 };
	struct feed f;
	struct zone z;
	struct err e;
	struct pipeline *p = pipeline_new(&o, &sink);
	(void)zone_init(&z, "UTC", &e);
	feed_init(&f, NULL, &z, 2026, 0);
	pipeline_bytes(p, &f, log);
	pipeline_end_of_file(p, &f);
	pipeline_end(p);
	feed_fini(&f);
	pipeline_free(p);
}

static void change(struct buf *b, struct sv how)
{
	for (size_t i = 0; b->n && i + 3 <= how.n; i += 3) {
		size_t at = (unsigned char)how.p[i] | (size_t)(unsigned char)how.p[i + 1] << 8;
		b->p[at % b->n] = how.p[i + 2];
	}
}

/* Evidence is everything. */
static void check_cases(void)
{
	static const char sql[] = "SELECT count(*) FROM acase WHERE id NOT IN (SELECT case_id FROM case_evidence) OR id NOT IN (SELECT case_id FROM case_detector WHERE why <> '')";
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	if (sqlite3_open(db_path, &db) != SQLITE_OK || sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK || sqlite3_step(st) != SQLITE_ROW || sqlite3_column_int(st, 0) != 0)
		abort();
	sqlite3_finalize(st);
	sqlite3_close(db);
}

static void commit(void)
{
	struct err e = { "" };
	if (inputs % COMMIT_EACH)
		return;
	if (ingest_commit(&in, &e) < 0)
		abort();
	check_cases();
	if (inputs % REST_EACH == 0) { /* everybody is packed away */
		int32_t rest_s = in.judge->limits.rest_s;
		in.judge->limits.rest_s = -1000000;
		in.judge->rest_us = 0;
		judge_rest(in.judge);
		in.judge->limits.rest_s = rest_s;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv log = sv_make((const char *)data, size), how;
	struct ingest_source source = { 0 };
	struct emit made = { 0 };
	struct buf hello = { 0 }, reply = { 0 };
	struct err e;
	size_t used;
	const char *nul = size ? memchr(data, 0, size) : NULL;
	if (!in.store)
		open_store();
	how = nul ? sv_skip(log, (size_t)(nul - log.p) + 1) : SV("");
	log = nul ? sv_take(log, (size_t)(nul - log.p)) : log;
	inputs++;
	in.heard_us = wall();
	obs_put_hello(&hello, inputs % 3 ? SV("mx1") : SV("mx2"));
	if (ingest_bytes(&in, &source, buf_sv(&hello), &used, &reply, &e) < 0)
		abort();
	source.input->applied_seq = 0; /* nothing is a repetition */
	put_frames(&made, log);
	change(&made.out, how);
	(void)ingest_bytes(&in, &source, buf_sv(&made.out), &used, &reply, &e);
	ingest_source_end(&source);
	commit();
	emit_fini(&made);
	buf_fini(&hello);
	buf_fini(&reply);
	return 0;
}
