#include <stdlib.h>

#include "analyzer/detector.h"
#include "analyzer/store.h"
#include "lib/wire.h"

/* version · zone · odd messages · highest score of the day · number of slabs · (detector's name, slab) … · suspicion. A detector that grew or is new starts afresh;
 * the others keep what they know. */
#define STATE_VERSION 2

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
	wire_put_u(out, detector_count());
	for (size_t d = 0; d < detector_count(); d++) {
		wire_put_sv(out, sv_cstr(detector_registry[d]->name));
		wire_put_sv(out, sv_make((const char *)p->state + j->slab[d], detector_registry[d]->state_bytes));
	}
	if (p->suspicion) {
		suspicion_encode(p->suspicion, &s);
		wire_put_sv(out, buf_sv(&s));
		buf_fini(&s);
	} else {
		wire_put_sv(out, (struct sv){ 0 });
	}
}

static void take_slab(const struct judge *j, struct principal *p, struct sv name, struct sv slab)
{
	for (size_t d = 0; d < detector_count(); d++)
		if (sv_eq(name, sv_cstr(detector_registry[d]->name)) && slab.n && slab.n == detector_registry[d]->state_bytes)
			memcpy(p->state + j->slab[d], slab.p, slab.n);
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
	for (uint64_t i = 0; i < n && !w.bad; i++) {
		struct sv name = wire_get_sv(&w), slab = wire_get_sv(&w);
		take_slab(j, p, name, slab);
	}
	struct sv suspicion = wire_get_sv(&w);
	if (suspicion.p)
		p->suspicion = suspicion_decode(suspicion);
	return w.bad ? -1 : 0;
}
