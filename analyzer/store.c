#include "analyzer/store.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "analyzer/acase.h"
#include "analyzer/detector.h"
#include "analyzer/backup.h"
#include "analyzer/listing_int.h"
#include "analyzer/dialogues.h"
#include "analyzer/policy.h"
#include "analyzer/rollup.h"
#include "analyzer/servers.h"
#include "lib/lock.h"
#include "lib/msg.h"

#define STORE_AHEAD_BYTES (2u << 20) /* of rows in memory; some ten thousand: so many at once are mostly put beside one another */
#define GONE_SHOWN_US (7 * US_PER_DAY) /* so long totals of a log that is gone are shown */

/* --- transactions ------------------------------------------------------------------------------------------------- */

static int begin(struct store *s, struct err *e)
{
	if (s->lost)
		return err_set(e, "%s: the commit before failed, and what it was to write is lost: begin again", s->db.path);
	if (!s->ahead)
		return db_exec(&s->db, "BEGIN IMMEDIATE", e);
	if (!sqlite3_get_autocommit(s->db.h))
		return 0;
	s->ahead = false; /* SQLite ended it: a full disk, while something was read */
	s->lost = true;
	return err_set(e, "%s: cannot be written: what was written ahead is lost: begin again", s->db.path);
}

static void roll_back(struct store *s)
{
	s->lost = s->ahead;
	s->ahead = false;
	if (!sqlite3_get_autocommit(s->db.h))
		(void)db_exec(&s->db, "ROLLBACK", NULL);
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

static void digest_prefixes(crypto_generichash_state *h, const struct prefix_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		crypto_generichash_update(h, t->v[i].addr.b, sizeof t->v[i].addr.b);
		crypto_generichash_update(h, &t->v[i].bits, 1);
	}
}

static void digest_list(crypto_generichash_state *h, const struct conf_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		crypto_generichash_update(h, (const unsigned char *)l->v[i], strlen(l->v[i]) + 1);
}

/* The site's key for hashes. Which addresses share a place in a filter depends on it, and with that, now and then, a case:
 * so it is made from what describes the site, and the same log with the same config gives the same cases in every
 * store. Other sites have other keys; it stays in the store when the config changes. */
static void make_key(const struct conf *conf, struct hash_key *ret_key)
{
	crypto_generichash_state h;
	crypto_generichash_init(&h, NULL, 0, sizeof ret_key->b);
	digest_prefixes(&h, &conf->networks);
	digest_prefixes(&h, &conf->egress);
	digest_list(&h, &conf->local_domains);
	digest_list(&h, &conf->relay_domains);
	for (size_t i = 0; i < conf->n_backup; i++)
		crypto_generichash_update(&h, (const unsigned char *)conf->backup[i].domain, strlen(conf->backup[i].domain) + 1);
	crypto_generichash_final(&h, ret_key->b, sizeof ret_key->b);
}

static int load_key(struct store *s, struct judge *j, struct err *e)
{
	char hex[HASH_KEY_BYTES * 2 + 1];
	sqlite3_stmt *st = db_query(&s->db, Q_META_GET, "s", "hash-key");
	if (db_row(&s->db, st)) {
		struct sv v = db_text(st, 0);
		size_t n = 0;
		bool good = sodium_hex2bin(j->key.b, sizeof j->key.b, v.p, v.n, NULL, &n, NULL) == 0 && n == sizeof j->key.b;
		sqlite3_reset(st);
		return good ? 0 : err_set(e, "%s: its hash key is damaged", s->db.path);
	}
	sqlite3_reset(st);
	make_key(j->conf, &j->key);
	sodium_bin2hex(hex, sizeof hex, j->key.b, sizeof j->key.b);
	if (s->db.bulk) { /* it goes with the first commit: one of its own would wait for the disk as long */
		if (begin(s, e) < 0)
			return -1;
		s->ahead = true;
	}
	return db_run(&s->db, e, Q_META_SET, "ss", "hash-key", hex);
}

static struct acase *load_case(void *ctx, struct judge *j, int64_t id)
{
	return store_case_load(ctx, j, id);
}

static int64_t recent_case(void *ctx, const struct principal *p, int64_t since_us)
{
	struct store *s = ctx;
	sqlite3_stmt *st = db_query(&s->db, Q_CASE_RECENT, "ssi", principal_kind_name(p->kind), p->id, since_us);
	int64_t id = db_row(&s->db, st) ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return id;
}

