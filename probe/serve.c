#include <json-c/json.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/jsonw.h"
#include "lib/lock.h"
#include "lib/msg.h"
#include "probe/probe.h"
#include "probe/result.h"
#include "probe/verdict.h"

#define CLIENTS_MOST 64
#define REQUEST_MOST (256u << 10)
#define TARGETS_MOST 4096
#define OUT_HIGH (1u << 20)  /* bytes that a client has not read: its look-up waits */
#define OUT_LOW (256u << 10)
#define PROGRESS_MS 1000

struct client {
	struct serve *s;
	struct client *next;
	uv_pipe_t pipe;
	uv_timer_t progress;
	struct buf in, out;
	struct engine_run *run;
	size_t in_flight;
	uint64_t count[DNSBL_VERDICTS];
	unsigned handles;
	bool closing;
};

struct serve {
	uv_loop_t *loop;
	uv_pipe_t listener;
	char *path;
	struct engine *engine;
	const struct dnsbl_zones *zones;
	struct client *clients;
	unsigned n_clients;
	bool closed;
	int lock;
};

/* --- out ---------------------------------------------------------------------------------------------------------- */

struct sending { uv_write_t req; struct client *c; size_t n; char bytes[]; };

static void client_close(struct client *c);

static void on_sent(uv_write_t *req, int status)
{
	struct sending *w = req->data;
	struct client *c = w->c;
	c->in_flight -= w->n;
	free(w);
	if (status < 0)
		client_close(c);
	else if (c->run && c->in_flight < OUT_LOW)
		engine_pause(c->run, false);
}

static void send_out(struct client *c)
{
	if (!c->out.n || c->closing)
		return;
	struct sending *w = xmalloc(sizeof *w + c->out.n);
	*w = (struct sending){ .c = c, .n = c->out.n };
	memcpy(w->bytes, c->out.p, w->n);
	w->req.data = w;
	c->out.n = 0;
	c->in_flight += w->n;
	uv_buf_t b = uv_buf_init(w->bytes, (unsigned)w->n);
	if (uv_write(&w->req, (uv_stream_t *)&c->pipe, &b, 1, on_sent) < 0) {
		c->in_flight -= w->n;
		free(w);
		client_close(c);
	} else if (c->run && c->in_flight > OUT_HIGH) {
		engine_pause(c->run, true);
	}
}

static void refuse(struct client *c, const char *why)
{
	buf_puts(&c->out, "{");
	jsonw_field_text(&c->out, SV("error"), sv_cstr(why));
	buf_puts(&c->out, "}\n");
	send_out(c);
}

/* --- look-ups ----------------------------------------------------------------------------------------------------- */

static void on_result(void *ctx, const struct engine_result *r)
{
	struct client *c = ctx;
	c->count[r->verdict]++;
	result_json(r, &c->out);
	buf_addc(&c->out, '\n');
	send_out(c);
}

static void put_progress(struct client *c)
{
	uint64_t done, all;
	engine_progress(c->run, &done, &all);
	buf_printf(&c->out, "{\"done\":%llu,\"all\":%llu}\n", (unsigned long long)done, (unsigned long long)all);
}

static void on_progress(uv_timer_t *t)
{
	struct client *c = t->data;
	if (!c->run)
		return;
	put_progress(c);
	send_out(c);
}

static void on_done(void *ctx)
{
	struct client *c = ctx;
	uv_timer_stop(&c->progress);
	c->run = NULL;
	buf_puts(&c->out, "{\"end\":true,\"counts\":{");
	for (unsigned v = 0; v < DNSBL_VERDICTS; v++)
		jsonw_field_int(&c->out, sv_cstr(dnsbl_verdict_name((uint8_t)v)), (int64_t)c->count[v]);
	buf_puts(&c->out, "}}\n");
	send_out(c);
}

static const char *string_at(struct json_object *list, size_t i)
{
	struct json_object *o = json_object_array_get_idx(list, i);
	return o && json_object_is_type(o, json_type_string) ? json_object_get_string(o) : "";
}

static bool list_of(struct json_object *o, const char *key, struct json_object **ret)
{
	return json_object_object_get_ex(o, key, ret) && json_object_is_type(*ret, json_type_array);
}

static int read_targets(struct json_object *list, struct target *ret, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (target_parse(sv_cstr(string_at(list, i)), &ret[i], e) < 0)
			return -1;
	return 0;
}

