#include <stdlib.h>

#include "analyzer/detector.h"
#include "analyzer/sparse.h"
#include "analyzer/store.h"
#include "lib/wire.h"

/* version · zone · odd messages · top · number of slabs · (detector's tag, size, slab) … · suspicion and its folder · log-ins to webmail, if any. A detector whose state changed its size or
 * that is new starts afresh; the others keep what they know. Slabs of idle principals are mostly zero (analyzer/sparse.h). */
#define STATE_VERSION 4
#define FOLDERLESS_VERSION 3 /* and before: without the suspicion's folder */
#define RAW_VERSION 2 /* and before: names, and all bytes */

/* Names as two bytes; the judge makes sure that no two are the same. */
uint16_t store_state_tag(const char *name)
{
	uint32_t h = 2166136261u;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return (uint16_t)(h ^ h >> 16);
}

static const unsigned char *slab_of(const struct judge *j, const struct principal *p, size_t d)
{
	bool has = detector_registry[d]->kinds >> p->kind & 1;
	const unsigned char *at = has ? judge_slab(j, p, d) : NULL;
	return at && sparse_zeros(at, detector_registry[d]->state_bytes) < detector_registry[d]->state_bytes ? at : NULL;
}

static void encode_slabs(const struct judge *j, const struct principal *p, struct buf *out)
{
	struct buf packed = { 0 };
	const unsigned char *slab[64];
	size_t n = 0;
	for (size_t d = 0; d < detector_count(); d++)
		n += (slab[d] = slab_of(j, p, d)) != NULL;
	wire_put_u(out, n);
	for (size_t d = 0; d < detector_count(); d++) {
		if (!slab[d])
			continue;
		uint16_t tag = store_state_tag(detector_registry[d]->name);
		buf_addc(out, (char)(tag >> 8));
		buf_addc(out, (char)tag);
		wire_put_u(out, detector_registry[d]->state_bytes);
		buf_clear(&packed);
		sparse_put(slab[d], detector_registry[d]->state_bytes, &packed);
		wire_put_sv(out, buf_sv(&packed));
	}
	buf_fini(&packed);
}

void store_state_encode(const struct judge *j, const struct principal *p, struct buf *out)
{
	struct buf s = { 0 };
	buf_addc(out, STATE_VERSION);
	wire_put_i(out, p->utc_offset_s);
	wire_put_u(out, p->odd.all);
	wire_put_u(out, p->odd.home);
	wire_put_u(out, p->odd.bad);
	wire_put_u(out, p->odd.recipients);
	wire_put_i(out, p->top_day);
	wire_put_i(out, p->top);
	encode_slabs(j, p, out);
	if (p->suspicion) {
		suspicion_encode(p->suspicion, &s);
		wire_put_sv(out, buf_sv(&s));
		wire_put_sv(out, p->suspicion->folder ? sv_cstr(p->suspicion->folder) : (struct sv){ 0 });
		wire_put_u(out, p->suspicion->votes);
		buf_fini(&s);
	} else {
		wire_put_sv(out, (struct sv){ 0 });
	}
	if (p->browser.first_day) {
		wire_put_u(out, p->browser.first_day);
		wire_put_i(out, p->browser.elsewhere_us);
	}
}

static bool takes(const struct principal *p, size_t d, uint64_t bytes)
{
	return bytes == detector_registry[d]->state_bytes && (detector_registry[d]->kinds >> p->kind & 1);
}

static void take_raw_slab(const struct judge *j, struct principal *p, struct wire *w)
{
	struct sv name = wire_get_sv(w), slab = wire_get_sv(w);
	for (size_t d = 0; d < detector_count(); d++)
		if (sv_eq(name, sv_cstr(detector_registry[d]->name)) && slab.n && takes(p, d, slab.n))
			memcpy(judge_slab(j, p, d), slab.p, slab.n);
}

static void take_slab(const struct judge *j, struct principal *p, struct wire *w)
{
	if (w->end - w->p < 2) {
		wire_spoil(w);
		return;
	}
	uint16_t tag = (uint16_t)(w->p[0] << 8 | w->p[1]);
	w->p += 2;
	uint64_t bytes = wire_get_u(w);
	struct sv packed = wire_get_sv(w);
	for (size_t d = 0; d < detector_count() && !w->bad; d++)
		if (tag == store_state_tag(detector_registry[d]->name) && takes(p, d, bytes) && sparse_get(packed, judge_slab(j, p, d), (size_t)bytes) < 0)
			wire_spoil(w);
}

/* s: NULL when it is damaged; what follows stands there all the same. */
static void take_folder(struct suspicion *s, unsigned version, struct wire *w)
{
	if (version <= FOLDERLESS_VERSION)
		return;
	struct sv folder = wire_get_sv(w);
	uint32_t votes = (uint32_t)wire_get_u(w);
	if (!s)
		return;
	s->folder = folder.p ? xsvdup(folder) : NULL;
	s->votes = votes;
}

static void take_browser(struct principal *p, struct wire *w)
{
	p->browser.first_day = (uint16_t)wire_get_u(w);
	int64_t at_us = wire_get_i(w);
	p->browser.elsewhere_us = at_us > 0 ? at_us : 0;
}

int store_state_decode(const struct judge *j, struct principal *p, struct sv blob)
{
	struct wire w = wire_of(blob);
	if (!blob.n)
		return -1;
	unsigned version = (unsigned char)*w.p++;
	if (version < 1 || version > STATE_VERSION)
		return -1;
	p->utc_offset_s = (int32_t)wire_get_i(&w);
	if (version >= 2) {
		p->odd.all = (uint32_t)wire_get_u(&w);
		p->odd.home = (uint32_t)wire_get_u(&w);
		p->odd.bad = (uint32_t)wire_get_u(&w);
		p->odd.recipients = (uint32_t)wire_get_u(&w);
		p->top_day = (int32_t)wire_get_i(&w);
		p->top = (int32_t)wire_get_i(&w);
	}
	uint64_t n = wire_get_u(&w);
	for (uint64_t i = 0; i < n && !w.bad; i++)
		(version <= RAW_VERSION ? take_raw_slab : take_slab)(j, p, &w);
	struct sv suspicion = wire_get_sv(&w);
	if (suspicion.p) {
		p->suspicion = suspicion_decode(suspicion);
		take_folder(p->suspicion, version, &w);
	}
	if (!w.bad && w.p < w.end) /* absent in older stores */
		take_browser(p, &w);
	return w.bad ? -1 : 0;
}