/* Two detectors whose names make one tag would take each other's state. */
static void check_tags(void)
{
	for (size_t d = 0; d < detector_count(); d++)
		for (size_t k = 0; k < d; k++)
			if (store_state_tag(detector_registry[d]->name) == store_state_tag(detector_registry[k]->name))
				panic("the names of the detectors %s and %s make the same tag: rename one", detector_registry[d]->name, detector_registry[k]->name);
}

static int64_t newest_heard(struct store *s)
{
	sqlite3_stmt *st = db_query(&s->db, Q_INPUT_HEARD, "");
	int64_t us = db_row(&s->db, st) ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return us;
}

static struct store *open_with(int (*open)(struct db *d, const char *path, struct err *e), const char *path, struct judge *j, struct err *e)
{
	struct store *s = xcalloc(1, sizeof *s);
	/* A second writer would undo what the first one knows. */
	s->lock = lock_take(path, "another analyzer or import writes this store; there can be one at a time", e);
	if (s->lock < 0) {
		free(s);
		return NULL;
	}
	if (sodium_init() < 0)
		panic("libsodium does not start");
	bool is_new = access(path, F_OK) < 0 && errno == ENOENT;
	if ((is_new && archive_set_aside(path, e) < 0) || open(&s->db, path, e) < 0) {
		close(s->lock);
		free(s);
		return NULL;
	}
	s->archive = archive_open(s->db.h, path, true, e);
	if (!s->archive || load_key(s, j, e) < 0 || store_memory_load(s, j, e) < 0 || store_rollup_load(s, j, e) < 0) {
		store_close(s, j);
		return NULL;
	}
	store_backup_load(s, j);
	store_policy_load(s, j);
	store_listing_load(s, j);
	store_servers_load(s, j);
	check_tags();
	j->store = (struct judge_store){ s, store_principal_load, load_case, recent_case, store_backup_domain };
	if (store_principals_take(s, e) < 0 || store_cases_load_open(s, j, e) < 0) {
		store_close(s, j);
		return NULL;
	}
	s->heard_us = newest_heard(s);
	listing_configure(j); /* the config may be another one than last time */
	return s;
}

struct store *store_open(const char *path, struct judge *j, struct err *e)
{
	return open_with(db_open, path, j, e);
}

struct store *store_open_bulk(const char *path, struct judge *j, struct err *e)
{
	struct store *s = open_with(db_open_bulk, path, j, e);
	if (s)
		archive_uncached(s->archive);
	return s;
}

static void shapes_free(struct store_input *in)
{
	for (size_t i = 0; i < in->n_shapes; i++) {
		free(in->shape[i].program);
		free(in->shape[i].shape);
		free(in->shape[i].sample);
	}
	in->n_shapes = 0;
}

static void input_free(struct store_input *in)
{
	shapes_free(in);
	free(in->shape);
	buf_fini(&in->snapshot);
	buf_fini(&in->counters);
	free(in->path);
	free(in->name);
	free(in);
}

void store_close(struct store *s, struct judge *j)
{
	if (!s)
		return;
	j->store = (struct judge_store){ 0 };
	for (size_t i = 0; i < s->n_inputs; i++)
		input_free(s->input[i]);
	free(s->input);
	archive_free(s->archive);
	roll_back(s);
	(void)db_wal(&s->db, NULL); /* there was no commit */
	db_close(&s->db);
	close(s->lock);
	free(s);
}

/* --- inputs ------------------------------------------------------------------------------------------------------- */

struct store_input *store_input(struct store *s, struct sv name)
{
	for (size_t i = 0; i < s->n_inputs; i++)
		if (sv_eq(sv_cstr(s->input[i]->name), name))
			return s->input[i];
	struct store_input *in = xcalloc(1, sizeof *in);
	in->name = xsvdup(name);
	s->input = xrealloc(s->input, (s->n_inputs + 1) * sizeof(struct store_input *));
	s->input[s->n_inputs++] = in;
	sqlite3_stmt *st = db_query(&s->db, Q_INPUT_GET, "s", in->name);
	if (db_row(&s->db, st)) {
		in->applied_seq = (uint64_t)sqlite3_column_int64(st, 0);
		buf_addsv(&in->snapshot, db_blob(st, 1));
		buf_addsv(&in->counters, db_text(st, 2));
		in->path = xsvdup(db_text(st, 3));
		in->last_event_us = sqlite3_column_int64(st, 4);
		if (s->put_back_us)
			times_no_later(&in->last_event_us, s->put_back_us);
	}
	sqlite3_reset(st);
	return in;
}

void store_put_back(struct store *s, int64_t now_us)
{
	s->put_back_us = now_us;
	times_no_later(&s->settled_us, now_us);
	for (size_t i = 0; i < s->n_inputs; i++) {
		times_no_later(&s->input[i]->heard_us, now_us);
		times_no_later(&s->input[i]->last_event_us, now_us);
	}
}

