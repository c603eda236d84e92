/* abusewatch parse: one record for every line that says something. */
#include <stdlib.h>
#include <time.h>

#include "collector/archive_reader.h"
#include "ctl/logs.h"
#include "lib/jsonw.h"

static const char *const columns[] = {
	"time", "host", "program", "kind", "queue_id", "client_ip", "account", "sender", "recipient", "status", "dsn", "reply", "reason",
};

struct parse {
	struct logs_out *out;
	struct buf text;
	struct shapes coverage;
};

static void on_record(void *ctx, const struct record *r, const struct logline *l)
{
	struct parse *p = ctx;
	(void)l;
	buf_clear(&p->text);
	record_json(r, &p->text);
	logs_out_add(p->out, buf_sv(&p->text));
}

static void on_unrecognised(void *ctx, const struct logline *l)
{
	struct parse *p = ctx;
	buf_clear(&p->text);
	buf_addc(&p->text, '{');
	jsonw_key(&p->text, SV("time"));
	jsonw_time(&p->text, l->time_us, l->utc_offset_s);
	jsonw_field_text(&p->text, SV("host"), l->host);
	jsonw_field_text(&p->text, SV("program"), l->program);
	jsonw_field_text(&p->text, SV("line"), l->raw);
	buf_puts(&p->text, "}\n");
	logs_out_add(p->out, buf_sv(&p->text));
}

static void on_line(void *ctx, const struct logline *l, bool recognised)
{
	struct parse *p = ctx;
	(void)shapes_add(&p->coverage, l->program, l->text, recognised);
}

static int most_first(const void *a, const void *b)
{
	const struct shape *x = a, *y = b;
	if (x->recognised != y->recognised)
		return x->recognised - y->recognised;
	return x->lines < y->lines ? 1 : x->lines > y->lines ? -1 : strcmp(x->text, y->text);
}

static void show_coverage(struct parse *p)
{
	struct shapes *s = &p->coverage;
	if (s->n)
		qsort(s->v, s->n, sizeof *s->v, most_first);
	for (size_t i = 0; i < s->n; i++) {
		const struct shape *v = &s->v[i];
		buf_clear(&p->text);
		buf_addc(&p->text, '{');
		jsonw_field_text(&p->text, SV("program"), sv_cstr(v->program));
		jsonw_field_text(&p->text, SV("shape"), sv_cstr(v->text));
		jsonw_field_int(&p->text, SV("lines"), (int64_t)v->lines);
		jsonw_field_bool(&p->text, SV("recognised"), v->recognised);
		if (!v->recognised)
			jsonw_field_text(&p->text, SV("sample"), sv_make(v->sample, v->sample_n));
		buf_puts(&p->text, "}\n");
		logs_out_add(p->out, buf_sv(&p->text));
	}
	if (s->overflow)
		fprintf(stderr, "abusewatch: %llu more line%s had other shapes\n", (unsigned long long)s->overflow, s->overflow == 1 ? "" : "s");
}

static int one_file(struct pipeline *pl, const struct logs_options *o, const char *path, struct logs_progress *pr)
{
	struct err e;
	struct archive_reader *r = archive_reader_open(path, &e);
	if (!r)
		return command_fail("%s", e.text);
	archive_reader_ahead(r);
	struct feed f;
	struct sv block;
	int s;
	feed_init(&f, o->mta, &o->zone, o->year, (int64_t)time(NULL) * 1000000);
	if (o->host)
		f.host = sv_cstr(o->host);
	while ((s = archive_reader_next(r, &block, &e)) > 0) {
		pipeline_bytes(pl, &f, block);
		logs_progress_at(pr, pr->done + archive_reader_position(r), pr->lines + f.frame.lines);
	}
	pipeline_end_of_file(pl, &f);
	pr->done += archive_reader_position(r);
	pr->lines += f.frame.lines;
	logs_tell_skipped(path, &f);
	feed_fini(&f);
	archive_reader_close(r);
	return s < 0 ? command_fail("%s", e.text) : COMMAND_DONE;
}

static void help(FILE *to)
{
	fputs("usage: abusewatch parse [OPTION …] FILE…\n"
	      "Prints one record for every line of a mail log that says something.\n", to);
	logs_help(to);
	fputs("  --unrecognised     print the lines of mail programs that were not understood instead\n"
	      "  --coverage         print instead which shapes of lines there are: program, shape, lines, recognised,\n"
	      "                     and a sample of those that were not\n", to);
}

static int run(int argc, char **argv);
const struct command command_parse = { "parse", "one record for every line of a log file", help, run };

static int run(int argc, char **argv)
{
	static const char *const unrecognised_columns[] = { "time", "host", "program", "line" };
	static const char *const coverage_columns[] = { "program", "shape", "lines", "recognised", "sample" };
	struct logs_options o;
	int status = logs_options(&command_parse, argc, argv, true, &o);
	if (status)
		return status;
	struct parse p = { 0 };
	struct pipeline_sink sink = { .ctx = &p };
	if (o.coverage) {
		sink.line = on_line;
		p.out = logs_out_new(o.format, coverage_columns, 5);
	} else if (o.unrecognised) {
		sink.unrecognised = on_unrecognised;
		p.out = logs_out_new(o.format, unrecognised_columns, 4);
	} else {
		sink.record = on_record;
		p.out = logs_out_new(o.format, columns, sizeof columns / sizeof *columns);
	}
	struct pipeline *pl = pipeline_new(&(struct pipeline_options){ .mta = o.mta }, &sink);
	struct logs_progress pr;
	logs_progress_start(&pr, o.files, o.n_files);
	for (size_t i = 0; i < o.n_files; i++) /* what is wrong with one is no reason to leave out the others */
		if (one_file(pl, &o, o.files[i], &pr))
			status = COMMAND_FAILED;
	logs_progress_end(&pr);
	if (o.coverage)
		show_coverage(&p);
	pipeline_free(pl);
	logs_out_free(p.out);
	shapes_fini(&p.coverage);
	buf_fini(&p.text);
	return status;
}
