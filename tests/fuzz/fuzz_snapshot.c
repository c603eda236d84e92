/* Fuzz target: hostile bytes as snapshot, transaction and frames: refused, never trusted. */
#include "collector/emit.h"
#include "lib/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv in = sv_make((const char *)data, size), payload;
	struct pipeline_options o = { .correlate = true };
	struct pipeline_sink none = { 0 };
	struct snapshot s = { 0 };
	struct arena a = { 0 };
	struct txn t;
	struct obs_record r;
	struct obs_counters c;
	struct obs_shape sh;
	struct obs_listing li;
	struct obs_zone zo;
	struct sv ask;
	struct err e;
	enum obs_type type;
	size_t used;
	struct pipeline *p = pipeline_new(&o, &none);
	if (snapshot_load(in, &s, p, &e) == 0 && size) {
		struct buf b = { 0 };
		snapshot_save(&s, p, &b);
		pipeline_idle(p);
		buf_fini(&b);
	}
	pipeline_free(p);
	snapshot_fini(&s);
	(void)txn_decode(in, &a, &t, &e);
	(void)obs_get_record(in, &r, &e);
	(void)obs_get_counters(in, &c, &e);
	(void)obs_get_shape(in, &sh, &e);
	(void)obs_get_listing(in, &li, &e);
	(void)obs_get_zone(in, &zo, &e);
	(void)obs_get_ask(in, &ask, &e);
	(void)obs_next(in, &type, &payload, &used, &e);
	arena_fini(&a);
	return 0;
}