void store_input_gone(struct store_input *in)
{
	in->applied_seq = 0;
	in->heard_us = 0;
	buf_clear(&in->snapshot);
	in->has_snapshot = false;
	in->gone = in->dirty = true;
}

/* The entry of that shape among those that wait for the commit; made when missing. */
static struct store_shape *shape_entry(struct store_input *in, struct sv program, struct sv shape)
{
	size_t i = 0;
	while (i < in->n_shapes && !(sv_eq(sv_cstr(in->shape[i].program), program) && sv_eq(sv_cstr(in->shape[i].shape), shape)))
		i++;
	if (i == in->n_shapes) {
		in->shape = xrealloc(in->shape, (i + 1) * sizeof *in->shape);
		in->shape[in->n_shapes++] = (struct store_shape){ .program = xsvdup(program), .shape = xsvdup(shape) };
	}
	return &in->shape[i];
}

void store_input_shape(struct store_input *in, const struct obs_shape *shape)
{
	if (shape->was.n)
		shape_entry(in, shape->program, shape->was)->gone = true;
	struct store_shape *s = shape_entry(in, shape->program, shape->shape);
	free(s->sample);
	s->sample = xsvdup(shape->sample);
	s->lines = shape->lines;
	s->gone = false;
	in->dirty = true;
}

/* --- committing --------------------------------------------------------------------------------------------------- */

static int write_input(struct store *s, const struct store_input *in, struct err *e)
{
	int bad = db_run(&s->db, e, Q_INPUT_PUT, "sitsii", in->name, (int64_t)in->applied_seq, buf_sv(&in->counters), in->path,
	                 in->last_event_us, in->heard_us);
	if (!bad && in->gone)
		bad = db_run(&s->db, e, Q_INPUT_SNAPSHOT_DROP, "s", in->name);
	if (!bad && in->has_snapshot)
		bad = db_run(&s->db, e, Q_INPUT_SNAPSHOT_PUT, "sb", in->name, buf_sv(&in->snapshot));
	for (size_t i = 0; i < in->n_shapes && !bad; i++) {
		const struct store_shape *x = &in->shape[i];
		bad = x->gone ? db_run(&s->db, e, Q_SHAPE_DROP, "sss", in->name, x->program, x->shape)
		              : db_run(&s->db, e, Q_SHAPE_PUT, "sssis", in->name, x->program, x->shape, (int64_t)x->lines, x->sample);
	}
	return bad;
}

static int write_all(struct store *s, struct judge *j, struct err *e)
{
	archive_begin(s->archive);
	int bad = store_principals_write(s, j, e) || store_rollup_write(s, j, e) ||
	          store_backup_write(s, j, e) || store_policy_write(s, j, e) || store_listing_write(s, j, e) || store_dialogues_write(s, j, e) ||
	          store_servers_write(s, j, e);
	for (size_t i = 0; i < j->n_cases && !bad; i++)
		if (j->cases[i]->dirty)
			bad = store_case_write(s, j, j->cases[i], e);
	bad = bad || store_memory_write(s, j, e);
	if (s->put_back_us && !bad)
		bad = db_run(&s->db, e, Q_INPUT_PUT_BACK, "i", s->put_back_us);
	for (size_t i = 0; i < s->n_inputs && !bad; i++)
		if (s->input[i]->dirty)
			bad = write_input(s, s->input[i], e);
	return bad || archive_flush(s->archive, e) < 0 ? -1 : 0; /* last: segments are packed meanwhile */
}

static void forget_events(struct acase *c)
{
	while (c->events) {
		struct case_event *x = c->events;
		c->events = x->next;
		free(x->actor);
		free(x->what);
		free(x->text);
		free(x);
	}
	c->events_tail = &c->events;
	c->n_points = 0;
}

static void clean_case(struct acase *c)
{
	forget_events(c);
	const struct suspicion *x = acase_shown(c);
	if (x)
		c->lines = x->lines_added;
	if (x && x->journal)
		c->steps = x->journal->added;
	c->anew = c->anew && !x;
	c->anew_steps = c->anew_steps && !(x && x->journal);
	case_text_free(c->text);
	c->text = NULL;
	c->dirty = c->fresh = false;
}

static void drop_closed(struct judge *j, size_t i)
{
	struct acase *c = j->cases[i];
	if (c->principal && c->principal->open_case == c) {
		c->principal->open_case = NULL;
		judge_touch(j, c->principal);
	}
	acase_free(c);
	j->cases[i] = j->cases[--j->n_cases];
}

