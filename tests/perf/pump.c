/* pump: parses and joins a log as `abusewatch messages` does, but only counts what comes out: what reading costs without printing. Packed ones, too.
 *   pump [-r] LOG …      prints lines, messages, facts and MB/s (by the time that passed); -r: with every record, as `parse` asks for */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/archive_reader.h"
#include "collector/pipeline.h"

struct counts { uint64_t messages, facts, records; };

static void txn(void *ctx, const struct txn *t)
{
	(void)t;
	((struct counts *)ctx)->messages++;
}

static void fact(void *ctx, uint64_t seq, const struct record *r, struct sv line)
{
	(void)seq, (void)r, (void)line;
	((struct counts *)ctx)->facts++;
}

static void record(void *ctx, const struct record *r, const struct logline *l)
{
	(void)r, (void)l;
	((struct counts *)ctx)->records++;
}

static int pump(struct pipeline *p, struct feed *f, const char *path, struct err *e)
{
	struct sv block;
	int got = -1;
	struct archive_reader *r = archive_reader_open(path, e);
	if (r)
		archive_reader_ahead(r);
	while (r && (got = archive_reader_next(r, &block, e)) > 0)
		pipeline_bytes(p, f, block);
	pipeline_end_of_file(p, f);
	feed_next_file(f);
	archive_reader_close(r);
	return got;
}

int main(int argc, char **argv)
{
	struct counts c = { 0 };
	struct pipeline_sink sink = { .ctx = &c, .txn = txn, .fact = fact };
	struct pipeline_options o = { .final_only = true, .correlate = true };
	struct obs_counters seen = { 0 };
	struct timespec from, to;
	struct feed f;
	struct zone z;
	struct err e;
	int first = argc > 1 && strcmp(argv[1], "-r") == 0 ? 2 : 1;
	if (first == 2)
		sink.record = record;
	if (zone_init(&z, "UTC", &e) < 0)
		return 1;
	feed_init(&f, NULL, &z, 2026, 0);
	struct pipeline *p = pipeline_new(&o, &sink);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = first; i < argc; i++)
		if (pump(p, &f, argv[i], &e) < 0) {
			fprintf(stderr, "pump: %s\n", e.text);
			return 1;
		}
	pipeline_idle(p);
	clock_gettime(CLOCK_MONOTONIC, &to);
	pipeline_counters(p, &seen);
	pipeline_add_feed(&f, &seen);
	double s = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	printf("%" PRIu64 " lines, %" PRIu64 " messages, %" PRIu64 " facts, %.0f MB/s, %.2f us a message\n", seen.lines, c.messages, c.facts,
	       (double)seen.bytes / 1e6 / s, s * 1e6 / (double)(c.messages ? c.messages : 1));
	feed_fini(&f);
	pipeline_free(p);
	return 0;
}
