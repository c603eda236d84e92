#include "web/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/msg.h"
#include "web/rows.h"
#include "web/view.h"

int64_t call_number(const struct call *c, size_t i)
{
	if (i >= c->n_segment)
		return -1;
	size_t n = strlen(c->segment[i]);
	if (!n || n > 18 || strspn(c->segment[i], "0123456789") != n)
		return -1;
	return strtoll(c->segment[i], NULL, 10);
}

void call_audit(const struct call *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (c->session && session_looked(c->session, text) && c->live)
		return;
	msg_info("audit: user %s from %s %s", c->session ? c->session->user : "-", c->client, text);
}

void call_redirect(struct call *c, const char *location)
{
	free(c->answer.location);
	c->answer.location = xstrdup(location);
	c->answer.status = 303;
}

void call_cookie(struct call *c, const char *name, const char *value, int64_t max_age_s)
{
	struct buf b = { 0 };
	if (c->answer.n_cookie == 2)
		return;
	buf_printf(&b, "%s=%s; Path=/; HttpOnly; SameSite=Strict", name, value);
	if (max_age_s >= 0)
		buf_printf(&b, "; Max-Age=%lld", (long long)max_age_s);
	if (strncmp(c->web->conf->web.base_url, "https:", 6) == 0)
		buf_puts(&b, "; Secure");
	(void)buf_cstr(&b);
	c->answer.cookie[c->answer.n_cookie++] = b.p;
}

void call_flash(struct call *c, bool bad, const char *fmt, ...)
{
	va_list ap;
	if (!c->session)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(c->session->flash, sizeof c->session->flash, fmt, ap);
	va_end(ap);
	c->session->flash_bad = bad;
}

static const char *title_of(int status)
{
	switch (status) {
	case 400: return "Not understood";
	case 401: return "Log in first";
	case 403: return "Refused";
	case 404: return "Not found";
	case 405: return "Not possible here";
	case 413: case 414: return "Too long";
	case 429: return "Too many tries";
	case 503: return "Not ready";
	default: return "That did not work";
	}
}

void call_error(struct call *c, int status, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (c->format == FORMAT_CSV) {
		c->answer.status = status;
		c->answer.type = "text/plain; charset=utf-8";
		buf_printf(&c->answer.body, "%s\n", text);
		return;
	}
	struct json_object *o = json_object_new_object();
	json_put_int(o, "status", status);
	json_put_text(o, "error", text);
	if (c->format == FORMAT_JSON) {
		view_json(c, status, o);
	} else {
		json_put_text(o, "title", title_of(status));
		view_html(c, status, "error", title_of(status), "none", o);
	}
	json_object_put(o);
}
