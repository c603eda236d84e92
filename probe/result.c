#include "probe/result.h"

#include <stdio.h>

#include "lib/jsonw.h"
#include "lib/times.h"

void result_code_text(uint32_t code, char *out)
{
	(void)snprintf(out, 16, "%u.%u.%u.%u", code >> 24, code >> 16 & 255, code >> 8 & 255, code & 255);
}

static void field_if(struct buf *b, struct sv name, struct sv text)
{
	if (text.n)
		jsonw_field_text(b, name, text);
}

static void time_if(struct buf *b, struct sv name, int64_t us)
{
	if (!us)
		return;
	jsonw_key(b, name);
	jsonw_time(b, us / US_PER_S * US_PER_S, 0);
}

void result_json(const struct engine_result *r, struct buf *b)
{
	char code[16];
	buf_addc(b, '{');
	jsonw_field_text(b, SV("target"), r->target);
	jsonw_field_text(b, SV("zone"), sv_cstr(r->zone->name));
	jsonw_field_text(b, SV("title"), sv_cstr(r->zone->title));
	jsonw_field_text(b, SV("verdict"), sv_cstr(dnsbl_verdict_name(r->verdict)));
	if (r->code) {
		result_code_text(r->code, code);
		jsonw_field_text(b, SV("code"), sv_cstr(code));
	}
	if (r->verdict == DNSBL_LISTED) {
		jsonw_field_text(b, SV("kind"), sv_cstr(dnsbl_kind_name(r->kind)));
		jsonw_field_int(b, SV("points"), r->points);
	}
	field_if(b, SV("meaning"), r->meaning);
	field_if(b, SV("text"), r->text);
	field_if(b, SV("reason"), r->reason);
	if (r->verdict == DNSBL_LISTED && dnsbl_is_bad(r->kind) && *r->zone->delist) {
		struct buf url = { 0 };
		dnsbl_zone_delist(r->zone, r->target, &url);
		jsonw_field_text(b, SV("delist"), buf_sv(&url));
		buf_fini(&url);
	}
	time_if(b, SV("since"), r->since_us);
	time_if(b, SV("answered"), r->asked_us);
	if (r->ttl_s)
		jsonw_field_int(b, SV("ttl"), r->ttl_s);
	if (r->cached)
		jsonw_field_bool(b, SV("cached"), true);
	if (r->from_file)
		jsonw_field_bool(b, SV("file"), true);
	buf_addc(b, '}');
}

static struct sv text_of(struct json_object *o, const char *key)
{
	struct json_object *v;
	return json_object_object_get_ex(o, key, &v) ? sv_make(json_object_get_string(v), (size_t)json_object_get_string_len(v)) : sv_make("", 0);
}

static int64_t number_of(struct json_object *o, const char *key)
{
	struct json_object *v;
	return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : 0;
}

static bool true_of(struct json_object *o, const char *key)
{
	struct json_object *v;
	return json_object_object_get_ex(o, key, &v) && json_object_get_boolean(v);
}

bool result_read(struct json_object *o, const struct dnsbl_zones *zones, struct engine_result *ret)
{
	struct ipaddr a;
	int verdict = dnsbl_verdict_named(text_of(o, "verdict")), kind = dnsbl_kind_named(text_of(o, "kind"));
	*ret = (struct engine_result){ .zone = dnsbl_zone_find(zones, text_of(o, "zone")), .target = text_of(o, "target") };
	if (verdict < 0 || !ret->zone || !ret->target.n)
		return false;
	ret->verdict = (uint8_t)verdict;
	ret->kind = kind < 0 ? DNSBL_INFO : (uint8_t)kind;
	ret->points = (int32_t)number_of(o, "points");
	if (ipaddr_parse(text_of(o, "code"), &a) == 0)
		ret->code = (uint32_t)a.b[12] << 24 | (uint32_t)a.b[13] << 16 | (uint32_t)a.b[14] << 8 | a.b[15];
	ret->meaning = text_of(o, "meaning");
	ret->text = text_of(o, "text");
	ret->reason = text_of(o, "reason");
	(void)times_parse(text_of(o, "since"), &ret->since_us);
	(void)times_parse(text_of(o, "answered"), &ret->asked_us);
	ret->ttl_s = (uint32_t)number_of(o, "ttl");
	ret->cached = true_of(o, "cached");
	ret->from_file = true_of(o, "file");
	return true;
}
