/* probe: the parts of abusewatch-probe. serve answers look-ups over a Unix socket; watch looks our own targets up again and again; feed carries what it finds
 * to the analyzer and brings its questions. */
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

#include <uv.h>

#include "lib/conf.h"
#include "lib/obs.h"
#include "probe/engine.h"

/* --- serve -------------------------------------------------------------------------------------------------------- *
 * One JSON object a line.
 *   {"do":"look-up","targets":["192.0.2.1"],"zones":["bl.example"],"texts":true}   zones and texts may be left out
 *     → results (probe/result.h) as they come, {"done":12,"all":60} now and then, {"end":true,"counts":{…}}
 *   {"do":"zones"}   → one object per list, {"end":true}
 *   what cannot be done → {"error":"…"} */
struct serve;
struct serve *serve_new(uv_loop_t *loop, const char *path, struct engine *e, const struct dnsbl_zones *zones, struct err *err);
/* The engine and the table are others now; what is under way ends with an error. */
void serve_change(struct serve *s, struct engine *e, const struct dnsbl_zones *zones);
void serve_stop(struct serve *s);

/* --- feed --------------------------------------------------------------------------------------------------------- */

struct feed;
/* again: the connection is new, so what was sent before may be lost. room: it is not full any more. ask: the analyzer wants to know about a client's address. */
struct feed *feed_new(uv_loop_t *loop, const char *path, void (*again)(void *ctx), void (*room)(void *ctx), void (*ask)(void *ctx, struct sv target), void *ctx);
/* More was told than the analyzer reads: who has much to tell waits for room. */
bool feed_is_full(struct feed *f);
/* What cannot be sent now is dropped: after the next connection all is told again. */
void feed_listing(struct feed *f, const struct obs_listing *l);
void feed_zone(struct feed *f, const struct obs_zone *z);
void feed_stop(struct feed *f);

/* --- watch -------------------------------------------------------------------------------------------------------- */

struct watch;
struct watch *watch_new(uv_loop_t *loop, const struct conf *conf, struct engine *e, const struct dnsbl_zones *zones, struct feed *feed);
/* The customers in its config are others. Who is new is looked up with each list's next round. */
void watch_renew(struct watch *w);
/* Everything is told again in the next round. */
void watch_again(struct watch *w);
/* What waited for the feed goes on. */
void watch_go_on(struct watch *w);
void watch_stop(struct watch *w);

/* --- clients (item "client-check") ------------------------------------------------------------------------------- */

struct clients;
struct clients *clients_new(const struct conf *conf, struct engine *e, const struct dnsbl_zones *zones, struct feed *feed, int64_t (*now_us)(void));
void clients_ask(struct clients *c, struct sv target);
void clients_stop(struct clients *c);

#endif
