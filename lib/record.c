#include "lib/record.h"

#include "lib/jsonw.h"

void record_clear(struct record *r)
{
	static const struct record cleared = {
		.pid = RECORD_UNSET,
		.kind = RECORD_OTHER,
#define R_SV(f)
#define R_IP(f)
#define R_DEC(f)
#define R_INT(f) .f = RECORD_UNSET,
#define R(name, type) R_##type(name)
#include "lib/record_fields.def"
#undef R
#undef R_SV
#undef R_IP
#undef R_DEC
#undef R_INT
#define C(name) .name = -1,
		.counts = { RECORD_COUNTS(C) },
#undef C
	};
	/* In pieces, as the compiler makes one string instruction of a whole copy, which takes long to begin; each line of a log is cleared for. */
	enum { PIECE = 64, WHOLE = sizeof cleared / PIECE * PIECE };
	const char *from = (const char *)&cleared;
	char *to = (char *)r;
	for (size_t at = 0; at < WHOLE; at += PIECE)
		memcpy(to + at, from + at, PIECE);
	memcpy(to + WHOLE, from + WHOLE, sizeof cleared - WHOLE);
}

static const struct sv kind_names[RECORD_KIND_COUNT] = {
#define K(e, name) { name, sizeof(name) - 1 },
	RECORD_KINDS(K)
#undef K
};

const char *record_kind_name(enum record_kind kind)
{
	return (unsigned)kind < RECORD_KIND_COUNT ? kind_names[kind].p : "other";
}

static void field_int(struct buf *out, struct sv name, int64_t v)
{
	if (v != RECORD_UNSET)
		jsonw_field_int(out, name, v);
}

static void counts_json(const struct record_counts *c, struct buf *out)
{
	jsonw_key(out, SV("counts"));
	buf_addc(out, '{');
#define C(name)            \
	if (c->name >= 0)  \
		jsonw_field_int(out, SV(#name), c->name);
	RECORD_COUNTS(C)
#undef C
	buf_addc(out, '}');
}

/* 0.08 as the number it is; what is none stays text. */
static void field_decimal(struct buf *b, struct sv name, struct sv s)
{
	size_t digits = 0, dots = 0;
	for (size_t i = 0; i < s.n; i++) {
		digits += s.p[i] >= '0' && s.p[i] <= '9';
		dots += s.p[i] == '.';
	}
	bool number = digits && digits + dots == s.n && dots <= 1 && s.p[0] != '.' && s.p[s.n - 1] != '.' && (s.p[0] != '0' || s.n == 1 || s.p[1] == '.');
	if (!number) {
		jsonw_field_text(b, name, s);
		return;
	}
	jsonw_key(b, name);
	buf_addsv(b, s);
}

void record_json(const struct record *r, struct buf *out)
{
	buf_addc(out, '{');
	jsonw_key(out, SV("time"));
	jsonw_time(out, r->time_us, r->utc_offset_s);
	jsonw_field_text(out, SV("host"), r->host);
	jsonw_field_text(out, SV("program"), r->program);
	field_int(out, SV("pid"), r->pid);
	jsonw_field_text(out, SV("mta"), sv_cstr(r->mta));
	jsonw_field_text(out, SV("kind"), kind_names[r->kind]);
#define R_SV(f) jsonw_field_text(out, SV(#f), r->f);
#define R_IP(f) R_SV(f)
#define R_DEC(f) field_decimal(out, SV(#f), r->f);
#define R_INT(f) field_int(out, SV(#f), r->f);
#define R(name, type) R_##type(name)
#include "lib/record_fields.def"
#undef R
#undef R_SV
#undef R_IP
#undef R_DEC
#undef R_INT
	if (r->has_counts)
		counts_json(&r->counts, out);
	buf_add(out, "}\n", 2);
}