static void inputs_committed(struct store *s)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->n_inputs; i++) {
		struct store_input *in = s->input[i];
		in->dirty = in->has_snapshot = false;
		shapes_free(in);
		if (in->gone && !in->users) {
			input_free(in);
			continue;
		}
		in->gone = false;
		s->input[kept++] = in;
	}
	s->n_inputs = kept;
	s->put_back_us = 0;
}

static void all_clean(struct store *s, struct judge *j)
{
	store_principals_committed(s, j);
	rollup_committed(j->rollup);
	backup_committed(j->backup);
	policy_committed(j->policy, j->site->now_us);
	listing_committed(j->listing);
	dialogues_clear(&j->dialogues);
	servers_committed(j->servers);
	buf_clear(&j->ended_days);
	for (size_t i = j->n_cases; i-- > 0;) {
		clean_case(j->cases[i]);
		if (!acase_is_open(j->cases[i]))
			drop_closed(j, i);
	}
	store_memory_committed(s, j);
	if (s->settles)
		s->settled_us = j->site->now_us;
	s->settles = false;
	inputs_committed(s);
	uint64_t before = j->evicted;
	judge_evict(j);
	s->had_principals |= j->evicted != before;
}

int store_write_ahead(struct store *s, struct judge *j, struct err *e)
{
	if (store_rollup_ended_bytes(j) < STORE_AHEAD_BYTES)
		return 0;
	if (begin(s, e) < 0)
		return -1;
	s->ahead = true;
	if (store_rollup_write_ended(s, j, e) == 0)
		return 0;
	roll_back(s);
	return -1;
}

int store_commit(struct store *s, struct judge *j, struct err *e)
{
	struct err why;
	if (begin(s, e) < 0)
		return -1;
	if (write_all(s, j, e) < 0 || db_exec(&s->db, "COMMIT", e) < 0) {
		roll_back(s);
		archive_end(s->archive, false);
		return -1;
	}
	s->ahead = false;
	archive_end(s->archive, true);
	if (db_wal(&s->db, &why) < 0)
		msg_warn("%s; readers may have to wait", why.text); /* what was to be written is */
	all_clean(s, j);
	return 0;
}

void store_defer(struct store *s, struct judge *j)
{
	s->defers = s->settles = true; /* first what was changed while it was opened */
	store_memory_defer(j);
}

void store_settle(struct store *s)
{
	s->settles = true;
}

/* Closed cases, and the lines of others before: a case's lines never outlive it. */
static int drop_cases(struct store *s, int64_t cases_us, int64_t lines_us, struct err *e)
{
	static const enum query of_cases[] = { Q_CASE_DETECTOR_DROP, Q_CASE_SCORE_DROP, Q_CASE_SOURCE_DROP, Q_CASE_DOMAIN_DROP,
		                               Q_CASE_STEP_DROP,     Q_CASE_EVENT_DROP, Q_NOTIFICATION_DROP, Q_CASE_DROP };
	int bad = db_run(&s->db, e, Q_CASE_EVIDENCE_DROP, "i", lines_us > cases_us ? lines_us : cases_us);
	for (size_t i = 0; i < sizeof of_cases / sizeof *of_cases && !bad; i++)
		bad = db_run(&s->db, e, of_cases[i], "i", cases_us);
	return bad;
}

/* Of whom nothing was heard for as long as cases are kept. All rows are looked at: once a day. */
static int drop_principals(struct store *s, int64_t cases_us, int64_t day, struct err *e)
{
	return s->principals_day == day ? 0 : db_run(&s->db, e, Q_PRINCIPAL_DROP, "i", cases_us);
}

int64_t store_retained_us(struct store *s)
{
	sqlite3_stmt *st = db_query(&s->db, Q_META_GET, "s", "retention");
	int64_t us = db_row(&s->db, st) ? sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return us;
}

static int note_retention(struct store *s, int64_t now_us, struct err *e)
{
	char text[24];
	(void)snprintf(text, sizeof text, "%" PRId64, now_us);
	return db_run(&s->db, e, Q_META_SET, "ss", "retention", text);
}

