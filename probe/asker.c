#include "probe/asker.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/jsonw.h"
#include "lib/times.h"
#include "probe/dial.h"
#include "probe/result.h"

#define TIMEOUT_S 5
#define CACHE_ENTRIES 65536
#define PROGRESS_MS 200

struct asker {
	struct asker_options o;
	struct dnsbl_zones *zones;
	struct state *state;
	uv_loop_t loop;
	struct engine *engine;   /* NULL: through the probe */
	int fd;
	bool done;
	/* of the look-up at hand */
	engine_result_cb *result;
	void (*progress)(void *ctx, uint64_t done, uint64_t all);
	void *ctx;
	struct engine_run *run;
};

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

struct dnsbl_zones *asker_load_zones(const struct conf *conf, const char *zones_path, conf_mistake_cb *mistake)
{
	return dnsbl_zones_load(zones_path ? zones_path : conf ? conf->rbl.zones : "", conf ? conf->rbl.keys : "", mistake, NULL);
}

struct state *asker_load_state(const struct conf *conf)
{
	struct buf path = { 0 };
	if (conf)
		buf_printf(&path, "%s/dnsbl.state", conf->state_dir);
	struct state *s = state_load(buf_cstr(&path));
	buf_fini(&path);
	return s;
}

static int open_engine(struct asker *a, struct err *e)
{
	const struct asker_options *o = &a->o;
	const struct conf_list *f = o->conf ? &o->conf->rbl.forward : NULL;
	int64_t timeout = o->timeout_s ? o->timeout_s : o->conf ? o->conf->rbl.timeout_s : TIMEOUT_S;
	/* What other zones of that name did, or the same by another resolver, says nothing here; nor what happens here there. */
	a->state = asker_load_state(o->zones_path || o->n_forward ? NULL : o->conf);
	uv_loop_init(&a->loop);
	struct engine_config c = { .zones = a->zones, .state = a->state, .forward = o->n_forward ? o->forward : f ? (const char *const *)f->v : NULL,
		.n_forward = o->n_forward ? o->n_forward : f ? f->n : 0, .fast = true, .timeout_ms = (unsigned)timeout * 1000, .cache_entries = CACHE_ENTRIES, .now_us = now_us };
	a->engine = engine_new(&a->loop, &c, e);
	return a->engine ? 0 : -1;
}

struct asker *asker_new(const struct asker_options *o, struct err *e)
{
	struct asker *a = xcalloc(1, sizeof *a);
	e->text[0] = 0;
	a->o = *o;
	a->fd = o->conf && !o->alone && !o->zones_path && !o->n_forward ? probe_dial(o->conf, true) : -1;
	a->zones = asker_load_zones(o->conf, o->zones_path, o->mistake);
	if (a->zones && (a->fd >= 0 || open_engine(a, e) == 0))
		return a;
	asker_free(a);
	return NULL;
}

void asker_free(struct asker *a)
{
	struct err e;
	if (a->fd >= 0)
		close(a->fd);
	if (a->engine)
		engine_free(a->engine);
	if (a->state) {
		(void)state_save(a->state, &e); /* a look-up is worth no complaint about the file of another account */
		state_free(a->state);
		uv_run(&a->loop, UV_RUN_DEFAULT);
		(void)uv_loop_close(&a->loop);
	}
	dnsbl_zones_free(a->zones);
	free(a);
}

const struct dnsbl_zones *asker_zones(const struct asker *a) { return a->zones; }
struct engine *asker_engine(struct asker *a) { return a->engine; }
uint64_t asker_questions(const struct asker *a) { return a->engine ? engine_questions(a->engine) : 0; }

/* --- with an engine of its own ------------------------------------------------------------------------------------ */

static void on_result(void *ctx, const struct engine_result *r)
{
	struct asker *a = ctx;
	a->result(a->ctx, r);
}

static void on_done(void *ctx)
{
	struct asker *a = ctx;
	a->done = true;
	a->run = NULL;
}

static void on_progress(uv_timer_t *t)
{
	struct asker *a = t->data;
	uint64_t done, all;
	if (!a->run)
		return;
	engine_progress(a->run, &done, &all);
	a->progress(a->ctx, done, all);
}

