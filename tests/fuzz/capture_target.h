/* Captures under fuzzing: a small memory, so that running out of it happens, and a sink that reads all of every session and takes its
 * binary form apart again. */
#include <stdlib.h>

#include "collector/capture/capture.h"
#include "lib/arena.h"
#include "lib/buf.h"

static void sink(void *ctx, const struct smtp_session *s)
{
	static struct buf json, wire;
	static struct arena a;
	struct smtp_session again;
	struct err e;
	(void)ctx;
	buf_clear(&json);
	buf_clear(&wire);
	arena_reset(&a);
	smtp_session_json(s, &json);
	smtp_session_encode(s, &wire);
	if (smtp_session_decode(buf_sv(&wire), &a, &again, &e) < 0 || again.n_messages != s->n_messages)
		abort();
}

static struct capture *target_new(bool any_port)
{
	struct capture_options o = capture_defaults();
	o.memory_bytes = 1u << 20;
	o.held_bytes = 4096;
	o.tunnels = o.unanswered = true;
	if (any_port)
		o.n_ports = 0;
	return capture_new(&o, sink, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