int store_retention(struct store *s, const struct conf *conf, int64_t now_us, struct err *e)
{
	int64_t message_day = now_us / US_PER_DAY - conf->keep_messages_days;
	int64_t cases_us = now_us - conf->keep_cases_days * US_PER_DAY;
	archive_remove_joined(s->archive); /* an hour ago */
	if (db_exec(&s->db, "BEGIN IMMEDIATE", e) < 0)
		return -1;
	int bad = archive_drop_before(s->archive, message_day, e);
	static const enum query by_time[] = { Q_VOLUME_DROP, Q_PRINCIPAL_HOUR_DROP, Q_RECEIVER_HOUR_DROP, Q_DIALOGUE_DROP };
	for (size_t i = 0; i < sizeof by_time / sizeof *by_time && !bad; i++)
		bad = db_run(&s->db, e, by_time[i], "i", message_day * US_PER_DAY);
	if (!bad)
		bad = db_run(&s->db, e, Q_PRINCIPAL_DAY_DROP, "i", message_day);
	if (!bad)
		bad = drop_cases(s, cases_us, now_us - conf->keep_lines_days * US_PER_DAY, e) || drop_principals(s, cases_us, now_us / US_PER_DAY, e);
	static const enum query of_service[] = { Q_BACKUP_OUTAGE_DROP, Q_SERVICE_ALERT_DROP, Q_NOTIFICATION_ALERT_DROP, Q_LISTING_PAST_DROP, Q_LISTING_CHANGE_DROP,
		                                   Q_LISTING_DROP, Q_LISTING_TARGET_DROP,
		                                   Q_NETWORK_EVENT_DROP };
	for (size_t i = 0; i < sizeof of_service / sizeof *of_service && !bad; i++)
		bad = db_run(&s->db, e, of_service[i], "i", cases_us);
	static const enum query of_policy[] = { Q_POLICY_FINDING_DROP, Q_POLICY_DAY_DROP };
	for (size_t i = 0; i < sizeof of_policy / sizeof *of_policy && !bad; i++)
		bad = db_run(&s->db, e, of_policy[i], "i", cases_us / US_PER_DAY);
	if (!bad)
		bad = db_run(&s->db, e, Q_INPUT_DROP, "i", now_us - GONE_SHOWN_US) || db_run(&s->db, e, Q_SHAPE_DROP_GONE, "");
	if (!bad)
		bad = db_run(&s->db, e, Q_BACKUP_RECIPIENT_DROP, "i", now_us - conf->keep_recipients_days * US_PER_DAY) || note_retention(s, now_us, e);
	if (bad || db_exec(&s->db, "COMMIT", e) < 0) {
		if (!sqlite3_get_autocommit(s->db.h))
			(void)db_exec(&s->db, "ROLLBACK", NULL);
		archive_retained(s->archive, false);
		return -1;
	}
	archive_retained(s->archive, true);
	s->principals_day = now_us / US_PER_DAY;
	return 0;
}

static int tidy(struct store *s, int64_t day, struct err *e)
{
	if (db_exec(&s->db, "BEGIN IMMEDIATE", e) < 0)
		return -1;
	int done = archive_compact(s->archive, day, e);
	if (done <= 0 || db_exec(&s->db, "COMMIT", e) < 0) {
		if (!sqlite3_get_autocommit(s->db.h))
			(void)db_exec(&s->db, "ROLLBACK", NULL);
		archive_retained(s->archive, false);
		return done > 0 ? -1 : done;
	}
	archive_retained(s->archive, true);
	return 1;
}

/* Joins segments of days before that one, where there are such, or makes a filter. Files of filters are removed at once, those of segments that were joined when
 * the analyzer is started again at the earliest, so the commit must be on the disk by then: without that, the catalog could name files that are gone after a
 * power cut. */
static int tidy_archive(struct store *s, int64_t day, struct err *e)
{
	if (db_exec(&s->db, "PRAGMA synchronous = FULL", e) < 0)
		return -1;
	int done = tidy(s, day, e);
	(void)db_exec(&s->db, DB_SYNCHRONOUS, NULL);
	return done;
}

int store_compact(struct store *s, int64_t now_us, struct err *e)
{
	return tidy_archive(s, now_us / US_PER_DAY, e);
}

int store_filter(struct store *s, struct err *e)
{
	return s->ahead ? 0 : tidy_archive(s, INT64_MIN, e); /* of a new store in which nothing is */
}

int64_t store_notification(struct store *s, int64_t id, int64_t case_id, int64_t at_us, const char *kind, const char *recipient,
                           const char *language, const char *status, const char *error, const char *message_id, struct err *e)
{
	bool done = strcmp(status, "queued") != 0;
	int bad = id ? db_run(&s->db, e, Q_NOTIFICATION_DONE, "sssii", status, error, message_id, at_us, id)
	             : db_run(&s->db, e, Q_NOTIFICATION_ADD, done ? "iissssssi" : "iissssssn", case_id, at_us, kind, recipient, language,
	                      status, error, message_id, at_us);
	return bad ? -1 : id ? id : sqlite3_last_insert_rowid(s->db.h);
}