static int read_zones(struct client *c, struct json_object *list, const struct dnsbl_zone **ret, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		ret[i] = dnsbl_zone_find(c->s->zones, sv_cstr(string_at(list, i)));
		if (!ret[i])
			return err_set(e, "there is no list \"%.100s\"", string_at(list, i));
	}
	return 0;
}

static void look_up(struct client *c, struct json_object *o)
{
	struct json_object *targets, *zones = NULL, *texts;
	struct err e;
	if (!list_of(o, "targets", &targets) || json_object_array_length(targets) == 0 || json_object_array_length(targets) > TARGETS_MOST) {
		refuse(c, "want 1 to 4096 targets");
		return;
	}
	size_t n = json_object_array_length(targets), n_zone = list_of(o, "zones", &zones) ? json_object_array_length(zones) : 0;
	struct target *t = xcalloc(n, sizeof *t);
	const struct dnsbl_zone **z = xcalloc(n_zone + 1, sizeof *z);
	if (read_targets(targets, t, n, &e) < 0 || read_zones(c, zones, z, n_zone, &e) < 0) {
		refuse(c, e.text);
	} else {
		memset(c->count, 0, sizeof c->count);
		struct engine_request r = { .target = t, .n_target = n, .zone = zones ? z : NULL, .n_zone = n_zone, .result = on_result, .done = on_done, .ctx = c,
			.texts = !json_object_object_get_ex(o, "texts", &texts) || json_object_get_boolean(texts) };
		c->run = engine_look_up(c->s->engine, &r);
		uv_timer_start(&c->progress, on_progress, PROGRESS_MS, PROGRESS_MS);
	}
	free(t);
	free(z);
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

static void put_health(struct client *c, const struct dnsbl_zone *z, unsigned kind)
{
	static const char *const names[3] = { "ip4", "ip6", "domain" };
	const struct state_health *h = engine_health(c->s->engine, z, kind);
	jsonw_sep(&c->out);
	buf_addc(&c->out, '{');
	jsonw_field_text(&c->out, SV("targets"), sv_cstr(names[kind]));
	jsonw_field_text(&c->out, SV("state"), sv_cstr(health_name(h->health)));
	jsonw_field_text(&c->out, SV("reason"), sv_cstr(health_reason(h->health)));
	const struct { struct sv name; int64_t us; } times[] = { { SV("since"), h->since_us }, { SV("tested"), h->tested_us }, { SV("again"), h->next_us } };
	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		if (times[i].us) {
			jsonw_key(&c->out, times[i].name);
			jsonw_time(&c->out, times[i].us / 1000000 * 1000000, 0);
		}
	buf_addc(&c->out, '}');
}

static void put_zone(struct client *c, const struct dnsbl_zone *z)
{
	const struct { struct sv name; const char *text; } texts[] = { { SV("zone"), z->name }, { SV("title"), z->title }, { SV("kind"), dnsbl_kind_name(z->kind) },
		{ SV("delist"), z->delist }, { SV("licence"), z->licence }, { SV("note"), z->note } };
	buf_addc(&c->out, '{');
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		jsonw_field_text(&c->out, texts[i].name, sv_cstr(texts[i].text));
	jsonw_field_int(&c->out, SV("points"), z->points);
	jsonw_field_bool(&c->out, SV("enabled"), z->enabled);
	jsonw_field_bool(&c->out, SV("needs_key"), *z->key_name && !z->key);
	jsonw_field_int(&c->out, SV("asked_today"), engine_asked_today(c->s->engine, z));
	jsonw_field_int(&c->out, SV("per_day"), z->per_day);
	jsonw_key(&c->out, SV("health"));
	buf_addc(&c->out, '[');
	for (unsigned k = 0; k < 3; k++)
		if (z->targets & 1u << k)
			put_health(c, z, k);
	buf_puts(&c->out, "]}\n");
}

static void tell_zones(struct client *c)
{
	for (size_t i = 0; i < c->s->zones->n; i++)
		put_zone(c, &c->s->zones->v[i]);
	for (size_t i = 0; i < c->s->zones->n_dead; i++) {
		const struct dnsbl_dead *d = &c->s->zones->dead[i];
		buf_addc(&c->out, '{');
		jsonw_field_text(&c->out, SV("dead"), sv_cstr(d->name));
		jsonw_field_text(&c->out, SV("since"), sv_cstr(d->since));
		jsonw_field_text(&c->out, SV("reason"), sv_cstr(d->reason));
		buf_puts(&c->out, "}\n");
	}
	buf_puts(&c->out, "{\"end\":true}\n");
	send_out(c);
}

/* --- clients ------------------------------------------------------------------------------------------------------ */

static void on_line(struct client *c, struct sv line)
{
	struct json_tokener *tok = json_tokener_new_ex(8);
	struct json_object *o = json_tokener_parse_ex(tok, line.p, (int)line.n), *verb;
	const char *what = o && json_object_object_get_ex(o, "do", &verb) ? json_object_get_string(verb) : "";
	if (c->run)
		refuse(c, "one look-up at a time");
	else if (what && strcmp(what, "look-up") == 0)
		look_up(c, o);
	else if (what && strcmp(what, "zones") == 0)
		tell_zones(c);
	else
		refuse(c, "want {\"do\":\"look-up\",…} or {\"do\":\"zones\"}");
	json_object_put(o);
	json_tokener_free(tok);
}

static void end(struct serve *s)
{
	if (!s->closed || s->clients)
		return;
	close(s->lock);
	free(s->path);
	free(s);
}

static void on_closed(uv_handle_t *h)
{
	struct client *c = h->data;
	struct serve *s = c->s;
	if (--c->handles)
		return;
	struct client **at = &s->clients;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	s->n_clients--;
	buf_fini(&c->in);
	buf_fini(&c->out);
	free(c);
	end(s);
}

static void client_close(struct client *c)
{
	if (c->closing)
		return;
	c->closing = true;
	if (c->run)
		engine_cancel(c->run);
	c->run = NULL;
	uv_close((uv_handle_t *)&c->pipe, on_closed);
	uv_close((uv_handle_t *)&c->progress, on_closed);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	struct client *c = h->data;
	(void)hint;
	buf_reserve(&c->in, 16384);
	*b = uv_buf_init(c->in.p + c->in.n, 16384);
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *b)
{
	struct client *c = st->data;
	ptrdiff_t nl;
	(void)b;
	if (n < 0 || c->in.n + (size_t)n > REQUEST_MOST) {
		client_close(c);
		return;
	}
	c->in.n += (size_t)n;
	while (!c->closing && (nl = sv_chr(buf_sv(&c->in), '\n')) >= 0) {
		on_line(c, sv_take(buf_sv(&c->in), (size_t)nl));
		buf_drop(&c->in, (size_t)nl + 1);
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct serve *s = listener->data;
	if (status < 0)
		return;
	struct client *c = xcalloc(1, sizeof *c);
	c->s = s;
	uv_pipe_init(s->loop, &c->pipe, 0);
	uv_timer_init(s->loop, &c->progress);
	c->pipe.data = c->progress.data = c;
	c->handles = 2;
	c->next = s->clients;
	s->clients = c;
	s->n_clients++;
	if (uv_accept(listener, (uv_stream_t *)&c->pipe) != 0 || s->n_clients > CLIENTS_MOST)
		client_close(c);
	else
		uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
}

static void on_listener_closed(uv_handle_t *h)
{
	struct serve *s = h->data;
	s->closed = true;
	end(s);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

struct serve *serve_new(uv_loop_t *loop, const char *path, struct engine *e, const struct dnsbl_zones *zones, struct err *err)
{
	struct serve *s = xcalloc(1, sizeof *s);
	s->loop = loop;
	s->engine = e;
	s->zones = zones;
	s->path = xstrdup(path);
	s->lock = lock_take(path, "another abusewatch-probe listens there; there can be one at a time", err);
	if (s->lock < 0) {
		free(s->path);
		free(s);
		return NULL;
	}
	unlink(path); /* of one that was killed */
	uv_pipe_init(loop, &s->listener, 0);
	s->listener.data = s;
	mode_t old = umask(0117);
	int bad = uv_pipe_bind(&s->listener, path);
	umask(old);
	if (!bad)
		bad = uv_listen((uv_stream_t *)&s->listener, 16, on_connection);
	if (!bad)
		return s;
	err_set(err, "%s: cannot listen there: %s", path, uv_strerror(bad));
	uv_close((uv_handle_t *)&s->listener, on_listener_closed);
	return NULL;
}

void serve_change(struct serve *s, struct engine *e, const struct dnsbl_zones *zones)
{
	for (struct client *c = s->clients; c; c = c->next)
		if (c->run) {
			engine_cancel(c->run);
			c->run = NULL;
			uv_timer_stop(&c->progress);
			refuse(c, "the probe reads its config again; ask once more");
		}
	s->engine = e;
	s->zones = zones;
}

void serve_stop(struct serve *s)
{
	for (struct client *c = s->clients; c; c = c->next)
		client_close(c);
	unlink(s->path);
	uv_close((uv_handle_t *)&s->listener, on_listener_closed);
}