static int ask_engine(struct asker *a, const struct target *t, size_t n, const struct dnsbl_zone *const *zone, size_t n_zone)
{
	uv_timer_t timer;
	struct engine_request r = { .target = t, .n_target = n, .zone = zone, .n_zone = n_zone, .texts = !a->o.no_texts, .result = on_result, .done = on_done, .ctx = a };
	a->done = false;
	a->run = engine_look_up(a->engine, &r);
	uv_timer_init(&a->loop, &timer);
	timer.data = a;
	if (a->progress)
		uv_timer_start(&timer, on_progress, PROGRESS_MS, PROGRESS_MS);
	while (!a->done)
		uv_run(&a->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&a->loop, UV_RUN_NOWAIT);
	return 0;
}

/* --- through the probe -------------------------------------------------------------------------------------------- */

static void put_request(struct asker *a, const struct target *t, size_t n, const struct dnsbl_zone *const *zone, size_t n_zone, struct buf *b)
{
	char text[TARGET_TEXT];
	buf_puts(b, "{\"do\":\"look-up\",\"targets\":[");
	for (size_t i = 0; i < n; i++) {
		struct buf one = { 0 };
		unsigned bits = 128;
		for (uint64_t c = t[i].count; c > 1; c >>= 1)
			bits--;
		buf_add(&one, text, target_text(&t[i], 0, text));
		if (t[i].count > 1)
			buf_printf(&one, "/%u", t[i].kind == DNSBL_IP4 ? bits - 96 : bits);
		jsonw_sep(b);
		jsonw_text(b, buf_sv(&one));
		buf_fini(&one);
	}
	buf_puts(b, "]");
	if (zone) {
		buf_puts(b, ",\"zones\":[");
		for (size_t i = 0; i < n_zone; i++) {
			jsonw_sep(b);
			jsonw_text(b, sv_cstr(zone[i]->name));
		}
		buf_puts(b, "]");
	}
	jsonw_field_bool(b, SV("texts"), !a->o.no_texts);
	buf_puts(b, "}\n");
}

/* 1: that was the end, 0: go on, -1 and e. */
static int take_line(struct asker *a, struct sv line, struct err *e)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = json_tokener_parse_ex(tok, line.p, (int)line.n), *v;
	struct engine_result r;
	int end = 0;
	if (o && json_object_object_get_ex(o, "error", &v))
		end = err_set(e, "%s", json_object_get_string(v));
	else if (o && json_object_object_get_ex(o, "end", &v))
		end = 1;
	else if (o && json_object_object_get_ex(o, "done", &v)) {
		uint64_t done = json_object_get_uint64(v), all = json_object_object_get_ex(o, "all", &v) ? json_object_get_uint64(v) : 0;
		if (a->progress)
			a->progress(a->ctx, done, all);
	} else if (o && result_read(o, a->zones, &r))
		a->result(a->ctx, &r);
	json_object_put(o);
	json_tokener_free(tok);
	return end;
}

static int ask_probe(struct asker *a, const struct buf *request, struct err *e)
{
	struct buf in = { 0 };
	int end = 0;
	for (size_t sent = 0; sent < request->n;) {
		ssize_t k = send(a->fd, request->p + sent, request->n - sent, MSG_NOSIGNAL);
		if (k <= 0)
			return err_set(e, "the probe went away");
		sent += (size_t)k;
	}
	while (!end) {
		buf_reserve(&in, 65536);
		ssize_t k = read(a->fd, in.p + in.n, 65536);
		if (k <= 0) {
			end = err_set(e, "the probe went away before it was done");
			break;
		}
		in.n += (size_t)k;
		size_t used = 0;
		for (ptrdiff_t nl; !end && (nl = sv_chr(sv_skip(buf_sv(&in), used), '\n')) >= 0; used += (size_t)nl + 1)
			end = take_line(a, sv_make(in.p + used, (size_t)nl), e);
		buf_drop(&in, used);
	}
	buf_fini(&in);
	return end < 0 ? -1 : 0;
}

int asker_look_up(struct asker *a, const struct target *t, size_t n, const struct dnsbl_zone *const *zone, size_t n_zone,
                  engine_result_cb *result, void (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx, struct err *e)
{
	struct buf request = { 0 };
	a->result = result;
	a->progress = progress;
	a->ctx = ctx;
	if (a->engine)
		return ask_engine(a, t, n, zone, n_zone);
	put_request(a, t, n, zone, n_zone, &request);
	int bad = ask_probe(a, &request, e);
	buf_fini(&request);
	return bad;
}
